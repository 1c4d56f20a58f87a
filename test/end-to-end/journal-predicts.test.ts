/**
 * A secondary is killed under load again and again, its links cut and delayed. `farshore journal ls` says of the dead host's files, for each
 * journal and in its closing sentence, exactly what its next start then does: the same lines in its log, and, on a copy of the host that
 * reaches no primary, the same data set in its watermark and its volumes.
 *
 * @timeLimit 300 s
 * @invariant I1 I5
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { geometryOf } from '../../journals/geometry.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import { previewRecovery } from '../../src/secondary/recover.ts';
import { Random } from '../../src/simulation/random.ts';
import { readHostState } from '../../src/state/host-state.ts';
import { copyHost } from '../support/host-copies.ts';
import { FARSHORE_PROGRAM, runProgram, sleep, type Host } from '../support/host-process.ts';
import { filesOf, freePort, withHosts } from '../support/hosts.ts';
import { OrderedWorkload } from '../support/ordered-workload.ts';

const SEED = Number(process.env['FARSHORE_SEED'] ?? 20260103);
const KILLS = process.env['FARSHORE_LONG'] === '1' ? 20 : 4;
const VOLUMES = [{ name: 'db1', sizeMiB: 4 }];
const GEOMETRY = { slots: 6, slotMiB: 1 };

interface Decision {
  readonly label: string;
  readonly action: string;
  readonly code: string | null;
  readonly reason: string;
}

/** What `journal ls --json` tells, as far as it is a prediction. */
interface Listing {
  readonly running: boolean;
  readonly slots: readonly { readonly slot: number; readonly dataSet: string | null; readonly decision: Decision | null }[];
  readonly recovery: { readonly outcome: string; readonly through: string | null; readonly lines: readonly string[] };
}

async function listing(directory: string): Promise<Listing> {
  const { exitCode, stdout, stderr } = await runProgram(process.execPath, [FARSHORE_PROGRAM, 'journal', 'ls', directory, '--json']);
  assert.is(exitCode, 0, stdout + stderr);
  return JSON.parse(stdout) as Listing;
}

/** The lines of one start's recovery, as the log has them. */
function recoveryLines(log: string, lines: readonly string[]): string[] {
  const start = log.slice(log.lastIndexOf('---- '));
  const found = start.split('\n').flatMap((line) => /\binfo {2}((?:slot \d+ |recovery )[^\n]*?) role=secondary/.exec(line)?.[1] ?? []);
  assert.ok(found.length > 0, `the log tells of a recovery that should say ${lines.join(' / ')}:\n${start}`);
  return found;
}

/** The decisions of recovery's own tables over memory buffers, in the order of the slots. */
async function decisions(host: Host): Promise<Listing['slots']> {
  const disk = new NodeDisk();
  const { plan } = await previewRecovery({
    disk,
    directory: join(host.stateDirectory, 'journals'),
    geometry: geometryOf({ slots: GEOMETRY.slots, slotBytes: GEOMETRY.slotMiB * 1024 * 1024 }),
    state: readHostState(disk, host.stateDirectory),
    mode: 'start',
  });
  return (plan?.journals ?? []).map(({ slot, dataSet, label, action, code, reason }) => ({
    slot,
    dataSet: dataSet === null ? null : `${dataSet}`,
    decision: { label, action, code, reason },
  }));
}

/** Start a copy of the dead host that reaches no primary, let it recover, and stop it. */
async function recoverAlone(copy: Host, through: string | null): Promise<void> {
  copy.config.replication.connect = [`ws://127.0.0.1:${await freePort()}`];
  await copy.start();
  const watermark = (): string => `${watermarkOf(copy)?.dataSet ?? null}`;
  await copy.until(`has data set ${through} in its watermark`, async () => watermark() === `${through}`, 20_000, watermark);
  await copy.stop();
  assert.is(watermark(), `${through}`, 'and no data set more');
}

function watermarkOf(host: Host): HistoryPoint | null {
  const path = join(host.stateDirectory, 'journals', 'watermark');
  return judgeWatermark(readFileSync(path), path).newest.point;
}

test(`${KILLS} kills: what ls tells of the files is what the next start does`, async () => {
  const random = new Random(SEED);
  await withHosts({ volumes: VOLUMES, ...GEOMETRY, links: 3, dataSets: { minAge: '1ms', maxSize: '512KiB' } }, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.start();
    const workload = new OrderedWorkload({ host: primary, volumes: VOLUMES, seed: SEED, blocksMax: 160, flushEvery: 20, zeroShare: 0.02 });
    await workload.start();
    const seen = new Set<string>();
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await sleep(100 + random.next() * 500);
      await secondary.kill('SIGKILL');
      const copy = copyHost(secondary, `dead-${kill}`);
      const before = filesOf(secondary);
      const predicted = await listing(secondary.stateDirectory);
      assert.equal(filesOf(secondary), before, 'ls changes nothing');
      assert.is(predicted.running, false);
      assert.is(predicted.recovery.outcome, 'recover');
      const found = predicted.slots.map(({ slot, dataSet, decision }) => ({ slot, dataSet, decision }));
      assert.equal(found, await decisions(copy), `kill ${kill}: every journal's decision`);
      for (const { decision } of found) seen.add(decision?.label ?? '-');

      await secondary.start();
      assert.equal(
        recoveryLines(secondary.log, predicted.recovery.lines),
        [...predicted.recovery.lines],
        `kill ${kill}: the log of the next start`,
      );
      await recoverAlone(copy, predicted.recovery.through);
      assert.equal(recoveryLines(copy.log, predicted.recovery.lines), [...predicted.recovery.lines], `kill ${kill}: the log of the copy`);
      assert.ok(
        (await decisions(copy)).every(({ decision }) => decision?.action !== 'replay'),
        'nothing is left to replay',
      );
      const { dataSet, finalSequence } = watermarkOf(copy) ?? { dataSet: -1, finalSequence: -1 };
      // Each command has one number, and each data set one more for its sync command.
      const [image] = workload.imagesAfter(finalSequence - dataSet);
      assert.ok(readFileSync(copy.volumePath()).equals(image as Buffer), `kill ${kill}: the copy is the history at data set ${dataSet}`);
    }
    await workload.stop();
    process.stdout.write(`${JSON.stringify({ commands: workload.count, decisions: [...seen].sort() })}\n`);
    assert.ok(seen.has('replay') || seen.has('flag and replay'), 'some kill left something to replay');
    assert.ok(seen.has('keep partial') || seen.has('keep partial, tail unreadable'), 'some kill left a data set that was not complete');
    await hosts.drainedAndSame();
  });
});

test.run();
