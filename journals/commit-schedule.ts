/**
 * Which journal commits next. One file per data set splits the group commit, so commits are scheduled over all journals:
 * the lowest unfinished data set first, or the window stalls behind it; then the largest backlog. Never two on one journal.
 */
import type { DataSetId } from '../src/model/ids.ts';

export interface CommitCandidate {
  /** Null: the slot holds no data set. */
  readonly dataSet: DataSetId | null;
  /** A write of this journal is in flight. */
  readonly busy: boolean;
  /** The complete flag is durable: nothing more will be appended. */
  readonly finished: boolean;
  /** Bytes that wait to be written; 0: nothing to do. */
  readonly backlogBytes: number;
}

/** Choose the journal whose commit starts next, or null if none may start. */
export function chooseJournal<T extends CommitCandidate>(journals: readonly T[]): T | null {
  let lowest: T | null = null;
  let largest: T | null = null;
  for (const journal of journals) {
    if (journal.dataSet === null || journal.finished) continue;
    if (lowest === null || journal.dataSet < (lowest.dataSet ?? Infinity)) lowest = journal;
    if (journal.busy || journal.backlogBytes === 0) continue;
    if (largest === null || journal.backlogBytes > largest.backlogBytes) largest = journal;
  }
  if (lowest !== null && !lowest.busy && lowest.backlogBytes > 0) return lowest;
  return largest;
}
