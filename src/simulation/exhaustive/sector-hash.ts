/** 53-bit keys of whole disks: the exclusive or of a hash for every sector that is not blank, so that a changed sector costs one step. */
import type { Image } from '../image.ts';

export const SECTOR_BYTES = 512;
const WORDS = SECTOR_BYTES / 4;

/** Two independent 32-bit lanes. */
export interface Lanes {
  low: number;
  high: number;
}

const scratch = new Uint8Array(SECTOR_BYTES);
const words = new Int32Array(scratch.buffer);

/** Hash what stands at a place of a file; blank sectors are 0, as if they were not there. */
export function hashSector(file: number, position: number, bytes: Uint8Array): Lanes {
  scratch.set(bytes);
  let low = Math.imul(file + 0x51ed, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca77);
  let high = Math.imul(file + 0x2c1b, 0xc2b2ae3d) ^ Math.imul(position + 7, 0x27d4eb2f);
  let any = 0;
  for (let index = 0; index < WORDS; index += 1) {
    const word = words[index] as number;
    any |= word;
    low = Math.imul(low ^ word, 0x01000193) ^ (low >>> 15);
    high = Math.imul(high ^ word, 0x5bd1e995) ^ (high >>> 13);
  }
  if (any === 0) return { low: 0, high: 0 };
  return { low: mixed(low), high: mixed(high ^ 0x68bc21eb) };
}

function mixed(lane: number): number {
  let value = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}

/** Hash a number into both lanes, for what belongs to a state besides its disk. */
export function hashNumber(kind: number, value: number): Lanes {
  const seed = Math.imul(kind + 1, 0x9e3779b1) ^ Math.imul(value + 1, 0x27d4eb2f);
  return { low: mixed(seed), high: mixed(seed ^ 0x5bd1e995 ^ (kind << 20)) };
}

export function add(to: Lanes, other: Lanes): void {
  to.low ^= other.low;
  to.high ^= other.high;
}

/** A key that a Set of numbers takes. */
export function keyOf({ low, high }: Lanes): number {
  return (low >>> 0) * 0x20_0000 + (high >>> 11);
}

interface PageHash extends Lanes {
  readonly file: number;
  readonly position: number;
}

/** Hashes of pages that never change again, by their memory. */
const pages = new WeakMap<Uint8Array, PageHash>();

/** Hash an image that is only read from now on (a fork). */
export function hashImage(file: number, image: Image): Lanes {
  const sum = { low: 0, high: 0 };
  image.forEachPage((position, bytes) => {
    let known = pages.get(bytes);
    if (known?.file !== file || known.position !== position) {
      known = { low: 0, high: 0, file, position };
      for (let at = 0; at < bytes.length; at += SECTOR_BYTES)
        add(known, hashSector(file, position + at, bytes.subarray(at, at + SECTOR_BYTES)));
      pages.set(bytes, known);
    }
    add(sum, known);
  });
  return sum;
}
