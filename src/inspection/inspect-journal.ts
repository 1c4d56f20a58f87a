/**
 * Read one journal's file for inspection: what it holds, and what recovery's tables need of it. Its records are kept only as long as
 * this journal is judged, so a ring of any size is inspected in the memory of one journal.
 */
import { scanFile, type FileScan, type RecordInWindow } from '../../journals/file-scan.ts';
import type { DiskFile } from '../disk/disk.ts';
import type { CutReason, RecordTypeName } from '../model/commands.ts';
import type { DataSetId, SequenceNumber, StreamId } from '../model/ids.ts';
import type { RecordFacts } from '../protocol/recovery-facts.ts';

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

/** Scan a journal. @returns `records`: what the tables judge, to be forgotten afterwards */
export async function inspectJournal(options: {
  readonly file: DiskFile;
  readonly slot: number;
  readonly window?: Uint8Array;
}): Promise<{ contents: JournalContents; records: readonly RecordFacts[] }> {
  const tally = new Tally();
  const scan = await scanFile({ ...options, take: (found) => tally.take(found) });
  return { contents: tally.contents(scan), records: tally.records };
}

class Tally {
  readonly records: RecordFacts[] = [];
  readonly #types: Record<RecordTypeName, number> = { write: 0, zero: 0, trim: 0, sync: 0, pad: 0 };
  readonly #numbers = new Set<SequenceNumber>();
  #recordBytes = 0;
  #changedBytes = 0;
  #firstUs = Number.POSITIVE_INFINITY;
  #lastUs = Number.NEGATIVE_INFINITY;

  take({ record, fileOffset }: RecordInWindow): void {
    const { type, generation, stream, dataSet, firstSequence, sequence, encodedBytes, headerChecksum, sync, timeUs } = record;
    this.#types[type] += 1;
    this.#recordBytes += encodedBytes;
    this.records.push({
      offset: fileOffset,
      encodedBytes,
      type,
      generation,
      stream,
      dataSet,
      firstSequence,
      sequence,
      headerChecksum,
      sync,
    });
    if (type === 'pad') return;
    this.#numbers.add(sequence);
    if (type === 'sync') return;
    this.#changedBytes += record.lengthBytes;
    this.#firstUs = Math.min(this.#firstUs, timeUs);
    this.#lastUs = Math.max(this.#lastUs, timeUs);
  }

  contents(scan: FileScan): JournalContents {
    const own = this.records.filter(({ type }) => type !== 'pad');
    const first = own[0];
    const closing = own.find(({ type }) => type === 'sync');
    const finalSequence = closing?.sequence ?? null;
    const highestSequence = first === undefined ? null : own.reduce((max, { sequence }) => Math.max(max, sequence), first.sequence);
    const firstSequence = first?.firstSequence ?? headerFirst(scan);
    // Of a data set without a sync command at least that one is missing.
    const end = finalSequence ?? (highestSequence ?? (firstSequence ?? 1) - 1) + 1;
    return {
      scan,
      dataSet: first?.dataSet ?? null,
      generation: first?.generation ?? null,
      stream: first?.stream ?? null,
      types: this.#types,
      numbers: this.#numbers.size,
      recordBytes: this.#recordBytes,
      changedBytes: this.#changedBytes,
      firstSequence,
      highestSequence,
      finalSequence,
      cutReason: closing?.sync?.reason ?? null,
      firstWriteUs: Number.isFinite(this.#firstUs) ? this.#firstUs : null,
      lastWriteUs: Number.isFinite(this.#lastUs) ? this.#lastUs : null,
      missing: firstSequence === null ? 0 : Math.max(0, end - firstSequence + 1 - this.#numbers.size),
    };
  }
}

function headerFirst({ header }: FileScan): SequenceNumber | null {
  return header.verdict === 'readable' ? header.firstSequence : null;
}
