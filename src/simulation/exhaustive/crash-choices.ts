/**
 * Which of the legal disks of one moment are taken. A choice names for each undecided sector which of its values stands on the disk: 0 what was
 * durable, others what one of the writes left. All sectors are independent, so the legal disks are all choices.
 *
 * Up to `disksMax` are all taken. Of more: nothing and everything kept; each sector's each value alone; all but each sector; every
 * prefix and suffix in the order of the writes; each write alone, all but each write, and all through each write; all subsets of the newest
 * `newestSectors` sectors, while the others are lost or kept.
 */
export interface ChoiceBounds {
  readonly disksMax: number;
  readonly newestSectors: number;
}

export const FIRST_CRASH: ChoiceBounds = { disksMax: 128, newestSectors: 5 };
export const SECOND_CRASH: ChoiceBounds = { disksMax: 16, newestSectors: 2 };

/** For each value of a sector the number of the write that left it, ascending; the first is -1: what was durable. */
export type ChoiceOf = readonly { readonly writes: readonly number[] }[];

/** How many legal disks there are. */
export function countChoices(sectors: ChoiceOf): number {
  return sectors.reduce((product, { writes }) => product * writes.length, 1);
}

/** Visit choices; the array is used again for the next one. Of more than `disksMax` some may come twice. */
export function visitChoices(sectors: ChoiceOf, bounds: ChoiceBounds, visit: (choice: readonly number[]) => void): void {
  const choice = sectors.map(() => 0);
  if (countChoices(sectors) <= bounds.disksMax) return visitProduct(sectors, choice, 0, visit);
  visitBounded(sectors, choice, visit);
  const newest = sectors.map(({ writes }) => writes.length - 1);
  const from = Math.max(0, sectors.length - bounds.newestSectors);
  for (const kept of [false, true]) {
    for (let index = 0; index < from; index += 1) choice[index] = kept ? (newest[index] ?? 0) : 0;
    visitProduct(sectors, choice, from, visit);
  }
}

function visitProduct(sectors: ChoiceOf, choice: number[], from: number, visit: (choice: readonly number[]) => void): void {
  const sector = sectors[from];
  if (sector === undefined) return visit(choice);
  for (let value = 0; value < sector.writes.length; value += 1) {
    choice[from] = value;
    visitProduct(sectors, choice, from + 1, visit);
  }
  choice[from] = 0;
}

function visitBounded(sectors: ChoiceOf, choice: number[], visit: (choice: readonly number[]) => void): void {
  const newest = sectors.map(({ writes }) => writes.length - 1);
  const put = (value: (index: number) => number): void => {
    for (let index = 0; index < choice.length; index += 1) choice[index] = value(index);
    visit(choice);
  };
  const newestOf = (index: number): number => newest[index] as number;
  for (let count = 0; count <= sectors.length; count += 1) {
    put((index) => (index < count ? newestOf(index) : 0));
    put((index) => (index < count ? 0 : newestOf(index)));
  }
  for (const [alone, { writes }] of sectors.entries()) {
    for (let value = 1; value < writes.length; value += 1) put((index) => (index === alone ? value : 0));
    put((index) => (index === alone ? 0 : newestOf(index)));
  }
  for (const write of new Set(sectors.flatMap(({ writes }) => writes))) {
    if (write < 0) continue;
    const latest = (index: number, admits: (candidate: number) => boolean): number =>
      Math.max(
        0,
        (sectors[index] as ChoiceOf[number]).writes.findLastIndex((candidate) => candidate < 0 || admits(candidate)),
      );
    put((index) => latest(index, (candidate) => candidate === write));
    put((index) => latest(index, (candidate) => candidate !== write));
    put((index) => latest(index, (candidate) => candidate <= write));
  }
}
