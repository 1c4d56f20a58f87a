/** When and how long the application's writes wait: a slowed second is never silent, it has a reason in log, status and metrics. */

/** A link that is a little too slow throttles many times a second: at most one line in this time. */
const LOG_MS = 10_000;

export interface ThrottlingOptions {
  readonly log: (level: 'info' | 'warn', message: string) => void;
  /** Why writes wait now, as the status says it. */
  readonly reason: () => string | null;
}

export class Throttling {
  readonly #options: ThrottlingOptions;
  #sinceMs: number | null = null;
  #endedSeconds = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ThrottlingOptions) {
    this.#options = options;
  }

  /** Seconds in which writes waited, since the start. */
  get seconds(): number {
    return this.#endedSeconds + (this.#sinceMs === null ? 0 : (performance.now() - this.#sinceMs) / 1000);
  }

  /** Told after every round of the machine; costs a comparison unless something changed. */
  note(throttled: boolean): void {
    if (throttled === (this.#sinceMs !== null)) return;
    const nowMs = performance.now();
    if (this.#sinceMs === null) {
      this.#sinceMs = nowMs;
      if (nowMs - this.#loggedAtMs < LOG_MS) return;
      this.#loggedAtMs = nowMs;
      this.#options.log('warn', this.#options.reason() ?? 'writes wait because the backlog is full');
      return;
    }
    const seconds = (nowMs - this.#sinceMs) / 1000;
    this.#endedSeconds += seconds;
    this.#sinceMs = null;
    if (seconds >= 1) this.#options.log('info', `writes go on after ${seconds.toFixed(1)} s`);
  }
}
