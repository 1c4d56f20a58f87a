/**
 * Portable journals, format version 1 (docs/portable-journals.md): the tables of an export's header and of its entries, and their codecs.
 * A change here changes the document, the golden bytes under fixtures/portable/ and `PORTABLE_FORMAT_VERSION` in one commit.
 *
 * An export is a function of the bytes of the journals alone: no time, no path and no host stands in it, so that an export of what was
 * imported is the same file again.
 */
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES } from '../../../journals/format.ts';
import { geometryOf } from '../../../journals/geometry.ts';
import type { JournalIdentity } from '../../../journals/contract.ts';
import { FarshoreError } from '../../model/errors.ts';
import type { DataSetId, Geometry } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import { NOT_AN_ID, readHex, readId, showU32, showU64, writeHex, writeId } from '../../record/fields.ts';
import type { FieldLayout } from '../../record/layout.ts';
import { offsetsOf } from '../../record/layout.ts';

export const PORTABLE_FORMAT_VERSION = 1;

/** The first bytes of an export. */
export const PORTABLE_HEADER = [
  { name: 'magic', offset: 0, size: 4, kind: 'ascii' },
  { name: 'formatVersion', offset: 4, size: 4, kind: 'u32' },
  { name: 'checksum', offset: 8, size: 4, kind: 'crc32' },
  { name: 'flags', offset: 12, size: 4, kind: 'zero' },
  { name: 'slots', offset: 16, size: 4, kind: 'u32' },
  { name: 'entries', offset: 20, size: 4, kind: 'u32' },
  { name: 'slotBytes', offset: 24, size: 8, kind: 'id' },
  { name: 'groupId', offset: 32, size: 16, kind: 'hex' },
  { name: 'generation', offset: 48, size: 8, kind: 'id' },
  { name: 'stream', offset: 56, size: 8, kind: 'hex' },
  { name: 'watermarkBytes', offset: 64, size: 4, kind: 'u32' },
  { name: 'watermarkChecksum', offset: 68, size: 4, kind: 'crc32' },
] as const satisfies readonly FieldLayout[];
export const PORTABLE_HEADER_BYTES = 72;

/** Stands before the bytes of each journal. */
export const ENTRY_HEADER = [
  { name: 'magic', offset: 0, size: 4, kind: 'ascii' },
  { name: 'checksum', offset: 4, size: 4, kind: 'crc32' },
  { name: 'slot', offset: 8, size: 4, kind: 'u32' },
  { name: 'flags', offset: 12, size: 4, kind: 'u32' },
  { name: 'dataSet', offset: 16, size: 8, kind: 'id' },
  { name: 'fileBytes', offset: 24, size: 8, kind: 'id' },
  { name: 'contentBytes', offset: 32, size: 8, kind: 'id' },
  { name: 'tailOffset', offset: 40, size: 8, kind: 'id' },
  { name: 'verdict', offset: 48, size: 4, kind: 'u32' },
  { name: 'reserved', offset: 52, size: 4, kind: 'zero' },
] as const satisfies readonly FieldLayout[];
export const ENTRY_HEADER_BYTES = 56;

/** Stands behind them, because only then their checksum is known to whoever writes a stream. */
export const ENTRY_TRAILER = [
  { name: 'magic', offset: 0, size: 4, kind: 'ascii' },
  { name: 'checksum', offset: 4, size: 4, kind: 'crc32' },
] as const satisfies readonly FieldLayout[];
export const ENTRY_TRAILER_BYTES = 8;

export const PORTABLE_MAGIC = { header: 'FSX1', entry: 'FSXE', trailer: 'FSXT' } as const;

/** Entry flags. */
export const FLAG_DATA_SET = 1;
export const FLAG_MISSING = 2;

/** What the bytes of a journal were when they were exported (DESIGN section 6); the numbers are part of format version 1. */
export const PORTABLE_VERDICT = { 'clean end': 1, unreadable: 2, damaged: 3 } as const;
export type PortableVerdict = keyof typeof PORTABLE_VERDICT;

