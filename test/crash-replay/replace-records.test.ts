/** The records of one journal without their data, byte by byte: what is whole, torn, flipped, or not a record at all. */
import { crc32 } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeHeader, encodeMark, encodeWatermark, RECORDS_OFFSET } from '../../journals/format.ts';
import { scanJournal } from '../../journals/scan.ts';
import { DataKey } from '../../src/crash-replay/pack/data-key.ts';
import { replaceBlock, type BlockKind } from '../../src/crash-replay/pack/replace-blocks.ts';
import { ReplacedChains } from '../../src/crash-replay/pack/replace-chains.ts';
import { replaceRecords } from '../../src/crash-replay/pack/replace-records.ts';
import type { Note } from '../../src/crash-replay/pack/replaced-notes.ts';
import { RecordWriter } from '../../src/record/record.ts';

const STREAM = { generation: 1, stream: '0a1b2c3d4e5f6071' };
const KEY = new DataKey(Buffer.alloc(32, 7));
const PAYLOAD_BYTES = 2048;
const RECORD_BYTES = 80 + PAYLOAD_BYTES;
const SECRET = 'the secret of the house is under the third stone; ';

/** Three writes of 2 KiB each. */
function journal(): Buffer {
  const image = Buffer.alloc(32_768);
  const writer = new RecordWriter(image);
  for (let sequence = 0; sequence < 3; sequence += 1) {
    const payload = Buffer.alloc(PAYLOAD_BYTES, `${sequence} ${SECRET}`);
    const command = { type: 'write', vlun: 0, lba: 0, lengthBytes: PAYLOAD_BYTES, timeUs: 1_700_000_000_000_000, payload } as const;
    writer.encodeWrite(RECORDS_OFFSET + sequence * RECORD_BYTES, command, { dataSet: 4, firstSequence: 0, sequence }, STREAM);
  }
  return image;
}

function replace(image: Buffer): Note[] {
  const notes: Note[] = [];
  replaceRecords(image, { file: 'journal', key: KEY, streams: new Set([STREAM.stream]), chains: null, note: (note) => notes.push(note) });
  return notes;
}

