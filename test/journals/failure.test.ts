/** I10: a failed write is never retried; its journal moves whole into a new file, once. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JournalRing } from '../../journals/contract.ts';
import { scanJournal } from '../../journals/scan.ts';
import type { Asked } from '../../src/simulation/disk.ts';
import { TestDisk } from '../support/test-disk.ts';
import { call, chainOf, DIRECTORY, encodeRecord, fresh, listen, open, scan, sequencesOf, until } from './support.ts';

const PATH = `${DIRECTORY}/slot-0001.journal`;
const SPARE = `${PATH}.spare`;
const POINT = { dataSet: 5, finalSequence: 502, chain: chainOf(5) };

function append(ring: JournalRing, dataSet: number, index: number): void {
  ring.append({
    slot: dataSet % 4,
    index,
    bytes: encodeRecord({ dataSet, firstSequence: dataSet * 100, sequence: dataSet * 100 + index, blocks: index + 1 }),
  });
}

async function openFive(options: { onAsked?: (asked: Asked) => void } = {}) {
  const disk = new TestDisk(options);
  const told = listen();
  const ring = await fresh(disk, told);
  ring.openDataSet({ slot: 1, dataSet: 5, firstSequence: 500 });
  append(ring, 5, 0);
  ring.commit();
  await until(() => told.durable.get(5) === 1, 'a first commit');
  return { disk, told, ring };
}

const durable = (disk: TestDisk) => scanJournal(disk.durableBytes(PATH) ?? new Uint8Array(), { slot: 1, path: PATH });

test('a failed commit: whole memory buffer into a spare, flushed, renamed, directory flushed; then acks resume', async () => {
  const asked: Asked[] = [];
  const { disk, told, ring } = await openFive({ onAsked: (operation) => void asked.push(operation) });
  disk.failNext('write', 'EIO', PATH);
  asked.length = 0;
  append(ring, 5, 1);
  ring.commit();
  append(ring, 5, 2);
  assert.is(told.durable.get(5), 1);
  await until(() => told.durable.get(5) === 3, 'acks resume');
  assert.equal(
    told.failures.map(({ slot, fatal }) => ({ slot, fatal })),
    [{ slot: 1, fatal: false }],
  );
  assert.match(told.failures[0]?.message ?? '', /slot-0001\.journal failed: EIO/);
  const steps = asked.filter(({ path }) => path === SPARE || path === DIRECTORY).map(({ operation }) => operation);
  assert.equal(
    steps.filter((step, index) => step !== steps[index - 1]),
    ['open', 'allocate', 'write', 'flush', 'rename', 'syncDirectory'],
  );
  assert.equal(
    asked.filter(({ operation, path }) => operation === 'write' && path === PATH).length,
    1,
    'the old file is never written again',
  );
  assert.equal(sequencesOf(durable(disk)), [500, 501, 502]);
  assert.is(disk.durableBytes(PATH)?.length, ring.geometry.slotBytes);
  assert.not.ok(disk.exists(SPARE));

  append(ring, 5, 3);
  ring.setCompleteFlag({ slot: 1, point: { ...POINT, finalSequence: 503 } });
  await until(() => told.flags.length === 1, 'the flag in the new file');
  const again = open(disk.crash());
  const [, found] = await scan(again);
  assert.equal([sequencesOf(found).length, found?.completeMark.verdict], [4, 'set']);
});

test('a failed complete flag moves the journal too, flag included', async () => {
  const { disk, told, ring } = await openFive();
  disk.failNext('write', 'EIO', PATH);
  ring.setCompleteFlag({ slot: 1, point: { ...POINT, finalSequence: 500 } });
  await until(() => told.flags.length === 1, 'the flag');
  assert.is(durable(disk).completeMark.verdict, 'set');
  assert.is(told.failures.length, 1);
});

test('the second failure is fatal, on whatever journal: nothing more is written or acknowledged', async () => {
  const { disk, told, ring } = await openFive();
  disk.failNext('write', 'EIO', PATH);
  append(ring, 5, 1);
  ring.commit();
  await until(() => told.durable.get(5) === 2, 'the move');
  ring.openDataSet({ slot: 2, dataSet: 6, firstSequence: 600 });
  disk.failNext('write', 'ENOSPC', `${DIRECTORY}/slot-0002.journal`);
  append(ring, 6, 0);
  ring.commit();
  await until(() => told.failures.length === 2, 'the second failure');
  assert.equal(
    told.failures.map(({ slot, fatal }) => [slot, fatal]),
    [
      [1, false],
      [2, true],
    ],
  );
  append(ring, 5, 2);
  ring.commit();
  ring.writeWatermark({ ...POINT, dataSet: 4 });
  await call((done) => ring.close(done));
  assert.equal([told.durable.get(5), told.durable.get(6), told.watermarks.length], [2, undefined, 0]);
});

for (const operation of ['open', 'allocate', 'write', 'flush', 'rename', 'syncDirectory'] as const) {
  test(`a spare whose ${operation} fails is fatal, and the old file keeps what was acknowledged`, async () => {
    const { disk, told, ring } = await openFive();
    disk.failNext('write', 'EIO', PATH);
    disk.failNext(operation, 'ENOSPC', operation === 'syncDirectory' ? DIRECTORY : SPARE);
    append(ring, 5, 1);
    ring.commit();
    await until(() => told.failures.length === 1, 'the failure');
    assert.equal([told.failures[0]?.fatal, told.durable.get(5)], [true, 1]);
    await call((done) => ring.close(done));
    const [, found] = await scan(open(disk.crash()));
    assert.ok(sequencesOf(found).includes(500));
  });
}

test("a spare that an earlier process left unfinished is in nobody's way", async () => {
  const { disk, told, ring } = await openFive();
  disk.open(SPARE, { create: true }).writeSync(new Uint8Array(100), 0);
  disk.failNext('write', 'EIO', PATH);
  append(ring, 5, 1);
  ring.commit();
  await until(() => told.durable.get(5) === 2, 'the move');
  assert.equal(sequencesOf(durable(disk)), [500, 501]);
});

test('a crash at any turn of the move keeps everything that was told durable', async () => {
  for (let turns = 0; turns < 16; turns += 1) {
    const { disk, told, ring } = await openFive();
    disk.failNext('write', 'EIO', PATH);
    append(ring, 5, 1);
    ring.commit();
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const promised = told.durable.get(5) ?? 0;
    const [, found] = await scan(open(disk.crash()));
    assert.equal(sequencesOf(found).slice(0, promised), [500, 501].slice(0, promised), `after ${turns} turns`);
  }
});

test('a failed discard or rewrite is told to who asked, and is no retry', async () => {
  const { disk, ring } = await openFive();
  disk.failNext('write', 'EIO', PATH);
  try {
    await call((done) => ring.discard(1, done));
    assert.unreachable();
  } catch (thrown) {
    assert.is((thrown as { code: string }).code, 'ERR_JOURNAL_WRITE');
  }
  assert.throws(() => ring.openDataSet({ slot: 1, dataSet: 9, firstSequence: 900 }), /not retired/);
});

test.run();
