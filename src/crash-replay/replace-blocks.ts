/** The blocks of a journal and of the watermark without data: header, complete mark, and the watermark's two. */
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, COMMON_FIELDS, HEADER_FIELDS, MAGIC, MARK_FIELDS, WATERMARK_FIELDS } from '../../journals/format.ts';
import { isZero, readHex, showU32, writeHex } from '../record/fields.ts';
import type { DataKey } from './data-key.ts';
import type { ReplacedChains } from './replace-chains.ts';
import type { Note } from './replaced-notes.ts';

export type BlockKind = keyof typeof MAGIC;

interface BlockShape {
  /** Where the fields end; from here on a whole block is zeroes. */
  readonly fieldBytes: number;
  readonly chainOffset: number | null;
  /** A field that says whose block it is, also when the magic is damaged. */
  readonly identity: { readonly offset: number; readonly lengthBytes: number };
}

const SHAPES: Readonly<Record<BlockKind, BlockShape>> = {
  header: { fieldBytes: 80, chainOffset: null, identity: HEADER_FIELDS.stream },
  mark: { fieldBytes: 56, chainOffset: MARK_FIELDS.chain.offset, identity: MARK_FIELDS.stream },
  watermark: { fieldBytes: 96, chainOffset: WATERMARK_FIELDS.chain.offset, identity: WATERMARK_FIELDS.stream },
};
const CHECKSUM = COMMON_FIELDS.checksum.offset;
const CHAIN_DIGITS = 32;
const NOTHING = '0'.repeat(CHAIN_DIGITS);

export interface ReplaceBlockOptions {
  readonly kind: BlockKind;
  readonly file: string;
  /** Of the block in its file. */
  readonly offset: number;
  readonly key: DataKey;
  /** Streams that are known to be of this host. */
  readonly streams: ReadonlySet<string>;
  /** Null: leave chains as they are, for a first pass. */
  readonly chains: ReplacedChains | null;
  readonly note: (note: Note) => void;
}

/** Replace what is data in a block, in place: a chain, and bytes where none should be. A checksum that was wrong is wrong by the same bits. */
export function replaceBlock(block: Uint8Array, options: ReplaceBlockOptions): void {
  const { kind, file, offset, key, streams, chains, note } = options;
  const { fieldBytes, chainOffset, identity } = SHAPES[kind];
  const isOurs =
    block.length >= fieldBytes &&
    (Buffer.from(block.subarray(0, 4)).toString('latin1') === MAGIC[kind] ||
      streams.has(readHex(block, identity.offset, 2 * identity.lengthBytes)));
  if (!isOurs) return replacePiece(block, offset, key);
  const statedBefore = checksumIn(block);
  const wrongBy = statedBefore ^ blockChecksum(block);
  replaceStray(block.subarray(fieldBytes), offset + fieldBytes, key);
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
