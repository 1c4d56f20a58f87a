import type { Done } from '../disk/disk.ts';

/**
 * Share flushes: what is asked while a flush is under way waits for the next one, which all of them share. The one under
 * way may have begun before their stores were completed, so it would not cover them.
 */
export class SharedFlush {
  readonly #flush: (done: Done) => void;
  #running = false;
  #waiting: Done[] = [];

  constructor(flush: (done: Done) => void) {
    this.#flush = flush;
  }

  ask(done: Done): void {
    this.#waiting.push(done);
    if (!this.#running) this.#run();
  }

  #run(): void {
    const covered = this.#waiting;
    this.#waiting = [];
    this.#running = true;
    this.#flush((error) => {
      this.#running = false;
      if (this.#waiting.length > 0) this.#run();
      for (const done of covered) done(error);
    });
  }
}
