import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ScannedRecord } from '../../journals/contract.ts';
import { MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { JournalScan, scanJournal, scannedRecord } from '../../journals/scan.ts';
import { RECORD_HEADER_BYTES, type DecodedRecord } from '../../src/record/record.ts';
import { buildImage, encodePadRecord, encodeRecord, encodeSyncRecord, IDENTITY, LATER_IDENTITY, sequencesOf } from './support.ts';

const SOURCE = { slot: 1, path: '/ring/slot-0001.journal' };
const scan = (image: Uint8Array) => scanJournal(image, SOURCE);

const recordsOf = (dataSet: number, count: number, identity = IDENTITY): Uint8Array[] =>
  Array.from({ length: count }, (_, index) =>
    encodeRecord({ dataSet, firstSequence: dataSet * 100, sequence: dataSet * 100 + index, identity }),
  );
const endOf = (records: readonly Uint8Array[]): number => RECORDS_OFFSET + records.reduce((sum, record) => sum + record.length, 0);

test('a whole journal: header, mark, records with their fields, clean end', () => {
  const records = [...recordsOf(9, 2), encodeSyncRecord({ dataSet: 9, firstSequence: 900, sequence: 902 })];
  const found = scan(buildImage({ dataSet: 9, records, flagged: true }));
  assert.ok(found.header.verdict === 'readable' && found.header.dataSet === 9 && found.header.firstSequence === 900);
  assert.ok(found.completeMark.verdict === 'set' && found.completeMark.point.dataSet === 9);
  assert.equal(found.tail, { verdict: 'clean-end', offset: endOf(records) });
  assert.equal(sequencesOf(found), [900, 901, 902]);
  const [first, , sync] = found.records;
  assert.is(first?.offset, RECORDS_OFFSET);
  assert.is(first?.encodedBytes, RECORD_HEADER_BYTES + 512);
  assert.is(first?.lba, 900);
  assert.is(first?.stream, IDENTITY.stream);
  assert.is(sync?.type, 'sync');
  assert.is(sync?.sync?.reason, 'flush');
});

test('pads are skipped and told', () => {
  const [first, second] = recordsOf(9, 2);
  const found = scan(
    buildImage({ dataSet: 9, records: [encodePadRecord(80), first ?? new Uint8Array(), encodePadRecord(400), second ?? new Uint8Array()] }),
  );
  assert.equal(
    found.records.map((record) => record.type),
    ['pad', 'write', 'pad', 'write'],
  );
  assert.is(found.tail.verdict, 'clean-end');
});

test('a free slot', () => {
  const found = scan(buildImage({ dataSet: null, records: [] }));
  assert.ok(found.header.verdict === 'readable' && found.header.dataSet === null);
  assert.equal([found.completeMark.verdict, found.tail.verdict, found.records.length], ['not-set', 'clean-end', 0]);
});

test("every truncation before the terminator's end is unreadable, and tells exactly the whole records before it", () => {
  const records = recordsOf(9, 4);
  const image = buildImage({ dataSet: 9, records, flagged: true });
  const offsets = records.map((_, index) => endOf(records.slice(0, index + 1)));
  for (let length = 0; length < endOf(records) + 300; length += 1) {
    const found = scan(image.slice(0, length));
    const isWhole = length >= endOf(records) + RECORD_HEADER_BYTES;
    assert.is(found.tail.verdict, isWhole ? 'clean-end' : 'unreadable', `${length} bytes`);
    assert.is(found.records.length, offsets.filter((end) => end <= length).length, `${length} bytes`);
    if (length < RECORDS_OFFSET) assert.is(found.header.verdict, 'unreadable');
  }
});

test('every single-bit flip: never more or other records, and never a clean end with fewer', () => {
  const records = [...recordsOf(9, 2), encodeSyncRecord({ dataSet: 9, firstSequence: 900, sequence: 902 })];
  const image = buildImage({ dataSet: 9, records, flagged: true, imageBytes: 64 * 1024 });
  const whole = scan(image);
  const end = endOf(records);
  const flip = (bit: number) => {
    image[bit >> 3] = (image[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  };
  for (let bit = 0; bit < (end + RECORD_HEADER_BYTES + 64) * 8; bit += bit > 1024 && bit < RECORDS_OFFSET * 8 ? 97 : 1) {
    flip(bit);
    const found = scan(image);
    const at = bit >> 3;
    if (at < MARK_OFFSET) assert.is(found.header.verdict, 'unreadable', `bit ${bit}`);
    else if (at < RECORDS_OFFSET) assert.is(found.completeMark.verdict, 'unreadable', `bit ${bit}`);
    if (at < RECORDS_OFFSET || at >= end + RECORD_HEADER_BYTES) {
      assert.equal(found.records, whole.records);
      assert.equal(found.tail, whole.tail);
    } else {
      assert.is(found.tail.verdict, 'unreadable', `bit ${bit}`);
      assert.ok(found.tail.offset <= at && found.records.length < records.length + Number(at >= end));
      assert.equal(found.records, whole.records.slice(0, found.records.length), `bit ${bit}`);
    }
    flip(bit);
  }
});

test('old bytes behind the terminator never count, whatever their alignment to the new records', () => {
  const blocks = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 12 });
  fc.assert(
    fc.property(blocks, blocks, (oldBlocks, newBlocks) => {
      const make = (dataSet: number, sizes: readonly number[]) =>
        sizes.map((size, index) => encodeRecord({ dataSet, firstSequence: dataSet * 100, sequence: dataSet * 100 + index, blocks: size }));
      const image = buildImage({ dataSet: 5, records: make(5, oldBlocks), imageBytes: 256 * 1024 });
      const fresh = buildImage({ dataSet: 9, records: make(9, newBlocks), imageBytes: 256 * 1024 });
      const end = endOf(make(9, newBlocks));
      image.set(fresh.subarray(0, end + RECORD_HEADER_BYTES));
      const found = scan(image);
      assert.equal(found.tail, { verdict: 'clean-end', offset: end });
      assert.equal(
        sequencesOf(found),
        newBlocks.map((_, index) => 900 + index),
      );
    }),
    { numRuns: 100 },
  );
});

test('an intact record of another data set behind the records is old bytes: a clean end', () => {
  const found = scan(buildImage({ dataSet: 9, records: [...recordsOf(9, 2), ...recordsOf(5, 1)] }));
  assert.equal(sequencesOf(found), [900, 901]);
  assert.is(found.tail.verdict, 'clean-end');
});

test('a new header over only old bytes has no records', () => {
  for (const identity of [IDENTITY, LATER_IDENTITY]) {
    const found = scan(buildImage({ dataSet: 9, records: recordsOf(5, 3, identity) }));
    assert.equal([found.records.length, found.tail.verdict, found.tail.offset], [0, 'clean-end', RECORDS_OFFSET]);
  }
});

test('records newer than their header are told as they are', () => {
  const image = buildImage({ dataSet: 5, records: recordsOf(9, 3), flagged: true });
  const found = scan(image);
  assert.ok(found.header.verdict === 'readable' && found.header.dataSet === 5);
  assert.equal(
    found.records.map((record) => record.dataSet),
    [9, 9, 9],
  );
  assert.ok(found.completeMark.verdict === 'set' && found.completeMark.point.dataSet === 5, "the mark is the old header's");
});

test('records of the same data set number and another stream are told as they are', () => {
  const found = scan(buildImage({ dataSet: 9, records: recordsOf(9, 3, LATER_IDENTITY) }));
  assert.is(found.records[0]?.stream, LATER_IDENTITY.stream);
  assert.is(found.records.length, 3);
});

test('good records under an unreadable header, or a free one, are told, with their mark', () => {
  for (const break_ of [true, false]) {
    const image = buildImage({ dataSet: 9, records: recordsOf(9, 3), flagged: true });
    if (break_) image[100] = 1;
    else image.set(buildImage({ dataSet: null, records: [] }).subarray(0, MARK_OFFSET));
    const found = scan(image);
    assert.is(found.header.verdict, break_ ? 'unreadable' : 'readable');
    assert.is(found.records.length, 3);
    assert.is(found.completeMark.verdict, 'set');
  }
});

test('a mark of another data set or stream than header and records is void', () => {
  const image = buildImage({ dataSet: 9, records: recordsOf(9, 1) });
  image.set(buildImage({ dataSet: 5, records: [], flagged: true }).subarray(MARK_OFFSET, RECORDS_OFFSET), MARK_OFFSET);
  assert.is(scan(image).completeMark.verdict, 'not-set');
  image.set(
    buildImage({ dataSet: 9, records: [], flagged: true, identity: LATER_IDENTITY }).subarray(MARK_OFFSET, RECORDS_OFFSET),
    MARK_OFFSET,
  );
  assert.is(scan(image).completeMark.verdict, 'not-set');
});

test('a scan in pieces finds the same as a scan of the whole', () => {
  const records = [...recordsOf(9, 40), encodeSyncRecord({ dataSet: 9, firstSequence: 900, sequence: 940 })];
  const image = buildImage({ dataSet: 9, records });
  for (const step of [1000, 4096, 8192, 10_000]) {
    const found: ScannedRecord[] = [];
    const take = (record: DecodedRecord): void => void found.push(scannedRecord(record));
    const pieces = new JournalScan(image, { ...SOURCE, fileBytes: image.length, take });
    let end = step;
    while (!pieces.advance(end)) end += step;
    assert.ok(end < image.length, 'stops before the end of the file');
    assert.equal({ ...pieces.result(), records: found }, scan(image));
  }
});

test.run();
