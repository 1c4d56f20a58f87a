/**
 * The list of generations (DESIGN section 1): one entry for each reign of a primary, the same on every host that shares the
 * history. Two promotions that both made the same number are told apart by their random IDs.
 */
import { assert } from '../model/assert.ts';
import { RefusedError } from '../model/errors.ts';
import type { HistoryOrigin } from '../model/handshake.ts';
import { CHAIN_START, ID_MAX } from '../model/ids.ts';
import type { Generation, HistoryPoint } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';

/** How list `a` lies to list `b`: `prefix` means that b goes on where a ends, `extension` that a goes on where b ends. */
export type GenerationsRelation = 'same' | 'prefix' | 'extension' | 'forked';

/** Compare two hosts' lists of generations. */
export function compareGenerations(a: readonly Generation[], b: readonly Generation[]): GenerationsRelation {
  if (firstFork(a, b) !== null) return 'forked';
  if (a.length === b.length) return 'same';
  return a.length < b.length ? 'prefix' : 'extension';
}

/** Find the first position at which both lists have an entry and the entries differ; null if there is none. */
export function firstFork(a: readonly Generation[], b: readonly Generation[]): { a: Generation; b: Generation } | null {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const left = a[i];
    const right = b[i];
    if (left !== undefined && right !== undefined && !sameGeneration(left, right)) return { a: left, b: right };
  }
  return null;
}

function sameGeneration(a: Generation, b: Generation): boolean {
  return (
    a.number === b.number &&
    a.id === b.id &&
    a.afterDataSet === b.afterDataSet &&
    a.afterSequence === b.afterSequence &&
    a.chain === b.chain &&
    a.firstDataSet === b.firstDataSet &&
    a.firstSequence === b.firstSequence
  );
}

/** Make the first list of a group, as the primary's init does; the ID is random and handed in. */
export function firstGenerations(id: string): Generation[] {
  return [{ number: 1, id, afterDataSet: null, afterSequence: null, chain: CHAIN_START, firstDataSet: 0, firstSequence: 0 }];
}

/**
 * Append the generation of a promotion that kept everything through `kept`.
 * `seen` is the highest data set and sequence number that the host has heard of; the new generation numbers above both.
 * @throws RefusedError ERR_GENERATIONS_FULL
 */
export function appendGeneration(
  generations: readonly Generation[],
  options: { id: string; kept: HistoryPoint | null; seen: { dataSet: number; sequence: number } },
): Generation[] {
  const last = generations.at(-1);
  assert(last !== undefined, 'a promotion needs the generations of its group');
  if (generations.length >= LIMITS.generationsMax) {
    throw new RefusedError(
      'ERR_GENERATIONS_FULL',
      `this group was promoted ${generations.length - 1} times, the most that a host keeps is ${LIMITS.generationsMax} generations`,
      {
        hint: 'make a new group from this copy',
      },
    );
  }
  const { id, kept, seen } = options;
  const after = kept ?? pointBefore(last);
  const next: Generation = {
    number: last.number + 1,
    id,
    afterDataSet: after?.dataSet ?? null,
    afterSequence: after?.finalSequence ?? null,
    chain: after?.chain ?? last.chain,
    firstDataSet: Math.max(seen.dataSet, after?.dataSet ?? -1, last.firstDataSet - 1) + 1,
    firstSequence: Math.max(seen.sequence, after?.finalSequence ?? -1, last.firstSequence - 1) + 1,
  };
  assert(next.firstDataSet <= ID_MAX && next.firstSequence <= ID_MAX, 'numbers of data sets and commands are used up');
  return [...generations, next];
}

/** The point of the history at which a generation began; null when nothing came before it. */
export function pointBefore(generation: Generation): HistoryPoint | null {
  if (generation.afterDataSet === null || generation.afterSequence === null) return null;
  return { dataSet: generation.afterDataSet, finalSequence: generation.afterSequence, chain: generation.chain };
}

/** Say what is wrong with a list of generations, or null: numbers rise by one, IDs are unique, nothing goes back. */
export function validateGenerations(generations: readonly Generation[]): string | null {
  if (generations.length === 0) return 'the list of generations is empty';
  if (generations.length > LIMITS.generationsMax) return `${generations.length} generations are more than ${LIMITS.generationsMax}`;
  if (new Set(generations.map((generation) => generation.id)).size !== generations.length) return 'two generations have one ID';
  for (let i = 0; i < generations.length; i += 1) {
    const current = generations[i];
    if (current === undefined) return `entry ${i} of the list of generations is missing`;
    const problem = validateGeneration(current, i === 0 ? null : (generations[i - 1] ?? null));
    if (problem !== null) return problem;
  }
  return null;
}

function validateGeneration(generation: Generation, previous: Generation | null): string | null {
  const { number, afterDataSet, afterSequence, firstDataSet, firstSequence } = generation;
  const numbers = [number, firstDataSet, firstSequence, afterDataSet ?? 0, afterSequence ?? 0];
  if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0))
    return `generation ${number} has a number that is not a whole one`;
  if ((afterDataSet === null) !== (afterSequence === null)) return `generation ${number} names half a point of the history`;
  if (firstDataSet <= (afterDataSet ?? -1) || firstSequence <= (afterSequence ?? -1))
    return `generation ${number} begins before the end of what it follows`;
  if (previous === null) return afterDataSet === null ? null : `the first generation, ${number}, follows data set ${afterDataSet}`;
  if (number !== previous.number + 1) return `generation ${number} follows generation ${previous.number}`;
  if (firstDataSet < previous.firstDataSet || firstSequence < previous.firstSequence) return `the numbers of generation ${number} go back`;
  if ((afterDataSet ?? -1) < (previous.afterDataSet ?? -1))
    return `generation ${number} follows data set ${afterDataSet}, which is before generation ${previous.number}`;
  return null;
}

/** Say where numbering goes on after a point of the history: the next number, or the first of the generation that began there. */
export function originAfter(point: HistoryPoint | null, generations: readonly Generation[]): HistoryOrigin {
  const began = generations.findLast((generation) => generation.afterDataSet === (point?.dataSet ?? null));
  if (began !== undefined) return { dataSet: began.firstDataSet, firstSequence: began.firstSequence, chain: began.chain };
  assert(point !== null, 'a history without a first generation has no beginning');
  return { dataSet: point.dataSet + 1, firstSequence: point.finalSequence + 1, chain: point.chain };
}
