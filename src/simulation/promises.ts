/** What a secondary's primary may rely on: every number that this host said it has durably, and what its disk was seen to keep. */
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
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
  /** Told on the peer's word, and not seen in a journal yet: this host has them in its memory. */
  readonly onWord = new Set<SequenceNumber>();
  /** The same of a life that has ended: only the peer has them. */
  readonly onlyPeer = new Set<SequenceNumber>();
  /** Numbers that both hosts lost: nobody owes them any more. */
  excused = 0;
  readonly #told: boolean[] = [];
  #completeThrough: DataSetId = -1;

  tell(sequence: SequenceNumber): void {
    this.#told[sequence] = true;
  }

  /** A number was told on the peer's word. */
  tellOnWord(sequence: SequenceNumber): void {
    this.tell(sequence);
    this.onWord.add(sequence);
  }

  /** Forget about those that the disk has by now. */
  prune(isCovered: (sequence: SequenceNumber) => boolean): void {
    for (const set of [this.onWord, this.onlyPeer]) for (const sequence of set) if (isCovered(sequence)) set.delete(sequence);
  }

  /** The host's memory is gone. */
  lifeEnded(): void {
    for (const sequence of this.onWord) this.onlyPeer.add(sequence);
    this.onWord.clear();
  }

  /** What only the peer had, and what it has no more, is lost by both. */
  excuse(hasPeer: (sequence: SequenceNumber) => boolean, history: History): void {
    for (const sequence of this.onlyPeer) {
      if (hasPeer(sequence)) continue;
      this.onlyPeer.delete(sequence);
      this.#told[sequence] = false;
      this.excused += 1;
      this.#completeThrough = Math.min(this.#completeThrough, (history.records[sequence]?.dataSet ?? 0) - 1);
    }
  }

  /** The same as `completeThrough` without what no journal has: what this host keeps when the peer is gone too. */
  completeWithoutPeer(history: History): DataSetId {
    let through = this.completeThrough(history);
    for (const set of [this.onWord, this.onlyPeer])
      for (const sequence of set) through = Math.min(through, (history.records[sequence]?.dataSet ?? 0) - 1);
    return through;
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
    for (const sequence of this.onWord) copy.onWord.add(sequence);
    for (const sequence of this.onlyPeer) copy.onlyPeer.add(sequence);
    return copy;
  }
}
