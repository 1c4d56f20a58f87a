/**
 * Records that do not belong where they arrive: a message has one more, with right checksums, that is of another stream or generation,
 * lies outside its volume, or contradicts a record before it. A host may not take it (I7, I8, DESIGN section 2, step 6).
 *
 * What is wrong by itself stands before the real ones, with a number that may be new. A contradiction stands behind them, so that the
 * receiver can always know: it closes the link, or passes over the record because its data set is below or above the window.
 */
import { crc32 } from 'node:zlib';
import { offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES } from '../record/layout.ts';
import type { DecodedRecord } from '../record/contract.ts';
import { RecordReader } from '../record/record.ts';
import type { Random } from './random.ts';
import { VOLUMES } from './setting.ts';

const AT = offsetsOf(RECORD_HEADER);
/** A block behind the end of every volume. */
const LBA_OUTSIDE = Math.max(...VOLUMES.map(({ sizeBytes }) => sizeBytes)) / 512;

/** Change the copy of a record. */
type Change = (header: DataView, of: DecodedRecord) => void;

/** Wrong for everybody. */
const FOREIGN: readonly Change[] = [
  (header, { generation }) => put32(header, AT.generation, generation + 1),
  (header, { generation }) => put32(header, AT.generation, Math.max(0, generation - 1)),
  (header) => put32(header, AT.stream, header.getUint32(AT.stream, true) ^ 1),
  (header) => put32(header, AT.stream + 4, header.getUint32(AT.stream + 4, true) ^ 1),
];
const OUTSIDE: readonly Change[] = [
  (header) => put64(header, AT.lba, LBA_OUTSIDE),
  // Over the end by one block.
  (header, { vlun, lengthBytes }) =>
    put64(header, AT.lba, (VOLUMES.find((volume) => volume.vlun === vlun)?.sizeBytes ?? 0) / 512 - lengthBytes / 512 + 1),
  (header) => put32(header, AT.vlun, 1),
];
/** Beyond what any data set may hold, and what is below the window. */
const BEYOND: Change = (header, { sequence }) => put64(header, AT.sequence, sequence + 100_000);
/** Contradictions of the record itself. */
const OTHER_WRITE: readonly Change[] = [
  (header, { dataSet }) => put64(header, AT.dataSet, dataSet + 1),
  (header, { lba }) => put64(header, AT.lba, lba === 0 ? 1 : 0),
  BEYOND,
];
const OTHER: readonly Change[] = [
  (header, { firstSequence }) => put64(header, AT.firstSequence, Math.max(0, firstSequence - 1)),
  (header, { timeUs }) => put64(header, AT.timeUs, timeUs + 1),
];
const OTHER_FINAL: readonly Change[] = [
  (header, { sequence }) => put64(header, AT.sequence, sequence + 1),
  (header, { sequence, firstSequence }) => put64(header, AT.sequence, Math.max(firstSequence, sequence - 1)),
];

export interface Strayed {
  readonly message: Uint8Array;
  /** The stray record as it stands in the message. */
  readonly stray: DecodedRecord;
}

/** The message with a stray record, which may be one for a data set that is destaged already (`isLate`); null when nothing of it can be made one. */
export function withStray(message: Uint8Array, random: Random, isLate: boolean): Strayed | null {
  const records = recordsOf(message);
  if (isLate && records.length > 0 && random.chance(0.7))
    return strayed(message, { original: random.pick(records), change: BEYOND, before: false });
  const sync = records.findLast(({ type }) => type === 'sync');
  const writes = records.filter(({ type }) => type !== 'sync');
  const write = writes.length === 0 ? undefined : random.pick(writes);
  switch (random.int(5)) {
    case 0:
      return records.length === 0 ? null : strayed(message, { original: random.pick(records), change: random.pick(FOREIGN), before: true });
    case 1:
      return write === undefined ? null : strayed(message, { original: write, change: random.pick(OUTSIDE), before: true });
    case 2:
      return sync === undefined ? null : strayed(message, { original: sync, change: random.pick(OTHER_FINAL), before: false });
    case 3: {
      const behind = sync === undefined ? undefined : writes.find(({ dataSet }) => dataSet === sync.dataSet);
      const change: Change = (header) => put64(header, AT.sequence, (sync?.sequence ?? 0) + (random.chance(0.7) ? 1 : 0));
      return behind === undefined ? null : strayed(message, { original: behind, change, before: false });
    }
    default:
      if (write !== undefined && random.chance(0.6))
        return strayed(message, { original: write, change: random.pick(OTHER_WRITE), before: false });
      return records.length === 0 ? null : strayed(message, { original: random.pick(records), change: random.pick(OTHER), before: false });
  }
}

function strayed(
  message: Uint8Array,
  { original, change, before }: { original: DecodedRecord; change: Change; before: boolean },
): Strayed | null {
  const bytes = new Uint8Array(message.subarray(original.offset, original.offset + original.encodedBytes));
  const header = new DataView(bytes.buffer);
  change(header, original);
  const checksum = crc32(bytes.subarray(0, AT.headerChecksum));
  // The change changed nothing.
  if (checksum === original.headerChecksum) return null;
  header.setUint32(AT.headerChecksum, checksum, true);
  const at = before ? 0 : message.length;
  const result = new Uint8Array(message.length + bytes.length);
  result.set(message.subarray(0, at));
  result.set(bytes, at);
  result.set(message.subarray(at), at + bytes.length);
  const stray = new RecordReader(result).readAt(at, result.length);
  return stray.kind === 'record' ? { message: result, stray } : null;
}

export function recordsOf(message: Uint8Array): DecodedRecord[] {
  const reader = new RecordReader(message);
  const records: DecodedRecord[] = [];
  for (let offset = 0; offset + RECORD_HEADER_BYTES <= message.length;) {
    const record = reader.readAt(offset, message.length);
    if (record.kind !== 'record') break;
    records.push(record);
    offset += record.encodedBytes;
  }
  return records;
}

function put32(header: DataView, offset: number, value: number): void {
  header.setUint32(offset, value, true);
}

function put64(header: DataView, offset: number, value: number): void {
  header.setBigUint64(offset, BigInt(value), true);
}
