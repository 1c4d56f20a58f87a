/**
 * How long something took, as counts in fixed buckets: since the start for Prometheus, and over the last minute for people.
 *
 * Sixteen buckets for each doubling, from 1 us to 2^32 us: a quantile is at most a sixteenth too high, and never too low. Nothing is
 * allocated for a sample, and reading changes nothing: two readers never disturb each other.
 */
import type { LatencyReport, RecentLatency } from './status.ts';

/** Buckets of each doubling. */
const STEPS = 16;
const STEP_BITS = 4;
const BUCKETS = (32 - STEP_BITS + 1) * STEPS;
const VALUE_US_MAX = 2 ** 32;
/** The last minute is made of so many windows: what is told covers 50 to 60 seconds. */
const WINDOWS = 6;
const WINDOW_MS = 10_000;
/** Powers of two from 64 us to 34 s: they are bounds of our buckets too, so nothing is estimated. */
const BOUND_EXPONENTS: readonly number[] = Array.from({ length: 20 }, (_, index) => index + 6);

/** Upper bounds of a report's `buckets`, in seconds; the last one, without a bound, is the count. */
export const LATENCY_BOUNDS_SECONDS: readonly number[] = BOUND_EXPONENTS.map((exponent) => 2 ** exponent / 1e6);

export class LatencyHistogram {
  readonly #total = new Float64Array(BUCKETS);
  #sumUs = 0;
  #maxUs = 0;
  readonly #windows = Array.from({ length: WINDOWS }, () => new Float64Array(BUCKETS));
  readonly #windowMaxUs = new Float64Array(WINDOWS);
  /** Number of the newest window: time divided by WINDOW_MS. */
  #newest = Number.NEGATIVE_INFINITY;

  /** Count one that took `durationMs` and ended at `nowMs` (since any moment, always the same); it stands for `weight` of its kind. */
  record(durationMs: number, nowMs: number, weight = 1): void {
    this.#turnTo(nowMs);
    const us = Math.min(Math.max(durationMs * 1000, 0), VALUE_US_MAX);
    const bucket = bucketOf(us);
    const window = this.#newest % WINDOWS;
    this.#total[bucket] = (this.#total[bucket] as number) + weight;
    this.#sumUs += us * weight;
    if (us > this.#maxUs) this.#maxUs = us;
    const counts = this.#windows[window] as Float64Array;
    counts[bucket] = (counts[bucket] as number) + weight;
    if (us > (this.#windowMaxUs[window] as number)) this.#windowMaxUs[window] = us;
  }

  /** What the status carries; null before the first sample. */
  report(nowMs: number): LatencyReport | null {
    let count = 0;
    for (const counted of this.#total) count += counted;
    if (count === 0) return null;
    const buckets = BOUND_EXPONENTS.map((exponent) => sum(this.#total, (exponent - STEP_BITS + 1) * STEPS));
    return { count, sumSeconds: this.#sumUs / 1e6, maxSeconds: this.#maxUs / 1e6, lastMinute: this.#recent(nowMs), buckets };
  }

  #recent(nowMs: number): RecentLatency | null {
    this.#turnTo(nowMs);
    const merged = new Float64Array(BUCKETS);
    for (const window of this.#windows) window.forEach((counted, bucket) => (merged[bucket] = (merged[bucket] as number) + counted));
    const count = sum(merged, BUCKETS);
    if (count === 0) return null;
    const maxUs = Math.max(...this.#windowMaxUs);
    const quantileSeconds = (share: number): number => Math.min(quantileUs(merged, share * count), maxUs) / 1e6;
    return {
      count,
      p50Seconds: quantileSeconds(0.5),
      p99Seconds: quantileSeconds(0.99),
      p999Seconds: quantileSeconds(0.999),
      maxSeconds: maxUs / 1e6,
    };
  }

  /** Empty the windows that the time has passed since. A clock that goes back changes nothing. */
  #turnTo(nowMs: number): void {
    const window = Math.floor(nowMs / WINDOW_MS);
    if (window <= this.#newest) return;
    const first = Math.max(this.#newest + 1, window - WINDOWS + 1);
    for (let passed = first; passed <= window; passed += 1) {
      this.#windows[passed % WINDOWS]?.fill(0);
      this.#windowMaxUs[passed % WINDOWS] = 0;
    }
    this.#newest = window;
  }
}

/** The bucket of values above its lower and up to its upper bound. */
function bucketOf(us: number): number {
  const below = us <= 1 ? 0 : Math.ceil(us) - 1;
  if (below < STEPS) return below;
  const exponent = 31 - Math.clz32(below);
  return (exponent - STEP_BITS + 1) * STEPS + ((below >>> (exponent - STEP_BITS)) & (STEPS - 1));
}

/** Upper bound of a bucket, microseconds. */
function upperUs(bucket: number): number {
  if (bucket < STEPS) return bucket + 1;
  return (STEPS + 1 + (bucket % STEPS)) * 2 ** (Math.floor(bucket / STEPS) - 1);
}

function quantileUs(counts: Float64Array, rank: number): number {
  let counted = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    counted += counts[bucket] as number;
    if (counted >= rank && counted > 0) return upperUs(bucket);
  }
  return VALUE_US_MAX;
}

/** Sum of the counts below bucket `end`. */
function sum(counts: Float64Array, end: number): number {
  let total = 0;
  for (let bucket = 0; bucket < end; bucket += 1) total += counts[bucket] as number;
  return total;
}
