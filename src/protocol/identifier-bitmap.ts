/**
 * The identifier bitmap: one bit per sequence number of one data set (Fig. 5, steps 2 and 5). A data set has two of them,
 * received and durable (I2). Bit i stands for sequence number firstSequence + i.
 */
import { assert } from '../model/assert.ts';

export class IdentifierBitmap {
  readonly bitsMax: number;
  readonly #words: Uint32Array;
  #count = 0;
  #highest = -1;
  /** Every bit below is set; advanced only when somebody asks, so each bit is passed once. */
  #prefixBits = 0;

  constructor(bitsMax: number) {
    this.bitsMax = bitsMax;
    this.#words = new Uint32Array(Math.ceil(bitsMax / 32));
  }

  /** Number of bits that are set. */
  get count(): number {
    return this.#count;
  }

  /** Highest bit that is set, -1 when none is. */
  get highest(): number {
    return this.#highest;
  }

  has(index: number): boolean {
    return index >= 0 && index <= this.#highest && ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** Set a bit; false when it was set before. @design Fig. 8, step 60; Fig. 10, step 87 */
  set(index: number): boolean {
    assert(index >= 0 && index < this.bitsMax, 'an identifier bitmap is indexed within its bits');
    const word = this.#words[index >>> 5] ?? 0;
    const mask = 1 << (index & 31);
    if ((word & mask) !== 0) return false;
    this.#words[index >>> 5] = word | mask;
    this.#count += 1;
    if (index > this.#highest) this.#highest = index;
    return true;
  }

  /** Count the bits from 0 up to the first that is missing. */
  prefixBits(): number {
    let bits = this.#prefixBits;
    while (bits < this.bitsMax) {
      // Zero bits of the inverted word are set bits; those below `bits` are known, so they are shifted out.
      const missing = ~(this.#words[bits >>> 5] ?? 0) >>> (bits & 31);
      if (missing !== 0) {
        bits += 31 - Math.clz32(missing & -missing);
        break;
      }
      bits = (bits | 31) + 1;
    }
    this.#prefixBits = Math.min(bits, this.bitsMax);
    return this.#prefixBits;
  }

  /** Say whether bits 0 .. index are all set. @design Fig. 9, step 300 */
  allSetThrough(index: number): boolean {
    return this.#count > index && this.prefixBits() > index;
  }

  /** Export the first `bits` bits in bytes of 8, bit 0 first, as `HeldDataSet` wants them. */
  toBytes(bits: number): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(bits / 8));
    for (let index = 0; index < bytes.length; index += 1) {
      bytes[index] = (this.#words[index >>> 2] ?? 0) >>> ((index & 3) * 8);
    }
    const lastBits = bits & 7;
    if (lastBits !== 0) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) & ((1 << lastBits) - 1);
    return bytes;
  }

  /** Clear all bits for the next data set; costs only what was used. */
  reset(): void {
    this.#words.fill(0, 0, (this.#highest >> 5) + 1);
    this.#count = 0;
    this.#highest = -1;
    this.#prefixBits = 0;
  }
}
