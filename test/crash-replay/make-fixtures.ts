/**
 * Make the library of crash-replay fixtures: `node dist/test/crash-replay/make-fixtures.js [--force] [NAME ...]`, by hand only.
 *
 * Every fixture begins with a recording of real processes; damage is done afterwards, and stated. What recovery must decide stands in the
 * recipe, written by hand: a decision that is another one ends the program. What is there stays as it is, because fixtures are frozen for
 * their format version; --force makes the named ones anew.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { readManifest } from '../../src/crash-replay/fixture-files.ts';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import type { CrashFiles } from '../../src/crash-replay/damage/damage.ts';
import { recordFixture } from '../../src/crash-replay/record/record.ts';
import type { RecordedHistory } from '../../src/crash-replay/record/recorded-history.ts';
import { filesIn, SUMS_FILE, sumsOf } from './frozen-files.ts';
import { writeLibraryFixture } from './library-fixture.ts';
import { Scene, type Recipe } from './recipe.ts';
import { RECIPES } from './recipes.ts';

const SEED = 1;
const STRANGER_SEED = 2;
const VOLUMES = 2;
const TABLE = { begin: '<!-- table -->', end: '<!-- end of table -->' } as const;

interface Recording {
  readonly folder: string;
  readonly history: RecordedHistory;
}

class Workshop {
  readonly #folder = mkdtempSync(join(tmpdir(), 'farshore-make-fixtures-'));
  readonly #recordings = new Map<string, Promise<Recording>>();

  async make(recipe: Recipe): Promise<void> {
    const { crashPoint, slots } = recipe;
    const recording = await this.#record(crashPoint, slots, SEED);
    const stranger = await this.#record('complete-and-partial', slots, STRANGER_SEED);
    const scene = new Scene({ files: await this.#load(recording), slots, stranger: await this.#load(stranger) });
    const out = join(LIBRARY, recipe.name);
    rmSync(out, { recursive: true, force: true });
    try {
      const { folder, history } = recording;
      await writeLibraryFixture({ recipe, scene, history, recorded: readManifest(folder), recordedFolder: folder, out });
    } catch (error) {
      rmSync(out, { recursive: true, force: true });
      throw error;
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #record(crashPoint: string, slots: number, seed: number): Promise<Recording> {
    const name = `${crashPoint}-${slots}-${seed}`;
    const recording = this.#recordings.get(name) ?? this.#recordNow(join(this.#folder, name), { crashPoint, slots, seed });
    this.#recordings.set(name, recording);
    return recording;
  }

  async #recordNow(folder: string, { crashPoint, slots, seed }: { crashPoint: string; slots: number; seed: number }): Promise<Recording> {
    let history: RecordedHistory | null = null;
    await recordFixture({
      out: folder,
      name: null,
      crashPoint,
      at: null,
      seed,
      volumes: VOLUMES,
      slots,
      recover: null,
      recipe: `farshore fixture record --crash-point ${crashPoint} --seed ${seed} --slots ${slots} --volumes ${VOLUMES}`,
      say: () => {},
      recorded: (crash) => {
        history = crash.history;
      },
    });
    if (history === null) throw new Error(`the recording of ${crashPoint} told no history`);
    return { folder, history };
  }

  /** The files of a recording, unpacked, by their path in the state directory; volumes are not edited. */
  async #load({ folder }: Recording): Promise<CrashFiles> {
    const copy = mkdtempSync(join(this.#folder, 'copy-'));
    const { stateDirectory } = await unpackCrash(folder, copy);
    const files: CrashFiles = new Map(filesIn(stateDirectory).map((path) => [path, readFileSync(join(stateDirectory, path))]));
    rmSync(copy, { recursive: true });
    return files;
  }
}

/** One row for each fixture, between the two marks of the README. */
function writeTable(): void {
  const path = join(dirname(LIBRARY), 'README.md');
  const rows = RECIPES.map(({ name, expected, proves }) => {
    const labels = Object.entries(expected.above ?? {}).map(([above, label]) => `+${above} ${label}`);
    const ofRegion = expected.withRegion?.refuses;
    const region = ofRegion === undefined ? '' : ofRegion === null ? '; region added' : `; region refused: \`${ofRegion.code}\``;
    const ofJournals = expected.refuses === null ? labels.join('; ') || 'nothing to do' : `refuses: \`${expected.refuses.code}\``;
    const decision = `${ofJournals}${region}`;
    return `| [${name}](v1/${name}/README.md) | ${decision} | ${proves} |`;
  });
  const table = ['| fault | decision | what it proves |', '|---|---|---|', ...rows.sort()].join('\n');
  const text = readFileSync(path, 'utf8');
  const [head = '', rest = ''] = text.split(TABLE.begin);
  writeFileSync(path, `${head}${TABLE.begin}\n${table}\n${TABLE.end}${rest.split(TABLE.end)[1] ?? ''}`);
}

async function main(args: readonly string[]): Promise<void> {
  const force = args.includes('--force');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = names.filter((name) => !RECIPES.some((recipe) => recipe.name === name));
  if (unknown.length > 0) throw new Error(`no recipe for ${unknown.join(', ')}`);
  if (force && names.length === 0) throw new Error('--force needs the names of the fixtures that are to be made anew');
  const wanted = RECIPES.filter(({ name }) => (names.length === 0 || names.includes(name)) && (force || !existsSync(join(LIBRARY, name))));
  mkdirSync(LIBRARY, { recursive: true });
  const workshop = new Workshop();
  const failed: string[] = [];
  try {
    for (const recipe of wanted) {
      try {
        await workshop.make(recipe);
        console.log(`made ${relative(process.cwd(), join(LIBRARY, recipe.name))}`);
      } catch (error) {
        failed.push(recipe.name);
        console.error(`${recipe.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    workshop.close();
  }
  writeTable();
  writeFileSync(join(LIBRARY, SUMS_FILE), sumsOf(LIBRARY));
  console.log(`${wanted.length - failed.length} made, ${readdirSync(LIBRARY).length - 1} in the library`);
  if (failed.length > 0) process.exitCode = 1;
}

await main(process.argv.slice(2));
