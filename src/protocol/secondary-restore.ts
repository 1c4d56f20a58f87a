/**
 * Rebuild the active data sets from what recovery read and made durable (Fig. 11): slots, both bitmaps, the order of append.
 * Whether a journal may be used at all was decided before (recovery-plan.ts); here only numbers that exclude one another are seen.
 */
import { assert } from '../model/assert.ts';
import type { DataSetRing } from './data-set-ring.ts';
import type { RangeCollector } from './ranges.ts';
import type { RestoredDataSet } from './secondary-contract.ts';

export interface RestoreOptions {
  readonly ring: DataSetRing;
  readonly restored: readonly RestoredDataSet[];
  /** Takes the restored numbers. */
  readonly gathered: RangeCollector;
}

/** Restore data sets in ascending order; a text says which one contradicts the others, and nothing after it is restored. */
export function restoreDataSets(options: RestoreOptions): string | null {
  for (const restored of options.restored.toSorted((left, right) => left.dataSet - right.dataSet)) {
    const violation = restoreDataSet(options, restored);
    if (violation !== null) return `restored: ${violation}`;
  }
  return null;
}

function restoreDataSet(options: RestoreOptions, restored: RestoredDataSet): string | null {
  const { ring } = options;
  const { dataSet, firstSequence } = restored;
  if (ring.window.placeOf(dataSet) !== 'inside') {
    return `data set ${dataSet} is outside the window ${ring.window.lowest} to ${ring.window.highest}`;
  }
  if (ring.find(dataSet) !== null) return `two journals hold data set ${dataSet}`;
  const set = ring.open(dataSet, firstSequence);
  if (typeof set === 'string') return set;
  ring.settle(set);
  let violation: string | null = null;
  for (const record of restored.records) {
    violation = set.judge(record);
    if (violation !== null) break;
    assert(!set.received.has(record.sequence - firstSequence), 'a journal holds each record once');
    set.accept(record);
  }
  set.markDurable(set.received.count, options.gathered);
  set.flagDurable = restored.completeFlag;
  return violation;
}
