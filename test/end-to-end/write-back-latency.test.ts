/**
 * What write-back is for: on a secondary whose journals take 5 ms longer for each commit, single writes are acknowledged at least five
 * times faster than in write-through, both measured in one run and in turns; throughput is not lower. And what it costs: the peer's memory
 * is its region and a constant, its CPU per record at most half of the secondary's.
 *
 * @timeLimit 300 s
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { NbdClient } from '../../src/nbd/client.ts';
import { AcknowledgeWatch, quantile } from '../support/acknowledge-watch.ts';
import { harassed } from '../support/harassed-host.ts';
import type { Host } from '../support/host-process.ts';
import { withProxy } from '../support/link-chaos.ts';
import { withPeeredHosts, type PeeredHosts, type PeeredHostsOptions } from '../support/peered-hosts.ts';
import { memoryOf } from '../support/process-memory.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const TURNS = process.env['FARSHORE_LONG'] === '1' ? 60 : 8;
const WRITES_PER_TURN = 25;
/** Writes that are sent and not acknowledged, in the test of throughput. */
const OUTSTANDING = 16;
const SECONDS = 2;
const COMMIT_DELAY_MS = 5;
const RATIO_MIN = 5;
const REGION_MIB = 16;
/** Node, its heap under load, and what waits in sockets. */
const PEER_MIB_MAX = 160;
const BLOCK = Buffer.alloc(4096, 0x5a);

interface Measured {
  readonly hosts: PeeredHosts;
  readonly watch: AcknowledgeWatch;
}

type Mode = 'write-back' | 'write-through';

async function startSlow(hosts: PeeredHosts, mode: Mode): Promise<void> {
  const program = harassed({ commitDelayMs: COMMIT_DELAY_MS });
  await hosts.init();
  await Promise.all([hosts.primary.start(), hosts.secondary.start([], { program })]);
  if (mode === 'write-back') await hosts.peer.start();
  await hosts.replicating();
  if (mode === 'write-back') await hosts.writeBack();
}

/** A group whose secondary has slow commits, with a watch between primary and secondary. */
function withWatched(mode: Mode, work: (measured: Measured) => Promise<void>): Promise<void> {
  const options: PeeredHostsOptions = { mode, links: 1, slots: 8, slotMiB: 2, regionMiB: REGION_MIB, dataSets: { maxSize: '1MiB' } };
  return withPeeredHosts(options, async (hosts) => {
    const watch = new AcknowledgeWatch();
    await withProxy(hosts, { watch }, async () => {
      await startSlow(hosts, mode);
      await work({ hosts, watch });
    });
  });
}

function withBoth(work: (writeBack: Measured, writeThrough: Measured) => Promise<void>): Promise<void> {
  return withWatched('write-back', (writeBack) => withWatched('write-through', (writeThrough) => work(writeBack, writeThrough)));
}

/** One write at a time: the next when this one is acknowledged. */
async function writeOne(client: NbdClient, watch: AcknowledgeWatch, block: number): Promise<void> {
  const known = watch.latenciesMs.length;
  await client.write((block % 1024) * BLOCK.length, BLOCK);
  await watch.known(known + 1);
}

/** Acknowledged writes per second, when the next one is written as soon as no more than OUTSTANDING wait for their acknowledgement. */
async function acknowledgedPerSecond({ watch }: Measured, client: NbdClient): Promise<number> {
  watch.latenciesMs = [];
  const started = performance.now();
  for (let block = 0; performance.now() - started < SECONDS * 1000; block += 1) {
    while (watch.outstanding >= OUTSTANDING) await watch.known(watch.latenciesMs.length + 1);
    await client.write((block % 1024) * BLOCK.length, BLOCK);
  }
  return watch.latenciesMs.length / SECONDS;
}