export const WATERMARK_BYTES_MAX = 2 * BLOCK_BYTES;

export interface PortableHeader extends JournalIdentity {
  readonly geometry: Geometry;
  readonly entries: number;
  /** The watermark's file, as far as it was there. */
  readonly watermark: Uint8Array;
}

export interface PortableEntry {
  readonly slot: number;
  /** The slot's file was not there. */
  readonly missing: boolean;
  /** Data set of its records, else of its header; null when neither names one. */
  readonly dataSet: DataSetId | null;
  /** Length of the journal's file. */
  readonly fileBytes: number;
  /** Its first bytes, all that is in the export; those behind them are zeroes, or old bytes that nothing reads. */
  readonly contentBytes: number;
  /** Where its records end, or from where on they cannot be read. */
  readonly tailOffset: number;
  readonly verdict: PortableVerdict;
}

/** What is wrong with a piece of an export, as a value: the reader names file and place. */
export interface PortableFault {
  readonly kind: 'fault';
  /** Counted from the piece's beginning. */
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
  /** A later format version, whose bytes are good. */
  readonly version?: number;
}

const HEADER_AT = offsetsOf(PORTABLE_HEADER);
const ENTRY_AT = offsetsOf(ENTRY_HEADER);
const TRAILER_AT = offsetsOf(ENTRY_TRAILER);
const ZEROES_4 = new Uint8Array(4);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** CRC-32 of a piece, with its own checksum's four bytes taken as zeroes. */
function checksumOf(piece: Uint8Array, at: number): number {
  return crc32(piece.subarray(at + 4), crc32(ZEROES_4, crc32(piece.subarray(0, at))));
}

function fault(offset: number, expected: string, found: string): PortableFault {
  return { kind: 'fault', offset, expected, found };
}

/** Encode header and watermark. */
export function encodePortableHeader(header: PortableHeader): Uint8Array {
  const { geometry, watermark } = header;
  const bytes = new Uint8Array(PORTABLE_HEADER_BYTES + watermark.length);
  const piece = bytes.subarray(0, PORTABLE_HEADER_BYTES);
  const view = viewOf(piece);
  piece.set(Buffer.from(PORTABLE_MAGIC.header, 'latin1'));
  view.setUint32(HEADER_AT.formatVersion, PORTABLE_FORMAT_VERSION, true);
  view.setUint32(HEADER_AT.slots, geometry.slots, true);
  view.setUint32(HEADER_AT.entries, header.entries, true);
  writeId(view, HEADER_AT.slotBytes, geometry.slotBytes);
  writeHex(piece, HEADER_AT.groupId, header.groupId, 32);
  writeId(view, HEADER_AT.generation, header.generation);
  writeHex(piece, HEADER_AT.stream, header.stream, 16);
  view.setUint32(HEADER_AT.watermarkBytes, watermark.length, true);
  view.setUint32(HEADER_AT.watermarkChecksum, crc32(watermark), true);
  view.setUint32(HEADER_AT.checksum, checksumOf(piece, HEADER_AT.checksum), true);
  bytes.set(watermark, PORTABLE_HEADER_BYTES);
  return bytes;
}

/** Header without its watermark's bytes, which are checked when they are read. */
export type DecodedPortableHeader = Omit<PortableHeader, 'watermark'> & {
  readonly watermarkBytes: number;
  readonly watermarkChecksum: number;
};

