/** Read what there is of a stretch of a file: fewer bytes at its end, none where the disk cannot read; and what stands behind the records. */
import { BLOCK_BYTES } from '../../../journals/format.ts';
import type { ScannedTail } from '../../../journals/contract.ts';
import type { DiskFile } from '../../disk/disk.ts';
import { isZero } from '../../record/fields.ts';
import { RECORD_HEADER_BYTES, RecordReader } from '../../record/record.ts';

/** Up to `lengthBytes` bytes. */
export function readSome(file: DiskFile, offset: number, lengthBytes: number): Uint8Array {
  const target = new Uint8Array(lengthBytes);
  try {
    return target.subarray(0, file.readSync(target, offset));
  } catch {
    return target.subarray(0, 0);
  }
}

/** One block, or what there is of it. */
export function readBlock(file: DiskFile, offset: number): Uint8Array {
  return readSome(file, offset, BLOCK_BYTES);
}

/** What stands where the records end cleanly, or, when they do not, whose record's header is still whole there; null: nothing that tells. */
export function whatFollows(file: DiskFile, { verdict, offset }: ScannedTail): string | null {
  const bytes = readSome(file, offset, RECORD_HEADER_BYTES);
  const header = wholeHeader(bytes);
  if (header !== null) {
    const whose = header.type === 'pad' ? 'a pad' : `a ${header.type} with number ${header.sequence} of data set ${header.dataSet}`;
    return verdict === 'clean-end' ? `old bytes of the slot follow: ${whose}` : `the header there is whole: ${whose}`;
  }
  if (verdict === 'unreadable') return null;
  if (bytes.length === 0) return 'there the file ends';
  return isZero(bytes, 0, bytes.length) ? 'zeroes follow' : null;
}

interface WholeHeader {
  readonly type: string;
  readonly sequence: number;
  readonly dataSet: number;
}

/** The header of a record whose own checksum is right, whatever its payload is. */
export function wholeHeader(bytes: Uint8Array): WholeHeader | null {
  if (bytes.length < RECORD_HEADER_BYTES) return null;
  const reader = new RecordReader(bytes);
  const verdict = reader.examine(0, RECORD_HEADER_BYTES);
  // All bytes of a header are there: more are wanted only for a payload, and only when the header is right.
  const isWhole = verdict === 'record' || verdict === 'incomplete';
  return isWhole ? reader.header : null;
}
