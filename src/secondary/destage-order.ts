/** What is asked of whoever stores data sets, and the answer: in the destage worker, or in this thread for tests. */
import { assert, BrokenInvariant } from '../model/assert.ts';
import type { DataSetId, Vlun } from '../model/ids.ts';
import type { Volume } from '../volume/contract.ts';
import { storeDataSet, type DestageSource } from './store-data-set.ts';

export interface DestageSet {
  readonly dataSet: DataSetId;
  readonly slot: number;
  readonly writes: number;
}

/** Order to whoever stores: `reopen` asks for freshly opened volumes. */
export interface DestageOrder {
  readonly set: DestageSet;
  readonly reopen: boolean;
}

/** Neither destaged nor an error: the lease of the shared storage expired in the middle, and the data set has to be stored again in full. */
export type DestageReport =
  | { readonly destaged: DataSetId; readonly error: null }
  | { readonly destaged: null; readonly error: string }
  | { readonly destaged: null; readonly error: null };

/** First word of a destage worker: from here on it may be ended at any moment. */
export const WORKER_READY = 'ready';

/** Store and flush one order with volumes that are open in this thread; what worker and tests have in common. */
export function carryOutDestage(
  order: DestageOrder,
  sources: readonly DestageSource[],
  volumes: ReadonlyMap<Vlun, Volume>,
  mayStore: () => boolean = () => true,
): DestageReport {
  const expired = { destaged: null, error: null };
  try {
    const { set } = order;
    const source = sources[set.slot];
    assert(source !== undefined, `slot ${set.slot} has a memory buffer`);
    if (!storeDataSet(source, set.writes, volumes, mayStore)) return expired;
    for (const volume of volumes.values()) {
      if (!mayStore()) return expired;
      volume.flushSync();
    }
    return { destaged: set.dataSet, error: null };
  } catch (error) {
    if (error instanceof BrokenInvariant) throw error;
    return { destaged: null, error: error instanceof Error ? error.message : String(error) };
  }
}
