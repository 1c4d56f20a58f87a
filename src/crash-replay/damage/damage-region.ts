/** Edits of what a peer's region holds, for fixtures whose fault is a region that contradicts the journals. */
import { crc32 } from 'node:zlib';
import {
  decodeSegmentHeader,
  MAGIC,
  putSegmentNumbers,
  RING_OFFSET,
  SEGMENT_HEADER_BYTES,
  viewOf,
  type SegmentHeader,
} from '../../peer/nvram/format.ts';
import { RECORD_HEADER, offsetsOf } from '../../record/layout.ts';
import type { SequenceNumber } from '../../model/ids.ts';
import { RecordReader, type DecodedRecord } from '../../record/record.ts';
import { damageImpossible, fileOf, type CrashFiles, type DamageNote } from './damage.ts';
import { refillWrite } from './damage-records.ts';

const ALIGNMENT_BYTES = 8;
const CHECKSUM_AT = offsetsOf(RECORD_HEADER).headerChecksum;
const MAGIC_BYTES = Buffer.from(MAGIC.segment, 'latin1');

interface FoundRecord {
  readonly segmentAt: number;
  readonly header: SegmentHeader;
  readonly records: readonly DecodedRecord[];
  readonly record: DecodedRecord;
}

/** Put other data into a write that the region holds, every checksum right: the same number, and another history. */
export function refillHeldWrite(
  files: CrashFiles,
  { file, sequence, fill }: { file: string; sequence: SequenceNumber; fill: number },
): DamageNote {
  const region = fileOf(files, file);
  const { segmentAt, header, records, record } = findRecord(region, file, sequence);
  refillWrite(region, record, fill);
  const checksums = Buffer.concat(records.map(({ offset }) => region.slice(offset + CHECKSUM_AT, offset + CHECKSUM_AT + 4)));
  const block = region.subarray(segmentAt, segmentAt + SEGMENT_HEADER_BYTES);
  putSegmentNumbers(block, viewOf(block), header, { ...header, digest: crc32(checksums) });
  const words = `the ${record.lengthBytes} bytes of data of record ${sequence} became 0x${fill.toString(16)}, with right checksums of record and segment`;
  return { file, words };
}

/** The newest segment with this record; a region whose ring has not come round yet has one at most. */
function findRecord(region: Uint8Array, file: string, sequence: SequenceNumber): FoundRecord {
  let found: FoundRecord | null = null;
  for (let segmentAt = RING_OFFSET; segmentAt + SEGMENT_HEADER_BYTES <= region.length; segmentAt += ALIGNMENT_BYTES) {
    if (MAGIC_BYTES.compare(region, segmentAt, segmentAt + MAGIC_BYTES.length) !== 0) continue;
    const decoded = decodeSegmentHeader(region.subarray(segmentAt, segmentAt + SEGMENT_HEADER_BYTES));
    if (decoded.verdict !== 'readable') continue;
    const header = decoded.content;
    const records = recordsFrom(region, segmentAt + SEGMENT_HEADER_BYTES, header.encodedBytes);
    const record = records.find((candidate) => candidate.type === 'write' && candidate.sequence === sequence);
    if (record !== undefined) found = { segmentAt, header, records, record };
  }
  if (found === null) throw damageImpossible(`${file} holds no write ${sequence}`);
  return found;
}

function recordsFrom(region: Uint8Array, from: number, encodedBytes: number): DecodedRecord[] {
  const reader = new RecordReader(region);
  const records: DecodedRecord[] = [];
  for (let offset = from; offset < from + encodedBytes;) {
    const record = reader.readAt(offset, from + encodedBytes);
    if (record.kind !== 'record') return [];
    records.push(record);
    offset += record.encodedBytes;
  }
  return records;
}
