/** The blocks of a journal and of the watermark without data: header, complete mark, and the watermark's two. */
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, COMMON_FIELDS, HEADER_FIELDS, MAGIC, MARK_FIELDS, WATERMARK_FIELDS } from '../../../journals/format.ts';
import { isZero, readHex, showU32, writeHex } from '../../record/fields.ts';
import type { DataKey } from './data-key.ts';
import type { ReplacedChains } from './replace-chains.ts';
import type { Note } from './replaced-notes.ts';

export type BlockKind = keyof typeof MAGIC;

interface BlockShape {
  /** Where the fields end; from here on a whole block is zeroes. */
  readonly fieldBytes: number;
  readonly chainOffset: number | null;
  /** A field that says whose block it is, also when the magic is damaged. */
  readonly identity: Field;
  readonly groupId: Field | null;
  readonly numbers: readonly Field[];
}

interface Field {
  readonly offset: number;
  readonly lengthBytes: number;
}

const SHAPES: Readonly<Record<BlockKind, BlockShape>> = {
  header: {
    fieldBytes: 80,
    chainOffset: null,
    identity: HEADER_FIELDS.stream,
    groupId: HEADER_FIELDS.groupId,
    numbers: [HEADER_FIELDS.slotBytes, HEADER_FIELDS.generation, HEADER_FIELDS.dataSet, HEADER_FIELDS.firstSequence],
  },
  mark: {
    fieldBytes: 56,
    chainOffset: MARK_FIELDS.chain.offset,
    identity: MARK_FIELDS.stream,
    groupId: null,
    numbers: [MARK_FIELDS.dataSet, MARK_FIELDS.finalSequence],
  },
  watermark: {
    fieldBytes: 96,
    chainOffset: WATERMARK_FIELDS.chain.offset,
    identity: WATERMARK_FIELDS.stream,
    groupId: WATERMARK_FIELDS.groupId,
    numbers: [
      WATERMARK_FIELDS.counter,
      WATERMARK_FIELDS.generation,
      WATERMARK_FIELDS.dataSet,
      WATERMARK_FIELDS.finalSequence,
      WATERMARK_FIELDS.hostEpoch,
    ],
  },
};
const CHECKSUM = COMMON_FIELDS.checksum.offset;
const CHAIN_DIGITS = 32;
/** An identifier or checksum that differs by so few bits from what it should be was damaged itself. */
export const DAMAGED_BITS_MAX = 4;
/** Of the higher 32 bits of an identifier, so many may be used. */
const ID_HIGH_BITS = 21;
const NOTHING = '0'.repeat(CHAIN_DIGITS);

export interface ReplaceBlockOptions {
  readonly kind: BlockKind;
  readonly file: string;
  /** Of the block in its file. */
  readonly offset: number;
  readonly key: DataKey;
  /** Streams that are known to be of this host. */
  readonly streams: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  /** Null: leave chains as they are, for a first pass. */
  readonly chains: ReplacedChains | null;
  readonly note: (note: Note) => void;
}

/** Replace what is data in a block, in place: a chain, and bytes where none should be. A checksum that was wrong is wrong by the same bits. */
export function replaceBlock(block: Uint8Array, options: ReplaceBlockOptions): void {
  const { kind, file, offset, key, streams, groups, chains, note } = options;
  const { fieldBytes, chainOffset, identity } = SHAPES[kind];
  const isOurs =
    block.length >= fieldBytes &&
    (Buffer.from(block.subarray(0, 4)).toString('latin1') === MAGIC[kind] ||
      streams.has(readHex(block, identity.offset, 2 * identity.lengthBytes)));
  if (!isOurs) return replacePiece(block, offset, key);
  const statedBefore = checksumIn(block);
  const wrongBy = statedBefore ^ blockChecksum(block);
  replaceStray(block.subarray(fieldBytes), offset + fieldBytes, key);
  if (wrongBy !== 0) replaceImplausible(block, SHAPES[kind], { groups, key });
  if (chains !== null && chainOffset !== null) replaceChain(block, chainOffset, { file, offset, chains, key, note });
  const stated = (blockChecksum(block) ^ wrongBy) >>> 0;
  new DataView(block.buffer, block.byteOffset).setUint32(CHECKSUM, stated, true);
  if (stated === statedBefore) return;
  const before = key.tag('block checksum', String(statedBefore));
  note({
    file,
    offset: offset + CHECKSUM,
    what: `${kind} checksum`,
    was: wrongBy === 0 ? 'right' : 'wrong',
    before,
    after: showU32(stated),
  });
}

