/** Those who wait for something of a host: each condition is looked at again whenever something moved. */
export class Waiters {
  readonly #looks = new Set<() => void>();

  /** Resolve with true when the condition holds, or with what it says when the time is up. */
  until(condition: () => boolean, limitMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (held: boolean): void => {
        clearTimeout(timer);
        this.#looks.delete(look);
        resolve(held);
      };
      const look = (): void => {
        if (condition()) finish(true);
      };
      const timer = setTimeout(() => finish(condition()), limitMs);
      this.#looks.add(look);
    });
  }

  /** Something moved. */
  look(): void {
    for (const look of this.#looks) look();
  }
}
