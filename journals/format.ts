/**
 * Journal format, version 1 (FORMAT.md): the tables of the header block, the complete mark and the watermark blocks, and their codecs.
 * A change here changes FORMAT.md, the golden bytes in test/journals/format.test.ts and `JOURNAL_FORMAT_VERSION` in one commit.
 *
 * What all versions have in common: magic at 0, version at 4, checksum at 8. The checksum is the CRC-32 (zlib) of the whole
 * block with the checksum field taken as zeroes. All fields lie in the block's first 512 bytes and the rest is zeroes, so a
 * write that a disk tears between sectors leaves the old block or the new one.
 */
import { crc32 } from 'node:zlib';
import { ID_MAX } from '../src/model/ids.ts';
import type { DataSetId, HistoryPoint, SequenceNumber, StreamId } from '../src/model/ids.ts';
import { isZero, NOT_AN_ID, readHex, readId, showU64, writeHex, writeId } from '../src/record/fields.ts';
import type { JournalIdentity, ScannedCompleteMark, ScannedHeader, StoredWatermark } from './contract.ts';

export const JOURNAL_FORMAT_VERSION = 1;

/** Alignment of the blocks of a journal: header, mark, and every write. */
export const BLOCK_BYTES = 4096;
export const HEADER_OFFSET = 0;
export const MARK_OFFSET = 4096;
export const RECORDS_OFFSET = 8192;

interface Field {
  readonly offset: number;
  readonly lengthBytes: number;
}
type FieldTable = Readonly<Record<string, Field>>;

/** Fields that begin every block of every version. */
export const COMMON_FIELDS = {
  magic: { offset: 0, lengthBytes: 4 },
  formatVersion: { offset: 4, lengthBytes: 4 },
  checksum: { offset: 8, lengthBytes: 4 },
  flags: { offset: 12, lengthBytes: 4 },
} as const satisfies FieldTable;

/** Block 0 of a slot's file. */
export const HEADER_FIELDS = {
  ...COMMON_FIELDS,
  slot: { offset: 16, lengthBytes: 4 },
  slots: { offset: 20, lengthBytes: 4 },
  slotBytes: { offset: 24, lengthBytes: 8 },
  groupId: { offset: 32, lengthBytes: 16 },
  generation: { offset: 48, lengthBytes: 8 },
  stream: { offset: 56, lengthBytes: 8 },
  dataSet: { offset: 64, lengthBytes: 8 },
  firstSequence: { offset: 72, lengthBytes: 8 },
} as const satisfies FieldTable;

/** Block 1 of a slot's file: zeroes as long as the complete flag is not set. */
export const MARK_FIELDS = {
  ...COMMON_FIELDS,
  stream: { offset: 16, lengthBytes: 8 },
  dataSet: { offset: 24, lengthBytes: 8 },
  finalSequence: { offset: 32, lengthBytes: 8 },
  chain: { offset: 40, lengthBytes: 16 },
} as const satisfies FieldTable;

/** Both blocks of the watermark's file. */
export const WATERMARK_FIELDS = {
  ...COMMON_FIELDS,
  counter: { offset: 16, lengthBytes: 8 },
  groupId: { offset: 24, lengthBytes: 16 },
  generation: { offset: 40, lengthBytes: 8 },
  stream: { offset: 48, lengthBytes: 8 },
  dataSet: { offset: 56, lengthBytes: 8 },
  finalSequence: { offset: 64, lengthBytes: 8 },
  chain: { offset: 72, lengthBytes: 16 },
  hostEpoch: { offset: 88, lengthBytes: 8 },
} as const satisfies FieldTable;

export const MAGIC = { header: 'FSJ1', mark: 'FSJC', watermark: 'FSJW' } as const;

/** Bit 0 of the flags: the data set fields hold a value; clear means null, which is never 0. */
export const FLAG_HAS_DATA_SET = 1;

/** What stands in headers and watermark before the secondary is bound to a group. */
export const UNBOUND_IDENTITY: JournalIdentity = { groupId: '0'.repeat(32), generation: 0, stream: '0'.repeat(16) };

export interface HeaderContent extends JournalIdentity {
  readonly slot: number;
  readonly slots: number;
  readonly slotBytes: number;
  readonly dataSet: DataSetId | null;
  readonly firstSequence: SequenceNumber | null;
}

export interface WatermarkContent extends StoredWatermark {
  /** Grows by one with every write; the block with the higher counter is newer. */
  readonly counter: number;
}

interface LaterVersion {
  readonly verdict: 'later-version';
  readonly version: number;
}

interface Unreadable {
  readonly verdict: 'unreadable';
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
}

export type BlockVerdict<T> = { readonly verdict: 'readable'; readonly content: T } | LaterVersion | Unreadable;

const ZEROES_4 = new Uint8Array(4);

function checksumOf(block: Uint8Array): number {
  const after = COMMON_FIELDS.checksum.offset + COMMON_FIELDS.checksum.lengthBytes;
  let checksum = crc32(block.subarray(0, COMMON_FIELDS.checksum.offset));
  checksum = crc32(ZEROES_4, checksum);
  return crc32(block.subarray(after, BLOCK_BYTES), checksum);
}