/** The fields of a damaged block that are none: data may lie over them. They become others that are none. */
function replaceImplausible(block: Uint8Array, shape: BlockShape, { groups, key }: { groups: ReadonlySet<string>; key: DataKey }): void {
  const view = new DataView(block.buffer, block.byteOffset);
  const scramble = ({ offset, lengthBytes }: Field): void => {
    const name = key.tag('field', block.subarray(offset, offset + lengthBytes), 2 * lengthBytes);
    // The last byte is the highest of a number: one with it is still none.
    writeHex(block, offset, `${name.slice(0, -2)}ff`, 2 * lengthBytes);
  };
  // One bit too high is a flipped bit, and tells of nothing.
  for (const field of shape.numbers) if (bitsOf(view.getUint32(field.offset + 4, true) >>> ID_HIGH_BITS) > 1) scramble(field);
  const { groupId } = shape;
  if (groupId === null) return;
  const found = readHex(block, groupId.offset, 2 * groupId.lengthBytes);
  if (![...groups].some((known) => differingBits(known, found) <= DAMAGED_BITS_MAX)) scramble(groupId);
}

/** Bits in which two identifiers of one length differ. */
export function differingBits(first: string, second: string): number {
  let bits = 0;
  for (let at = 0; at < first.length; at += 8)
    bits += bitsOf(Number.parseInt(first.slice(at, at + 8), 16) ^ Number.parseInt(second.slice(at, at + 8), 16));
  return bits;
}

export function bitsOf(value: number): number {
  let rest = value >>> 0;
  let bits = 0;
  for (; rest !== 0; rest = (rest & (rest - 1)) >>> 0) bits += 1;
  return bits;
}

/** Replace a chain wherever it stands. */
export function replaceChain(
  bytes: Uint8Array,
  at: number,
  { file, offset, chains, key, note }: { file: string; offset: number; chains: ReplacedChains; key: DataKey; note: (note: Note) => void },
): void {
  const chain = readHex(bytes, at, CHAIN_DIGITS);
  const replaced = chains.replace(chain);
  if (chain === NOTHING || replaced === chain) return;
  writeHex(bytes, at, replaced, CHAIN_DIGITS);
  note({ file, offset: offset + at, what: 'chain', was: null, before: key.tag('chain name', chain), after: replaced });
}

/** Replace bytes that belong to nothing: sectors of zeroes stay, all others become text. */
export function replacePiece(bytes: Uint8Array, position: number, key: DataKey): void {
  const sectorBytes = 512;
  let from = 0;
  while (from < bytes.length) {
    const to = Math.min(bytes.length, from + sectorBytes - ((position + from) % sectorBytes));
    if (!isZero(bytes, from, to)) bytes.set(key.piece(bytes.subarray(from, to), position + from), from);
    from = to;
  }
}

/** Bytes behind the fields of a block that is otherwise known: those that are not zero stay so, and nothing else of them. */
function replaceStray(bytes: Uint8Array, position: number, key: DataKey): void {
  if (isZero(bytes, 0, bytes.length)) return;
  const text = key.piece(bytes, position);
  for (let index = 0; index < bytes.length; index += 1) if (bytes[index] !== 0) bytes[index] = text[index] as number;
}

function checksumIn(block: Uint8Array): number {
  return new DataView(block.buffer, block.byteOffset).getUint32(CHECKSUM, true);
}

/** As the journals' format has it; of a block that is cut off, over what is there. */
function blockChecksum(block: Uint8Array): number {
  const before = crc32(new Uint8Array(4), crc32(block.subarray(0, CHECKSUM)));
  return crc32(block.subarray(CHECKSUM + 4, BLOCK_BYTES), before);
}
