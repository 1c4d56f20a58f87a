/**
 * A promotion that is cut off before every single disk operation, by a power cut or by a kill, also twice in a row: the next start
 * finishes it (or the promotion is asked for again, if nothing of it was durable), always with the same outcome.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, decodeHeader } from '../../journals/format.ts';
import { journalPath } from '../../journals/files.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import { promote, type PromotionReport } from '../../src/secondary/promotion.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { Secondary } from '../../src/secondary/secondary.ts';
import { readHostState, type HostState } from '../../src/state/host-state.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { TestDisk } from '../support/test-disk.ts';
import { DyingDisk } from '../support/secondary-host-dying-disk.ts';
import { allRecords, writeJournal } from '../support/secondary-host-journals.ts';
import type { ModelDataSet, ModelPrimary } from '../support/secondary-host-primary.ts';
import {
  initialiseSecondary,
  JOURNALS_DIRECTORY,
  modelOf,
  sameVolumes,
  SecondaryHost,
  smallGeometry,
  STATE_DIRECTORY,
  STREAM,
  VOLUMES,
  Witness,
} from '../support/secondary-host.ts';

const SLOTS = 4;
/** Through here the copy is complete: 0 and 1 are destaged, 2 is flagged, 3 is whole; 4 has a hole, and 5 is whole behind it. */
const KEPT = 3;

// A dead process still waits for its disk: its long timers must not hold this one up.
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = ((work: () => void, delayMs = 0) => {
  const timer = setTimer(work, delayMs);
  return delayMs < 1000 ? timer : timer.unref();
}) as typeof setTimer;

interface Prepared {
  readonly disk: TestDisk;
  readonly model: ModelPrimary;
}

async function prepare(): Promise<Prepared> {
  const disk = new TestDisk({ seed: 1 });
  await initialiseSecondary(disk, SLOTS);
  const model = modelOf({ slots: SLOTS, recordsMin: 3, dataSets: 6 });
  const sets = model.dataSets;
  const host = await SecondaryHost.start(disk, new Witness(model), SLOTS);
  for (const set of sets.slice(0, 2)) host.receive(1, set.records);
  assert.ok(await host.settle());
  await host.close();
  for (const set of sets.slice(2)) {
    const records = set.dataSet === 4 ? allRecords(set).slice(1) : allRecords(set);
    writeJournal(disk, set, { slots: SLOTS, records, flagged: set.dataSet === 2 });
  }
  return { disk, model };
}

function start(disk: TestDisk): Promise<Secondary> {
  return Secondary.start({
    disk,
    group: 'g',
    stateDirectory: STATE_DIRECTORY,
    volumes: VOLUMES,
    connect: [],
    links: 1,
    journals: { directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS) },
    nbdListen: [],
    objectiveMs: 1000,
    dial: false,
    openCarrier: (buffers) => inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), buffers),
    log: () => {},
  });
}

/** Start and, unless the start has finished it, promote. */
async function startAndPromote(disk: TestDisk): Promise<PromotionReport | null> {
  const secondary = await start(disk);
  const report = secondary.state.condition === 'promoted' ? null : await promote(secondary, { force: false, dryRun: false });
  await secondary.stop();
  return report;
}

function stateOf(disk: TestDisk): HostState {
  return readHostState(disk, STATE_DIRECTORY);
}

/** A slot's data set, as its header says. */
function heldBy(disk: TestDisk, slot: number): number | null {
  const header = decodeHeader((disk.durableBytes(journalPath(JOURNALS_DIRECTORY, slot)) ?? new Uint8Array(0)).subarray(0, BLOCK_BYTES));
  return header.verdict === 'readable' ? header.dataSet : -1;
}

function judge(disk: TestDisk, { model }: Prepared, begun: HostState | null): void {
  const state = stateOf(disk);
  const kept = (model.dataSets[KEPT] as ModelDataSet).point;
  const generation = state.generations.at(-1);
  assert.equal([state.role, state.condition], ['primary', 'promoted']);
  assert.equal(state.divergedFrom, kept);
  assert.equal(
    state.generations.map(({ number }) => number),
    [1, 2],
    'the generation is raised exactly once',
  );
  const after: HistoryPoint = {
    dataSet: generation?.afterDataSet ?? -1,
    finalSequence: generation?.afterSequence ?? -1,
    chain: generation?.chain ?? '',
  };
  assert.equal(after, kept);
  const seen = (model.dataSets[5] as ModelDataSet).point;
  assert.ok(
    (generation?.firstDataSet ?? 0) > seen.dataSet && (generation?.firstSequence ?? 0) > seen.finalSequence,
    'numbers go on above everything seen',
  );
  if (begun !== null) assert.equal(state.generations, begun.generations, 'what was begun is finished, not begun anew');
  assert.is.not(state.stream, STREAM.stream);
  sameVolumes(disk, model, KEPT, 'cached');
  sameVolumes(disk, model, KEPT, 'durable');
  for (let slot = 0; slot < SLOTS; slot += 1) assert.ok((heldBy(disk, slot) ?? 0) <= KEPT, `slot ${slot} holds nothing that was given up`);
}

