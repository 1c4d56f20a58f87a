/**
 * The header checksums of one data set's records by their sequence numbers. Numbers of a data set lie within its bounds, so an array
 * holds them; a damaged or forged journal may name any number, and those few go into a map.
 */
import type { SequenceNumber } from '../model/ids.ts';

export class ChecksumsByNumber {
  readonly #first: SequenceNumber;
  readonly #checksums: Uint32Array;
  readonly #known: Uint8Array;
  readonly #wild = new Map<SequenceNumber, number>();
  #count = 0;

  /** @param first lowest number that is expected; @param countMax how many from there on */
  constructor(first: SequenceNumber, countMax: number) {
    this.#first = first;
    this.#checksums = new Uint32Array(countMax);
    this.#known = new Uint8Array(countMax);
  }

  /** How many different numbers are known. */
  get count(): number {
    return this.#count;
  }

  /** Remember a number's checksum; what was known of it before, or null. */
  put(sequence: SequenceNumber, checksum: number): number | null {
    const index = sequence - this.#first;
    if (index < 0 || index >= this.#known.length) return this.#putWild(sequence, checksum);
    const before = this.#known[index] === 1 ? (this.#checksums[index] ?? 0) : null;
    if (before === null) this.#count += 1;
    this.#known[index] = 1;
    this.#checksums[index] = checksum;
    return before;
  }

  /** The checksums of the first `count` numbers in their order, all of which must be known. */
  first(count: number): Uint32Array {
    return this.#checksums.slice(0, count);
  }

  #putWild(sequence: SequenceNumber, checksum: number): number | null {
    const before = this.#wild.get(sequence) ?? null;
    if (before === null) this.#count += 1;
    this.#wild.set(sequence, checksum);
    return before;
  }
}
