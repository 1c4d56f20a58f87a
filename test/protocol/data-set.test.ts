import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataSet } from '../../src/protocol/data-set.ts';
import { DataSetRing } from '../../src/protocol/data-set-ring.ts';
import { RangeCollector } from '../../src/protocol/ranges.ts';
import type { ReceivedRecord } from '../../src/protocol/secondary-contract.ts';
import { makeGeometry } from '../support/secondary-harness.ts';
import { INCARNATION, makeRecord, RECORD_BYTES } from '../support/secondary-history.ts';

const CHAIN = 'c'.repeat(32);

function write(sequence: number, options: { firstSequence?: number; content?: string; encodedBytes?: number } = {}): ReceivedRecord {
  const record = makeRecord({ dataSet: 7, firstSequence: options.firstSequence ?? 100, sequence, write: ['A', options.content ?? 'A0'] });
  return { ...record, encodedBytes: options.encodedBytes ?? RECORD_BYTES };
}

function sync(sequence: number, options: { chain?: string } = {}): ReceivedRecord {
  return makeRecord({
    dataSet: 7,
    firstSequence: 100,
    sequence,
    sync: { reason: 'flush', chain: options.chain ?? CHAIN, incarnation: INCARNATION, headBytes: 0 },
  });
}

/** Data set 7, numbers from 100; at most 5 records, sync included, and 4 x 64 bytes. */
function openDataSet(...records: ReceivedRecord[]): DataSet {
  const set = new DataSet({ slot: 3, geometry: makeGeometry({ recordsMax: 5, capacityBytes: 4 * RECORD_BYTES }) });
  set.open({ dataSet: 7, firstSequence: 100 });
  for (const record of records) {
    assert.is(set.judge(record), null);
    set.accept(record);
  }
  return set;
}

const VIOLATIONS: readonly (readonly [name: string, before: readonly ReceivedRecord[], record: ReceivedRecord, expected: RegExp])[] = [
  ['another first number', [write(100)], write(101, { firstSequence: 99 }), /begins at 100; record 101 says 99/],
  ['a number before the first', [], write(99), /before the first number 100/],
  ['more records than a data set may have', [], sync(105), /above the highest number 104/],
  ['a write where only the sync has room', [], write(104), /not below its final number, which can be at most 104/],
  ['a write above the final number', [sync(102)], write(103), /not below its final number, which is 102/],
  ['a write with the number of the sync', [sync(102)], write(102), /not below its final number, which is 102/],
  ['a sync with the number of a write', [write(102)], sync(102), /not above write 102/],
  ['a sync below a write', [write(102)], sync(101), /not above write 102/],
  ['another final number', [sync(102)], sync(103), /contradicts its sync 102/],
  ['the same final number with another chain', [sync(102)], sync(102, { chain: 'd'.repeat(32) }), /came before with header checksum/],
  ['the same number with another content', [write(101)], write(101, { content: 'A1' }), /came before with header checksum/],
  [
    'more bytes than the capacity',
    [write(100, { encodedBytes: 3 * RECORD_BYTES })],
    write(101, { encodedBytes: 2 * RECORD_BYTES }),
    /has 192 bytes and record 101 adds 128; the capacity is 256/,
  ],
  ['a sync without content', [], { ...sync(101), sync: null }, /has no content/],
];

for (const [name, before, record, expected] of VIOLATIONS) {
  test(`a violation: ${name}`, () => {
    assert.match(openDataSet(...before).judge(record) ?? 'no violation', expected);
  });
}

test('I6: a full data set has room for its sync', () => {
  const set = openDataSet(...[100, 101, 102, 103].map((sequence) => write(sequence)));
  assert.is(set.judge(sync(104)), null);
});

test('a duplicate in a full data set is not a violation', () => {
  const set = openDataSet(...[100, 101, 102, 103].map((sequence) => write(sequence)));
  assert.is(set.judge(write(101)), null);
});

test('an empty data set is legal', () => {
  const set = openDataSet(sync(100));
  set.markDurable(1, new RangeCollector());
  assert.is(set.isWhole, true);
  assert.is(set.writes, 0);
  assert.is(set.writeChecksums().length, 0);
});

test('Fig. 9, step 300: whole when every number through the sync is durable, not when it is received', () => {
  const gathered = new RangeCollector();
  const set = openDataSet(sync(102), write(101), write(100));
  assert.is(set.isWhole, false, 'received');
  set.markDurable(2, gathered);
  assert.is(set.isWhole, false, 'two of three are durable');
  set.markDurable(3, gathered);
  assert.is(set.isWhole, true);
  assert.equal(gathered.take(), [{ from: 100, to: 102 }]);
});

