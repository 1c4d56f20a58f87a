/**
 * How far the copy is behind, by the primary's clock and counters: head minus destaged, in data sets, bytes and seconds. It keeps
 * one small entry for each data set that is not destaged yet, so it is bounded by what the window and the backlog allow.
 */
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import type { Head } from '../model/handshake.ts';

interface PendingDataSet {
  readonly dataSet: DataSetId;
  /** Time of its first write, milliseconds since 1970. */
  readonly openedAtMs: number;
  /** Known when it is closed. */
  finalSequence: SequenceNumber | null;
  /** Encoded bytes taken through this data set, known when it is closed. */
  bytes: number;
}

export interface Behind {
  readonly dataSets: number;
  readonly bytes: number;
  /** Age of the oldest write that is not in the far side's source volumes. */
  readonly seconds: number;
}

export class PositionHistory {
  readonly #pending: PendingDataSet[] = [];
  #destagedBytes: number;
  #destagedSequence: SequenceNumber | null = null;
  #destaged: DataSetId | null = null;

  constructor(destagedBytes: number) {
    this.#destagedBytes = destagedBytes;
  }

  opened(dataSet: DataSetId, openedAtMs: number): void {
    this.#pending.push({ dataSet, openedAtMs, finalSequence: null, bytes: 0 });
  }

  closed(entry: { dataSet: DataSetId; finalSequence: SequenceNumber; bytes: number }): void {
    const pending = this.#pending.at(-1);
    if (pending?.dataSet !== entry.dataSet) return;
    pending.finalSequence = entry.finalSequence;
    pending.bytes = entry.bytes;
  }

  /** The far side's source volumes hold everything through this data set. */
  destaged(dataSet: DataSetId | null): void {
    if (dataSet === null) return;
    this.#destaged = dataSet;
    let first = this.#pending[0];
    while (first !== undefined && first.finalSequence !== null && first.dataSet <= dataSet) {
      this.#destagedBytes = first.bytes;
      this.#destagedSequence = first.finalSequence;
      this.#pending.shift();
      first = this.#pending[0];
    }
  }

  get destagedDataSet(): DataSetId | null {
    return this.#destaged;
  }

  get destagedSequence(): SequenceNumber | null {
    return this.#destagedSequence;
  }

  behind(head: Head): Behind {
    const oldest = this.#pending[0];
    if (oldest === undefined) return { dataSets: 0, bytes: 0, seconds: 0 };
    return {
      dataSets: this.#pending.length,
      bytes: Math.max(0, head.bytes - this.#destagedBytes),
      seconds: Math.max(0, head.timeMs - oldest.openedAtMs) / 1000,
    };
  }
}
