/** What a region holds of each data set, gathered as its records pass by. */
import type { DataSetId, SequenceRange, StreamId } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import type { NumberVerdict } from '../ring/record-numbers.ts';
import { JournalTally } from '../ring/journal-tally.ts';

export interface HeldDataSet {
  readonly generation: number;
  readonly stream: StreamId;
  readonly dataSet: DataSetId;
  readonly tally: JournalTally;
}

export class HeldDataSets {
  readonly #byKey = new Map<string, HeldDataSet>();

  /** Take the next record of the file; null for a pad, which has no number. */
  take(record: DecodedRecord, fileOffset: number): NumberVerdict | null {
    const key = keyOf(record);
    let held = this.#byKey.get(key);
    if (held === undefined) {
      const { generation, stream, dataSet } = record;
      held = { generation, stream, dataSet, tally: new JournalTally() };
      this.#byKey.set(key, held);
    }
    return held.tally.take(record, fileOffset);
  }

  find(record: DecodedRecord): HeldDataSet | undefined {
    return this.#byKey.get(keyOf(record));
  }

  /** By generation, then data set. */
  list(): HeldDataSet[] {
    return [...this.#byKey.values()].toSorted(
      (a, b) => a.generation - b.generation || a.dataSet - b.dataSet || (a.stream < b.stream ? -1 : 1),
    );
  }
}

function keyOf({ generation, stream, dataSet }: DecodedRecord): string {
  return `${generation} ${stream} ${dataSet}`;
}

/** The numbers that are held, as ascending ranges. */
export function heldNumbers({ tally }: HeldDataSet): SequenceRange[] {
  const { firstSequence, highestSequence } = tally.numbers;
  if (firstSequence === null || highestSequence === null) return [];
  const ranges: SequenceRange[] = [];
  let from = firstSequence;
  for (const gap of tally.numbers.gaps(highestSequence)) {
    if (gap.from > from) ranges.push({ from, to: gap.from - 1 });
    from = gap.to + 1;
  }
  ranges.push({ from, to: highestSequence });
  return ranges;
}

/** How many numbers stand in ranges. */
export function countNumbers(ranges: readonly SequenceRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/** `7`, `7 to 9`, `7 to 9, 12 and 3 more ranges` */
export function shownRanges(ranges: readonly SequenceRange[], rangesMax = 6): string {
  if (ranges.length === 0) return 'none';
  const shown = ranges.slice(0, rangesMax).map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`));
  const more = ranges.length - shown.length;
  return `${shown.join(', ')}${more === 0 ? '' : ` and ${more} more ${more === 1 ? 'range' : 'ranges'}`}`;
}
