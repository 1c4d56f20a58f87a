/**
 * The comparisons of the handshake that look into the history (DESIGN section 6): who is ahead, whether the chains agree, and
 * which acknowledged numbers the secondary lacks. Each returns null when all is well, else what was found.
 */
import type { HeldDataSet, PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import type { Generation, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import { pointBefore } from './generations.ts';

/** Tell whether bit `index` of a bitmap of bytes (bit 0 first) is set; bits past the end are not. */
export function bitAt(bits: Uint8Array, index: number): boolean {
  return (((bits[index >>> 3] ?? 0) >>> (index & 7)) & 1) === 1;
}

/** Find the highest bit that is set, or -1. */
export function highestBit(bits: Uint8Array): number {
  for (let i = bits.length - 1; i >= 0; i -= 1) {
    const byte = bits[i] ?? 0;
    if (byte !== 0) return i * 8 + 31 - Math.clz32(byte);
  }
  return -1;
}

/** The newest data set that the secondary holds complete together with all before it. */
export function newestPoint(secondary: SecondaryFacts): HistoryPoint | null {
  return secondary.complete.at(-1) ?? secondary.watermark;
}

/** The highest number of which the secondary knows: received, or named as final by a sync command; -1 if none. */
export function highestNumber(secondary: SecondaryFacts): SequenceNumber {
  let highest = newestPoint(secondary)?.finalSequence ?? -1;
  for (const held of secondary.held) highest = Math.max(highest, highestOf(held));
  return highest;
}

function highestOf(held: HeldDataSet): SequenceNumber {
  const bit = highestBit(held.received);
  return Math.max(bit < 0 ? -1 : held.firstSequence + bit, held.finalSequence ?? -1);
}

/** Find something that the secondary holds and that the primary never closed or never gave. */
export function findAhead(primary: PrimaryFacts, secondary: SecondaryFacts): string | null {
  const { head } = primary;
  const newest = newestPoint(secondary);
  if (newest !== null && newest.dataSet >= head.dataSet) {
    return `the copy holds data set ${newest.dataSet} complete, but the primary has closed none from ${head.dataSet} on`;
  }
  const highest = highestNumber(secondary);
  if (highest > head.sequence)
    return `the copy holds number ${highest}, but the newest number that the primary has given is ${head.sequence}`;
  for (const held of secondary.held) {
    const open = held.dataSet > head.dataSet || (held.dataSet === head.dataSet && held.finalSequence !== null);
    if (open && highestOf(held) >= 0)
      return `the copy holds commands of data set ${held.dataSet} that the primary, which is at data set ${head.dataSet}, has not given`;
  }
  return null;
}

/**
 * Find a number of this run of the primary that the secondary received from another run: one of them is a restored copy or a clone. A host
 * that took another one's place does not know which run its records are of: there chains and digests decide alone (docs/decisions/0004).
 */
export function findOtherRun(primary: PrimaryFacts, secondary: SecondaryFacts): SequenceNumber | null {
  if (secondary.lastPrimarySession === null || secondary.lastPrimarySession === primary.session) return null;
  const highest = highestNumber(secondary);
  return highest >= primary.sessionFirstSequence ? highest : null;
}

export type ChainVerdict = { readonly verdict: 'equal' | 'unknown' } | { readonly verdict: 'different'; readonly expected: HistoryPoint };

/** Compare the chains at the secondary's newest complete data set. */
export function compareChains(primary: PrimaryFacts, secondary: SecondaryFacts): ChainVerdict {
  const newest = newestPoint(secondary);
  if (newest === null)
    return { verdict: primary.acknowledged === null && generationStart(primary.generations) === null ? 'equal' : 'unknown' };
  const points = [...primary.chains, primary.acknowledged, ...primary.generations.map(pointBefore)];
  const expected = points.find((point) => point?.dataSet === newest.dataSet);
  if (expected === undefined || expected === null) return { verdict: 'unknown' };
  if (expected.chain === newest.chain && expected.finalSequence === newest.finalSequence) return { verdict: 'equal' };
  return { verdict: 'different', expected };
}

function generationStart(generations: readonly Generation[]): HistoryPoint | null {
  const last = generations.at(-1);
  return last === undefined ? null : pointBefore(last);
}

/** Find the lowest number that the primary saw acknowledged and that is not durable on the secondary. */
export function findMissing(primary: PrimaryFacts, secondary: SecondaryFacts): SequenceNumber | null {
  const covered = newestPoint(secondary)?.finalSequence ?? -1;
  const through = Math.max(primary.acknowledged?.finalSequence ?? -1, generationStart(primary.generations)?.finalSequence ?? -1);
  return findHole(primary.generations, secondary.held, { after: covered, through }) ?? findLostBit(primary, secondary, covered);
}

/** Find the first number of after + 1 .. through that no held data set has durable; numbers that no generation gave are skipped. */
function findHole(
  generations: readonly Generation[],
  held: readonly HeldDataSet[],
  range: { after: number; through: number },
): SequenceNumber | null {
  let next = skipUngiven(generations, range.after + 1);
  for (const set of held) {
    while (next <= range.through && next >= set.firstSequence && bitAt(set.durable, next - set.firstSequence))
      next = skipUngiven(generations, next + 1);
  }
  return next <= range.through ? next : null;
}

/** Numbers between the end of what a promotion kept and its generation's first number do not belong to the history. */
function skipUngiven(generations: readonly Generation[], number: SequenceNumber): SequenceNumber {
  let next = number;
  for (const generation of generations) {
    if (next > (generation.afterSequence ?? -1) && next < generation.firstSequence) next = generation.firstSequence;
  }
  return next;
}

function findLostBit(primary: PrimaryFacts, secondary: SecondaryFacts, covered: SequenceNumber): SequenceNumber | null {
  const held = new Map(secondary.held.map((set) => [set.dataSet, set]));
  for (const set of primary.unacknowledged) {
    const own = held.get(set.dataSet);
    const last = highestBit(set.acknowledged);
    for (let index = 0; index <= last; index += 1) {
      const number = set.firstSequence + index;
      if (number <= covered || !bitAt(set.acknowledged, index)) continue;
      if (own === undefined || number < own.firstSequence || !bitAt(own.durable, number - own.firstSequence)) return number;
    }
  }
  return null;
}

/** Find a held data set whose bounds differ from those that the primary keeps for it. */
export function findContradiction(primary: PrimaryFacts, secondary: SecondaryFacts): string | null {
  const kept = new Map(primary.unacknowledged.map((set) => [set.dataSet, set]));
  const closed = new Map(primary.chains.map((point) => [point.dataSet, point]));
  for (const held of secondary.held) {
    const own = kept.get(held.dataSet);
    const name = `data set ${held.dataSet}`;
    if (own !== undefined && own.firstSequence !== held.firstSequence) {
      return `${name} begins at number ${own.firstSequence} on the primary and at ${held.firstSequence} in the copy`;
    }
    const finalSequence = own?.finalSequence ?? closed.get(held.dataSet)?.finalSequence ?? null;
    if (finalSequence !== null && held.finalSequence !== null && held.finalSequence !== finalSequence) {
      return `${name} ends at number ${finalSequence} on the primary and at ${held.finalSequence} in the copy`;
    }
    if (finalSequence !== null && highestOf(held) > finalSequence) {
      return `${name} ends at number ${finalSequence} on the primary, but the copy holds number ${highestOf(held)} of it`;
    }
    if (own === undefined && held.dataSet > (primary.acknowledged?.dataSet ?? -1) && highestOf(held) >= 0) {
      return `the copy holds commands of ${name}, which the primary no longer keeps although it was not acknowledged`;
    }
  }
  return null;
}
