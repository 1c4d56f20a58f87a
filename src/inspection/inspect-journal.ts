/**
 * Read one journal's file for inspection: what it holds, and what recovery's tables need of it. Its records are kept only as long as
 * this journal is judged, so a ring of any size is inspected in the memory of one journal.
 */
import { scanFile, type FileScan } from '../../journals/file-scan.ts';
import type { DiskFile } from '../disk/disk.ts';
import type { CutReason, RecordTypeName } from '../model/commands.ts';
import { LIMITS } from '../model/limits.ts';
import { ChecksumsByNumber } from '../protocol/checksums-by-number.ts';
import type { DataSetId, SequenceNumber, StreamId } from '../model/ids.ts';
import type { JournalJudge } from '../protocol/recovery-content.ts';
import type { DecodedRecord } from '../record/record.ts';

/** What the records of a journal amount to; pads belong to no data set and are only counted. */
export interface JournalContents {
  readonly scan: FileScan;
  /** The data set that its records are of; null without any. */
  readonly dataSet: DataSetId | null;
  readonly generation: number | null;
  readonly stream: StreamId | null;
  /** How many records of each type. */
  readonly types: Readonly<Record<RecordTypeName, number>>;
  /** Different sequence numbers. */
  readonly numbers: number;
  /** Encoded bytes of all records. */
  readonly recordBytes: number;
  /** Bytes of the volumes that its writes, zeroes and trims change, each as often as it is changed. */
  readonly changedBytes: number;
  readonly firstSequence: SequenceNumber | null;
  readonly highestSequence: SequenceNumber | null;
  /** Of its sync command; null as long as none was read. */
  readonly finalSequence: SequenceNumber | null;
  readonly cutReason: CutReason | null;
  /** Microseconds since 1970 by the primary's clock: earliest and latest write, zero or trim. */
  readonly firstWriteUs: number | null;
  readonly lastWriteUs: number | null;
  /** Numbers that are not there, the sync's included; a lower bound as long as no sync command was read. */
  readonly missing: number;
}

/** Scan a journal; `judge` takes every record too. */
export async function inspectJournal(options: {
  readonly file: DiskFile;
  readonly slot: number;
  readonly window?: Uint8Array;
  readonly judge?: JournalJudge | null;
}): Promise<JournalContents> {
  const { judge } = options;
  const tally = new Tally();
  const scan = await scanFile({
    ...options,
    take: ({ record, fileOffset }) => {
      tally.take(record);
      judge?.take(record, fileOffset);
    },
  });
  return tally.contents(scan);
}

class Tally {
  readonly #types: Record<RecordTypeName, number> = { write: 0, zero: 0, trim: 0, sync: 0, pad: 0 };
  #numbers: ChecksumsByNumber | null = null;
  #first: DecodedRecord | null = null;
  #closing: DecodedRecord | null = null;
  #highestSequence = -1;
  #recordBytes = 0;
  #changedBytes = 0;
  #firstUs = Number.POSITIVE_INFINITY;
  #lastUs = Number.NEGATIVE_INFINITY;

  take(record: DecodedRecord): void {
    const { type, sequence, timeUs } = record;
    this.#types[type] += 1;
    this.#recordBytes += record.encodedBytes;
    if (type === 'pad') return;
    this.#first ??= record;
    this.#numbers ??= new ChecksumsByNumber(record.firstSequence, LIMITS.dataSetRecordsMax);
    this.#numbers.put(sequence, record.headerChecksum);
    this.#highestSequence = Math.max(this.#highestSequence, sequence);
    if (type === 'sync') {
      this.#closing ??= record;
      return;
    }
    this.#changedBytes += record.lengthBytes;
    this.#firstUs = Math.min(this.#firstUs, timeUs);
    this.#lastUs = Math.max(this.#lastUs, timeUs);
  }

  contents(scan: FileScan): JournalContents {
    const first = this.#first;
    const numbers = this.#numbers?.count ?? 0;
    const finalSequence = this.#closing?.sequence ?? null;
    const highestSequence = first === null ? null : this.#highestSequence;
    const firstSequence = first?.firstSequence ?? headerFirst(scan);
    // Of a data set without a sync command at least that one is missing.
    const end = finalSequence ?? (highestSequence ?? (firstSequence ?? 1) - 1) + 1;
    return {
      scan,
      dataSet: first?.dataSet ?? null,
      generation: first?.generation ?? null,
      stream: first?.stream ?? null,
      types: this.#types,
      numbers,
      recordBytes: this.#recordBytes,
      changedBytes: this.#changedBytes,
      firstSequence,
      highestSequence,
      finalSequence,
      cutReason: this.#closing?.sync?.reason ?? null,
      firstWriteUs: Number.isFinite(this.#firstUs) ? this.#firstUs : null,
      lastWriteUs: Number.isFinite(this.#lastUs) ? this.#lastUs : null,
      missing: firstSequence === null ? 0 : Math.max(0, end - firstSequence + 1 - numbers),
    };
  }
}

function headerFirst({ header }: FileScan): SequenceNumber | null {
  return header.verdict === 'readable' ? header.firstSequence : null;
}
