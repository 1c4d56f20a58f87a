import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BLOCK_BYTES,
  decodeHeader,
  decodeMark,
  decodeWatermark,
  encodeHeader,
  encodeMark,
  encodeWatermark,
  HEADER_FIELDS,
  JOURNAL_FORMAT_VERSION,
  MARK_FIELDS,
  WATERMARK_FIELDS,
} from '../../journals/format.ts';
import { crc32 } from 'node:zlib';
import { IDENTITY } from './support.ts';

/** Golden bytes of version 1: frozen. The rest of each block is zeroes. */
const GOLDEN = {
  header:
    '46534a31' +
    '01000000' +
    '61b65a48' +
    '01000000' +
    '05000000' +
    '10000000' +
    '0000000200000000' +
    '00112233445566778899aabbccddeeff' +
    '0300000000000000' +
    '0123456789abcdef' +
    'ffffffffffff1f00' +
    '0000000001000000',
  mark:
    '46534a43' +
    '01000000' +
    'f0a75ac3' +
    '00000000' +
    '0123456789abcdef' +
    '0700000000000000' +
    '0900000000000000' +
    'ffeeddccbbaa99887766554433221100',
  watermark:
    '46534a57' +
    '01000000' +
    '81fde581' +
    '01000000' +
    '2a00000000000000' +
    '00112233445566778899aabbccddeeff' +
    '0300000000000000' +
    '0123456789abcdef' +
    '0700000000000000' +
    '0900000000000000' +
    'ffeeddccbbaa99887766554433221100' +
    '0200000000000000',
};
const POINT = { dataSet: 7, finalSequence: 9, chain: 'ffeeddccbbaa99887766554433221100' };
const HEADER = { ...IDENTITY, slot: 5, slots: 16, slotBytes: 32 * 1024 * 1024, dataSet: Number.MAX_SAFE_INTEGER, firstSequence: 2 ** 32 };

function block(): Uint8Array {
  return new Uint8Array(BLOCK_BYTES).fill(0xaa);
}

function hexWithoutZeroes(bytes: Uint8Array, lengthBytes: number): string {
  assert.ok(
    bytes.subarray(lengthBytes).every((byte) => byte === 0),
    'rest of the block is zeroes',
  );
  return Buffer.from(bytes.subarray(0, lengthBytes)).toString('hex');
}

test('the header of version 1 has its golden bytes and reads back', () => {
  const bytes = block();
  encodeHeader(bytes, HEADER);
  assert.is(hexWithoutZeroes(bytes, 80), GOLDEN.header);
  assert.equal(decodeHeader(bytes), { verdict: 'readable', ...HEADER });
});

test('a free header has no data set, and null is not 0', () => {
  const free = block();
  encodeHeader(free, { ...HEADER, dataSet: null, firstSequence: null });
  const zero = block();
  encodeHeader(zero, { ...HEADER, dataSet: 0, firstSequence: 0 });
  const [freeHeader, zeroHeader] = [decodeHeader(free), decodeHeader(zero)];
  assert.ok(freeHeader.verdict === 'readable' && freeHeader.dataSet === null && freeHeader.firstSequence === null);
  assert.ok(zeroHeader.verdict === 'readable' && zeroHeader.dataSet === 0 && zeroHeader.firstSequence === 0);
});

test('the complete mark has its golden bytes and reads back; zeroes are not set', () => {
  const bytes = block();
  encodeMark(bytes, { stream: IDENTITY.stream, point: POINT });
  assert.is(hexWithoutZeroes(bytes, 56), GOLDEN.mark);
  assert.equal(decodeMark(bytes), { verdict: 'set', point: POINT, stream: IDENTITY.stream });
  assert.equal(decodeMark(new Uint8Array(BLOCK_BYTES)), { verdict: 'not-set' });
});

test('the watermark has its golden bytes and reads back, with and without a point', () => {
  const bytes = block();
  const content = { ...IDENTITY, point: POINT, hostEpoch: 2, counter: 42 };
  encodeWatermark(bytes, content);
  assert.is(hexWithoutZeroes(bytes, 96), GOLDEN.watermark);
  assert.equal(decodeWatermark(bytes), { verdict: 'readable', content });
  encodeWatermark(bytes, { ...content, point: null });
  assert.equal(decodeWatermark(bytes), { verdict: 'readable', content: { ...content, point: null } });
});

test('every single-bit flip in a header, mark or watermark block is seen', () => {
  const header = block();
  encodeHeader(header, HEADER);
  const mark = block();
  encodeMark(mark, { stream: IDENTITY.stream, point: POINT });
  const watermark = block();
  encodeWatermark(watermark, { ...IDENTITY, point: POINT, hostEpoch: 2, counter: 42 });
  const empty = new Uint8Array(BLOCK_BYTES);
  for (const [bytes, decode] of [
    [header, decodeHeader],
    [mark, decodeMark],
    [watermark, decodeWatermark],
    [empty, decodeMark],
  ] as const) {
    for (let bit = 0; bit < BLOCK_BYTES * 8; bit += bit < 1024 ? 1 : 61) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      assert.is(decode(bytes).verdict, 'unreadable', `bit ${bit}`);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
  }
});

test('a whole block of a later version is told apart from damage', () => {
  const bytes = block();
  encodeHeader(bytes, HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, 2, true);
  view.setUint32(8, 0, true);
  view.setUint32(8, crc32(bytes), true);
  assert.equal(decodeHeader(bytes), { verdict: 'later-version', version: 2 });
});

test('an identifier above 2^53 - 1 makes a header unreadable although its checksum is right', () => {
  const bytes = block();
  encodeHeader(bytes, HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(HEADER_FIELDS.dataSet.offset + 4, 0x20_0000, true);
  view.setUint32(8, 0, true);
  view.setUint32(8, crc32(bytes), true);
  const header = decodeHeader(bytes);
  assert.ok(header.verdict === 'unreadable' && header.offset === HEADER_FIELDS.dataSet.offset);
});

test('FORMAT.md shows every field of the tables, and fields do not overlap', () => {
  const document = readFileSync('journals/FORMAT.md', 'utf8');
  assert.match(document, `version ${JOURNAL_FORMAT_VERSION}`);
  for (const table of [HEADER_FIELDS, MARK_FIELDS, WATERMARK_FIELDS]) {
    let end = 0;
    for (const [name, field] of Object.entries(table)) {
      assert.is(field.offset, end, `${name} begins where the field before it ends`);
      end = field.offset + field.lengthBytes;
      assert.match(document, `| ${field.offset} | ${field.lengthBytes} | ${name} |`);
    }
    assert.ok(end <= 512, 'all fields lie in one sector');
  }
});

test.run();
