/**
 * Format of an NVRAM region, version 1 (FORMAT.md): tables of the superblock, the anchors and the segment header, and their codecs.
 * A change here changes FORMAT.md, the golden bytes in test/peer/nvram/format.test.ts and `REGION_FORMAT_VERSION` in one commit.
 *
 * What all versions have in common: magic at 0, version at 4, checksum at 8. The checksum is the CRC-32 (zlib) of the whole block
 * with the checksum field taken as zeroes. A block may be torn anywhere: it is whole or it is not there.
 */
import { crc32 } from 'node:zlib';
import { ID_MAX } from '../../model/ids.ts';
import type { GroupId } from '../../model/ids.ts';
import type { Ordinal, RegionId } from '../../model/peer.ts';
import { isZero, NOT_AN_ID, readHex, readId, showU32, showU64, writeHex, writeId } from '../../record/fields.ts';

export const REGION_FORMAT_VERSION = 1;

/** Bytes of the superblock and of an anchor; each has a page of its own. */
export const BLOCK_BYTES = 512;
export const SUPERBLOCK_OFFSET = 0;
export const ANCHOR_OFFSETS = [4096, 8192] as const;
/** The ring reaches from here to the end of the file. */
export const RING_OFFSET = 12_288;
/** Header of a segment; as many zeroes behind the newest one are the end. */
export const SEGMENT_HEADER_BYTES = 96;

export interface Field {
  readonly offset: number;
  readonly lengthBytes: number;
}
type FieldTable = Readonly<Record<string, Field>>;

export const COMMON_FIELDS = {
  magic: { offset: 0, lengthBytes: 4 },
  formatVersion: { offset: 4, lengthBytes: 4 },
  checksum: { offset: 8, lengthBytes: 4 },
  flags: { offset: 12, lengthBytes: 4 },
} as const satisfies FieldTable;

export const SUPERBLOCK_FIELDS = {
  ...COMMON_FIELDS,
  regionId: { offset: 16, lengthBytes: 16 },
  sizeBytes: { offset: 32, lengthBytes: 8 },
} as const satisfies FieldTable;

export const ANCHOR_FIELDS = {
  ...COMMON_FIELDS,
  counter: { offset: 16, lengthBytes: 8 },
  regionId: { offset: 24, lengthBytes: 16 },
  groupId: { offset: 40, lengthBytes: 16 },
  opening: { offset: 56, lengthBytes: 8 },
  bootId: { offset: 64, lengthBytes: 16 },
  tailPosition: { offset: 80, lengthBytes: 8 },
  tailOrdinal: { offset: 88, lengthBytes: 8 },
  tailSegment: { offset: 96, lengthBytes: 8 },
  headOrdinal: { offset: 104, lengthBytes: 8 },
  openedPosition: { offset: 112, lengthBytes: 8 },
} as const satisfies FieldTable;

export const SEGMENT_FIELDS = {
  ...COMMON_FIELDS,
  regionId: { offset: 16, lengthBytes: 16 },
  segment: { offset: 32, lengthBytes: 8 },
  position: { offset: 40, lengthBytes: 8 },
  firstOrdinal: { offset: 48, lengthBytes: 8 },
  tailOrdinal: { offset: 56, lengthBytes: 8 },
  opening: { offset: 64, lengthBytes: 8 },
  encodedBytes: { offset: 72, lengthBytes: 4 },
  records: { offset: 76, lengthBytes: 4 },
  digest: { offset: 80, lengthBytes: 4 },
} as const satisfies FieldTable;

export const MAGIC = { superblock: 'FSN1', anchor: 'FSNA', segment: 'FSNS' } as const;

/** Bits of an anchor's flags. `hasGroup`: the region is bound; `inMemory`: what is told to be held need not be flushed. */
export const ANCHOR_FLAGS = { hasGroup: 1, inMemory: 2 } as const;

export interface Superblock {
  readonly regionId: RegionId;
  readonly sizeBytes: number;
}

