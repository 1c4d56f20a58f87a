/**
 * Is a copy exactly what the application's history was at one moment?
 *
 * The primary gives every write one number, over both volumes. Which number is not known to the application, but this much is:
 * 1. **Rounds.** A round is replied to before the next begins, and a write is numbered before its reply: so every write of a round
 *    comes before every write of the next, on both volumes. *If one write of round r is in the copy, all of rounds < r are.*
 * 2. **Overlaps.** Two writes of one round that overlap came over one connection, and the primary stores and numbers them in that
 *    order. *If one is in the copy, so is every earlier one of its round that it overlaps.* Writes of one round that do not
 *    overlap may be numbered in any order: an unaligned or large one is stored by another thread, and its number is taken after.
 * So the copy is right if and only if there is a set of writes that is closed under both rules and makes every block of both
 * volumes what it is. Within the last round any such subset is allowed; anything else is a loss, a mixture or damage.
 *
 * How it is found: the writes that cover one block all overlap, so those that are in the copy are the first few of them, and the
 * block's content says which was the last. A block with data of write w says "w is in, the one after w at this block is not". A
 * block of zeroes says of each data write that covers it "if it is in, so is the next one here". With the two rules these are all
 * implications from one write to another, plus single facts; so the smallest set that follows from what is seen (`needed`) fits the
 * copy if any set does. It is compared with every block of both volumes. The largest set (`possible`) is found likewise from what is
 * excluded; the two differ only by zeroes over zeroes, and by writes that are wholly covered again.
 */
import { BLOCK_BYTES } from '../model/ids.ts';
import type { DemoWrite, History } from './history.ts';
import { BLOCK_WORDS, HOLDS_DAMAGE, HOLDS_ZEROES, Pattern } from './pattern.ts';

const NOT_READ = -3;
const FAULTS_SHOWN = 8;

export interface Judgement {
  /** The copy equals the history at one moment. */
  readonly equal: boolean;
  /** Fewest and most writes that the copy can be said to hold; few or none between them. */
  readonly writesKept: number;
  readonly writesKeptMax: number;
  /** For each volume. */
  readonly writesKeptOf: readonly number[];
  /** By index of the write: 1 if it is in the copy. */
  readonly kept: Uint8Array;
  /** Blocks that are not what they should be, and the first of them as sentences. */
  readonly wrongBlocks: number;
  readonly faults: readonly string[];
}

export class CopyCheck {
  readonly #history: History;
  readonly #patterns: readonly Pattern[];
  /** First block of each volume in the arrays below, and the sum of all at the end. */
  readonly #base: readonly number[];
  /** What each block of the copy holds: index of a write, or one of the constants. */
  readonly #holds: Int32Array;
  /** The writes that cover block b, ascending: #cover[#begin[b]] .. #cover[#begin[b + 1] - 1]. */
  readonly #begin: Int32Array;
  readonly #cover: Int32Array;

