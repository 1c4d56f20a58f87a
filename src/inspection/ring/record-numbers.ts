/** Which sequence numbers of a data set are there, in whatever order they stand in the journal: identifier bitmap and checksums, of bounded size. */
import { LIMITS } from '../../model/limits.ts';
import type { SequenceNumber, SequenceRange } from '../../model/ids.ts';
import { IdentifierBitmap } from '../../protocol/identifier-bitmap.ts';
import type { DecodedRecord } from '../../record/record.ts';

/** Examples of what is wrong that are kept; the rest is counted. */
const EXAMPLES_MAX = 20;

/**
 * What a record's number says. `again`: the same record stood there before. `contradicts`: another record with this number did.
 * `outside`: a number that the data set cannot have, or another first number than the first record's.
 */
export type NumberVerdict = 'first' | 'again' | 'contradicts' | 'outside';

export interface NumberedRecord {
  readonly offset: number;
  readonly sequence: SequenceNumber;
}

export class RecordNumbers {
  readonly #bitmap = new IdentifierBitmap(LIMITS.dataSetRecordsMax);
  readonly #checksums = new Uint32Array(LIMITS.dataSetRecordsMax);
  readonly #examples: Record<Exclude<NumberVerdict, 'first'>, NumberedRecord[]> = { again: [], contradicts: [], outside: [] };
  readonly #counts: Record<Exclude<NumberVerdict, 'first'>, number> = { again: 0, contradicts: 0, outside: 0 };
  #firstSequence: SequenceNumber | null = null;

  /** Of the first record; null before there is one. */
  get firstSequence(): SequenceNumber | null {
    return this.#firstSequence;
  }

  /** Different numbers that are there. */
  get count(): number {
    return this.#bitmap.count;
  }

  get highestSequence(): SequenceNumber | null {
    return this.#firstSequence === null || this.#bitmap.highest < 0 ? null : this.#firstSequence + this.#bitmap.highest;
  }

  /** Take a record that is no pad; `offset` is the one in the file. */
  take({ firstSequence, sequence, headerChecksum }: DecodedRecord, offset: number): NumberVerdict {
    this.#firstSequence ??= firstSequence;
    const verdict = this.#judge(firstSequence, sequence, headerChecksum);
    if (verdict === 'first') return verdict;
    this.#counts[verdict] += 1;
    const examples = this.#examples[verdict];
    if (examples.length < EXAMPLES_MAX) examples.push({ offset, sequence });
    return verdict;
  }

  countOf(verdict: Exclude<NumberVerdict, 'first'>): number {
    return this.#counts[verdict];
  }

  examplesOf(verdict: Exclude<NumberVerdict, 'first'>): readonly NumberedRecord[] {
    return this.#examples[verdict];
  }

  /** The ranges that are missing from the first number to `through`; ascending, at most half as many as a data set has records. */
  gaps(through: SequenceNumber): SequenceRange[] {
    const first = this.#firstSequence;
    if (first === null) return [];
    const gaps: SequenceRange[] = [];
    const end = Math.min(through - first, LIMITS.dataSetRecordsMax - 1);
    let from = -1;
    for (let index = 0; index <= end; index += 1) {
      const has = this.#bitmap.has(index);
      if (!has && from === -1) from = index;
      if (has && from !== -1) {
        gaps.push({ from: first + from, to: first + index - 1 });
        from = -1;
      }
    }
    if (from !== -1) gaps.push({ from: first + from, to: first + end });
    return gaps;
  }

  #judge(firstSequence: SequenceNumber, sequence: SequenceNumber, headerChecksum: number): NumberVerdict {
    const index = sequence - (this.#firstSequence ?? 0);
    if (firstSequence !== this.#firstSequence || index < 0 || index >= LIMITS.dataSetRecordsMax) return 'outside';
    if (!this.#bitmap.set(index)) return this.#checksums[index] === headerChecksum ? 'again' : 'contradicts';
    this.#checksums[index] = headerChecksum;
    return 'first';
  }
}