function viewOf(block: Uint8Array): DataView {
  return new DataView(block.buffer, block.byteOffset, BLOCK_BYTES);
}

function setId(view: DataView, field: Field, value: number): void {
  writeId(view, field.offset, value);
}

function getId(view: DataView, field: Field): number {
  return readId(view, field.offset);
}

function setHex(block: Uint8Array, field: Field, hex: string): void {
  writeHex(block, field.offset, hex, 2 * field.lengthBytes);
}

function getHex(block: Uint8Array, field: Field): string {
  return readHex(block, field.offset, 2 * field.lengthBytes);
}

function hexOfChecksum(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

function begin(block: Uint8Array, magic: string, flags: number): DataView {
  block.fill(0, 0, BLOCK_BYTES);
  block.set(Buffer.from(magic, 'latin1'), 0);
  const view = viewOf(block);
  view.setUint32(COMMON_FIELDS.formatVersion.offset, JOURNAL_FORMAT_VERSION, true);
  view.setUint32(COMMON_FIELDS.flags.offset, flags, true);
  return view;
}

function seal(block: Uint8Array, view: DataView): void {
  view.setUint32(COMMON_FIELDS.checksum.offset, checksumOf(block), true);
}

/** Check what every version has in common; null if the block is of this version and whole. */
function checkCommon(block: Uint8Array, magic: string, flagsKnown: number): LaterVersion | Unreadable | null {
  const view = viewOf(block);
  const found = Buffer.from(block.buffer, block.byteOffset, 4).toString('latin1');
  if (found !== magic) {
    return { verdict: 'unreadable', offset: 0, expected: `magic "${magic}"`, found: `0x${getHex(block, COMMON_FIELDS.magic)}` };
  }
  const stored = view.getUint32(COMMON_FIELDS.checksum.offset, true);
  const computed = checksumOf(block);
  if (stored !== computed) {
    const offset = COMMON_FIELDS.checksum.offset;
    return { verdict: 'unreadable', offset, expected: `checksum ${hexOfChecksum(computed)}`, found: hexOfChecksum(stored) };
  }
  const version = view.getUint32(COMMON_FIELDS.formatVersion.offset, true);
  if (version > JOURNAL_FORMAT_VERSION) return { verdict: 'later-version', version };
  const flags = view.getUint32(COMMON_FIELDS.flags.offset, true);
  if (version !== JOURNAL_FORMAT_VERSION || (flags & ~flagsKnown) !== 0) {
    return { verdict: 'unreadable', offset: 4, expected: 'format version 1 with known flags', found: `version ${version}, flags ${flags}` };
  }
  return null;
}

/** Bytes that no writer sets: behind the fields, and in fields that mean nothing without the flag; null if they are zeroes. */
function findStray(block: Uint8Array, fields: FieldTable, meaningless: readonly Field[]): Unreadable | null {
  const offset = Math.max(...Object.values(fields).map((field) => field.offset + field.lengthBytes));
  const unused = [...meaningless, { offset, lengthBytes: BLOCK_BYTES - offset }];
  const stray = unused.find((field) => !isZero(block, field.offset, field.offset + field.lengthBytes));
  return stray === undefined ? null : { verdict: 'unreadable', offset: stray.offset, expected: 'zeroes', found: 'other bytes' };
}

/** First field of the list whose value is above 2^53 - 1, which no writer produces. */
function findTooLarge(view: DataView, fields: readonly Field[]): Unreadable | null {
  const field = fields.find(({ offset }) => readId(view, offset) === NOT_AN_ID);
  if (field === undefined) return null;
  return { verdict: 'unreadable', offset: field.offset, expected: `a number of at most ${ID_MAX}`, found: showU64(view, field.offset) };
}

/** Encode a slot's header into `block` (4096 bytes). */
export function encodeHeader(block: Uint8Array, content: HeaderContent): void {
  const view = begin(block, MAGIC.header, content.dataSet === null ? 0 : FLAG_HAS_DATA_SET);
  view.setUint32(HEADER_FIELDS.slot.offset, content.slot, true);
  view.setUint32(HEADER_FIELDS.slots.offset, content.slots, true);
  setId(view, HEADER_FIELDS.slotBytes, content.slotBytes);
  setHex(block, HEADER_FIELDS.groupId, content.groupId);
  setId(view, HEADER_FIELDS.generation, content.generation);
  setHex(block, HEADER_FIELDS.stream, content.stream);
  setId(view, HEADER_FIELDS.dataSet, content.dataSet ?? 0);
  setId(view, HEADER_FIELDS.firstSequence, content.firstSequence ?? 0);
  seal(block, view);
}

/** Decode a slot's header block; never throws. */
export function decodeHeader(block: Uint8Array): ScannedHeader {
  const bad = checkCommon(block, MAGIC.header, FLAG_HAS_DATA_SET);
  if (bad !== null) return bad;
  const view = viewOf(block);
  const { slotBytes, generation, dataSet, firstSequence } = HEADER_FIELDS;
  const has = (view.getUint32(COMMON_FIELDS.flags.offset, true) & FLAG_HAS_DATA_SET) !== 0;
  const wrong =
    findTooLarge(view, [slotBytes, generation, dataSet, firstSequence]) ??
    findStray(block, HEADER_FIELDS, has ? [] : [dataSet, firstSequence]);
  if (wrong !== null) return wrong;
  return {
    verdict: 'readable',
    groupId: getHex(block, HEADER_FIELDS.groupId),
    generation: getId(view, generation),
    stream: getHex(block, HEADER_FIELDS.stream),
    slot: view.getUint32(HEADER_FIELDS.slot.offset, true),
    slots: view.getUint32(HEADER_FIELDS.slots.offset, true),
    slotBytes: getId(view, slotBytes),
    dataSet: has ? getId(view, dataSet) : null,
    firstSequence: has ? getId(view, firstSequence) : null,
  };
}

/** Encode the complete mark into `block` (4096 bytes). */
export function encodeMark(block: Uint8Array, options: { stream: StreamId; point: HistoryPoint }): void {
  const view = begin(block, MAGIC.mark, 0);
  setHex(block, MARK_FIELDS.stream, options.stream);
  setId(view, MARK_FIELDS.dataSet, options.point.dataSet);
  setId(view, MARK_FIELDS.finalSequence, options.point.finalSequence);
  setHex(block, MARK_FIELDS.chain, options.point.chain);
  seal(block, view);
}

/** Decode the mark's block; offsets in the verdict are those in the file. Never throws. */
export function decodeMark(block: Uint8Array): ScannedCompleteMark {
  if (isZero(block, 0, BLOCK_BYTES)) return { verdict: 'not-set' };
  const bad = checkCommon(block, MAGIC.mark, 0);
  if (bad !== null) return { verdict: 'unreadable', offset: MARK_OFFSET + (bad.verdict === 'unreadable' ? bad.offset : 4) };
  const view = viewOf(block);
  const wrong = findTooLarge(view, [MARK_FIELDS.dataSet, MARK_FIELDS.finalSequence]) ?? findStray(block, MARK_FIELDS, []);
  if (wrong !== null) return { verdict: 'unreadable', offset: MARK_OFFSET + wrong.offset };
  const point = {
    dataSet: getId(view, MARK_FIELDS.dataSet),
    finalSequence: getId(view, MARK_FIELDS.finalSequence),
    chain: getHex(block, MARK_FIELDS.chain),
  };
  return { verdict: 'set', point, stream: getHex(block, MARK_FIELDS.stream) };
}

/** Encode one of the watermark's two blocks into `block` (4096 bytes). */
export function encodeWatermark(block: Uint8Array, content: WatermarkContent): void {
  const point = content.point;
  const view = begin(block, MAGIC.watermark, point === null ? 0 : FLAG_HAS_DATA_SET);
  setId(view, WATERMARK_FIELDS.counter, content.counter);
  setHex(block, WATERMARK_FIELDS.groupId, content.groupId);
  setId(view, WATERMARK_FIELDS.generation, content.generation);
  setHex(block, WATERMARK_FIELDS.stream, content.stream);
  if (point !== null) {
    setId(view, WATERMARK_FIELDS.dataSet, point.dataSet);
    setId(view, WATERMARK_FIELDS.finalSequence, point.finalSequence);
    setHex(block, WATERMARK_FIELDS.chain, point.chain);
  }
  setId(view, WATERMARK_FIELDS.hostEpoch, content.hostEpoch);
  seal(block, view);
}

/** Decode one of the watermark's two blocks; never throws. */
export function decodeWatermark(block: Uint8Array): BlockVerdict<WatermarkContent> {
  const bad = checkCommon(block, MAGIC.watermark, FLAG_HAS_DATA_SET);
  if (bad !== null) return bad;
  const view = viewOf(block);
  const { counter, generation, dataSet, finalSequence, hostEpoch } = WATERMARK_FIELDS;
  const has = (view.getUint32(COMMON_FIELDS.flags.offset, true) & FLAG_HAS_DATA_SET) !== 0;
  const wrong =
    findTooLarge(view, [counter, generation, dataSet, finalSequence, hostEpoch]) ??
    findStray(block, WATERMARK_FIELDS, has ? [] : [dataSet, finalSequence, WATERMARK_FIELDS.chain]);
  if (wrong !== null) return wrong;
  const point = {
    dataSet: getId(view, dataSet),
    finalSequence: getId(view, finalSequence),
    chain: getHex(block, WATERMARK_FIELDS.chain),
  };
  const content = {
    counter: getId(view, counter),
    groupId: getHex(block, WATERMARK_FIELDS.groupId),
    generation: getId(view, generation),
    stream: getHex(block, WATERMARK_FIELDS.stream),
    point: has ? point : null,
    hostEpoch: getId(view, hostEpoch),
  };
  return { verdict: 'readable', content };
}