/** A place in the ring: the position where a segment begins, or will begin, its number, and the ordinal of its first record. */
export interface RingPlace {
  /** Bytes of the ring that were ever used before it; it never goes back. Modulo the ring's bytes it is a place in the file. */
  readonly position: number;
  readonly ordinal: Ordinal;
  readonly segment: number;
}

export interface Anchor {
  /** Grows by one with every anchor; the one with the higher counter counts. */
  readonly counter: number;
  readonly regionId: RegionId;
  readonly groupId: GroupId | null;
  /** Number of the opening that wrote it, from 1; 0: written when the region was made. */
  readonly opening: number;
  /** True: what is held survives this process, and not another boot than `bootId`. */
  readonly inMemory: boolean;
  readonly bootId: string;
  readonly tail: RingPlace;
  /** Records below this ordinal were held, as the region promises, when the anchor was written. */
  readonly headOrdinal: Ordinal;
  /** Where the first segment of this opening stands, or will: an older one there was not held any more when it was opened. */
  readonly openedPosition: number;
}

export interface SegmentHeader {
  readonly regionId: RegionId;
  readonly segment: number;
  readonly position: number;
  readonly firstOrdinal: Ordinal;
  /** Records below this ordinal were given up when the segment was stored. */
  readonly tailOrdinal: Ordinal;
  /** The opening that stored it. */
  readonly opening: number;
  readonly encodedBytes: number;
  readonly records: number;
  /** CRC-32 of the header checksums of its records, 4 bytes each: binds these records to this header. */
  readonly digest: number;
}

export interface Unreadable {
  readonly verdict: 'unreadable';
  /** In the block. */
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
}

export type Decoded<T> =
  | { readonly verdict: 'readable'; readonly content: T }
  | { readonly verdict: 'later-version'; readonly version: number }
  | Unreadable;

const ZEROES_4 = new Uint8Array(4);

/** Checksum of a block, which is the whole of `block`. */
export function blockChecksum(block: Uint8Array): number {
  const checksum = crc32(ZEROES_4, crc32(block.subarray(0, COMMON_FIELDS.checksum.offset)));
  return crc32(block.subarray(COMMON_FIELDS.flags.offset), checksum);
}

export function viewOf(block: Uint8Array): DataView {
  return new DataView(block.buffer, block.byteOffset, block.length);
}

function begin(block: Uint8Array, magic: string, flags: number): DataView {
  block.fill(0);
  block.set(Buffer.from(magic, 'latin1'), 0);
  const view = viewOf(block);
  view.setUint32(COMMON_FIELDS.formatVersion.offset, REGION_FORMAT_VERSION, true);
  view.setUint32(COMMON_FIELDS.flags.offset, flags, true);
  return view;
}

export function sealBlock(block: Uint8Array, view: DataView): void {
  view.setUint32(COMMON_FIELDS.checksum.offset, 0, true);
  view.setUint32(COMMON_FIELDS.checksum.offset, crc32(block), true);
}

function setHex(block: Uint8Array, field: Field, hex: string): void {
  writeHex(block, field.offset, hex, 2 * field.lengthBytes);
}

function getHex(block: Uint8Array, field: Field): string {
  return readHex(block, field.offset, 2 * field.lengthBytes);
}

