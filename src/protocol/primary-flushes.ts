/**
 * Flushes and FUA writes that are durable here and wait until their data set is complete on the far side (DESIGN section 9):
 * all that wait for one data set share its cut and its acknowledgement.
 */
import type { DataSetId } from '../model/ids.ts';
import type { RequestId } from './primary-contract.ts';

interface WaitingFlush {
  readonly request: RequestId;
  /** Complete, with all before it, when the reply may go out. */
  readonly dataSet: DataSetId;
}

export class PrimaryFlushes {
  #waiting: WaitingFlush[] = [];
  /** The data set of each FUA write that is numbered and not durable here yet. */
  #fuaDataSets = new Map<RequestId, DataSetId>();

  /** Remember to which data set a write with FUA belongs. */
  noteFua(request: RequestId, dataSet: DataSetId): void {
    this.#fuaDataSets.set(request, dataSet);
  }

  /** Take back the data set of a FUA write; undefined when it is not known. */
  takeFua(request: RequestId): DataSetId | undefined {
    const dataSet = this.#fuaDataSets.get(request);
    this.#fuaDataSets.delete(request);
    return dataSet;
  }

  wait(request: RequestId, dataSet: DataSetId): void {
    this.#waiting.push({ request, dataSet });
  }

  /** Take the requests, in their order, that waited for this data set or an earlier one. */
  takeThrough(dataSet: DataSetId): RequestId[] {
    if (this.#waiting.length === 0) return [];
    const ready = this.#waiting.filter((flush) => flush.dataSet <= dataSet).map((flush) => flush.request);
    this.#waiting = this.#waiting.filter((flush) => flush.dataSet > dataSet);
    return ready;
  }

  clear(): void {
    this.#waiting = [];
    this.#fuaDataSets.clear();
  }
}
