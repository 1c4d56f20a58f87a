/** The records of one data set until they are acknowledged, in chunks that are used again and never while a send is under way. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { ChunkPool, SendBuffer } from '../../src/primary/send-buffer.ts';
import { RecordReader, SYNC_RECORD_BYTES } from '../../src/record/record.ts';

const STREAM = { generation: 1, stream: '00000000000000aa' };
const KiB = 1024;

function open(pool: ChunkPool, dataSet = 0, firstSequence = 100): SendBuffer {
  return new SendBuffer({ dataSet, firstSequence, stream: STREAM, pool });
}

function write(buffer: SendBuffer, lengthBytes: number, value = buffer.count): void {
  const sequence = buffer.firstSequence + buffer.count;
  const payload = new Uint8Array(lengthBytes).fill(value);
  buffer.appendWrite({ type: 'write', vlun: 2, lba: sequence, lengthBytes, timeUs: 5, payload }, sequence);
}

/** Sequence numbers and first payload bytes of the records in a run of bytes. */
function readAll(bytes: Uint8Array): [number, number][] {
  const reader = new RecordReader(bytes);
  const found: [number, number][] = [];
  for (let offset = 0; offset < bytes.length;) {
    const record = reader.readAt(offset, bytes.length);
    if (record.kind !== 'record') throw new Error(`no record at ${offset}: ${record.kind}`);
    found.push([record.sequence, record.payloadBytes === 0 ? -1 : (bytes[record.payloadOffset] as number)]);
    offset += record.encodedBytes;
  }
  return found;
}

test('a slice is a run of whole records, first and last included', () => {
  const buffer = open(new ChunkPool(0));
  for (let index = 0; index < 10; index += 1) write(buffer, 512 * (1 + (index % 3)), index);
  const [slice, ...others] = buffer.slices(103, 106);
  assert.equal(others, []);
  assert.equal(readAll(slice?.bytes ?? new Uint8Array(0)), [
    [103, 3],
    [104, 4],
    [105, 5],
    [106, 6],
  ]);
  assert.equal(
    buffer.slices(109, 109).map(({ bytes }) => readAll(bytes)),
    [[[109, 9]]],
  );
});

test('a data set of many chunks: one slice for each chunk, together every record once', () => {
  const pool = new ChunkPool(0);
  const buffer = open(pool);
  for (let index = 0; index < 40; index += 1) write(buffer, index % 3 === 0 ? LIMITS.recordDataBytesMax : 300 * KiB, index);
  const slices = buffer.slices(101, 138);
  assert.ok(slices.length > 3 && slices.length <= pool.chunksInUse, `${slices.length} slices`);
  assert.equal(
    slices.flatMap(({ bytes }) => readAll(bytes)),
    Array.from({ length: 38 }, (_, index) => [101 + index, index + 1]),
  );
});

test('zero, trim and sync commands; the numbers must follow one another', () => {
  const buffer = open(new ChunkPool(0));
  write(buffer, 512, 7);
  buffer.appendWrite({ type: 'zero', vlun: 1, lba: 0, lengthBytes: 1024 * KiB * 4, timeUs: 1, payload: null }, 101);
  assert.throws(
    () => buffer.appendWrite({ type: 'trim', vlun: 1, lba: 0, lengthBytes: 512, timeUs: 1, payload: null }, 103),
    /not the next/,
  );
  const sync = { reason: 'flush' as const, chain: '0'.repeat(32), incarnation: '0'.repeat(16), headBytes: 1, timeUs: 1 };
  assert.throws(() => buffer.appendSync({ ...sync, finalSequence: 101 }), /not the next/);
  buffer.appendSync({ ...sync, finalSequence: 102 });
  assert.is(buffer.slices(102, 102)[0]?.bytes.length, SYNC_RECORD_BYTES);
  assert.is(buffer.headerChecksums().length, 3);
  assert.throws(() => buffer.slices(102, 103), /not in data set/);
});

test('header checksums are those of the records, also of far more than the tables begin with', () => {
  const buffer = open(new ChunkPool(0));
  for (let index = 0; index < 5000; index += 1) {
    buffer.appendWrite({ type: 'trim', vlun: 0, lba: index, lengthBytes: 512, timeUs: 1, payload: null }, 100 + index);
  }
  const bytes = buffer.slices(100, 5099).map((slice) => slice.bytes);
  const reader = new RecordReader(Buffer.concat(bytes));
  const sums = buffer.headerChecksums();
  for (const index of [0, 1023, 1024, 4096, 4999]) {
    const record = reader.readAt(index * 80, 5000 * 80);
    assert.equal(record.kind === 'record' && [record.sequence, record.headerChecksum], [100 + index, sums[index]]);
  }
});

