import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkRecords, decodeRecords, isRecordsMessage } from '../../src/record/wire.ts';
import type { DecodedRecords } from '../../src/record/wire.ts';
import { concatenate, encodePad, encodeSync, encodeWrite, flip, NUMBERS, STREAM, SYNC, TRIM, WRITE, ZERO } from './samples.ts';

function message(...records: readonly Uint8Array[]): Uint8Array {
  return concatenate(...records);
}

function label(decoded: DecodedRecords): string | null {
  return decoded.violation?.label ?? null;
}

test('records come out in the order of the message, with what the machine and the bounds check need', () => {
  const parts = [encodeWrite(WRITE), encodeWrite(ZERO, { ...NUMBERS, sequence: 1001 }), encodeWrite(TRIM), encodeSync()];
  const bytes = message(...parts);
  assert.ok(isRecordsMessage(bytes));
  const { records, damaged, violation } = decodeRecords(bytes, STREAM);
  assert.is(violation, null);
  assert.equal(damaged, []);
  assert.equal(
    records.map((record) => record.type),
    ['write', 'zero', 'trim', 'sync'],
  );
  assert.equal(
    records.map((record) => record.sequence),
    [1002, 1001, 1002, 1003],
  );
  assert.equal(
    records.map((record) => record.bytes),
    parts,
  );
  assert.equal(
    records.map((record) => record.encodedBytes),
    parts.map((part) => part.length),
  );
  assert.equal(records[3]?.sync, { reason: SYNC.reason, chain: SYNC.chain, incarnation: SYNC.incarnation, headBytes: SYNC.headBytes });
  const first = records[0];
  if (first === undefined) throw new Error('no record came out');
  const { bytes: view, headerChecksum, ...write } = first;
  assert.is(view.buffer, bytes.buffer, 'no copy is made');
  assert.is(headerChecksum, new DataView(bytes.buffer).getUint32(76, true));
  assert.equal(write, {
    type: 'write',
    ...NUMBERS,
    vlun: WRITE.vlun,
    lba: WRITE.lba,
    lengthBytes: 512,
    timeUs: WRITE.timeUs,
    encodedBytes: 592,
    sync: null,
  });
});

test('a message without records is a violation, and a view into a larger buffer works', () => {
  assert.is(label(decodeRecords(message(), STREAM)), 'message-length');
  assert.not.ok(isRecordsMessage(message()));
  const bytes = concatenate(Uint8Array.of(1, 2, 3), message(encodeSync())).subarray(3);
  assert.is(decodeRecords(bytes, STREAM).records.length, 1);
});

test('a damaged payload is reported with its numbers and the records after it are still read (I9)', () => {
  const bytes = message(encodeWrite(WRITE, { ...NUMBERS, sequence: 1001 }), encodeWrite(WRITE), encodeSync());
  flip(bytes, (80 + 100) * 8);
  const { records, damaged, violation } = decodeRecords(bytes, STREAM);
  assert.is(violation, null);
  assert.equal(
    records.map((record) => record.sequence),
    [1002, 1003],
  );
  assert.equal(
    damaged.map(({ dataSet, sequence, offset }) => ({ dataSet, sequence, offset })),
    [{ dataSet: 7, sequence: 1001, offset: 0 }],
  );
  assert.is.not(damaged[0]?.expected, damaged[0]?.found);
});

test('a damaged header makes the rest unreadable, and keeps what came before', () => {
  const bytes = message(encodeWrite(ZERO), encodeSync(), encodeWrite(TRIM));
  flip(bytes, (80 + 30) * 8);
  const decoded = decodeRecords(bytes, STREAM);
  assert.is(label(decoded), 'record-header');
  assert.match(decoded.violation?.violation ?? '', /header-checksum at byte 80/);
  assert.is(decoded.records.length, 1);
});

