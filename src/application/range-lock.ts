/**
 * Locks byte ranges of one volume while stores to them are under way, so that of two overlapping writes the one that is stored
 * last is also numbered last. Overlapping owners get the range in the order in which they asked.
 */
export interface LockedRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

export class RangeLock<Owner extends LockedRange> {
  readonly #held = new Set<Owner>();
  #waiting: Owner[] = [];

  /** True: the range is the owner's now. False: it waits, and a later `release` returns it. */
  acquire(owner: Owner): boolean {
    if (this.#held.size > 0 && (overlapsAny(owner, this.#held) || overlapsAny(owner, this.#waiting))) {
      this.#waiting.push(owner);
      return false;
    }
    this.#held.add(owner);
    return true;
  }

  /** Give a range back; returns the waiting owners that have theirs now, in the order in which they asked. */
  release(owner: Owner): readonly Owner[] {
    this.#held.delete(owner);
    if (this.#waiting.length === 0) return NONE;
    const granted: Owner[] = [];
    const still: Owner[] = [];
    for (const candidate of this.#waiting) {
      // The cheap questions first: whoever did not wait for this owner still waits, and of many for one block the first gets it.
      const waits =
        !overlaps(candidate, owner) ||
        overlapsAny(candidate, granted) ||
        overlapsAny(candidate, this.#held) ||
        overlapsAny(candidate, still);
      if (waits) {
        still.push(candidate);
      } else {
        this.#held.add(candidate);
        granted.push(candidate);
      }
    }
    this.#waiting = still;
    return granted;
  }

  get heldCount(): number {
    return this.#held.size;
  }
}

const NONE: readonly never[] = [];

function overlaps(range: LockedRange, other: LockedRange): boolean {
  return range.offset < other.offset + other.lengthBytes && other.offset < range.offset + range.lengthBytes;
}

function overlapsAny(range: LockedRange, others: Iterable<LockedRange>): boolean {
  for (const other of others) if (overlaps(range, other)) return true;
  return false;
}
