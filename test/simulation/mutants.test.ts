/**
 * Planted bugs: the simulator must find each one within the stated number of seeds (docs/simulation.md has the table). Here those that are
 * found quickly; all of them: `MUTANTS=all node dist/test/simulation/mutants.test.js`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Caught, MutantTree } from '../support/mutant-tree.ts';
import { catchMutation, type Mutation } from '../support/mutation.ts';
import { MUTATIONS } from './mutations.ts';

/** More seeds than these take too long for every run of the tests. */
const QUICK_SEEDS_MAX = 40;
const all = process.env['MUTANTS'] === 'all';
const chosen = MUTATIONS.filter(({ seedsMax }) => all || seedsMax <= QUICK_SEEDS_MAX);

/** A row of the table in docs/simulation.md. */
function rowOf({ invariant, name, seedsMax }: Mutation, { seed, message }: Caught): string {
  const said = message.split('\n', 1)[0]?.replaceAll('|', '/').slice(0, 110) ?? '';
  return `| ${invariant} | ${name} | ${seed} of ${seedsMax} | ${said} |\n`;
}

test('there are at least 20 planted bugs, with names of their own', () => {
  assert.ok(MUTATIONS.length >= 20);
  assert.is(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length);
});

test(`${chosen.length} planted bugs are found`, async () => {
  const missed: string[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    const tree = new MutantTree();
    try {
      for (let mutation = chosen[next++]; mutation !== undefined; mutation = chosen[next++]) {
        const caught = await catchMutation(tree, mutation);
        if (caught === null) missed.push(`${mutation.invariant} ${mutation.name}: not found in ${mutation.seedsMax} seeds`);
        else if (all) process.stdout.write(rowOf(mutation, caught));
      }
    } finally {
      tree.close();
    }
  };
  await Promise.all([lane(), lane()]);
  assert.equal(missed, []);
});

test.run();