/** What is wrong with a block by what all versions and all blocks have in common; null: nothing. */
function checkBlock(
  block: Uint8Array,
  magic: string,
  fields: FieldTable,
  flagsKnown: number,
): Exclude<Decoded<never>, { verdict: 'readable' }> | null {
  const view = viewOf(block);
  const bad = (offset: number, expected: string, found: string): Unreadable => ({ verdict: 'unreadable', offset, expected, found });
  const foundMagic = Buffer.from(block.buffer, block.byteOffset, 4).toString('latin1');
  if (foundMagic !== magic) return bad(0, `magic "${magic}"`, `0x${getHex(block, COMMON_FIELDS.magic)}`);
  const stored = view.getUint32(COMMON_FIELDS.checksum.offset, true);
  const computed = blockChecksum(block);
  if (stored !== computed) return bad(COMMON_FIELDS.checksum.offset, `checksum 0x${showU32(computed)}`, `0x${showU32(stored)}`);
  const version = view.getUint32(COMMON_FIELDS.formatVersion.offset, true);
  if (version > REGION_FORMAT_VERSION) return { verdict: 'later-version', version };
  const flags = view.getUint32(COMMON_FIELDS.flags.offset, true);
  if (version !== REGION_FORMAT_VERSION || (flags & ~flagsKnown) !== 0)
    return bad(4, `format version ${REGION_FORMAT_VERSION} with known flags`, `version ${version}, flags ${flags}`);
  const end = Math.max(...Object.values(fields).map(({ offset, lengthBytes }) => offset + lengthBytes));
  if (!isZero(block, end, block.length)) return bad(end, 'zeroes', 'other bytes');
  return null;
}

/** First field whose value is above 2^53 - 1, which no writer produces. */
function findTooLarge(view: DataView, fields: readonly Field[]): Unreadable | null {
  const field = fields.find(({ offset }) => readId(view, offset) === NOT_AN_ID);
  if (field === undefined) return null;
  return { verdict: 'unreadable', offset: field.offset, expected: `a number of at most ${ID_MAX}`, found: showU64(view, field.offset) };
}

/** Encode the superblock into `block` (512 bytes). */
export function encodeSuperblock(block: Uint8Array, content: Superblock): void {
  const view = begin(block, MAGIC.superblock, 0);
  setHex(block, SUPERBLOCK_FIELDS.regionId, content.regionId);
  writeId(view, SUPERBLOCK_FIELDS.sizeBytes.offset, content.sizeBytes);
  sealBlock(block, view);
}

/** Decode the superblock; never throws. */
export function decodeSuperblock(block: Uint8Array): Decoded<Superblock> {
  const view = viewOf(block);
  const wrong = checkBlock(block, MAGIC.superblock, SUPERBLOCK_FIELDS, 0) ?? findTooLarge(view, [SUPERBLOCK_FIELDS.sizeBytes]);
  if (wrong !== null) return wrong;
  const content = { regionId: getHex(block, SUPERBLOCK_FIELDS.regionId), sizeBytes: readId(view, SUPERBLOCK_FIELDS.sizeBytes.offset) };
  return { verdict: 'readable', content };
}

/** Encode one of the two anchors into `block` (512 bytes). */
export function encodeAnchor(block: Uint8Array, content: Anchor): void {
  const { groupId, inMemory, tail } = content;
  const view = begin(block, MAGIC.anchor, (groupId === null ? 0 : ANCHOR_FLAGS.hasGroup) | (inMemory ? ANCHOR_FLAGS.inMemory : 0));
  writeId(view, ANCHOR_FIELDS.counter.offset, content.counter);
  setHex(block, ANCHOR_FIELDS.regionId, content.regionId);
  if (groupId !== null) setHex(block, ANCHOR_FIELDS.groupId, groupId);
  writeId(view, ANCHOR_FIELDS.opening.offset, content.opening);
  setHex(block, ANCHOR_FIELDS.bootId, content.bootId);
  writeId(view, ANCHOR_FIELDS.tailPosition.offset, tail.position);
  writeId(view, ANCHOR_FIELDS.tailOrdinal.offset, tail.ordinal);
  writeId(view, ANCHOR_FIELDS.tailSegment.offset, tail.segment);
  writeId(view, ANCHOR_FIELDS.headOrdinal.offset, content.headOrdinal);
  writeId(view, ANCHOR_FIELDS.openedPosition.offset, content.openedPosition);
  sealBlock(block, view);
}

