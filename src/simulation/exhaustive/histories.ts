/**
 * The histories of the small worlds: 1 to 3 data sets of 0 to 3 commands each, in every combination of these counts, with every plan of
 * where the commands go: volumes, places that overlap wholly, partly or not at all, zeroes and trims, large writes.
 */
import type { SmallCommand } from './small-history.ts';

export const DATA_SETS_MAX = 3;
export const COMMANDS_MAX = 3;

/** Where commands go: by number of the data set, of the command in it, and of the command in the whole history. */
export interface Plan {
  readonly name: string;
  readonly command: (at: { readonly set: number; readonly index: number; readonly total: number }) => SmallCommand;
}

const volumes = {
  one: () => 0,
  alternating: ({ total }) => total % 2,
  'one for each data set': ({ set }) => set % 2,
  'the first on the other': ({ index }) => (index === 0 ? 1 : 0),
} as const satisfies Record<string, (at: { set: number; index: number; total: number }) => number>;

type Place = Omit<SmallCommand, 'volume'>;

const places = {
  'all on one block': () => ({ type: 'write', lba: 2, blocks: 1 }),
  'partly on one another': ({ total }) => ({ type: 'write', lba: total % 3, blocks: 2 }),
  'beside one another': ({ total }) => ({ type: 'write', lba: total % 8, blocks: 1 }),
  'zeroes and trims between': ({ total }) =>
    total % 3 === 1
      ? { type: 'zero', lba: 1, blocks: 2 }
      : total % 3 === 2
        ? { type: 'trim', lba: 2, blocks: 6 }
        : { type: 'write', lba: 1, blocks: 2 },
  'large after small': ({ index }) => ({ type: 'write', lba: 0, blocks: index === 0 ? 1 : 3 }),
} as const satisfies Record<string, (at: { set: number; index: number; total: number }) => Place>;

export const PLANS: readonly Plan[] = Object.entries(volumes).flatMap(([volumeName, volume]) =>
  Object.entries(places).map(([placeName, place]) => ({
    name: `${placeName}, volume: ${volumeName}`,
    command: (at): SmallCommand => ({ ...place(at), volume: volume(at) }),
  })),
);

/** Every combination of counts of commands, shorter ones first; those that begin alike stand together. */
export function countsOfCommands(): readonly (readonly number[])[] {
  const all: number[][] = [];
  const grow = (counts: readonly number[]): void => {
    for (let count = 0; count <= COMMANDS_MAX; count += 1) {
      const next = [...counts, count];
      all.push(next);
      if (next.length < DATA_SETS_MAX) grow(next);
    }
  };
  grow([]);
  return all;
}

/** The commands of each data set. */
export function commandsOf(counts: readonly number[], plan: Plan): SmallCommand[][] {
  let total = 0;
  return counts.map((count, set) => Array.from({ length: count }, (_, index) => plan.command({ set, index, total: total++ })));
}