/** Die before operation k, once more during what finishes it, then let it finish. */
async function story(
  prepared: Prepared,
  options: { k: number; how: Kept; again: { k: number; how: Kept } | null; seed: number },
): Promise<{ crashed: boolean; begun: boolean }> {
  const disk = new DyingDisk({ seed: options.seed, reorders: options.seed % 2 === 0 }, prepared.disk);
  disk.crashAfter(options.k, options.how);
  const first = await disk.unlessDead(() => startAndPromote(disk.current));
  const crashed = disk.crashes > 0;
  const begun = crashed && stateOf(disk.current).condition === 'promoting' ? stateOf(disk.current) : null;
  if (crashed && options.again !== null) {
    disk.crashAfter(options.again.k, options.again.how);
    await disk.unlessDead(() => startAndPromote(disk.current));
    disk.crashAfter(Infinity, 'what is durable');
  }
  if (crashed) await startAndPromote(disk.current);
  else
    assert.equal(
      first?.discarded.map(({ dataSet, reason }) => [dataSet, reason]),
      [
        ['4', 'partial'],
        ['5', 'complete behind a gap'],
      ],
    );
  judge(disk.current, prepared, begun);
  // A promoted host starts again and changes nothing.
  const state = stateOf(disk.current);
  assert.is(await startAndPromote(disk.current), null);
  assert.equal(stateOf(disk.current), state);
  return { crashed, begun: begun !== null };
}

async function everyOperation(prepared: Prepared, how: Kept, again: (k: number) => { k: number; how: Kept } | null): Promise<void> {
  let begun = 0;
  for (let k = 1; ; k += 1) {
    let outcome;
    try {
      outcome = await story(prepared, { k, how, again: again(k), seed: k });
    } catch (error) {
      throw new Error(
        `before operation ${k} (${how === 'page cache' ? 'kill' : 'power cut'}, then ${JSON.stringify(again(k))}): ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    if (outcome.begun) begun += 1;
    if (outcome.crashed) continue;
    assert.ok(k > 60 && begun > 10, `${k} operations, ${begun} crashes after the promotion had begun`);
    return;
  }
}

test('without a crash, and once promoted, a start changes nothing', async () => {
  const { crashed } = await story(await prepare(), { k: Infinity, how: 'what is durable', again: null, seed: 1 });
  assert.not(crashed);
});

test('a power cut before every operation of a promotion', async () => {
  await everyOperation(await prepare(), 'what is durable', () => null);
});

test('a kill before every operation of a promotion', async () => {
  await everyOperation(await prepare(), 'page cache', () => null);
});

test('a discard that a kill left in the page cache only is made again: what was given up does not come back', async () => {
  const prepared = await prepare();
  let begun = 0;
  for (let k = 55; k <= 75; k += 1) {
    for (let seed = 1; seed <= 8; seed += 1)
      if ((await story(prepared, { k, how: 'page cache', again: null, seed: 100 * k + seed })).begun) begun += 1;
  }
  assert.ok(begun > 50, `${begun} kills after the promotion had begun`);
});

test('a kill before every operation, and a power cut while the next start works on what the page cache held', async () => {
  await everyOperation(await prepare(), 'page cache', (k) => ({ k: 1 + ((k * 37) % 90), how: 'what is durable' }));
});

test('a power cut before every operation, and another during what finishes it', async () => {
  await everyOperation(await prepare(), 'what is durable', (k) => ({ k: 1 + ((k * 53) % 90), how: 'what is durable' }));
});

test('a dry run writes nothing', async () => {
  const { disk, model } = await prepare();
  const before = stateOf(disk);
  const secondary = await start(disk);
  const report = await promote(secondary, { force: false, dryRun: true });
  assert.equal([report.promoted, report.keptDataSet], [false, String(KEPT)]);
  await secondary.stop();
  assert.equal(stateOf(disk), before);
  await startAndPromote(disk);
  sameVolumes(disk, model, KEPT, 'cached');
});

test.run();