test('a record of another generation or stream is refused, also when its payload is damaged (I8)', () => {
  for (const other of [
    { ...STREAM, generation: 2 },
    { ...STREAM, stream: '0123456789abcdee' },
    { ...STREAM, stream: '1123456789abcdef' },
  ]) {
    const bytes = message(encodeWrite(ZERO), encodeWrite(WRITE, NUMBERS, other), encodeSync());
    const decoded = decodeRecords(bytes, STREAM);
    assert.is(label(decoded), 'foreign-stream');
    assert.match(decoded.violation?.violation ?? '', new RegExp(`found generation ${other.generation} stream ${other.stream}, data set 7`));
    assert.is(decoded.records.length, 1);
    flip(bytes, (bytes.length - 200) * 8);
    assert.is(label(decodeRecords(bytes, STREAM)), 'foreign-stream');
  }
});

test('pads and empty headers stand in journals only', () => {
  assert.is(label(decodeRecords(message(encodeWrite(ZERO), encodePad(80), encodeSync()), STREAM)), 'record-type');
  assert.is(label(decodeRecords(message(encodeWrite(ZERO), new Uint8Array(80)), STREAM)), 'record-type');
});

test('a message cut off anywhere but between two records is a violation', () => {
  const bytes = message(encodeWrite(ZERO), encodeSync());
  for (let length = 0; length < bytes.length; length += 1) {
    const cut = bytes.slice(0, length);
    const { records, damaged, violation } = decodeRecords(cut, STREAM);
    assert.equal(damaged, []);
    // How long a message is, its WebSocket frame says: what is between two records is whole.
    const expected = length === 80 ? null : length < 80 || length % 8 !== 0 ? 'message-length' : 'record-truncated';
    assert.is(records.length, expected === 'message-length' ? 0 : 1, `cut at ${length}`);
    assert.is(violation?.label ?? null, expected, `cut at ${length}`);
  }
});

test('a message with any one bit flipped yields no record that was not sent', () => {
  const bytes = message(encodeWrite(ZERO), encodeSync());
  const sent = new Set(decodeRecords(bytes, STREAM).records.map((record) => JSON.stringify({ ...record, bytes: [...record.bytes] })));
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    flip(bytes, bit);
    const { records, damaged, violation } = decodeRecords(bytes, STREAM);
    assert.ok(checkRecords(bytes, STREAM).fault !== null, `bit ${bit}, checked only`);
    assert.ok(violation !== null || damaged.length === 1, `bit ${bit}`);
    assert.ok(
      records.every((record) => sent.has(JSON.stringify({ ...record, bytes: [...record.bytes] }))),
      `bit ${bit}`,
    );
    flip(bytes, bit);
  }
});

test('a message that is only checked is good exactly when all of its records are, and the fault names what is wrong first', () => {
  const good = message(encodeWrite(WRITE, { ...NUMBERS, sequence: 1001 }), encodeWrite(ZERO), encodeSync());
  assert.equal(checkRecords(good, STREAM), { records: 3, fault: null });
  assert.match(checkRecords(message(), STREAM).fault ?? '', /^message-length: /);
  const damaged = good.slice();
  flip(damaged, (80 + 100) * 8);
  assert.match(
    checkRecords(damaged, STREAM).fault ?? '',
    /^payload-checksum at byte 0: record 1001 of data set 7: expected [0-9a-f]{8}, found/,
  );
  flip(damaged, (damaged.length - 1) * 8);
  assert.match(checkRecords(damaged, STREAM).fault ?? '', /^payload-checksum at byte 0:/);
  const foreign = message(encodeWrite(ZERO), encodeWrite(WRITE, NUMBERS, { ...STREAM, generation: 2 }));
  assert.match(checkRecords(foreign, STREAM).fault ?? '', /^foreign-stream: /);
  assert.match(checkRecords(good.subarray(0, good.length - 1), STREAM).fault ?? '', /^message-length: /);
});

test('a message begins with a record, and is bounded', () => {
  const bytes = message(encodeSync());
  bytes[0] = 6;
  assert.not.ok(isRecordsMessage(bytes));
  assert.match(decodeRecords(bytes, STREAM).violation?.violation ?? '', /^record-header: magic at byte 0/);
  assert.is(label(decodeRecords(new Uint8Array(8 * 1024 * 1024 + 8), STREAM)), 'message-length');
});

test.run();