function tailOf(image: Buffer): { records: number; offset: number; reason: string } {
  const { records, tail } = scanJournal(image, { slot: 0, path: 'journal' });
  return {
    records: records.length,
    offset: tail.offset,
    reason: tail.verdict === 'unreadable' ? (/\((\S+?):/.exec(tail.expected)?.[1] ?? '') : 'clean end',
  };
}

/** Replace, and hold what reading shows against what it showed before. */
function replaceAndCompare(image: Buffer): Note[] {
  const before = tailOf(image);
  const notes = replace(image);
  assert.equal(tailOf(image), before);
  assert.not.ok(image.includes(SECRET.slice(0, 16)), 'data is left');
  return notes;
}

const second = RECORDS_OFFSET + RECORD_BYTES;
const secondPayload = second + 80;

test('whole records are whole, with another text', () => {
  const image = journal();
  const notes = replaceAndCompare(image);
  assert.equal(tailOf(image), { records: 3, offset: RECORDS_OFFSET + 3 * RECORD_BYTES, reason: 'clean end' });
  assert.is(notes.length, 6);
  for (const { was } of notes) assert.is(was, 'right');
  assert.match(image.toString('latin1', secondPayload, secondPayload + 64), /^without data: payload [0-9a-f]{24} \.+\n$/);
});

test('a flipped bit of a payload is flipped still, and no other', () => {
  const [whole, image] = [journal(), journal()];
  image[secondPayload + 700] = (image[secondPayload + 700] ?? 0) ^ 16;
  replaceAndCompare(image);
  replace(whole);
  const differing = [...image.keys()].filter((at) => image[at] !== whole[at]);
  assert.equal(differing, [secondPayload + 700]);
  assert.is((image[secondPayload + 700] ?? 0) ^ (whole[secondPayload + 700] ?? 0), 16);
});

test('a flipped bit of a header is flipped still, and its record is replaced', () => {
  // Not of the length: then nobody knows where the payload ends.
  for (const at of [0, 5, 12, 18, 30, 44, 50, 66]) {
    const [whole, image] = [journal(), journal()];
    image[second + at] = (image[second + at] ?? 0) ^ 1;
    replaceAndCompare(image);
    replace(whole);
    const differing = [...image.subarray(second, second + RECORD_BYTES).keys()].filter(
      (byte) => image[second + byte] !== whole[second + byte],
    );
    assert.equal(differing, [at], `byte ${at} of the header`);
  }
});

test('a damaged checksum is damaged by the same bits', () => {
  for (const at of [73, 77]) {
    const image = journal();
    image[second + at] = (image[second + at] ?? 0) ^ 8;
    replaceAndCompare(image);
    const payload = crc32(image.subarray(secondPayload, secondPayload + PAYLOAD_BYTES));
    const header = crc32(image.subarray(second, second + 76));
    if (at === 73) assert.is((payload ^ image.readUInt32LE(second + 72)) >>> 0, 8 << 8);
    else assert.is((header ^ image.readUInt32LE(second + 76)) >>> 0, 8 << 8);
  }
});

test('a torn payload is torn at the same sector', () => {
  const image = journal();
  const torn = secondPayload + PAYLOAD_BYTES - (secondPayload % 512) - 512;
  image.fill(0, torn);
  replaceAndCompare(image);
  assert.ok(image.subarray(torn).every((byte) => byte === 0));
  assert.is(image.subarray(secondPayload, torn).filter((byte) => byte === 0).length, 0);
});

test('a payload of other data is other data still, and a payload of zeroes is zeroes', () => {
  const mixed = journal();
  mixed.set(Buffer.alloc(PAYLOAD_BYTES, `9 ${SECRET}`), secondPayload);
  replaceAndCompare(mixed);
  const empty = journal();
  empty.fill(0, secondPayload, secondPayload + PAYLOAD_BYTES);
  const stated = empty.readUInt32LE(second + 72);
  replaceAndCompare(empty);
  assert.ok(empty.subarray(secondPayload, secondPayload + PAYLOAD_BYTES).every((byte) => byte === 0));
  assert.is.not(empty.readUInt32LE(second + 72), stated, 'the checksum of what was lost is told');
});

test('data over a part of a header is data', () => {
  for (const from of [8, 24, 40, 56]) {
    const image = journal();
    image.set(Buffer.from(SECRET.repeat(3)), second + from);
    replaceAndCompare(image);
  }
});

test('old bytes are replaced to the end of the file, wherever they begin; zeroes between stay', () => {
  const image = journal();
  const end = RECORDS_OFFSET + 3 * RECORD_BYTES;
  for (const from of [end + 96, 20_003, 32_700])
    image.set(Buffer.from(SECRET.repeat(9)).subarray(0, Math.min(400, image.length - from)), from);
  replaceAndCompare(image);
  assert.ok(image.subarray(end, end + 80).every((byte) => byte === 0));
  assert.ok(image.subarray(24_576, 32_000).every((byte) => byte === 0));
  assert.is.not(image[image.length - 1], 0);
});

test('old records behind the end are records still', () => {
  const image = journal();
  const old = RECORDS_OFFSET + 3 * RECORD_BYTES + 4096 + 8;
  image.copy(image, old, RECORDS_OFFSET, RECORDS_OFFSET + RECORD_BYTES);
  replaceAndCompare(image);
  assert.ok(image.subarray(old, old + RECORD_BYTES).equals(image.subarray(RECORDS_OFFSET, RECORDS_OFFSET + RECORD_BYTES)));
});

test('a record that the end of the file cuts off is cut off still', () => {
  const image = journal().subarray(0, second + 900);
  replaceAndCompare(image);
  const short = journal().subarray(0, second + 40);
  replaceAndCompare(short);
});

test('every length and every single flipped byte is read as before', () => {
  for (let length = RECORDS_OFFSET + 1; length < second + RECORD_BYTES; length += 173) replaceAndCompare(journal().subarray(0, length));
  for (let at = RECORDS_OFFSET; at < second + 100; at += 1) {
    const image = journal();
    image[at] = (image[at] ?? 0) ^ (1 << (at % 8));
    replaceAndCompare(image);
  }
});

test('data over the fields of a header, a mark or a watermark is data; a single flipped bit stays where it is', () => {
  const point = { dataSet: 4, finalSequence: 2, chain: 'ab'.repeat(16) };
  const identity = { groupId: 'cd'.repeat(16), generation: 1, stream: STREAM.stream };
  const encode: Record<BlockKind, (block: Uint8Array) => void> = {
    header: (block) => encodeHeader(block, { ...identity, slot: 0, slots: 4, slotBytes: 65_536, dataSet: 4, firstSequence: 0 }),
    mark: (block) => encodeMark(block, { stream: STREAM.stream, point }),
    watermark: (block) => encodeWatermark(block, { ...identity, point, hostEpoch: 0, counter: 3 }),
  };
  for (const [kind, fill] of Object.entries(encode) as [BlockKind, (block: Uint8Array) => void][]) {
    const options = {
      kind,
      file: 'f',
      offset: 0,
      key: KEY,
      streams: new Set([STREAM.stream]),
      groups: new Set([identity.groupId]),
      chains: new ReplacedChains(KEY),
      note: () => {},
    };
    const whole = Buffer.alloc(4096);
    fill(whole);
    replaceBlock(whole, options);
    for (let from = 0; from < 120; from += 1) {
      const over = Buffer.alloc(4096);
      fill(over);
      over.set(Buffer.from(SECRET), from);
      replaceBlock(over, options);
      for (let at = 0; at + 16 <= SECRET.length; at += 1)
        assert.not.ok(over.includes(SECRET.slice(at, at + 16)), `${kind} from byte ${from}`);
    }
    for (let at = 0; at < (kind === 'mark' ? 40 : 64); at += 1) {
      const flipped = Buffer.alloc(4096);
      fill(flipped);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      replaceBlock(flipped, options);
      const differing = [...whole.keys()].filter((byte) => flipped[byte] !== whole[byte]);
      assert.equal(differing, [at], `${kind}, byte ${at}`);
    }
  }
});

test.run();
