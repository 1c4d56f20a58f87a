/**
 * How fast the copy catches up: bytes destaged per second over the last samples, for the time to catch up. Samples are taken when
 * somebody asks, at most once a second, so an idle host does no work for it.
 */
export class CatchUpRate {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** `bytes`: bytes that are at the far side in all; `nowMs`: monotonic. */
  sample(bytes: number, nowMs: number): void {
    const newest = this.#samples.at(-1);
    if (newest !== undefined && nowMs - newest.atMs < 1000) return;
    this.#samples.push({ atMs: nowMs, bytes });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** Seconds until so many bytes are destaged at the present rate; 0 when there are none, null when nothing moves. */
  etaSeconds(bytesBehind: number): number | null {
    if (bytesBehind <= 0) return 0;
    const oldest = this.#samples[0];
    const newest = this.#samples.at(-1);
    if (oldest === undefined || newest === undefined || newest.bytes <= oldest.bytes) return null;
    return (bytesBehind * (newest.atMs - oldest.atMs)) / 1000 / (newest.bytes - oldest.bytes);
  }
}

const SAMPLES_MAX = 10;
