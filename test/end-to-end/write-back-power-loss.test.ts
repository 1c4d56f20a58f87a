/**
 * Both far hosts lose their power at once. With a region that was only in memory, acknowledged records are gone from both: the copy stays
 * at its last complete data set, the stream stops, and status and log say that a resync is needed. A region that is `hold: durable` brings
 * everything back. And a restart without the peer is a decision that a person takes, and is told what it costs.
 *
 * @timeLimit 300 s
 * @invariant I1 I2
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeWatermark } from '../../journals/watermark.ts';
import { cutJournals, readTrace } from '../support/cut-journals.ts';
import { harassed } from '../support/harassed-host.ts';
import { sleep } from '../support/host-process.ts';
import { OrderedWorkload } from '../support/ordered-workload.ts';
import { ALL_HELD } from '../support/power-disk.ts';
import { withPeeredHosts, type PeeredHosts, type PeeredHostsOptions } from '../support/peered-hosts.ts';

const SEED = Number(process.env['FARSHORE_SEED'] ?? 20260703);
const VOLUMES = [{ name: 'db1', sizeMiB: 8 }];
const SCENE: PeeredHostsOptions = {
  volumes: VOLUMES,
  links: 1,
  slots: 6,
  slotMiB: 2,
  regionMiB: 8,
  dataSets: { minAge: '5ms', maxAge: '20ms', maxSize: '1MiB' },
};
/** Much is held by the peer alone. */
const COMMIT_DELAY_MS = 40;
const TRIES_MAX = 50;

interface Loss {
  readonly workload: OrderedWorkload;
  /** The region that held what the journals lack. */
  readonly region: string | null;
}

/** Load, then power loss of both: the journals are cut back to what was durable; the region's file stays for the caller to lose. */
async function loseBoth(hosts: PeeredHosts): Promise<Loss> {
  const { primary, secondary, peer, folder } = hosts;
  const trace = join(folder, 'trace');
  await hosts.init();
  const heldWhile = join(folder, 'no-commits');
  const program = harassed({ commitDelayMs: COMMIT_DELAY_MS, heldWhile });
  await Promise.all([primary.start(), secondary.start(['--trace', trace], { program }), peer.start()]);
  await hosts.replicating();
  await hosts.writeBack();
  const workload = new OrderedWorkload({ host: primary, volumes: VOLUMES, seed: SEED, blocksMax: 32, flushEvery: 20, zeroShare: 0.03 });
  await workload.start();
  await sleep(1200);
  const before = await secondary.status();
  assert.is(before.mode, 'write-back');
  const { acknowledged, durable } = await keepFromJournals(hosts, heldWhile);
  await Promise.all([secondary.kill('SIGKILL'), peer.kill('SIGKILL')]);
  await workload.stop();
  const cuts = cutJournals(join(secondary.stateDirectory, 'journals'), readTrace(trace));
  process.stdout.write(`${JSON.stringify({ commands: workload.count, acknowledged, durable, cuts })}\n`);
  return { workload, region: before.peer?.regionId ?? null };
}

/** Hold the journals' writes back while something that was acknowledged is in none of them: from here on it stays so. */
async function keepFromJournals(
  { primary, secondary }: PeeredHosts,
  heldWhile: string,
): Promise<{ acknowledged: number; durable: number }> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    writeFileSync(heldWhile, '');
    // With every slot full of what is acknowledged already, nothing waits, or only flags: let it go on, and try again.
    for (let looks = 0; looks < 20; looks += 1) {
      await sleep(10);
      if (!existsSync(heldWhile + ALL_HELD)) continue;
      const durable = Number((await secondary.status()).sequence.durable);
      const acknowledged = Number((await primary.status()).sequence.acknowledged);
      if (acknowledged > durable) return { acknowledged, durable };
    }
    rmSync(heldWhile);
    await sleep(20);
    rmSync(heldWhile + ALL_HELD, { force: true });
  }
  throw new Error('what was acknowledged was always journaled');
}

