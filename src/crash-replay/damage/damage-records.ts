/** Edits of the records that a journal holds: the records stay as the primary encoded them, only their company changes. */
import { alignUp } from '../../../journals/commit-plan.ts';
import { BLOCK_BYTES, RECORDS_OFFSET } from '../../../journals/format.ts';
import { FarshoreError } from '../../model/errors.ts';
import type { SequenceNumber } from '../../model/ids.ts';
import { RECORD_HEADER_BYTES, RecordReader, RecordWriter, type DecodedRecord } from '../../record/record.ts';

/** What `rewriteRecords` puts into a journal: one of its records, or a pad of so many bytes. */
export type JournalEntry = DecodedRecord | { readonly kind: 'pad'; readonly bytes: number };

/** The readable records of a journal, pads included. */
export function recordsIn(image: Uint8Array): DecodedRecord[] {
  const reader = new RecordReader(image);
  const records: DecodedRecord[] = [];
  for (let offset = RECORDS_OFFSET; ;) {
    const found = reader.readAt(offset, image.length);
    if (found.kind !== 'record') return records;
    records.push(found);
    offset += found.encodedBytes;
  }
}

/** The record with this number. @throws FarshoreError ERR_FIXTURE_DAMAGE when the journal has none */
export function recordIn(image: Uint8Array, file: string, sequence: SequenceNumber): DecodedRecord {
  const records = recordsIn(image);
  const found = records.find((record) => record.type !== 'pad' && record.sequence === sequence);
  if (found !== undefined) return found;
  const numbers = records.map((record) => record.sequence).join(', ');
  throw new FarshoreError('ERR_FIXTURE_DAMAGE', `${file} holds no record ${sequence}: only ${numbers}`);
}

/** Encode a write anew, with other data, by the production encoder. */
export function refillWrite(image: Uint8Array, record: DecodedRecord, fill: number): void {
  const { offset, vlun, lba, lengthBytes, timeUs, generation, stream } = record;
  const payload = Buffer.alloc(lengthBytes, fill);
  new RecordWriter(image).encodeWrite(offset, { type: 'write', vlun, lba, lengthBytes, timeUs, payload }, record, { generation, stream });
}

/**
 * Write these entries in this order in place of the journal's records, as whole commits would have left them: the rest of the last block is
 * zeroes, and one block of zeroes more where it has no room for a record's header (FORMAT.md). What lies behind stays.
 */
export function rewriteRecords(image: Uint8Array, entries: readonly JournalEntry[]): void {
  const before = Uint8Array.from(image);
  const oldEnd = recordsIn(image).reduce((end, record) => Math.max(end, record.offset + record.encodedBytes), RECORDS_OFFSET);
  const newEnd = entries.reduce((end, entry) => end + (entry.kind === 'pad' ? entry.bytes : entry.encodedBytes), RECORDS_OFFSET);
  if (newEnd > image.length - BLOCK_BYTES) throw new FarshoreError('ERR_FIXTURE_DAMAGE', `records through byte ${newEnd} do not fit`);
  const writer = new RecordWriter(image);
  let offset = RECORDS_OFFSET;
  for (const entry of entries) {
    if (entry.kind === 'pad') offset += writer.encodePad(offset, entry.bytes);
    else {
      image.set(before.subarray(entry.offset, entry.offset + entry.encodedBytes), offset);
      offset += entry.encodedBytes;
    }
  }
  const blockEnd = alignUp(offset);
  const end = blockEnd - offset < RECORD_HEADER_BYTES ? blockEnd + BLOCK_BYTES : blockEnd;
  image.fill(0, offset, Math.max(end, alignUp(oldEnd)));
}
