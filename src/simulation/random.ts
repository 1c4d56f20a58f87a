/** Repeatable random numbers: everything that a simulation decides comes from one seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds must not begin alike.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
    for (let round = 0; round < 3; round += 1) this.next();
  }

  /** A number of [0, 1) (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number of 0 .. below - 1. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** A whole number of from .. to. */
  between(from: number, to: number): number {
    return from + this.int(to - from + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.int(items.length)] as Item;
  }

  /** Hex digits, for identifiers. */
  hex(digits: number): string {
    let text = '';
    while (text.length < digits) text += this.int(65_536).toString(16).padStart(4, '0');
    return text.slice(0, digits);
  }

  /** Another source that goes its own way from here. */
  fork(): Random {
    return new Random(this.int(2 ** 31));
  }
}
