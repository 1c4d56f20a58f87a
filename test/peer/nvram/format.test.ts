import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ANCHOR_FIELDS,
  ANCHOR_FLAGS,
  ANCHOR_OFFSETS,
  beginSegmentHeader,
  BLOCK_BYTES,
  decodeAnchor,
  decodeSegmentHeader,
  decodeSuperblock,
  encodeAnchor,
  encodeSuperblock,
  MAGIC,
  putSegmentNumbers,
  REGION_FORMAT_VERSION,
  RING_OFFSET,
  SEGMENT_FIELDS,
  SEGMENT_HEADER_BYTES,
  SUPERBLOCK_FIELDS,
  sealBlock,
  viewOf,
  type Anchor,
  type SegmentHeader,
} from '../../../src/peer/nvram/format.ts';
import { GROUP_ID, REGION_ID } from './support.ts';

/** Golden bytes of version 1: frozen. The rest of each block is zeroes. */
const GOLDEN = {
  superblock: '46534e31' + '01000000' + '8cebdaad' + '00000000' + '00112233445566778899aabbccddeeff' + '0000000400000000',
  anchor:
    '46534e41' +
    '01000000' +
    '214a9023' +
    '03000000' +
    '2a00000000000000' +
    '00112233445566778899aabbccddeeff' +
    'ffeeddccbbaa99887766554433221100' +
    '0700000000000000' +
    '0f1e2d3c4b5a69788796a5b4c3d2e1f0' +
    '0800000000010000' +
    '0000000002000000' +
    '0100000001000000' +
    '0500000002000000' +
    '0000000080000000',
  segment:
    '46534e53' +
    '01000000' +
    'fd6c090b' +
    '00000000' +
    '00112233445566778899aabbccddeeff' +
    '0300000001000000' +
    '1000000000010000' +
    '0100000002000000' +
    '0000000002000000' +
    '0700000000000000' +
    'a0040000' +
    '02000000' +
    'efbeadde',
};
/** Hash of tables, magics and offsets. */
const LAYOUT_HASH = 'c4ed40c25910480b';

const BOOT_ID = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const ANCHOR: Anchor = {
  counter: 42,
  regionId: REGION_ID,
  groupId: GROUP_ID,
  opening: 7,
  inMemory: true,
  bootId: BOOT_ID,
  tail: { position: 2 ** 40 + 8, ordinal: 2 ** 33, segment: 2 ** 32 + 1 },
  headOrdinal: 2 ** 33 + 5,
  openedPosition: 2 ** 39,
};
const SEGMENT: SegmentHeader = {
  regionId: REGION_ID,
  segment: 2 ** 32 + 3,
  position: 2 ** 40 + 16,
  firstOrdinal: 2 ** 33 + 1,
  tailOrdinal: 2 ** 33,
  opening: 7,
  encodedBytes: 1184,
  records: 2,
  digest: 0xdeadbeef,
};

const dirty = (lengthBytes: number): Uint8Array => new Uint8Array(lengthBytes).fill(0xaa);

function superblock(): Uint8Array {
  const block = dirty(BLOCK_BYTES);
  encodeSuperblock(block, { regionId: REGION_ID, sizeBytes: 64 * 1024 * 1024 });
  return block;
}

function anchor(content = ANCHOR): Uint8Array {
  const block = dirty(BLOCK_BYTES);
  encodeAnchor(block, content);
  return block;
}

function segment(): Uint8Array {
  const block = dirty(SEGMENT_HEADER_BYTES);
  putSegmentNumbers(block, beginSegmentHeader(block, SEGMENT.regionId), SEGMENT, SEGMENT);
  return block;
}

function hexWithoutZeroes(bytes: Uint8Array, table: Readonly<Record<string, { offset: number; lengthBytes: number }>>): string {
  const end = Math.max(...Object.values(table).map(({ offset, lengthBytes }) => offset + lengthBytes));
  assert.ok(
    bytes.subarray(end).every((byte) => byte === 0),
    'rest of the block is zeroes',
  );
  return Buffer.from(bytes.subarray(0, end)).toString('hex');
}

test('superblock, anchor and segment header of version 1 have their golden bytes and read back', () => {
  assert.is(hexWithoutZeroes(superblock(), SUPERBLOCK_FIELDS), GOLDEN.superblock);
  assert.is(hexWithoutZeroes(anchor(), ANCHOR_FIELDS), GOLDEN.anchor);
  assert.is(hexWithoutZeroes(segment(), SEGMENT_FIELDS), GOLDEN.segment);
  assert.equal(decodeSuperblock(superblock()), { verdict: 'readable', content: { regionId: REGION_ID, sizeBytes: 64 * 1024 * 1024 } });
  assert.equal(decodeAnchor(anchor()), { verdict: 'readable', content: ANCHOR });
  const unbound = { ...ANCHOR, groupId: null, inMemory: false };
  assert.equal(decodeAnchor(anchor(unbound)), { verdict: 'readable', content: unbound });
  assert.equal(decodeSegmentHeader(segment()), { verdict: 'readable', content: SEGMENT });
});

