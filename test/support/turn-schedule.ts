import type { DiskSchedule } from '../../src/simulation/disk.ts';

/** How much of a disk's time goes by in one turn of the event loop: what takes longer comes in a later one. */
const TURN_US = 60;

interface Waiting {
  readonly timeUs: number;
  readonly work: () => void;
}

/** Lets what a disk was asked happen in later turns of the event loop, in the order of its time, then of asking. */
export class TurnSchedule implements DiskSchedule {
  readonly life = null;
  readonly #waiting: Waiting[] = [];
  #nowUs = 0;
  #isTurnDue = false;

  schedule(delayUs: number, _label: string, work: () => void): void {
    // Never inside the turn in which it is asked.
    const timeUs = this.#nowUs + Math.max(1, delayUs);
    const place = this.#waiting.findLastIndex((other) => other.timeUs <= timeUs) + 1;
    this.#waiting.splice(place, 0, { timeUs, work });
    this.#askTurn();
  }

  note(): void {}

  #askTurn(): void {
    if (this.#isTurnDue || this.#waiting.length === 0) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    this.#nowUs += TURN_US;
    try {
      for (let next = this.#waiting[0]; next !== undefined && next.timeUs <= this.#nowUs; next = this.#waiting[0]) {
        this.#waiting.shift();
        next.work();
      }
    } finally {
      // Also when one of them threw: the others were asked too.
      this.#askTurn();
    }
  }
}
