/** Ranges of sequence numbers, as acks carry them: gathered in any order, handed out merged and ascending. */
import type { SequenceNumber, SequenceRange } from '../model/ids.ts';

/** Gather sequence numbers of one step; numbers that follow one another cost no new range. */
export class RangeCollector {
  #from: number[] = [];
  #to: number[] = [];
  #ascending = true;

  get isEmpty(): boolean {
    return this.#from.length === 0;
  }

  add(sequence: SequenceNumber): void {
    const last = this.#to.length - 1;
    if (last >= 0) {
      const lastTo = this.#to[last] ?? 0;
      if (sequence === lastTo + 1) {
        this.#to[last] = sequence;
        return;
      }
      if (sequence <= lastTo) {
        if (sequence >= (this.#from[last] ?? 0)) return;
        this.#ascending = false;
      }
    }
    this.#from.push(sequence);
    this.#to.push(sequence);
  }

  /** Hand out what was gathered, merged and ascending, and begin again. */
  take(): SequenceRange[] {
    const ranges: SequenceRange[] = [];
    for (const [index, from] of this.#from.entries()) ranges.push({ from, to: this.#to[index] ?? from });
    const result = this.#ascending ? ranges : mergeRanges(ranges);
    this.clear();
    return result;
  }

  clear(): void {
    this.#from.length = 0;
    this.#to.length = 0;
    this.#ascending = true;
  }
}

/** Sort ranges and merge those that overlap or touch. */
export function mergeRanges(ranges: readonly SequenceRange[]): SequenceRange[] {
  const sorted = ranges.toSorted((left, right) => left.from - right.from);
  const merged: SequenceRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1) {
      if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to };
    } else {
      merged.push(range);
    }
  }
  return merged;
}
