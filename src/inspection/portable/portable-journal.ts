/**
 * What of one journal's file travels in an export: its bytes from 0 through the block in which the end of its records stands, and of one that
 * cannot be read to its end everything through its last byte that is not zero. Scanned again, these bytes say the same as the file did.
 */
import { scanFile, type FileScan, type ScannedFile } from '../../../journals/file-scan.ts';
import { journalRead } from '../../../journals/errors.ts';
import { BLOCK_BYTES, RECORDS_OFFSET } from '../../../journals/format.ts';
import type { DataSetId } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import { isZero } from '../../record/fields.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { RECORD_HEADER_BYTES, RecordReader } from '../../record/record.ts';
import type { PortableEntry, PortableVerdict } from './portable-format.ts';

const PIECE_BYTES = 256 * 1024;

export interface MeasuredJournal {
  readonly entry: PortableEntry;
  readonly scan: FileScan;
  /** First record that is no pad. */
  readonly firstRecord: DecodedRecord | null;
}

/** Scan a journal and say what of it travels. @throws FarshoreError ERR_JOURNAL_READ when the disk cannot read it */
export async function measureJournal(options: {
  readonly file: ScannedFile;
  readonly slot: number;
  readonly slotBytes: number;
  readonly window: Uint8Array;
}): Promise<MeasuredJournal> {
  const { file, slot, slotBytes, window } = options;
  let firstRecord: DecodedRecord | null = null;
  const scan = await scanFile({
    file,
    slot,
    window,
    take: ({ record }) => {
      if (record.type !== 'pad') firstRecord ??= record;
    },
  });
  if (scan.readError !== null) throw journalRead(file.path, scan.readError);
  const contentBytes = contentBytesOf(file, scan);
  const entry = {
    slot,
    missing: false,
    dataSet: dataSetOf(scan, firstRecord),
    fileBytes: scan.fileBytes,
    contentBytes,
    tailOffset: scan.tail.offset,
    verdict: verdictOf(scan, slotBytes),
  };
  return { entry, scan, firstRecord };
}

/** The data set that a journal is of: its records win over its header. */
export function dataSetOf({ header }: Pick<FileScan, 'header'>, firstRecord: Pick<DecodedRecord, 'dataSet'> | null): DataSetId | null {
  return firstRecord?.dataSet ?? (header.verdict === 'readable' ? header.dataSet : null);
}

/** What the bytes alone say; recovery's tables say whether it matters. */
export function verdictOf({ header, completeMark, tail, fileBytes }: FileScan, slotBytes: number): PortableVerdict {
  if (header.verdict === 'unreadable' || completeMark.verdict === 'unreadable' || fileBytes !== slotBytes) return 'damaged';
  if (tail.verdict === 'clean-end') return 'clean end';
  return completeMark.verdict === 'set' ? 'damaged' : 'unreadable';
}

/** Whether a host changed the journal between two scans of it: numbers never come again, so what looks the same is the same. */
export function isSameScan(a: FileScan, b: FileScan): boolean {
  const seen = ({ header, completeMark, tail, fileBytes }: FileScan): string => JSON.stringify([header, completeMark, tail, fileBytes]);
  return seen(a) === seen(b);
}

function contentBytesOf(file: ScannedFile, { tail, fileBytes }: FileScan): number {
  const end = tail.verdict === 'clean-end' ? tail.offset + terminatorBytes(file, tail.offset) : endOfBytes(file, fileBytes);
  return Math.min(fileBytes, Math.ceil(Math.max(end, RECORDS_OFFSET) / BLOCK_BYTES) * BLOCK_BYTES);
}

/** Bytes of what ended the records: zeroes, or an intact record of an earlier data set, which must stay intact to end them again. */
function terminatorBytes(file: ScannedFile, offset: number): number {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + LIMITS.recordDataBytesMax);
  const found = new RecordReader(bytes).readAt(0, file.readSync(bytes, offset));
  return found.kind === 'record' ? found.encodedBytes : RECORD_HEADER_BYTES;
}

/** Behind the last byte that is not zero, to a block. */
function endOfBytes(file: ScannedFile, fileBytes: number): number {
  const piece = new Uint8Array(PIECE_BYTES);
  for (let from = Math.floor((fileBytes - 1) / PIECE_BYTES) * PIECE_BYTES; from >= 0; from -= PIECE_BYTES) {
    const bytesRead = file.readSync(piece.subarray(0, Math.min(PIECE_BYTES, fileBytes - from)), from);
    for (let block = Math.floor((bytesRead - 1) / BLOCK_BYTES) * BLOCK_BYTES; block >= 0; block -= BLOCK_BYTES)
      if (!isZero(piece, block, Math.min(block + BLOCK_BYTES, bytesRead))) return from + Math.min(block + BLOCK_BYTES, bytesRead);
  }
  return 0;
}