/** Decode one of the two anchors; never throws. */
export function decodeAnchor(block: Uint8Array): Decoded<Anchor> {
  const view = viewOf(block);
  const { counter, opening, tailPosition, tailOrdinal, tailSegment, headOrdinal, openedPosition } = ANCHOR_FIELDS;
  const wrong =
    checkBlock(block, MAGIC.anchor, ANCHOR_FIELDS, ANCHOR_FLAGS.hasGroup | ANCHOR_FLAGS.inMemory) ??
    findTooLarge(view, [counter, opening, tailPosition, tailOrdinal, tailSegment, headOrdinal, openedPosition]);
  if (wrong !== null) return wrong;
  const flags = view.getUint32(COMMON_FIELDS.flags.offset, true);
  const content = {
    counter: readId(view, counter.offset),
    regionId: getHex(block, ANCHOR_FIELDS.regionId),
    groupId: (flags & ANCHOR_FLAGS.hasGroup) === 0 ? null : getHex(block, ANCHOR_FIELDS.groupId),
    opening: readId(view, opening.offset),
    inMemory: (flags & ANCHOR_FLAGS.inMemory) !== 0,
    bootId: getHex(block, ANCHOR_FIELDS.bootId),
    tail: {
      position: readId(view, tailPosition.offset),
      ordinal: readId(view, tailOrdinal.offset),
      segment: readId(view, tailSegment.offset),
    },
    headOrdinal: readId(view, headOrdinal.offset),
    openedPosition: readId(view, openedPosition.offset),
  };
  return { verdict: 'readable', content };
}

/** Begin a segment header of 96 bytes whose numbers `putSegmentNumbers` fills in, again and again. */
export function beginSegmentHeader(block: Uint8Array, regionId: RegionId): DataView {
  const view = begin(block, MAGIC.segment, 0);
  setHex(block, SEGMENT_FIELDS.regionId, regionId);
  return view;
}

/** What a segment's header says of the records behind it. */
export type SegmentBody = Pick<SegmentHeader, 'encodedBytes' | 'digest'>;
export type SegmentNumbers = Omit<SegmentHeader, 'regionId' | keyof SegmentBody>;

/** Fill in what differs from segment to segment, and the checksum. */
export function putSegmentNumbers(block: Uint8Array, view: DataView, content: SegmentNumbers, body: SegmentBody): void {
  writeId(view, SEGMENT_FIELDS.segment.offset, content.segment);
  writeId(view, SEGMENT_FIELDS.position.offset, content.position);
  writeId(view, SEGMENT_FIELDS.firstOrdinal.offset, content.firstOrdinal);
  writeId(view, SEGMENT_FIELDS.tailOrdinal.offset, content.tailOrdinal);
  writeId(view, SEGMENT_FIELDS.opening.offset, content.opening);
  view.setUint32(SEGMENT_FIELDS.encodedBytes.offset, body.encodedBytes, true);
  view.setUint32(SEGMENT_FIELDS.records.offset, content.records, true);
  view.setUint32(SEGMENT_FIELDS.digest.offset, body.digest, true);
  sealBlock(block, view);
}

/** Decode a segment's header; never throws. */
export function decodeSegmentHeader(block: Uint8Array): Decoded<SegmentHeader> {
  const view = viewOf(block);
  const { segment, position, firstOrdinal, tailOrdinal, opening } = SEGMENT_FIELDS;
  const wrong =
    checkBlock(block, MAGIC.segment, SEGMENT_FIELDS, 0) ?? findTooLarge(view, [segment, position, firstOrdinal, tailOrdinal, opening]);
  if (wrong !== null) return wrong;
  const content = {
    regionId: getHex(block, SEGMENT_FIELDS.regionId),
    segment: readId(view, segment.offset),
    position: readId(view, position.offset),
    firstOrdinal: readId(view, firstOrdinal.offset),
    tailOrdinal: readId(view, tailOrdinal.offset),
    opening: readId(view, opening.offset),
    encodedBytes: view.getUint32(SEGMENT_FIELDS.encodedBytes.offset, true),
    records: view.getUint32(SEGMENT_FIELDS.records.offset, true),
    digest: view.getUint32(SEGMENT_FIELDS.digest.offset, true),
  };
  return { verdict: 'readable', content };
}
