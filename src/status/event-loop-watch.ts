/**
 * The event loop's longest stall, watched always: a native timer looks every 5 ms how long ago it looked last, and a stall is never
 * longer than the time between two looks. Once a second the longest one is taken over; whoever reads changes nothing.
 *
 * It sees only its own process and thread. A machine that gives the thread no processor looks like a busy loop; so what the kernel counts
 * of that (Linux, schedstat) is told beside it, as a sum.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { EventLoopReport } from '../model/status.ts';

/** Costs 0.5 to 1 % of a core on an idle host and next to nothing on a busy one, whose loop turns anyway. */
const RESOLUTION_MS = 5;
const SECONDS_KEPT = 60;

/** What is read of the native timer. */
export type LoopDelay = Pick<IntervalHistogram, 'count' | 'max' | 'reset'>;

export class EventLoopWatch {
  readonly #delay: LoopDelay;
  /** Longest time between two looks, milliseconds, of each of the last seconds; `#next` is written next. */
  readonly #secondsMs = new Float64Array(SECONDS_KEPT);
  /** Seconds in which the thread waited for a processor, by the same index. */
  readonly #waitedSeconds = new Float64Array(SECONDS_KEPT);
  #next = 0;
  #longestMs = 0;
  readonly #waitedNow: () => number | null;
  /** What had been waited at the start, and at the newest second. */
  readonly #waitedAtStart: number;
  #waitedBefore: number;

  /** `waitedSeconds`: in which this thread could run and got no processor, ever; null: not known here. */
  constructor(delay: LoopDelay, waitedSeconds: () => number | null) {
    this.#delay = delay;
    this.#waitedNow = waitedSeconds;
    this.#waitedAtStart = waitedSeconds() ?? 0;
    this.#waitedBefore = this.#waitedAtStart;
  }

  /** Watch this thread's loop until the process ends, which this does not delay. */
  static start(): EventLoopWatch {
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delay.enable();
    const watch = new EventLoopWatch(delay, waitedForProcessorSeconds);
    setInterval(() => watch.secondPassed(), 1000).unref();
    return watch;
  }

  /** Take over what the timer has seen. Called once a second; late calls make the minute longer, never shorter. */
  secondPassed(): void {
    const ms = this.#seenMs();
    this.#delay.reset();
    this.#longestMs = Math.max(this.#longestMs, ms);
    this.#secondsMs[this.#next] = ms;
    const waited = this.#waitedNow() ?? this.#waitedBefore;
    this.#waitedSeconds[this.#next] = waited - this.#waitedBefore;
    this.#waitedBefore = waited;
    this.#next = (this.#next + 1) % SECONDS_KEPT;
  }

  report(): EventLoopReport {
    const seenMs = this.#seenMs();
    const waited = this.#waitedNow();
    const thisSecond = waited === null ? 0 : waited - this.#waitedBefore;
    return {
      longestStallSeconds: Math.max(this.#longestMs, seenMs) / 1000,
      longestStallLastMinuteSeconds: Math.max(seenMs, ...this.#secondsMs) / 1000,
      waitedForProcessorSeconds: waited === null ? null : waited - this.#waitedAtStart,
      waitedForProcessorLastMinuteSeconds: waited === null ? null : this.#waitedSeconds.reduce((sum, second) => sum + second, thisSecond),
    };
  }

  /** The native maximum of an empty histogram is not zero. */
  #seenMs(): number {
    return this.#delay.count === 0 ? 0 : this.#delay.max / 1e6;
  }
}

/** Seconds that the main thread has spent in the kernel's run queue; null where the kernel does not tell. */
export function waitedForProcessorSeconds(): number | null {
  try {
    const [, waitedNs] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ');
    return Number(waitedNs) / 1e9;
  } catch {
    return null;
  }
}
