/**
 * How long records wait for their acknowledgement: from the end of the turn of the event loop in which they were numbered and their
 * writes replied to, to the turn in which the acknowledgement is taken.
 *
 * Sampled: at most once a millisecond the newest record becomes a probe, which stands for all since the probe before. So a second in
 * which nothing is acknowledged weighs what was written in it. When all probes wait, every second one is merged into the next
 * and probes are set half as often; then a probe is at most a thirtieth younger than what it stands for.
 */
import type { SequenceNumber, SequenceRange } from '../model/ids.ts';
import { LatencyHistogram } from '../model/latency-histogram.ts';

const PROBES_MAX = 64;
const SPACING_MS = 1;

/** What the order of writes knows at the end of a turn. */
export interface NumberedAndAcknowledged {
  readonly machine: { head(timeMs: number): { readonly sequence: SequenceNumber } };
  /** The newest data set that is acknowledged with all before it. */
  readonly acknowledged: { readonly finalSequence: SequenceNumber } | null;
}

export class AcknowledgementLatency {
  readonly histogram = new LatencyHistogram();
  /** Probes that wait, ascending: number, time, and records that it stands for. */
  readonly #sequences = new Float64Array(PROBES_MAX);
  readonly #timesMs = new Float64Array(PROBES_MAX);
  readonly #weights = new Float64Array(PROBES_MAX);
  #count = 0;
  #spacingMs = SPACING_MS;
  #nextMs = 0;
  /** Number of the newest probe; what was numbered before the first turn is nobody's. */
  #newest: SequenceNumber | null = null;

  /** End of a turn: set a probe if one is due. Costs one look at the clock. */
  turnEnded(order: NumberedAndAcknowledged, nowMs: number): void {
    const first = this.#sequences[0] as number;
    // What a new session says it holds is acknowledged without a range.
    if (this.#count > 0 && order.acknowledged !== null && first <= order.acknowledged.finalSequence)
      this.#taken(0, order.acknowledged.finalSequence, nowMs);
    if (nowMs < this.#nextMs) return;
    const { sequence } = order.machine.head(nowMs);
    const newest = this.#newest ?? sequence;
    this.#newest = sequence;
    if (sequence <= newest) return;
    if (this.#count === PROBES_MAX) this.#thin();
    this.#sequences[this.#count] = sequence;
    this.#timesMs[this.#count] = nowMs;
    this.#weights[this.#count] = sequence - newest;
    this.#count += 1;
    this.#nextMs = nowMs + this.#spacingMs;
  }

  /** Numbers that the far side holds safely now. */
  acknowledged(ranges: readonly SequenceRange[], nowMs: number): void {
    for (const { from, to } of ranges) if (this.#count > 0) this.#taken(from, to, nowMs);
  }

  #taken(from: SequenceNumber, to: SequenceNumber, nowMs: number): void {
    let kept = 0;
    for (let index = 0; index < this.#count; index += 1) {
      const sequence = this.#sequences[index] as number;
      if (sequence >= from && sequence <= to) this.histogram.record(nowMs - (this.#timesMs[index] as number), nowMs, this.#weights[index]);
      else this.#move(index, kept++);
    }
    this.#count = kept;
    if (kept > 0) return;
    this.#spacingMs = SPACING_MS;
    this.#nextMs = Math.min(this.#nextMs, nowMs + SPACING_MS);
  }

  #thin(): void {
    for (let index = 1; index < PROBES_MAX; index += 2) {
      this.#weights[index] = (this.#weights[index] as number) + (this.#weights[index - 1] as number);
      this.#move(index, index >> 1);
    }
    this.#count = PROBES_MAX / 2;
    this.#spacingMs *= 2;
  }

  #move(from: number, to: number): void {
    this.#sequences[to] = this.#sequences[from] as number;
    this.#timesMs[to] = this.#timesMs[from] as number;
    this.#weights[to] = this.#weights[from] as number;
  }
}
