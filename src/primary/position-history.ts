/**
 * How far the copy is behind, by the primary's clock and counters: head minus destaged, in data sets, bytes and seconds. It keeps
 * one small entry for each data set that is not destaged yet, so it is bounded by what the window and the backlog allow. When the far
 * side tells that a data set is destaged, its recovery point is counted: how long its oldest write was only here.
 */
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import type { Head } from '../model/handshake.ts';
import { LatencyHistogram } from '../model/latency-histogram.ts';
import { AcknowledgementLatency } from './acknowledgement-latency.ts';

interface PendingDataSet {
  readonly dataSet: DataSetId;
  /** Time of its first write, milliseconds since 1970. */
  readonly openedAtMs: number;
  /** Known when it is closed. */
  finalSequence: SequenceNumber | null;
  /** Encoded bytes taken through this data set, known when it is closed. */
  bytes: number;
  /** Its records with the sync, known when it is closed. */
  records: number;
  /** Null: open, or closed by a former run of this host. */
  closedAtMs: number | null;
}

export interface Behind {
  readonly dataSets: number;
  readonly bytes: number;
  /** Age of the oldest write that is not in the far side's source volumes. */
  readonly seconds: number;
}

export class PositionHistory {
  readonly acknowledgements = new AcknowledgementLatency();
  /** From the arrival of a data set's oldest write until it is known here to be destaged, for each of its records: never too low. */
  readonly recoveryPoint = new LatencyHistogram();
  /** The same from its closing, after its newest write; not of what a former run has closed. */
  readonly recoveryPointFromCut = new LatencyHistogram();
  readonly #pending: PendingDataSet[] = [];
  readonly #nowMs: () => number;
  readonly #startedAtMs: number;
  /** Final number of the newest data set that was closed. */
  #closedSequence: SequenceNumber | null = null;
  #destagedBytes: number;
  #destagedSequence: SequenceNumber | null = null;
  #destaged: DataSetId | null = null;

  /** `nowMs`: since 1970, and never set back while the process runs. */
  constructor(destagedBytes: number, nowMs: () => number = wallClockMs) {
    this.#destagedBytes = destagedBytes;
    this.#nowMs = nowMs;
    this.#startedAtMs = nowMs();
  }

  opened(dataSet: DataSetId, openedAtMs: number): void {
    this.#pending.push({ dataSet, openedAtMs, finalSequence: null, bytes: 0, records: 0, closedAtMs: null });
  }

  closed(entry: { dataSet: DataSetId; finalSequence: SequenceNumber; bytes: number }): void {
    const pending = this.#pending.at(-1);
    if (pending?.dataSet !== entry.dataSet) return;
    pending.finalSequence = entry.finalSequence;
    pending.bytes = entry.bytes;
    // How many there were in the first data set of a stream that goes on is not known here.
    pending.records = this.#closedSequence === null ? 1 : entry.finalSequence - this.#closedSequence;
    this.#closedSequence = entry.finalSequence;
    if (pending.openedAtMs >= this.#startedAtMs) pending.closedAtMs = this.#nowMs();
  }

  /** The far side's source volumes hold everything through this data set. */
  destaged(dataSet: DataSetId | null): void {
    if (dataSet === null) return;
    this.#destaged = dataSet;
    let first = this.#pending[0];
    if (first === undefined || first.dataSet > dataSet) return;
    const nowMs = this.#nowMs();
    while (first !== undefined && first.finalSequence !== null && first.dataSet <= dataSet) {
      this.#destagedBytes = first.bytes;
      this.#destagedSequence = first.finalSequence;
      this.recoveryPoint.record(nowMs - first.openedAtMs, nowMs, first.records);
      if (first.closedAtMs !== null) this.recoveryPointFromCut.record(nowMs - first.closedAtMs, nowMs, first.records);
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

/** Now, since 1970, by a clock that is not set while the process runs: the one that stamps the application's writes. */
export function wallClockMs(): number {
  return performance.timeOrigin + performance.now();
}