test('I2: durable records are counted in the order of append', () => {
  const gathered = new RangeCollector();
  const set = openDataSet(write(103), write(100), write(101));
  set.markDurable(2, gathered);
  assert.equal(gathered.take(), [
    { from: 100, to: 100 },
    { from: 103, to: 103 },
  ]);
  set.markDurable(1, gathered);
  assert.equal(gathered.take(), [], 'a report that is older changes nothing');
  assert.throws(() => set.markDurable(4, gathered), /only as far as it was appended/);
});

test('checksums for the chain lie in sequence order', () => {
  const records = [write(101, { content: 'second' }), write(100, { content: 'first' }), sync(102)];
  const set = openDataSet(...records);
  assert.equal([...set.writeChecksums()], [records[1]?.headerChecksum, records[0]?.headerChecksum]);
});

test('a slot that is retired keeps nothing', () => {
  const set = openDataSet(write(100), write(101), sync(102));
  set.markDurable(3, new RangeCollector());
  set.flagDurable = true;
  set.syncContradictions = 2;
  set.boundByLater({ distance: 1, firstSequence: 103 });
  set.reset();
  assert.is(set.isFree, true);
  set.open({ dataSet: 11, firstSequence: 500 });
  assert.equal(
    [set.received.count, set.durable.count, set.finalSequence, set.sync, set.flagDurable, set.syncContradictions],
    [0, 0, null, null, false, 0],
  );
  for (let sequence = 500; sequence < 504; sequence += 1)
    assert.is(set.judge({ ...write(sequence, { firstSequence: 500 }), dataSet: 11 }), null);
  assert.is(set.heldBits, 0);
});

/** Data set 6 is next and begins at 90; four slots, at most 5 records in each. */
function makeRing(): DataSetRing {
  return new DataSetRing({ geometry: makeGeometry({ slots: 4, recordsMax: 5 }), origin: { dataSet: 6, firstSequence: 90, chain: CHAIN } });
}

function openIn(ring: DataSetRing, dataSet: number, firstSequence: number): DataSet {
  const opened = ring.open(dataSet, firstSequence);
  if (typeof opened === 'string') throw new Error(opened);
  ring.settle(opened);
  return opened;
}

function refusalOf(ring: DataSetRing, dataSet: number, firstSequence: number): string {
  const opened = ring.open(dataSet, firstSequence);
  return typeof opened === 'string' ? opened : 'no violation';
}

test('neighbours bound a data set: the next one tells the final number before the sync comes', () => {
  const ring = makeRing();
  const seven = openIn(ring, 7, 92);
  openIn(ring, 8, 95);
  assert.match(seven.judge({ ...sync(93), firstSequence: 92 }) ?? '', /contradicts the next data set, which begins at 95/);
  assert.match(seven.judge({ ...write(94, { firstSequence: 92 }) }) ?? '', /not below its final number, which can be at most 94/);
  assert.is(seven.judge({ ...sync(94), firstSequence: 92 }), null);
});

test('neighbours bound a data set: one further off leaves room for the syncs between', () => {
  const ring = makeRing();
  const seven = openIn(ring, 7, 92);
  openIn(ring, 9, 95);
  assert.match(seven.judge({ ...sync(94), firstSequence: 92 }) ?? '', /above the highest number 93/);
  assert.is(seven.judge({ ...sync(92), firstSequence: 92 }), null);
});

test('neighbours bound where a data set can begin', () => {
  assert.match(refusalOf(makeRing(), 6, 91), /begins at 90 by what came before it; the record says 91/);
  assert.match(refusalOf(makeRing(), 7, 90), /begins at 91 to 95 by what came before it; the record says 90/);
  assert.match(refusalOf(makeRing(), 7, 96), /begins at 91 to 95/);
  assert.is(refusalOf(makeRing(), 9, 105), 'no violation');
  assert.match(refusalOf(makeRing(), 9, 106), /begins at 93 to 105/);
  const ring = makeRing();
  openIn(ring, 8, 92);
  assert.match(refusalOf(ring, 7, 92), /data set 8 begins at 92/);
  assert.is(refusalOf(ring, 7, 91), 'no violation');
});

test('neighbours bound where a data set can begin: behind an open one, and before the highest of the window', () => {
  const behind = makeRing();
  openIn(behind, 6, 90);
  assert.match(refusalOf(behind, 7, 96), /begins at 91 to 95/);
  assert.is(refusalOf(behind, 7, 95), 'no violation');
  const before = makeRing();
  openIn(before, before.window.highest, 93);
  assert.match(refusalOf(before, before.window.highest - 1, 93), /begins at 93/);
});

test.run();