/** Decode the first 72 bytes. */
export function decodePortableHeader(piece: Uint8Array): DecodedPortableHeader | PortableFault {
  const view = viewOf(piece);
  const wrong = checkPiece(piece, PORTABLE_MAGIC.header, HEADER_AT.checksum);
  if (wrong !== null) return wrong;
  const version = view.getUint32(HEADER_AT.formatVersion, true);
  if (version !== PORTABLE_FORMAT_VERSION) {
    const odd = fault(HEADER_AT.formatVersion, `format version ${PORTABLE_FORMAT_VERSION}`, `version ${version}`);
    return version > PORTABLE_FORMAT_VERSION ? { ...odd, version } : odd;
  }
  const flags = view.getUint32(HEADER_AT.flags, true);
  if (flags !== 0) return fault(HEADER_AT.flags, 'flags 0', `flags ${flags}`);
  const slots = view.getUint32(HEADER_AT.slots, true);
  const geometry = geometryIn({ slots, slotBytes: readId(view, HEADER_AT.slotBytes) });
  if (geometry === null) {
    const limits = `${LIMITS.slotsMin} to ${LIMITS.slotsMax} slots of ${LIMITS.slotBytesMin} to ${LIMITS.slotBytesMax} bytes`;
    return fault(HEADER_AT.slots, limits, `${slots} slots of 0x${showU64(view, HEADER_AT.slotBytes).slice(2)} bytes`);
  }
  const entries = view.getUint32(HEADER_AT.entries, true);
  if (entries > slots) return fault(HEADER_AT.entries, `at most ${slots} entries`, `${entries} entries`);
  const generation = readId(view, HEADER_AT.generation);
  if (generation === NOT_AN_ID) return fault(HEADER_AT.generation, 'a number of at most 2^53 - 1', showU64(view, HEADER_AT.generation));
  const watermarkBytes = view.getUint32(HEADER_AT.watermarkBytes, true);
  if (watermarkBytes > WATERMARK_BYTES_MAX) {
    return fault(HEADER_AT.watermarkBytes, `at most ${WATERMARK_BYTES_MAX} bytes of watermark`, `${watermarkBytes} bytes`);
  }
  return {
    groupId: readHex(piece, HEADER_AT.groupId, 32),
    generation,
    stream: readHex(piece, HEADER_AT.stream, 16),
    geometry,
    entries,
    watermarkBytes,
    watermarkChecksum: view.getUint32(HEADER_AT.watermarkChecksum, true),
  };
}

/** Encode what stands before a journal's bytes. */
export function encodeEntryHeader(entry: PortableEntry): Uint8Array {
  const piece = new Uint8Array(ENTRY_HEADER_BYTES);
  const view = viewOf(piece);
  piece.set(Buffer.from(PORTABLE_MAGIC.entry, 'latin1'));
  view.setUint32(ENTRY_AT.slot, entry.slot, true);
  view.setUint32(ENTRY_AT.flags, (entry.dataSet === null ? 0 : FLAG_DATA_SET) | (entry.missing ? FLAG_MISSING : 0), true);
  writeId(view, ENTRY_AT.dataSet, entry.dataSet ?? 0);
  writeId(view, ENTRY_AT.fileBytes, entry.fileBytes);
  writeId(view, ENTRY_AT.contentBytes, entry.contentBytes);
  writeId(view, ENTRY_AT.tailOffset, entry.tailOffset);
  view.setUint32(ENTRY_AT.verdict, PORTABLE_VERDICT[entry.verdict], true);
  view.setUint32(ENTRY_AT.checksum, checksumOf(piece, ENTRY_AT.checksum), true);
  return piece;
}