test('numbers put into a segment header again leave nothing of the ones before', () => {
  const block = dirty(SEGMENT_HEADER_BYTES);
  const view = beginSegmentHeader(block, SEGMENT.regionId);
  const max = Number.MAX_SAFE_INTEGER;
  const all = { segment: max, position: max, firstOrdinal: max, tailOrdinal: max, opening: max };
  putSegmentNumbers(block, view, { ...all, records: 0xffff_ffff }, { encodedBytes: 0xffff_ffff, digest: 0xffff_ffff });
  putSegmentNumbers(block, view, SEGMENT, SEGMENT);
  assert.is(Buffer.compare(block, segment()), 0);
});

test('every single-bit flip in a block is seen', () => {
  for (const [block, decode] of [
    [superblock(), decodeSuperblock],
    [anchor(), decodeAnchor],
    [segment(), decodeSegmentHeader],
  ] as const) {
    for (let bit = 0; bit < block.length * 8; bit += 1) {
      const at = bit >> 3;
      block[at] = (block[at] ?? 0) ^ (1 << (bit & 7));
      assert.is(decode(block).verdict, 'unreadable', `bit ${bit}`);
      block[at] = (block[at] ?? 0) ^ (1 << (bit & 7));
    }
  }
});

test('a whole block of a later version, with unknown flags, with numbers above 2^53 - 1, or with stray bytes', () => {
  const changed = (change: (view: DataView) => void): Uint8Array => {
    const block = anchor();
    const view = viewOf(block);
    change(view);
    sealBlock(block, view);
    return block;
  };
  assert.equal(decodeAnchor(changed((view) => view.setUint32(4, 2, true))), { verdict: 'later-version', version: 2 });
  const offsets = [
    [4, (view: DataView) => view.setUint32(4, 0, true)],
    [4, (view: DataView) => view.setUint32(12, 4, true)],
    [ANCHOR_FIELDS.headOrdinal.offset, (view: DataView) => view.setUint32(ANCHOR_FIELDS.headOrdinal.offset + 4, 0x20_0000, true)],
    [120, (view: DataView) => view.setUint8(300, 1)],
  ] as const;
  for (const [offset, change] of offsets) {
    const decoded = decodeAnchor(changed(change));
    assert.ok(decoded.verdict === 'unreadable' && decoded.offset === offset, JSON.stringify(decoded));
  }
});

test('FORMAT.md shows every field of the tables, and fields do not overlap', () => {
  const document = readFileSync('src/peer/nvram/FORMAT.md', 'utf8');
  assert.match(document, `version ${REGION_FORMAT_VERSION}`);
  for (const table of [SUPERBLOCK_FIELDS, ANCHOR_FIELDS, SEGMENT_FIELDS]) {
    let end = 0;
    for (const [name, field] of Object.entries(table)) {
      assert.is(field.offset, end, `${name} begins where the field before it ends`);
      end = field.offset + field.lengthBytes;
      assert.match(document, `| ${field.offset} | ${field.lengthBytes} | ${name} |`);
    }
    assert.ok(end <= (table === SEGMENT_FIELDS ? SEGMENT_HEADER_BYTES : BLOCK_BYTES), 'the fields fit into their block');
  }
  for (const magic of Object.values(MAGIC)) assert.match(document, `\`${magic}\``);
  for (const offset of [...ANCHOR_OFFSETS, RING_OFFSET]) assert.match(document, `| ${offset} | `);
});

test('the layout is the one that is pinned to the version', () => {
  const agreed = {
    REGION_FORMAT_VERSION,
    SUPERBLOCK_FIELDS,
    ANCHOR_FIELDS,
    SEGMENT_FIELDS,
    MAGIC,
    ANCHOR_FLAGS,
    ANCHOR_OFFSETS,
    RING_OFFSET,
    SEGMENT_HEADER_BYTES,
    BLOCK_BYTES,
  };
  const hash = createHash('sha256').update(JSON.stringify(agreed)).digest('hex').slice(0, 16);
  assert.is(
    hash,
    LAYOUT_HASH,
    `The layout has changed (now ${hash}), but the version is still ${REGION_FORMAT_VERSION}: raise REGION_FORMAT_VERSION, rewrite FORMAT.md and the golden bytes, ` +
      'and give the fixtures of the new version a folder of their own, in the same commit.',
  );
});

test.run();
