/** The small worlds by number, and in which groups they are explored: histories that begin alike stand in one group, and share what was judged. */
import { UsageError } from '../../model/errors.ts';
import { commandsOf, countsOfCommands, PLANS } from './histories.ts';
import { deliveriesOf, type Delivery } from './deliveries.ts';
import { SmallHistory } from './small-history.ts';

const COUNTS = countsOfCommands();
/** More than a history has. */
const DELIVERIES_MAX = 8;

/** How many numbers there are; not each is a world, because not each history has every delivery. */
export const WORLD_NUMBERS = COUNTS.length * PLANS.length * DELIVERIES_MAX;

export interface SmallWorld {
  readonly number: number;
  readonly name: string;
  readonly history: SmallHistory;
  readonly delivery: Delivery;
}

/** Histories of one plan whose first two data sets have the same counts of commands. */
export interface WorldGroup {
  readonly plan: number;
  readonly counts: readonly number[];
}

/** Choose plans for each group, so many each; every plan is chosen equally often. */
export function chooseGroups(plansOfEach: number): WorldGroup[] {
  const groups: WorldGroup[] = [];
  const beginnings = [...new Set(COUNTS.map((counts) => beginningOf(counts).join(' ')))];
  for (let round = 0; round < plansOfEach; round += 1) {
    for (const [index, beginning] of beginnings.entries()) {
      const plan = (index + 7 * round) % PLANS.length;
      const counts = COUNTS.flatMap((candidate, number) => (beginningOf(candidate).join(' ') === beginning ? [number] : []));
      groups.push({ plan, counts });
    }
  }
  return groups;
}

function beginningOf(counts: readonly number[]): readonly number[] {
  return counts.slice(0, 2);
}

/** The worlds of a group, shorter histories first. */
export function* worldsOf({ plan, counts }: WorldGroup): Generator<SmallWorld> {
  for (const index of counts) yield* worldsOfHistory(index, plan);
}

/** One world. @throws UsageError ERR_WORLD_NUMBER when this number is none */
export function worldOf(number: number): SmallWorld {
  const history = Math.floor(number / DELIVERIES_MAX);
  const counts = Math.floor(history / PLANS.length);
  const world = [...worldsOfHistory(counts, history % PLANS.length)].find((candidate) => candidate.number === number);
  if (world !== undefined) return world;
  throw new UsageError(
    'ERR_WORLD_NUMBER',
    `there is no small world ${number}: expected a number below ${WORLD_NUMBERS}, and not every history has all ${DELIVERIES_MAX} deliveries`,
  );
}

function* worldsOfHistory(countsIndex: number, planIndex: number): Generator<SmallWorld> {
  const counts = COUNTS[countsIndex];
  const plan = PLANS[planIndex];
  if (counts === undefined || plan === undefined) return;
  const history = new SmallHistory(commandsOf(counts, plan));
  for (const [index, delivery] of deliveriesOf(history).entries()) {
    const number = (countsIndex * PLANS.length + planIndex) * DELIVERIES_MAX + index;
    yield { number, name: `data sets of ${counts.join(', ')} commands (${plan.name}), ${delivery.name}`, history, delivery };
  }
}
