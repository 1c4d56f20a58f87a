/** What the records of one journal amount to, gathered as they pass by: memory does not grow with the journal. */
import type { FileScan } from '../../../journals/file-scan.ts';
import type { RecordTypeName } from '../../model/commands.ts';
import type { SequenceNumber, SequenceRange } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import type { JournalContents } from './inspect-journal.ts';
import { RecordNumbers, type NumberVerdict } from './record-numbers.ts';

/** Which numbers are not there. */
export interface MissingNumbers {
  /** Ascending, up to the last number that is known to belong to the data set. */
  readonly gaps: readonly SequenceRange[];
  /** How many are in the gaps. */
  readonly count: number;
  /** The number that ends the data set: its sync command's, else the complete flag's; null when neither tells. */
  readonly finalSequence: SequenceNumber | null;
}

export class JournalTally {
  readonly numbers = new RecordNumbers();
  readonly #types: Record<RecordTypeName, number> = { write: 0, zero: 0, trim: 0, sync: 0, pad: 0 };
  #recordBytes = 0;
  #changedBytes = 0;
  #firstUs = Number.POSITIVE_INFINITY;
  #lastUs = Number.NEGATIVE_INFINITY;
  #first: DecodedRecord | null = null;
  #closing: DecodedRecord | null = null;

  /** The first sync command; null as long as none was read. */
  get closing(): DecodedRecord | null {
    return this.#closing;
  }

  /** Take the next record of the file; null for a pad, which has no number. */
  take(record: DecodedRecord, fileOffset: number): NumberVerdict | null {
    const { type, timeUs } = record;
    this.#types[type] += 1;
    this.#recordBytes += record.encodedBytes;
    if (type === 'pad') return null;
    this.#first ??= record;
    if (type === 'sync') this.#closing ??= record;
    else {
      this.#changedBytes += record.lengthBytes;
      this.#firstUs = Math.min(this.#firstUs, timeUs);
      this.#lastUs = Math.max(this.#lastUs, timeUs);
    }
    return this.numbers.take(record, fileOffset);
  }

  missing(scan: FileScan): MissingNumbers {
    const { completeMark } = scan;
    const ofMark =
      completeMark.verdict === 'set' && completeMark.point.dataSet === this.#first?.dataSet ? completeMark.point.finalSequence : null;
    const finalSequence = this.#closing?.sequence ?? ofMark;
    const through = finalSequence ?? this.numbers.highestSequence;
    const gaps = through === null ? [] : this.numbers.gaps(through);
    return { gaps, count: gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0), finalSequence };
  }

  contents(scan: FileScan): JournalContents {
    const first = this.#first;
    const { header } = scan;
    const { gaps: _gaps, count, finalSequence } = this.missing(scan);
    const firstSequence = first?.firstSequence ?? (header.verdict === 'readable' ? header.firstSequence : null);
    return {
      scan,
      dataSet: first?.dataSet ?? null,
      generation: first?.generation ?? null,
      stream: first?.stream ?? null,
      types: this.#types,
      numbers: this.numbers.count,
      recordBytes: this.#recordBytes,
      changedBytes: this.#changedBytes,
      firstSequence,
      highestSequence: this.numbers.highestSequence,
      finalSequence: this.#closing?.sequence ?? null,
      cutReason: this.#closing?.sync?.reason ?? null,
      firstWriteUs: Number.isFinite(this.#firstUs) ? this.#firstUs : null,
      lastWriteUs: Number.isFinite(this.#lastUs) ? this.#lastUs : null,
      // Of a data set without a sync command at least that one is missing.
      missing: firstSequence === null ? 0 : count + (finalSequence === null ? 1 : 0),
    };
  }
}