test('records that an earlier run encoded are taken over byte for byte', () => {
  const first = open(new ChunkPool(0));
  for (let index = 0; index < 5; index += 1) write(first, 512 * (index + 1));
  const whole = first.slices(100, 104)[0]?.bytes ?? new Uint8Array(0);
  const second = open(new ChunkPool(0));
  let offset = 0;
  for (let index = 0; index < 5; index += 1) {
    const bytes = 80 + 512 * (index + 1);
    second.appendEncoded(whole.subarray(offset, offset + bytes));
    offset += bytes;
  }
  assert.equal(second.slices(100, 104)[0]?.bytes, whole);
  assert.equal(second.headerChecksums(), first.headerChecksums());
});

test('a chunk is never used again while a send from it is under way', () => {
  const pool = new ChunkPool(64 * KiB * KiB);
  const buffer = open(pool);
  for (let index = 0; index < 3; index += 1) write(buffer, 4096, 50 + index);
  const [slice, again] = [...buffer.slices(100, 102), ...buffer.slices(101, 101)];
  const copy = Uint8Array.from(slice?.bytes ?? []);
  buffer.release();
  assert.is(pool.chunksInUse, 1, 'the socket still has it');
  const other = open(pool, 1, 200);
  write(other, 4096, 99);
  assert.equal(Uint8Array.from(slice?.bytes ?? []), copy, 'what waits in the socket is not overwritten');
  slice?.done();
  const third = open(pool, 2, 300);
  write(third, 4096, 98);
  assert.equal(readAll(again?.bytes ?? new Uint8Array(0)), [[101, 51]]);
  again?.done();
  assert.is(pool.chunksInUse, 2);
  const fourth = open(pool, 3, 400);
  write(fourth, 4096, 97);
  assert.is(fourth.slices(400, 400)[0]?.bytes.buffer, slice?.bytes.buffer, 'now it is used again: fresh memory is expensive');
});

test('the pool keeps no more than it may', () => {
  // Room for two of the small chunks with which a data set begins.
  const pool = new ChunkPool(2 * 64 * 1024);
  const memoryOf = (dataSet: number): { buffer: SendBuffer; memory: ArrayBufferLike | undefined } => {
    const buffer = open(pool, dataSet);
    write(buffer, 512);
    const [slice] = buffer.slices(100, 100);
    slice?.done();
    return { buffer, memory: slice?.bytes.buffer };
  };
  const before = Array.from({ length: 6 }, (_, dataSet) => memoryOf(dataSet));
  for (const { buffer } of before) buffer.release();
  assert.is(pool.chunksInUse, 0);
  const known = new Set(before.map(({ memory }) => memory));
  const after = Array.from({ length: 6 }, (_, dataSet) => memoryOf(dataSet));
  assert.is(after.filter(({ memory }) => known.has(memory)).length, 2);
});

test('a thousand small data sets of an outage take little memory', () => {
  const pool = new ChunkPool(0);
  const memory = new Set<ArrayBufferLike>();
  for (let dataSet = 0; dataSet < 1000; dataSet += 1) {
    const buffer = open(pool, dataSet);
    write(buffer, 4096);
    for (const { bytes } of buffer.slices(100, 100)) memory.add(bytes.buffer);
  }
  const bytes = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.equal([pool.chunksInUse, memory.size], [1000, 1000]);
  assert.ok(bytes <= 1000 * 64 * KiB, `${bytes} bytes for 1000 writes of 4 KiB`);
});

test('a flipped bit in memory is found, in header and payload, and in no other record', () => {
  for (const at of [20, 79, 80, 300]) {
    const buffer = open(new ChunkPool(0));
    for (let index = 0; index < 3; index += 1) write(buffer, 512);
    assert.is(buffer.firstDamaged(), null);
    const bytes = buffer.slices(101, 101)[0]?.bytes ?? new Uint8Array(0);
    bytes[at] = (bytes[at] as number) ^ 0x10;
    assert.equal([buffer.isIntact(100), buffer.isIntact(101), buffer.isIntact(102), buffer.firstDamaged()], [true, false, true, 101]);
  }
});

test.run();
