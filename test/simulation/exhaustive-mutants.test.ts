/**
 * Planted bugs that the small worlds must find (docs/simulation.md has the table): patched copies of the compiled sources, explored until a judge
 * objects. Here the quick ones; all: `MUTANTS=all node dist/test/simulation/exhaustive-mutants.test.js`. @invariant I1 I2 I3 I4 I5 I6 I7
 *
 * @timeLimit 240 s
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countsOfCommands, PLANS } from '../../src/simulation/exhaustive/histories.ts';
import type { ExplorationOrder, GroupReport } from '../../src/simulation/exhaustive/laboratory.ts';
import { worldsOf } from '../../src/simulation/exhaustive/worlds.ts';
import { MutantTree } from '../support/mutant-tree.ts';
import type { Patch } from '../support/mutation.ts';
import { MUTATIONS } from './mutations.ts';

interface Bug {
  readonly name: string;
  readonly invariant: string;
  readonly patches: readonly Patch[];
}

/** Bugs that the simulator's own table does not have. */
const OWN: readonly Bug[] = [
  {
    name: 'the counter of the watermark stays as it is',
    invariant: 'I5',
    patches: [{ file: 'journals/watermark.ts', find: 'counter: newest.counter + 1', replace: 'counter: newest.counter' }],
  },
  {
    name: 'recovery restores records where they do not stand',
    invariant: 'I4',
    patches: [
      {
        file: 'journals/writer.ts',
        find: 'this.#offsets[index] = record.offset;',
        replace: 'this.#offsets[index] = scanned.records[0].offset;',
      },
    ],
  },
  {
    name: 'a restored journal is written on behind a hole',
    invariant: 'I2',
    patches: [{ file: 'journals/writer.ts', find: 'this.#tail = scanned.tail.offset;', replace: 'this.#tail = scanned.tail.offset + 8;' }],
  },
  {
    name: 'recovery does not set the flag of what it replays',
    invariant: 'I3',
    patches: [
      {
        file: 'src/protocol/secondary-restore.ts',
        find: 'set.flagDurable = restored.completeFlag;',
        replace: 'set.flagDurable = true;',
      },
    ],
  },
  {
    name: 'a scan takes the records of another data set for its own',
    invariant: 'I1',
    patches: [
      {
        file: 'journals/scan.ts',
        find: 'if (record.dataSet !== this.#dataSet || record.stream !== this.#stream) {',
        replace: 'if (false) {',
      },
    ],
  },
];

/** Of the simulator's table: those that break a secondary. */
const KNOWN: readonly string[] = [
  'acknowledge before it is durable',
  'acknowledge by commit, not by what the commit began with',
  'a duplicate is acknowledged although only received (a single bitmap)',
  'recovery trusts what it read from journals',
  'recovery trusts the watermark that it read',
  'destage before the complete flag is durable',
  'complete when the sync is there (a partial data set is destaged)',
  'a slot is free before its watermark is durable',
  'the watermark before the flush of the volumes',
  'records of partial data sets are forgotten at a restart',
  'a retransmit is applied twice',
  'a promotion keeps a partial data set',
  'a promotion serves before it has destaged',
  'data sets destaged out of order',
  'records destaged in the order of arrival',
  'two commits of one journal under way together',
  'the watermark is reported before it is durable',
  'the window admits one data set more than there are slots',
  'reject below the watermark',
];
/** Needs a slot that is used again, and thousands of states. */
const SLOW: ReadonlySet<string> = new Set([
  'a scan takes the records of another data set for its own',
  'a slot is free before its watermark is durable',
  'data sets destaged out of order',
  'the watermark is reported before it is durable',
  'the window admits one data set more than there are slots',
]);

const all = process.env['MUTANTS'] === 'all';
const bugs: readonly Bug[] = [...OWN, ...MUTATIONS.filter(({ name }) => KNOWN.includes(name))].filter(({ name }) => all || !SLOW.has(name));

/** Worlds with few commands first. */
const COUNTS: readonly (readonly number[])[] = [[1], [2], [1, 1], [0, 2], [2, 1, 1], [1, 2, 1], [3, 3, 3], [1, 1, 2]];

function chosenWorlds(): number[] {
  const shapes = countsOfCommands().map((counts) => counts.join(' '));
  return COUNTS.flatMap((counts, index) => {
    const history = { plan: (index * 3) % PLANS.length, counts: [shapes.indexOf(counts.join(' '))] };
    return [...worldsOf(history)].map(({ number }) => number);
  });
}

/** Explore the worlds with what is planted; a thread that ends by itself has found something too. */
function explore(tree: MutantTree, worlds: readonly number[]): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const script = pathToFileURL(join(tree.root, 'src/simulation/exhaustive/thread.js'));
    const worker = new Worker(script, { stderr: true, stdout: true });
    const end = (found: string | null): void => {
      worker.removeAllListeners();
      worker.on('error', () => {});
      void worker.terminate().then(() => resolve(found), reject);
    };
    worker.on('error', (error) => end(error.message));
    worker.on('exit', (code) => end(`the thread ended with ${code}`));
    worker.on('message', ({ failures, counters }: GroupReport) => {
      const [failure] = failures;
      end(failure === undefined ? null : `${counters.statesJudged} states | ${failure.message}`);
    });
    worker.postMessage({ explored: { worlds }, traced: false, untilFailure: true } satisfies ExplorationOrder);
  });
}

function patched(text: string, { file, find, replace }: Patch): string {
  const words = find
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(words.join('\\s+'), 'g');
  const count = [...text.matchAll(pattern)].length;
  assert.is(count, 1, `the patch of ${file} applies once: ${find}`);
  return text.replace(pattern, () => replace);
}

test('every bug of the simulator that is named here is still in its table', () => {
  const names = new Set(MUTATIONS.map(({ name }) => name));
  for (const name of KNOWN) assert.ok(names.has(name), name);
});

test(`${bugs.length} planted bugs are found in small worlds`, async () => {
  const worlds = chosenWorlds();
  const tree = new MutantTree();
  const missed: string[] = [];
  try {
    for (const { name, invariant, patches } of bugs) {
      const texts = new Map<string, string>();
      for (const patch of patches) texts.set(patch.file, patched(texts.get(patch.file) ?? tree.textOf(patch.file), patch));
      for (const [file, text] of texts) tree.plant(file, text);
      const found = await explore(tree, worlds);
      tree.restore();
      if (found === null) missed.push(`${invariant} ${name}`);
      if (all) process.stdout.write(`| ${invariant} | ${name} | ${found?.slice(0, 140) ?? 'not found'} |\n`);
    }
  } finally {
    tree.close();
  }
  assert.equal(missed, []);
});

test.run();