function cpuSeconds({ pid }: Host): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name in parentheses, fields 14 and 15 of the file, in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test(`single 4k writes: acknowledged at least ${RATIO_MIN} times faster than in write-through`, async () => {
  await withBoth(async (writeBack, writeThrough) => {
    const sides = [writeBack, writeThrough];
    const clients: NbdClient[] = [];
    for (const { hosts } of sides) clients.push(await hosts.primary.connect());
    for (let turn = 0; turn < TURNS + 1; turn += 1) {
      // The first turn warms both sides up.
      if (turn === 1) for (const { watch } of sides) watch.latenciesMs = [];
      for (const [index, { watch }] of sides.entries())
        for (let write = 0; write < WRITES_PER_TURN; write += 1)
          await writeOne(clients[index] as NbdClient, watch, turn * WRITES_PER_TURN + write);
    }
    for (const client of clients) await client.close();
    const shown = sides.map(({ watch }) => [0.1, 0.5, 0.9, 0.99].map((share) => Number(quantile(watch.latenciesMs, share).toFixed(2))));
    const ratio = (shown[1]?.[1] ?? 0) / (shown[0]?.[1] ?? 1);
    process.stdout.write(`${JSON.stringify({ 'ms at 10 50 90 99 %': shown, ratio: Number(ratio.toFixed(1)) })}\n`);
    assert.is((await writeBack.hosts.secondary.status()).mode, 'write-back');
    assert.is((await writeThrough.hosts.secondary.status()).mode, 'write-through');
    assert.ok(ratio >= RATIO_MIN, `write-through takes ${ratio.toFixed(1)} times as long`);
    for (const { hosts } of sides) await hosts.drainedAndSame();
  });
});

test('throughput in write-back is not lower than in write-through', async () => {
  await withBoth(async (writeBack, writeThrough) => {
    const sides = [writeBack, writeThrough];
    const clients: NbdClient[] = [];
    for (const { hosts } of sides) clients.push(await hosts.primary.connect());
    const rates: number[][] = [[], []];
    for (let turn = 0; turn < 3; turn += 1)
      for (const [index, side] of sides.entries())
        rates[index]?.push(Math.round(await acknowledgedPerSecond(side, clients[index] as NbdClient)));
    for (const client of clients) await client.close();
    process.stdout.write(`${JSON.stringify({ 'acknowledged writes per second': rates })}\n`);
    const [back = 0, through = 0] = rates.map((rate) => quantile(rate, 0.5));
    assert.ok(back >= through, `acknowledged writes per second: ${back} and ${through}`);
    for (const { hosts } of sides) await hosts.drainedAndSame();
  });
});

test("the peer's memory is its region and a constant, its CPU per 4k record at most half of the secondary's", async () => {
  await withPeeredHosts({ slots: 8, slotMiB: 4, regionMiB: REGION_MIB }, async (hosts) => {
    await hosts.start();
    const { primary, secondary, peer } = hosts;
    const workload = new StampedWorkload({ host: primary, connections: 2, depth: 16, blocksMax: 1, flushEvery: 64 });
    // What a program costs to warm up is not what a record costs.
    await workload.run(2000);
    await hosts.drained();
    const memoryBefore = memoryOf(peer);
    const shown: number[][] = [];
    // Garbage of a young process is collected in fits: the middle one of three windows says what a record costs.
    for (let window = 0; window < 3; window += 1) {
      const before = { secondary: cpuSeconds(secondary), peer: cpuSeconds(peer), writes: workload.writes };
      await workload.run(3000);
      await hosts.drained();
      const perRecord = (seconds: number): number => Number(((seconds * 1e6) / (workload.writes - before.writes)).toFixed(1));
      shown.push([perRecord(cpuSeconds(secondary) - before.secondary), perRecord(cpuSeconds(peer) - before.peer)]);
    }
    const ratio = quantile(
      shown.map(([ofSecondary = 1, ofPeer = 1]) => ofPeer / ofSecondary),
      0.5,
    );
    process.stdout.write(
      `${JSON.stringify({ 'CPU µs per record, secondary and peer': shown, ratio: Number(ratio.toFixed(2)), 'peer MiB': [memoryBefore, memoryOf(peer)] })}
`,
    );
    assert.is((await secondary.status()).mode, 'write-back');
    assert.ok(ratio <= 0.5, `µs per record: ${JSON.stringify(shown)}`);
    assert.ok(memoryOf(peer).peak <= REGION_MIB + PEER_MIB_MAX, `${memoryOf(peer).peak} MiB at most`);
    await hosts.drainedAndSame();
    assert.is(workload.differenceIn(secondary.volumePath()), null);
  });
});

test.run();
