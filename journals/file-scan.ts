/**
 * Scan a journal's file through a window of constant size: for inspection, which reads journals that are larger than it may use memory for,
 * beside a host that may be writing them. Reads only, takes no lock, and hands every record out while its bytes are in the window.
 *
 * A journal that is being written may be caught in the middle of a commit; then its tail is unreadable, and the caller says `in flight`.
 */
import type { DiskFile } from '../src/disk/disk.ts';
import { LIMITS } from '../src/model/limits.ts';
import { messageOf } from '../src/model/errors.ts';
import type { DecodedRecord } from '../src/record/record.ts';
import { RECORD_HEADER_BYTES } from '../src/record/record.ts';
import { BLOCK_BYTES } from './format.ts';
import { JournalScan, type JournalScanEnd } from './scan.ts';

/** Bytes of one read: what a checksum reads next is then still in the processor's cache. */
const READ_BYTES = 256 * 1024;
const RECORD_BYTES_MAX = RECORD_HEADER_BYTES + LIMITS.recordDataBytesMax;
/** Room for a record that begins behind a read's last byte but one, and for one read more. */
const WINDOW_BYTES = Math.ceil((RECORD_BYTES_MAX + 2 * READ_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;

export interface FileScan extends JournalScanEnd {
  readonly fileBytes: number;
  /** What the disk said when it could not be read to the end; the scan's verdicts say from where on. */
  readonly readError: Error | null;
}

/** One record while its bytes are in the window. */
export interface RecordInWindow {
  readonly record: DecodedRecord;
  /** The file's byte at which it begins; `record.offset` is the one in the window. */
  readonly fileOffset: number;
  /** Valid until the next record: copy what shall last. */
  readonly window: Uint8Array;
}

/** What a scan asks of a file: also of one that stands inside another. */
export type ScannedFile = Pick<DiskFile, 'path' | 'sizeBytes' | 'readSync'>;

export interface ScanFileOptions {
  readonly file: ScannedFile;
  readonly slot: number;
  /** Memory to scan through, made by `scanWindow`; one serves many files, one after another. */
  readonly window?: Uint8Array;
  /** Called for every record of the journal, pads included, in the file's order. */
  readonly take: (found: RecordInWindow) => void;
  /** Asked between two reads: true ends the scan, whose tail then says nothing. */
  readonly enough?: () => boolean;
  /** Awaited between two reads, so that what `take` produced can leave. */
  readonly pause?: () => Promise<void> | null;
}

/** Memory for `scanFile`. */
export function scanWindow(): Uint8Array {
  return new Uint8Array(WINDOW_BYTES);
}

/** Scan one journal's file from its header to where its records end. A disk that cannot read is a finding, not an exception. */
export async function scanFile(options: ScanFileOptions): Promise<FileScan> {
  const { file, slot, take } = options;
  const window = options.window ?? scanWindow();
  const fileBytes = file.sizeBytes();
  const scan = new JournalScan(window, {
    slot,
    path: file.path,
    fileBytes,
    take: (record, fileOffset) => take({ record, fileOffset, window }),
  });
  let base = 0;
  let end = 0;
  let readError: Error | null = null;
  while (!scan.advance(end)) {
    if (options.enough?.() === true) {
      scan.abandon(end, 'not looked at');
      break;
    }
    if (end - base + READ_BYTES > window.length) {
      // Whole blocks are kept, so that reads stay aligned in the file.
      const from = Math.floor(scan.neededFrom / BLOCK_BYTES) * BLOCK_BYTES;
      window.copyWithin(0, from - base, end - base);
      base = from;
      scan.slide(base);
    }
    const wantedBytes = Math.min(READ_BYTES, fileBytes - end);
    readError = readExactly(file, window.subarray(end - base, end - base + wantedBytes), end);
    if (readError !== null) {
      scan.abandon(end, readError.message);
      break;
    }
    end += wantedBytes;
    const pause = options.pause?.() ?? null;
    if (pause !== null) await pause;
  }
  return { ...scan.result(), fileBytes, readError };
}

function readExactly(file: ScannedFile, target: Uint8Array, position: number): Error | null {
  try {
    const bytesRead = file.readSync(target, position);
    return bytesRead === target.length ? null : new Error(`${bytesRead} bytes at byte ${position}, expected ${target.length}`);
  } catch (error) {
    return new Error(messageOf(error), { cause: error });
  }
}