  constructor(history: History) {
    this.#history = history;
    this.#patterns = history.volumes.map((_, volume) => new Pattern(history.seed, volume));
    const base = [0];
    for (const { blocks } of history.volumes) base.push((base.at(-1) as number) + blocks);
    this.#base = base;
    const blocks = base.at(-1) as number;
    this.#holds = new Int32Array(blocks).fill(NOT_READ);
    this.#begin = new Int32Array(blocks + 1);
    for (const write of history.writes) this.#eachBlock(write, (block) => this.#add(this.#begin, block + 1));
    for (let block = 0; block < blocks; block += 1)
      this.#begin[block + 1] = this.#at(this.#begin, block + 1) + this.#at(this.#begin, block);
    this.#cover = new Int32Array(this.#at(this.#begin, blocks));
    const next = this.#begin.slice();
    for (const write of history.writes) {
      this.#eachBlock(write, (block) => {
        this.#cover[this.#at(next, block)] = write.index;
        this.#add(next, block);
      });
    }
  }

  /** Take a piece of the copy as it was read: whole blocks from `firstBlock` of a volume on. */
  take(volume: number, firstBlock: number, words: Int32Array): void {
    const pattern = this.#patterns[volume] as Pattern;
    const base = this.#base[volume] as number;
    for (let block = 0; block < words.length / BLOCK_WORDS; block += 1) {
      this.#holds[base + firstBlock + block] = pattern.identify(words, block * BLOCK_WORDS, firstBlock + block);
    }
  }

  judge(): Judgement {
    const { writes, volumes } = this.#history;
    const kept = this.#needed();
    const { wrongBlocks, faults } = this.#compare(kept);
    const possible = this.#possible();
    const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);
    return {
      equal: wrongBlocks === 0,
      writesKept: count(kept),
      writesKeptMax: Math.max(count(kept), count(possible)),
      writesKeptOf: volumes.map((_, volume) => writes.filter((write) => write.volume === volume && kept[write.index] === 1).length),
      kept,
      wrongBlocks,
      faults,
    };
  }

  /** The writes that must be in the copy, by what it shows and by both rules. */
  #needed(): Uint8Array {
    const { writes } = this.#history;
    const needed = new Uint8Array(writes.length);
    const open: number[] = [];
    const add = (index: number): void => {
      if (needed[index] === 1) return;
      needed[index] = 1;
      open.push(index);
    };
    for (let block = 0; block < this.#holds.length; block += 1) {
      if (this.#placeOf(block, this.#at(this.#holds, block)) !== -1) add(this.#at(this.#holds, block));
    }
    let earlier = 0;
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const write = this.#write(index);
      // Rule 1.
      for (; earlier < writes.length && this.#write(earlier).round < write.round; earlier += 1) add(earlier);
      this.#eachBlock(write, (block) => {
        const place = this.#placeOf(block, write.index);
        // Rule 2, and: data under a block of zeroes was zeroed again.
        if (place > this.#at(this.#begin, block)) add(this.#at(this.#cover, place - 1));
        if (write.kind === 'write' && this.#at(this.#holds, block) === HOLDS_ZEROES && place + 1 < this.#at(this.#begin, block + 1)) {
          add(this.#at(this.#cover, place + 1));
        }
      });
    }
    return needed;
  }

  /** The writes that can be in the copy: the same rules, read backwards. */
  #possible(): Uint8Array {
    const { writes } = this.#history;
    const possible = new Uint8Array(writes.length).fill(1);
    const open: number[] = [];
    const remove = (index: number): void => {
      if (possible[index] === 0) return;
      possible[index] = 0;
      open.push(index);
    };
    for (let block = 0; block < this.#holds.length; block += 1) {
      const holds = this.#at(this.#holds, block);
      const end = this.#at(this.#begin, block + 1);
      const place = this.#placeOf(block, holds);
      if (place !== -1 && place + 1 < end) remove(this.#at(this.#cover, place + 1));
      if (holds !== HOLDS_ZEROES || end === this.#at(this.#begin, block)) continue;
      const last = this.#at(this.#cover, end - 1);
      if (this.#write(last).kind === 'write') remove(last);
    }
    let later = writes.length - 1;
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const { round } = this.#write(index);
      for (; later >= 0 && this.#write(later).round > round; later -= 1) remove(later);
      this.#eachBlock(this.#write(index), (block) => {
        const place = this.#placeOf(block, index);
        if (place + 1 < this.#at(this.#begin, block + 1)) remove(this.#at(this.#cover, place + 1));
        if (place === this.#at(this.#begin, block) || this.#at(this.#holds, block) !== HOLDS_ZEROES) return;
        const before = this.#at(this.#cover, place - 1);
        if (this.#write(before).kind === 'write') remove(before);
      });
    }
    return possible;
  }

  /** Compare every block with what the kept writes make of it. */
  #compare(kept: Uint8Array): { wrongBlocks: number; faults: string[] } {
    const faults: string[] = [];
    let wrongBlocks = 0;
    /** Of a run of blocks with the same fault only the first is shown. */
    let run = { next: -1, expected: 0, found: 0 };
    for (let block = 0; block < this.#holds.length; block += 1) {
      let place = this.#at(this.#begin, block + 1) - 1;
      while (place >= this.#at(this.#begin, block) && kept[this.#at(this.#cover, place)] === 0) place -= 1;
      const last = place < this.#at(this.#begin, block) ? null : this.#write(this.#at(this.#cover, place));
      const expected = last === null || last.kind !== 'write' ? HOLDS_ZEROES : last.index;
      if (this.#at(this.#holds, block) === expected) continue;
      wrongBlocks += 1;
      const found = this.#at(this.#holds, block);
      const same = run.next === block && run.expected === expected && run.found === found;
      if (!same && faults.length < FAULTS_SHOWN) faults.push(this.#fault(block, last));
      run = { next: block + 1, expected, found };
    }
    return { wrongBlocks, faults };
  }

  #fault(block: number, expected: DemoWrite | null): string {
    const volume = this.#base.findLastIndex((base, index) => index < this.#base.length - 1 && base <= block);
    const inVolume = block - (this.#base[volume] as number);
    const place = `volume ${this.#history.volumes[volume]?.name ?? volume}, block ${inVolume} (byte ${inVolume * BLOCK_BYTES})`;
    return `${place}: expected ${describeHeld(expected)}, found ${this.#describeFound(this.#at(this.#holds, block))}`;
  }

  #describeFound(holds: number): string {
    if (holds === NOT_READ) return 'nothing: it was not read';
    if (holds === HOLDS_ZEROES) return 'zeroes';
    if (holds === HOLDS_DAMAGE) return 'bytes that no write put there';
    const write = this.#history.writes[holds];
    return write === undefined ? `data of write ${holds}, which was never issued` : describeHeld(write);
  }

  /** Index in #cover of a write at a block; -1 if it does not cover it with data or zeroes. */
  #placeOf(block: number, index: number): number {
    if (index < 0) return -1;
    let low = this.#at(this.#begin, block);
    let high = this.#at(this.#begin, block + 1) - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.#at(this.#cover, middle);
      if (found === index) return middle;
      if (found < index) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #eachBlock(write: DemoWrite, visit: (block: number) => void): void {
    const begin = (this.#base[write.volume] as number) + write.firstBlock;
    for (let block = begin; block < begin + write.blocks; block += 1) visit(block);
  }

  #write(index: number): DemoWrite {
    return this.#history.writes[index] as DemoWrite;
  }

  #at(array: Int32Array, index: number): number {
    return array[index] as number;
  }

  #add(array: Int32Array, index: number): void {
    array[index] = (array[index] as number) + 1;
  }
}

function describeHeld(write: DemoWrite | null): string {
  if (write === null) return 'zeroes, as before the first write';
  return write.kind === 'write'
    ? `data of write ${write.index} (round ${write.round})`
    : `zeroes of ${write.kind} ${write.index} (round ${write.round})`;
}
