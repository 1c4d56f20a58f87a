/**
 * The window: the data set IDs that may be active now, (destaged, destaged + slots] (I6). Every ID inside has a slot of its
 * own, ID mod slots, so a data set that arrives early can never take the slot that the lowest one needs.
 */
import { assert } from '../model/assert.ts';
import type { DataSetId } from '../model/ids.ts';

export type WindowPlace = 'below' | 'inside' | 'above';

export class Window {
  readonly slots: number;
  #lowest: DataSetId;

  constructor(options: { readonly slots: number; readonly lowest: DataSetId }) {
    this.slots = options.slots;
    this.#lowest = options.lowest;
  }

  /** First data set above the watermark. */
  get lowest(): DataSetId {
    return this.#lowest;
  }

  /** Highest data set that is admitted. */
  get highest(): DataSetId {
    return this.#lowest + this.slots - 1;
  }

  /** @design Fig. 8, step 76; Fig. 10, step 98 */
  placeOf(dataSet: DataSetId): WindowPlace {
    if (dataSet < this.#lowest) return 'below';
    return dataSet <= this.highest ? 'inside' : 'above';
  }

  slotOf(dataSet: DataSetId): number {
    return dataSet % this.slots;
  }

  /** Move up after a durable watermark; never back. @invariant I5, I6 */
  moveTo(lowest: DataSetId): void {
    assert(lowest > this.#lowest && lowest <= this.highest + 1, 'the window moves up, and not beyond what it admitted');
    this.#lowest = lowest;
  }
}