/** The copy is the history at its watermark's data set, once what is complete is destaged. */
async function assertAtWatermark(hosts: PeeredHosts, workload: OrderedWorkload): Promise<void> {
  const { secondary } = hosts;
  await secondary.untilStatus('has destaged', ({ state, dataSets }) => state === 'promoted' || dataSets.destaged === dataSets.complete);
  const { point } = judgeWatermark(readFileSync(join(secondary.stateDirectory, 'journals/watermark')), '').newest;
  assert.ok(point !== null, 'something was destaged');
  const [image] = workload.imagesAfter(point.finalSequence + 1 - (point.dataSet + 1));
  assert.ok(readFileSync(secondary.volumePath()).equals(image as Buffer), `the copy is at data set ${point.dataSet}`);
}

test('power loss of both, region in memory: the copy stays at its last complete data set and says that it needs a resync', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { workload, region } = await loseBoth(hosts);
    const { primary, secondary, peer } = hosts;
    hosts.loseRegion();
    await Promise.all([secondary.start(), peer.start()]);
    const status = await secondary.untilStatus('needs a resync', ({ state }) => state === 'resync-needed');
    assert.match(status.reason ?? '', /resync|no longer/i);
    assert.match(secondary.log, /resync|no longer has/i);
    assert.match(secondary.log, /region/i, 'the log says that the region is gone');
    await sleep(500);
    assert.is((await secondary.status()).state, 'resync-needed', 'and it stays so');
    assert.is.not((await secondary.status()).peer?.mayHoldMore, region, 'nobody waits for a region that is gone');
    await assertAtWatermark(hosts, workload);
    assert.ok((await primary.status()).state !== 'replicating', 'a gap is never skipped');
    // The copy can still be used, at that data set.
    await primary.kill();
    await secondary.commandJson(['promote', '--force']);
    await assertAtWatermark(hosts, workload);
  });
});

test('power loss of both, region durable: everything acknowledged comes back', async () => {
  await withPeeredHosts({ ...SCENE, hold: 'durable' }, async (hosts) => {
    const { workload } = await loseBoth(hosts);
    await Promise.all([hosts.secondary.start(), hosts.peer.start()]);
    await hosts.replicating();
    await hosts.drainedAndSame();
    const [image] = workload.imagesAfter(workload.count);
    assert.ok(readFileSync(hosts.secondary.volumePath()).equals(image as Buffer));
    await hosts.writeBack();
  });
});

test('a secondary waits for the peer that it is marked to need, says so, and goes on when the peer is back; promote needs --force meanwhile', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { workload } = await loseBoth(hosts);
    const { primary, secondary, peer } = hosts;
    await secondary.start();
    const waiting = await secondary.untilStatus('waits for its peer', ({ state }) => state === 'waiting-for-peer');
    assert.ok(waiting.peer?.mayHoldMore !== null, 'it says which region');
    assert.ok(!waiting.links.some(({ up }) => up), 'the primary is not dialled');
    await primary.kill();
    const refused = await secondary.command(['promote']);
    assert.is(refused.exitCode, 5, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /peer/);
    await peer.start();
    await secondary.untilStatus('has fetched', ({ state, peer: report }) => state !== 'waiting-for-peer' && report?.up === true);
    const report = await secondary.commandJson<{ keptDataSet: string; keptSequence: string }>(['promote']);
    const [image] = workload.imagesAfter(Number(report.keptSequence) + 1 - (Number(report.keptDataSet) + 1));
    assert.ok(readFileSync(secondary.volumePath()).equals(image as Buffer), 'the history at one data set');
  });
});

test('start --without-peer gives up waiting, says what may be lost, and the handshake finds it', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { workload } = await loseBoth(hosts);
    await hosts.secondary.start(['--without-peer']);
    await hosts.secondary.untilStatus('needs a resync', ({ state }) => state === 'resync-needed');
    assert.match(hosts.secondary.log, /started without the peer: .* are given up/);
    await assertAtWatermark(hosts, workload);
  });
});

test.run();
