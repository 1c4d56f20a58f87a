/** Damage of every kind on the files of a stopped secondary, by seed: what disks, file systems and people leave. */
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/demo/random.ts';
import { randomBytesOf, type DataRing } from './data-ring.ts';

const FILES = [0, 1, 2, 3].map((slot) => `slot-000${slot}.journal`);
const SECTOR_BYTES = 512;
/** Where the records of a small data set lie. */
const USED_BYTES = 30_000;

/** Do up to three things to the ring; says what. */
export function damageRing({ journals, payloads }: DataRing, seed: number): string[] {
  const random = new Random(seed * 7919 + 13);
  const words: string[] = [];
  for (let count = random.between(1, 3); count > 0; count -= 1) {
    const name = random.oneIn(6) ? 'watermark' : (FILES[random.between(0, 3)] as string);
    const path = join(journals, name);
    const bytes = readFileSync(path);
    const limit = Math.min(bytes.length, random.oneIn(4) ? bytes.length : USED_BYTES);
    // Now and then among the fields of a header, a mark or a watermark's block.
    const place = random.oneIn(4) ? 4096 * random.between(0, 2) + random.between(0, 90) : random.between(0, limit);
    const offset = Math.max(0, Math.min(place, bytes.length - 1));
    const sector = offset - (offset % SECTOR_BYTES);
    const kinds: readonly [string, () => void][] = [
      ['bit', () => (bytes[offset] = (bytes[offset] ?? 0) ^ (1 << random.between(0, 7)))],
      ['zeroes', () => bytes.fill(0, sector, Math.min(bytes.length, sector + SECTOR_BYTES * random.between(1, 8)))],
      ['noise', () => bytes.set(randomBytesOf(random, Math.min(random.between(1, 900), bytes.length - offset)), offset)],
      // A write of a volume that went to the wrong place.
      [
        'stray data',
        () => bytes.set((payloads[random.between(0, payloads.length - 1)] as Buffer).subarray(0, bytes.length - sector), sector),
      ],
      ['data', () => bytes.set((payloads[0] as Buffer).subarray(0, Math.min(random.between(16, 400), bytes.length - offset)), offset)],
      ['shift', () => bytes.copyWithin(offset, offset + 8 * random.between(1, 90))],
    ];
    const [kind, damage] = kinds[random.between(0, kinds.length - 1)] as [string, () => void];
    if (bytes.length > 0) damage();
    writeFileSync(path, bytes);
    words.push(`${kind} in ${name} at ${offset}`);
    if (random.oneIn(12)) truncateSync(path, offset);
    if (random.oneIn(15)) copyFileSync(path, join(journals, FILES[random.between(0, 3)] as string));
  }
  return words;
}
