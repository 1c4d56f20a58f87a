/** Recovery of a whole ring from files as crashes and mistakes leave them: what is found, what is refused, what goes on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { recover, type Recovered } from '../../src/secondary/recover.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import { Random } from '../../src/simulation/random.ts';
import { TestDisk } from '../support/test-disk.ts';
import {
  GROUP_ID,
  initialiseSecondary,
  modelOf,
  JOURNALS_DIRECTORY,
  sameVolumes,
  SecondaryHost,
  smallGeometry,
  STATE_DIRECTORY,
  STREAM,
  Witness,
} from '../support/secondary-host.ts';
import { allRecords, writeJournal } from '../support/secondary-host-journals.ts';
import type { ModelDataSet, ModelPrimary } from '../support/secondary-host-primary.ts';

const SLOTS = 3;
const NO_EVENTS = { durable: () => {}, completeFlagDurable: () => {}, watermarkDurable: () => {}, failed: () => {} };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function bound(): Promise<TestDisk> {
  const disk = new TestDisk({ seed: 1 });
  await initialiseSecondary(disk, SLOTS);
  return disk;
}

const modelWith = (recordsMin: number): ModelPrimary => modelOf({ slots: SLOTS, recordsMin, dataSets: 6 });

function recoverDisk(disk: TestDisk, mode: 'start' | 'promote' = 'start'): Promise<Recovered> {
  const state = readHostState(disk, STATE_DIRECTORY);
  return recover({ disk, directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS), state, mode, events: NO_EVENTS });
}

async function codeOfRecovery(disk: TestDisk): Promise<string> {
  try {
    const { ring } = await recoverDisk(disk);
    await awaitDone((done) => ring.close(done));
    return 'recovered';
  } catch (error) {
    return error instanceof FarshoreError ? error.code : String(error);
  }
}

test('a record that stands twice in a journal counts once: what comes after it is not acknowledged early', async () => {
  const disk = await bound();
  const model = modelWith(8);
  const set = model.dataSets[0] as ModelDataSet;
  // A torn commit over old bytes of the same data set, whose records have one size, leaves such a journal.
  writeJournal(disk, set, { slots: SLOTS, records: [0, 2, 2] });
  const witness = new Witness(model);
  const host = await SecondaryHost.start(disk, witness, SLOTS);
  assert.equal([...model.acknowledged], [0, 2]);
  for (const index of [1, 3, 4, 5]) host.receive(1, [set.records[index] as ModelDataSet['records'][number]]);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  host.check();
  assert.equal(
    [...model.acknowledged].toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5],
  );
  host.receive(1, set.records);
  assert.ok(await host.settle());
  assert.is(witness.watermark, 0);
  await host.close();
});

test('a journal that was moved into a new file keeps its name: killed before the directory was flushed, recovered, then the power cut', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const source = await bound();
    const set = modelWith(3).dataSets[0] as ModelDataSet;
    writeJournal(source, set, { slots: SLOTS, records: allRecords(set) });
    const path = journalPath(JOURNALS_DIRECTORY, 0);
    const disk = await bound();
    const spare = disk.open(`${path}.spare`, { create: true });
    spare.writeSync(source.readFile(path) ?? new Uint8Array(0), 0);
    spare.flushSync();
    spare.closeSync();
    disk.rename(`${path}.spare`, path);
    const killed = disk.crash('page cache', { random: new Random(seed) });
    const { ring } = await recoverDisk(killed);
    await awaitDone((done) => ring.close(done));
    const cut = killed.crash('what is durable', { random: new Random(seed + 100) });
    const again = await recoverDisk(cut);
    await awaitDone((done) => again.ring.close(done));
    assert.is(again.plan?.restored[0]?.records.length, set.records.length, `seed ${seed}: what recovery had told is still there`);
  }
});

test('after a crash at the very end, recovery alone destages what is complete', async () => {
  const disk = await bound();
  const model = modelWith(3);
  for (const set of model.dataSets.slice(0, SLOTS))
    writeJournal(disk, set, { slots: SLOTS, records: allRecords(set).toReversed(), flagged: set.dataSet === 0 });
  const host = await SecondaryHost.start(disk, new Witness(model), SLOTS);
  assert.ok(await host.settle());
  sameVolumes(disk, model, SLOTS - 1, 'durable');
  await host.close();
});

test('nothing is destaged behind a gap; when it is filled, all is', async () => {
  const disk = await bound();
  const model = modelWith(3);
  const [first, second, third] = model.dataSets as [ModelDataSet, ModelDataSet, ModelDataSet];
  writeJournal(disk, first, { slots: SLOTS, records: allRecords(first).slice(1) });
  writeJournal(disk, second, { slots: SLOTS, records: allRecords(second) });
  writeJournal(disk, third, { slots: SLOTS, records: allRecords(third) });
  const host = await SecondaryHost.start(disk, new Witness(model), SLOTS);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  sameVolumes(disk, model, -1, 'cached');
  host.receive(1, first.records);
  assert.ok(await host.settle());
  sameVolumes(disk, model, 2, 'durable');
  await host.close();
});

test('a promotion keeps only what is complete with all before it', async () => {
  const disk = await bound();
  const model = modelWith(3);
  const [first, second, third] = model.dataSets as [ModelDataSet, ModelDataSet, ModelDataSet];
  writeJournal(disk, first, { slots: SLOTS, records: allRecords(first) });
  writeJournal(disk, second, { slots: SLOTS, records: allRecords(second).slice(1) });
  writeJournal(disk, third, { slots: SLOTS, records: allRecords(third) });
  const { plan, ring } = await recoverDisk(disk, 'promote');
  assert.equal(plan?.through, first.point);
  assert.equal(plan?.discard, [1, 2]);
  await awaitDone((done) => ring.close(done));
});

test('what recovery cannot understand it refuses, and changes nothing', async () => {
  const model = modelWith(4);
  const [first, second] = model.dataSets as [ModelDataSet, ModelDataSet];
  const cases: readonly [string, (disk: TestDisk) => void][] = [
    [
      'ERR_RECOVERY_FLAGGED_DAMAGED',
      (disk) => writeJournal(disk, first, { slots: SLOTS, records: allRecords(first).slice(1), flagged: true }),
    ],
    ['ERR_RECOVERY_FLAGGED_GAP', (disk) => writeJournal(disk, second, { slots: SLOTS, records: allRecords(second), flagged: true })],
    [
      'ERR_RECOVERY_FOREIGN_GROUP',
      (disk) => writeJournal(disk, first, { slots: SLOTS, records: allRecords(first), groupId: 'f'.repeat(32) }),
    ],
    ['ERR_RECOVERY_WRONG_SLOT', (disk) => writeJournal(disk, first, { slots: SLOTS, records: allRecords(first), slot: 1 })],
    ['ERR_RECOVERY_ABOVE_WINDOW', (disk) => writeJournal(disk, model.dataSets[3] as ModelDataSet, { slots: SLOTS, records: [0] })],
    ['ERR_WATERMARK_UNREADABLE', (disk) => disk.open(`${JOURNALS_DIRECTORY}/watermark`, {}).writeSync(new Uint8Array(8192), 0)],
    ['ERR_WATERMARK_MISSING', (disk) => disk.unlink(`${JOURNALS_DIRECTORY}/watermark`)],
    ['ERR_JOURNAL_MISSING', (disk) => disk.unlink(journalPath(JOURNALS_DIRECTORY, 2))],
  ];
  for (const [code, damage] of cases) {
    const disk = await bound();
    damage(disk);
    const before = Array.from({ length: SLOTS }, (_, slot) => disk.readFile(journalPath(JOURNALS_DIRECTORY, slot)));
    assert.is(await codeOfRecovery(disk), code);
    assert.is(await codeOfRecovery(disk), code, 'and the ring is free to be tried again');
    const after = Array.from({ length: SLOTS }, (_, slot) => disk.readFile(journalPath(JOURNALS_DIRECTORY, slot)));
    assert.equal(after, before, code);
  }
});

test('a watermark of another stream, and journals beside a blank state, are refused', async () => {
  const model = modelWith(3);
  const first = model.dataSets[0] as ModelDataSet;
  const disk = await bound();
  writeJournal(disk, first, { slots: SLOTS, records: allRecords(first) });
  const host = await SecondaryHost.start(disk, new Witness(model), SLOTS);
  assert.ok(await host.settle());
  await host.close();
  const state = readHostState(disk, STATE_DIRECTORY);
  writeHostState(disk, STATE_DIRECTORY, { ...state, stream: '00000000000000ff' });
  assert.is(await codeOfRecovery(disk), 'ERR_WATERMARK_FOREIGN');
  writeHostState(disk, STATE_DIRECTORY, { ...state, groupId: null, stream: null, generations: [] });
  assert.is(await codeOfRecovery(disk), 'ERR_JOURNALS_NOT_BLANK');
  writeHostState(disk, STATE_DIRECTORY, state);
  assert.is(await codeOfRecovery(disk), 'recovered');
});

test('a host that is not bound yet has free slots and no machine', async () => {
  const disk = await bound();
  writeHostState(disk, STATE_DIRECTORY, { ...readHostState(disk, STATE_DIRECTORY), groupId: null, stream: null, generations: [] });
  const { machine, plan, watermark, ring } = await recoverDisk(disk);
  assert.equal([machine, plan, watermark], [null, null, null]);
  ring.setIdentity({ ...STREAM, groupId: GROUP_ID });
  for (let slot = 0; slot < SLOTS; slot += 1) ring.openDataSet({ slot, dataSet: slot, firstSequence: slot * 10 });
  await awaitDone((done) => ring.close(done));
});

test.run();
