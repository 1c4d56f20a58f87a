/** What a kill may do to a write under way, as far as it is enumerated: any part of it may stand in the page cache, durable or not. */
import type { Change, Flight } from '../inode.ts';
import { SECTOR_BYTES } from './sector-hash.ts';

export interface KillFate {
  readonly name: string;
  readonly durable: boolean;
  readonly parts: (change: Change) => readonly Change[];
}

const whole = (change: Change): readonly Change[] => [change];

/** The last two only for writes that are durable when they are reported. */
export const KILL_FATES: readonly KillFate[] = [
  { name: 'lost', durable: false, parts: () => [] },
  { name: 'in the page cache', durable: false, parts: whole },
  { name: 'its first half in the page cache', durable: false, parts: (change) => [half(change, 0)] },
  { name: 'its second half in the page cache', durable: false, parts: (change) => [half(change, 1)] },
  { name: 'its first sector in the page cache', durable: false, parts: (change) => [piece(change, 0, SECTOR_BYTES)] },
  { name: 'durable', durable: true, parts: whole },
  { name: 'durable, its second half', durable: true, parts: (change) => [half(change, 1)] },
];
const DURABLE_FATES = 2;

/**
 * Visit fates of all writes under way. One: all its fates. Several: each one's all fates, while the others are lost or in the page cache.
 * The array is used again for the next visit.
 */
export function visitFates(flights: readonly Flight[], visit: (fates: readonly number[]) => void): void {
  const counts = flights.map(({ durable }) => KILL_FATES.length - (durable ? 0 : DURABLE_FATES));
  const fates = counts.map(() => 0);
  visit(fates);
  for (const others of counts.length > 1 ? [0, 1] : [0]) {
    fates.fill(others);
    if (others > 0) visit(fates);
    for (const [index, count] of counts.entries()) {
      for (let fate = 0; fate < count; fate += 1) {
        fates[index] = fate;
        if (fate !== others) visit(fates);
      }
      fates[index] = others;
    }
  }
}

function half(change: Change, which: 0 | 1): Change {
  const middle = Math.ceil(change.lengthBytes / SECTOR_BYTES / 2) * SECTOR_BYTES;
  return which === 0 ? piece(change, 0, middle) : piece(change, middle, change.lengthBytes);
}

function piece(change: Change, from: number, to: number): Change {
  return { position: change.position + from, lengthBytes: to - from, bytes: change.bytes?.subarray(from, to) ?? null };
}
