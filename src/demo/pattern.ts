/**
 * What the demo's application writes: every 512-byte block names the write that put it there, and all its other bytes follow from
 * the seed, the volume, the write and the block's place. So a block that was read tells which write it came from, and one wrong
 * byte anywhere in it, or a right block in the wrong place, is seen.
 */
import { BLOCK_BYTES } from '../model/ids.ts';

export const BLOCK_WORDS = BLOCK_BYTES / 4;
/** A block of zeroes: never written, zeroed or trimmed. */
export const HOLDS_ZEROES = -1;
/** Neither zeroes nor wholly what one write put there. */
export const HOLDS_DAMAGE = -2;

const MAGIC = 0x46_53_44_4d;

export class Pattern {
  readonly #volume: number;
  readonly #key: number;

  constructor(seed: number, volume: number) {
    this.#volume = volume;
    this.#key = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) ^ Math.imul(volume + 1, 0x85ebca6b);
  }

  /** Put what one write says into `words`, which begins with the write's first block. */
  fill(words: Int32Array, write: { index: number; firstBlock: number; blocks: number }): void {
    for (let block = 0; block < write.blocks; block += 1) {
      const begin = block * BLOCK_WORDS;
      let state = this.#head(words, begin, { index: write.index, block: write.firstBlock + block });
      for (let word = begin + 4; word < begin + BLOCK_WORDS; word += 1) {
        state = step(state);
        words[word] = state;
      }
    }
  }

  /** The index of the write whose data lies in `words` from `begin` on, as it stands at this block; or HOLDS_ZEROES, HOLDS_DAMAGE. */
  identify(words: Int32Array, begin: number, block: number): number {
    if (words[begin] !== MAGIC) return isZero(words, begin) ? HOLDS_ZEROES : HOLDS_DAMAGE;
    const index = words[begin + 1] as number;
    if (index < 0 || words[begin + 2] !== block || words[begin + 3] !== this.#volume) return HOLDS_DAMAGE;
    let state = this.#first(index, block);
    for (let word = begin + 4; word < begin + BLOCK_WORDS; word += 1) {
      state = step(state);
      if (words[word] !== state) return HOLDS_DAMAGE;
    }
    return index;
  }

  #head(words: Int32Array, begin: number, { index, block }: { index: number; block: number }): number {
    words[begin] = MAGIC;
    words[begin + 1] = index;
    words[begin + 2] = block;
    words[begin + 3] = this.#volume;
    return this.#first(index, block);
  }

  #first(index: number, block: number): number {
    const mixed = this.#key ^ Math.imul(index + 1, 0x27d4eb2f) ^ Math.imul(block + 1, 0x165667b1);
    return mixed === 0 ? 1 : mixed;
  }
}

/** xorshift32: never leads to zero, and two different states never lead to the same. */
function step(state: number): number {
  let next = state;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next;
}

function isZero(words: Int32Array, begin: number): boolean {
  for (let word = begin; word < begin + BLOCK_WORDS; word += 1) if (words[word] !== 0) return false;
  return true;
}