/** Decode what stands before a journal's bytes. */
export function decodeEntryHeader(piece: Uint8Array): PortableEntry | PortableFault {
  const view = viewOf(piece);
  const wrong = checkPiece(piece, PORTABLE_MAGIC.entry, ENTRY_AT.checksum);
  if (wrong !== null) return wrong;
  const flags = view.getUint32(ENTRY_AT.flags, true);
  if ((flags & ~(FLAG_DATA_SET | FLAG_MISSING)) !== 0) return fault(ENTRY_AT.flags, 'known flags', `flags ${flags}`);
  for (const name of ['dataSet', 'fileBytes', 'contentBytes', 'tailOffset'] as const) {
    if (readId(view, ENTRY_AT[name]) === NOT_AN_ID)
      return fault(ENTRY_AT[name], `${name} of at most 2^53 - 1`, showU64(view, ENTRY_AT[name]));
  }
  const dataSet = readId(view, ENTRY_AT.dataSet);
  const fileBytes = readId(view, ENTRY_AT.fileBytes);
  const contentBytes = readId(view, ENTRY_AT.contentBytes);
  if (fileBytes > LIMITS.slotBytesMax)
    return fault(ENTRY_AT.fileBytes, `a journal of at most ${LIMITS.slotBytesMax} bytes`, `${fileBytes} bytes`);
  if (contentBytes > fileBytes) return fault(ENTRY_AT.contentBytes, `at most the file's ${fileBytes} bytes`, `${contentBytes} bytes`);
  const code = view.getUint32(ENTRY_AT.verdict, true);
  const verdict = (Object.keys(PORTABLE_VERDICT) as PortableVerdict[]).find((name) => PORTABLE_VERDICT[name] === code);
  if (verdict === undefined) return fault(ENTRY_AT.verdict, 'a verdict of 1 to 3', `${code}`);
  const reserved = view.getUint32(ENTRY_AT.reserved, true);
  if (reserved !== 0) return fault(ENTRY_AT.reserved, 'zeroes', `0x${showU32(reserved)}`);
  const named = (flags & FLAG_DATA_SET) !== 0;
  const missing = (flags & FLAG_MISSING) !== 0;
  if (!named && dataSet !== 0) return fault(ENTRY_AT.dataSet, 'zeroes without a data set', `${dataSet}`);
  if (missing && fileBytes !== 0) return fault(ENTRY_AT.fileBytes, 'no bytes of a file that was missing', `${fileBytes} bytes`);
  return {
    slot: view.getUint32(ENTRY_AT.slot, true),
    missing,
    dataSet: named ? dataSet : null,
    fileBytes,
    contentBytes,
    tailOffset: readId(view, ENTRY_AT.tailOffset),
    verdict,
  };
}

/** Encode what stands behind a journal's bytes. @param checksum CRC-32 of the entry's header and of those bytes */
export function encodeEntryTrailer(checksum: number): Uint8Array {
  const piece = new Uint8Array(ENTRY_TRAILER_BYTES);
  piece.set(Buffer.from(PORTABLE_MAGIC.trailer, 'latin1'));
  viewOf(piece).setUint32(TRAILER_AT.checksum, checksum, true);
  return piece;
}

/** Check what stands behind a journal's bytes; null if it is right. */
export function checkEntryTrailer(piece: Uint8Array, checksum: number): PortableFault | null {
  const magic = checkMagic(piece, PORTABLE_MAGIC.trailer);
  if (magic !== null) return magic;
  const stated = viewOf(piece).getUint32(TRAILER_AT.checksum, true);
  if (stated === checksum) return null;
  return fault(TRAILER_AT.checksum, `checksum 0x${showU32(stated)}, as it was written`, `0x${showU32(checksum)} of the bytes before it`);
}

function checkPiece(piece: Uint8Array, magic: string, checksumAt: number): PortableFault | null {
  const wrong = checkMagic(piece, magic);
  if (wrong !== null) return wrong;
  const stated = viewOf(piece).getUint32(checksumAt, true);
  const computed = checksumOf(piece, checksumAt);
  return stated === computed ? null : fault(checksumAt, `checksum 0x${showU32(stated)}, as it was written`, `0x${showU32(computed)}`);
}

function checkMagic(piece: Uint8Array, magic: string): PortableFault | null {
  const found = Buffer.from(piece.buffer, piece.byteOffset, 4).toString('latin1');
  return found === magic ? null : fault(0, `magic "${magic}"`, `0x${readHex(piece, 0, 8)}`);
}

function geometryIn(options: { slots: number; slotBytes: number }): Geometry | null {
  try {
    return geometryOf(options);
  } catch (error) {
    if (error instanceof FarshoreError) return null;
    throw error;
  }
}
