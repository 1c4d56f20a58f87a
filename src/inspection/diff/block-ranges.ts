/** Which blocks of which volumes something touches: ranges of LBAs, added in any order, merged when they are asked. */
import type { Vlun } from '../../model/ids.ts';

/** Blocks `from` to `to` of one volume, `to` left out. */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}

export class BlockRanges {
  readonly #merged = new Map<Vlun, BlockRange[]>();
  readonly #added = new Map<Vlun, BlockRange[]>();

  add(vlun: Vlun, range: BlockRange): void {
    const added = this.#added.get(vlun);
    if (added === undefined) this.#added.set(vlun, [range]);
    else added.push(range);
  }

  /** The parts of a range that were not added, ascending. */
  without(vlun: Vlun, range: BlockRange): BlockRange[] {
    const merged = this.#mergedOf(vlun);
    const parts: BlockRange[] = [];
    let { from } = range;
    for (let at = firstEndingBehind(merged, from); at < merged.length && from < range.to; at += 1) {
      const covered = merged[at] as BlockRange;
      if (covered.from >= range.to) break;
      if (covered.from > from) parts.push({ from, to: covered.from });
      from = Math.max(from, covered.to);
    }
    if (from < range.to) parts.push({ from, to: range.to });
    return parts;
  }

  #mergedOf(vlun: Vlun): readonly BlockRange[] {
    const added = this.#added.get(vlun);
    const known = this.#merged.get(vlun) ?? [];
    if (added === undefined) return known;
    const merged: BlockRange[] = [];
    for (const range of [...known, ...added].sort((a, b) => a.from - b.from)) {
      const last = merged.at(-1);
      if (last === undefined || range.from > last.to) merged.push(range);
      else if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to };
    }
    this.#merged.set(vlun, merged);
    this.#added.delete(vlun);
    return merged;
  }
}

/** Index of the first range that ends behind `block`; ranges are apart and ascending. */
function firstEndingBehind(ranges: readonly BlockRange[], block: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as BlockRange).to > block) high = middle;
    else low = middle + 1;
  }
  return low;
}
