/**
 * Mutants by rule, many of them: `node dist/test/simulation/sweep.js [--file TEXT] [--count N] [--seeds N] [--sample N] [--threads N] [--tests]`.
 *
 * Each is simulated until a judge objects or the seeds are used up; with `--tests` the survivors meet the tests of their folder too.
 * What survives is printed line by line; docs/simulation.md tells the classes that survivors fall into.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Mutant, mutantsOf } from '../support/mutant-generator.ts';
import { failingTest } from '../support/mutant-tests.ts';
import { MutantTree } from '../support/mutant-tree.ts';

/** Folders in which something is decided that an invariant depends on. */
const FOLDERS = ['src/protocol', 'src/record', 'src/primary', 'src/secondary', 'src/application', 'src/volume', 'src/link', 'journals'];
/** Words, texts, options, and what only looks. */
const NOT_SWEPT =
  /(errors|contract|options|init|status|preview|sentences|summary|report|create-volume|store-method|compare|throttling|create)\.js$/;

const { values } = parseArgs({
  options: {
    file: { type: 'string', default: '' },
    count: { type: 'string', default: '100' },
    seeds: { type: 'string', default: '150' },
    sample: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
    tests: { type: 'boolean', default: false },
  },
});

const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const files = FOLDERS.flatMap((folder) => readdirSync(join(compiledRoot, folder)).map((name) => `${folder}/${name}`)).filter(
  (file) => file.endsWith('.js') && !NOT_SWEPT.test(file) && values.file.split(',').some((wanted) => file.includes(wanted)),
);

/** Choose so many, in an order that hangs on the sample's number alone; every mutant has the same chance. */
function choose(mutants: readonly Mutant[], count: number, sample: number): Mutant[] {
  let state = sample;
  const keyed = mutants.map((mutant) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { mutant, key: Math.imul(state ^ (state >>> 15), 2_246_822_519) >>> 0 };
  });
  return keyed
    .toSorted((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ mutant }) => mutant);
}

interface Outcome {
  readonly mutant: Mutant;
  readonly by: string | null;
}

async function sweep(mutants: readonly Mutant[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    const tree = new MutantTree(values.tests ? ['src', 'journals', 'commands', 'test'] : ['src', 'journals']);
    try {
      const sound = next === 0 ? await tree.simulate({ to: Number(values.seeds) }) : null;
      if (sound !== null) throw new Error(`seed ${sound.seed} fails without any bug: ${sound.message}`);
      for (let mutant = mutants[next++]; mutant !== undefined; mutant = mutants[next++]) outcomes.push(await judge(tree, mutant));
    } finally {
      tree.close();
    }
  };
  await Promise.all(Array.from({ length: Number(values.threads) }, lane));
  return outcomes;
}

async function judge(tree: MutantTree, mutant: Mutant): Promise<Outcome> {
  tree.plant(mutant.file, mutant.text);
  const caught = await tree.simulate({ to: Number(values.seeds) });
  const test = caught === null && values.tests ? await failingTest(tree.root, mutant.file) : null;
  tree.restore();
  const by = caught === null ? (test === null ? null : `test ${test}`) : `seed ${caught.seed} ${caught.rule}`;
  const place = `${mutant.file}:${mutant.line} ${mutant.rule}`;
  const line = `${by ?? 'SURVIVES'} | ${place} | ${mutant.before} -> ${mutant.after}`;
  process.stdout.write(`${line.slice(0, 400)}\n`);
  return { mutant, by };
}

const all = files.flatMap((file) => {
  const path = join(compiledRoot, file);
  return mutantsOf(file, readFileSync(path, 'utf8'));
});
const chosen = choose(all, Number(values.count), Number(values.sample));
const outcomes = await sweep(chosen);
const bySeeds = outcomes.filter(({ by }) => by?.startsWith('seed') === true).length;
const byTests = outcomes.filter(({ by }) => by?.startsWith('test') === true).length;
process.stdout.write(
  `${outcomes.length} of ${all.length} mutants of ${files.length} files: ${bySeeds} caught by ${values.seeds} seeds, ${byTests} by tests, ${outcomes.length - bySeeds - byTests} survive\n`,
);
