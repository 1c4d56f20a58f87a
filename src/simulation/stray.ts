/**
 * Records that do not belong where they arrive: behind the real ones of a message stands one more with right checksums that is of another
 * stream or generation, or contradicts a record before it, or lies outside its volume. A host may not take it (I7, I8, DESIGN section 2, 6).
 *
 * The real one comes first, in the same message, so that the receiver can always know: it closes the link, or it passes over the
 * record because the whole data set is below or above its window.
 */
import { crc32 } from 'node:zlib';
import { offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES, RECORDS_HEADER, RECORDS_HEADER_BYTES } from '../record/layout.ts';
import type { DecodedRecord } from '../record/contract.ts';
import { RecordReader } from '../record/record.ts';
import type { Random } from './random.ts';
import { VOLUMES } from './setting.ts';

const AT = offsetsOf(RECORD_HEADER);
/** A block behind the end of every volume. */
const LBA_OUTSIDE = Math.max(...VOLUMES.map(({ sizeBytes }) => sizeBytes)) / 512;

/** Change the copy of a record; false: this kind of contradiction is not possible with it. */
type Change = (header: DataView, of: DecodedRecord) => boolean;

const CHANGES: readonly Change[] = [
  (header, { generation }) => put32(header, AT.generation, generation + 1),
  (header, { generation }) => put32(header, AT.generation, generation - 1),
  (header) => put32(header, AT.stream, header.getUint32(AT.stream, true) ^ 1),
  (header) => put32(header, AT.stream + 4, header.getUint32(AT.stream + 4, true) ^ 1),
  (header, { type, dataSet }) => type !== 'sync' && put64(header, AT.dataSet, dataSet + 1),
  (header, { firstSequence }) => put64(header, AT.firstSequence, firstSequence - 1),
  // The same number with other content.
  (header, { timeUs }) => put64(header, AT.timeUs, timeUs + 1),
  (header, { type, lba }) => type !== 'sync' && put64(header, AT.lba, lba === 0 ? 1 : 0),
  (header, { type }) => type !== 'sync' && put64(header, AT.lba, LBA_OUTSIDE),
  (header, { type, lengthBytes, lba }) => type !== 'sync' && put64(header, AT.lba, Math.max(lba, LBA_OUTSIDE - lengthBytes / 512 + 1)),
  (header, { type }) => type !== 'sync' && put32(header, AT.vlun, 1),
  // Another final number, and a write behind the final number.
  (header, { type, sequence }) => type === 'sync' && put64(header, AT.sequence, sequence + 1),
  (header, { type, sequence, firstSequence }) =>
    type === 'sync' && sequence - 1 >= firstSequence && put64(header, AT.sequence, sequence - 1),
];

export interface Strayed {
  readonly message: Uint8Array;
  /** The stray record as it stands in the message. */
  readonly stray: DecodedRecord;
}

/** The message with a stray record behind the real ones; null when none fits. */
export function withStray(message: Uint8Array, random: Random): Strayed | null {
  const records = recordsOf(message);
  const original = random.chance(0.5) ? records.findLast(({ type }) => type === 'sync') : random.pick(records);
  const sync = records.findLast(({ type }) => type === 'sync');
  const write = records.find(({ type, dataSet }) => type !== 'sync' && dataSet === sync?.dataSet);
  if (sync !== undefined && write !== undefined && random.chance(0.15))
    return strayed(message, write, (header) => put64(header, AT.sequence, sync.sequence + random.int(2)));
  return original === undefined ? null : strayed(message, original, random.pick(CHANGES));
}

function strayed(message: Uint8Array, original: DecodedRecord, change: Change): Strayed | null {
  const bytes = new Uint8Array(message.subarray(original.offset, original.offset + original.encodedBytes));
  const header = new DataView(bytes.buffer);
  if (!change(header, original)) return null;
  header.setUint32(AT.headerChecksum, crc32(bytes.subarray(0, AT.headerChecksum)), true);
  const result = new Uint8Array(message.length + bytes.length);
  result.set(message);
  result.set(bytes, message.length);
  new DataView(result.buffer).setUint32(offsetsOf(RECORDS_HEADER).encodedBytes, result.length - RECORDS_HEADER_BYTES, true);
  const stray = new RecordReader(result).readAt(message.length, result.length);
  return stray.kind === 'record' ? { message: result, stray } : null;
}

function recordsOf(message: Uint8Array): DecodedRecord[] {
  const reader = new RecordReader(message);
  const records: DecodedRecord[] = [];
  for (let offset = RECORDS_HEADER_BYTES; offset + RECORD_HEADER_BYTES <= message.length;) {
    const record = reader.readAt(offset, message.length);
    if (record.kind !== 'record') break;
    records.push(record);
    offset += record.encodedBytes;
  }
  return records;
}

function put32(header: DataView, offset: number, value: number): boolean {
  header.setUint32(offset, value, true);
  return value >= 0;
}

function put64(header: DataView, offset: number, value: number): boolean {
  if (value < 0) return false;
  header.setBigUint64(offset, BigInt(value), true);
  return true;
}
