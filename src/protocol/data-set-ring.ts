/**
 * The ring of slots: which data set is in which slot, and how neighbours bound one another's numbers. A data set is always in
 * slot ID mod slots (I6). Structures are made when a slot is first used and kept for good.
 */
import { assert } from '../model/assert.ts';
import type { HistoryOrigin } from '../model/handshake.ts';
import type { DataSetId, Geometry, SequenceNumber } from '../model/ids.ts';
import { DataSet } from './data-set.ts';
import type { RestoredRecord } from './secondary-contract.ts';
import { Window } from './window.ts';

export class DataSetRing {
  readonly window: Window;
  readonly #geometry: Geometry;
  readonly #slots: (DataSet | null)[];
  #origin: HistoryOrigin;

  constructor(options: { readonly geometry: Geometry; readonly origin: HistoryOrigin }) {
    this.#geometry = options.geometry;
    this.#origin = options.origin;
    this.window = new Window({ slots: options.geometry.slots, lowest: options.origin.dataSet });
    this.#slots = Array.from({ length: options.geometry.slots }, () => null);
  }

  /** Where numbering goes on after the watermark. */
  get origin(): HistoryOrigin {
    return this.#origin;
  }

  /** Find an active data set; null when its ID is new. @design Fig. 8, step 56; Fig. 10, step 86 */
  find(dataSet: DataSetId): DataSet | null {
    const found = this.#slots[this.window.slotOf(dataSet)];
    return found !== null && found !== undefined && found.dataSet === dataSet ? found : null;
  }

  /** Active data sets in ascending order. */
  *active(): Generator<DataSet> {
    for (let dataSet = this.window.lowest; dataSet <= this.window.highest; dataSet += 1) {
      const found = this.find(dataSet);
      if (found !== null) yield found;
    }
  }

  /**
   * Take the slot of a new data set inside the window; a text says why its first number cannot be right. The neighbours are
   * told only by `settle`, after the first record was judged. @design Fig. 8, step 82; Fig. 10, step 102
   */
  open(dataSet: DataSetId, firstSequence: SequenceNumber): DataSet | string {
    const violation = this.#judgeFirst(dataSet, firstSequence);
    if (violation !== null) return violation;
    const slot = this.window.slotOf(dataSet);
    const set = this.#slots[slot] ?? new DataSet({ slot, geometry: this.#geometry });
    this.#slots[slot] = set;
    set.open({ dataSet, firstSequence });
    const later = this.#laterThan(dataSet);
    if (later !== null) set.boundByLater({ distance: later.dataSet - dataSet, firstSequence: later.firstSequence });
    return set;
  }

  /** Let the next earlier data set know where this one begins; those before it are bounded through it. */
  settle(set: DataSet): void {
    const earlier = this.#earlierThan(set.dataSet);
    earlier?.boundByLater({ distance: set.dataSet - earlier.dataSet, firstSequence: set.firstSequence });
  }

  /**
   * Say why a record at or below the watermark contradicts it; null when the source volumes have the record. A number that
   * they do not have must never be acknowledged under the ID of a data set that they have.
   */
  judgeBelow(record: RestoredRecord): string | null {
    const { dataSet, firstSequence } = this.#origin;
    const isLastSync = record.type === 'sync' && record.dataSet === dataSet - 1;
    const isKnown = record.sequence < firstSequence && record.firstSequence <= record.sequence;
    if (isKnown && (!isLastSync || record.sequence === firstSequence - 1)) return null;
    return `record ${record.sequence} of data set ${record.dataSet} contradicts the watermark: data set ${dataSet} begins at ${firstSequence}`;
  }

  /** Retire the lowest data set and move origin and window behind it. @design Fig. 9, steps 305-306 @invariant I5 */
  retireLowest(): DataSet {
    const set = this.find(this.window.lowest);
    assert(set !== null, 'only a data set that has a slot is retired');
    const { dataSet, finalSequence, chain } = set.point;
    this.#origin = { dataSet: dataSet + 1, firstSequence: finalSequence + 1, chain };
    this.window.moveTo(dataSet + 1);
    set.reset();
    return set;
  }

  /** Every data set has at least its sync, at most recordsMax records, and begins where the one before ended. */
  #judgeFirst(dataSet: DataSetId, firstSequence: SequenceNumber): string | null {
    const earlier = this.#earlierThan(dataSet);
    // Without an earlier data set the origin stands for a closed one that ended just before it.
    const distance = earlier === null ? dataSet - this.#origin.dataSet + 1 : dataSet - earlier.dataSet;
    const finalMin = earlier === null ? this.#origin.firstSequence - 1 : earlier.finalMin;
    const isClosed = earlier === null || earlier.finalSequence !== null;
    const finalMax = isClosed ? finalMin : earlier.firstSequence + this.#geometry.recordsMax - 1;
    const lowest = finalMin + distance;
    const highest = finalMax + 1 + (distance - 1) * this.#geometry.recordsMax;
    if (firstSequence < lowest || firstSequence > highest) {
      const expected = lowest === highest ? `${lowest}` : `${lowest} to ${highest}`;
      return `data set ${dataSet} begins at ${expected} by what came before it; the record says ${firstSequence}`;
    }
    const later = this.#laterThan(dataSet);
    if (later !== null && firstSequence > later.firstSequence - (later.dataSet - dataSet)) {
      return `data set ${dataSet} cannot begin at ${firstSequence}: data set ${later.dataSet} begins at ${later.firstSequence}`;
    }
    return null;
  }

  #earlierThan(dataSet: DataSetId): DataSet | null {
    for (let id = dataSet - 1; id >= this.window.lowest; id -= 1) {
      const found = this.find(id);
      if (found !== null) return found;
    }
    return null;
  }

  #laterThan(dataSet: DataSetId): DataSet | null {
    for (let id = dataSet + 1; id <= this.window.highest; id += 1) {
      const found = this.find(id);
      if (found !== null) return found;
    }
    return null;
  }
}
