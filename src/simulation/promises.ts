/** What a secondary's primary may rely on: every number that this host said it has durably, and what its disk was seen to keep. */
import type { DataSetId, SequenceNumber, SequenceRange } from '../model/ids.ts';
import type { History } from './history.ts';

/** What was seen on the way to the disk. */
export class StorageNotes {
  /** The newest watermark that the disk keeps; -1: none. */
  watermark: DataSetId = -1;
  /** Highest data set whose flag the disk kept when the last order of stores into the volumes began, and the event in which that was. */
  flaggedAtStore: DataSetId = -1;
  storeStep = -1;
  /** Highest data set that the host said is complete. */
  completeTold: DataSetId = -1;

  copy(): StorageNotes {
    const copy = new StorageNotes();
    copy.watermark = this.watermark;
    return copy;
  }
}

export class Promises {
  storage = new StorageNotes();
  readonly #told: boolean[] = [];
  #completeThrough: DataSetId = -1;

  tell(sequence: SequenceNumber): void {
    this.#told[sequence] = true;
  }

  tellRanges(ranges: readonly SequenceRange[]): number {
    let count = 0;
    for (const { from, to } of ranges) for (let sequence = from; sequence <= to; sequence += 1, count += 1) this.#told[sequence] = true;
    return count;
  }

  tellThrough(finalSequence: SequenceNumber): void {
    for (let sequence = 0; sequence <= finalSequence; sequence += 1) this.#told[sequence] = true;
  }

  wasTold(sequence: SequenceNumber): boolean {
    return this.#told[sequence] === true;
  }

  /** The newest data set that is told complete together with all before it; -1: none. */
  completeThrough(history: History): DataSetId {
    for (let set = history.sets[this.#completeThrough + 1]; set !== undefined; set = history.sets[this.#completeThrough + 1]) {
      if (set.finalSequence === null) break;
      for (const { sequence } of set.records) if (!this.wasTold(sequence)) return this.#completeThrough;
      this.#completeThrough = set.dataSet;
    }
    return this.#completeThrough;
  }

  copy(): Promises {
    const copy = new Promises();
    copy.storage = this.storage.copy();
    copy.#told.push(...this.#told);
    copy.#completeThrough = this.#completeThrough;
    return copy;
  }
}
