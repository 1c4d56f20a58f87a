/**
 * Planted bugs: a patched copy of the compiled sources, simulated in a thread of its own until a judge objects. The production code has no
 * switch for any of them; a patch that does not apply any more is a failure of the test.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { WorkerAnswer, WorkerOrder } from '../../src/simulation/runner.ts';
import type { SeedReport } from '../../src/simulation/simulation.ts';

export interface Patch {
  /** A source file, `src/...` or `journals/...`, as it is named in the checkout. */
  readonly file: string;
  /** A piece of its compiled text that occurs exactly once; white space counts as one blank. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  readonly invariant: string;
  readonly patches: readonly Patch[];
  /** Seeds, from 1 on, within which it must be found. */
  readonly seedsMax: number;
}

export interface Caught {
  readonly seed: number;
  readonly rule: string;
  readonly message: string;
}

const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const SEEDS_OF_ONE_ORDER = 10;

/** Simulate the seeds 1, 2, ... with the bug in place; null: nobody objected. */
export async function catchMutation(mutation: Mutation): Promise<Caught | null> {
  const folder = mkdtempSync(join(compiledRoot, '.mutant-'));
  try {
    for (const part of ['src', 'journals'])
      cpSync(join(compiledRoot, part), join(folder, part), { recursive: true, filter: (path) => !path.endsWith('.map') });
    for (const patch of mutation.patches) applyPatch(folder, patch);
    return await simulate(pathToFileURL(join(folder, 'src/simulation/worker.js')), mutation.seedsMax);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function applyPatch(folder: string, { file, find, replace }: Patch): void {
  const path = join(folder, file.replace(/\.ts$/, '.js'));
  const text = readFileSync(path, 'utf8');
  const pattern = new RegExp(
    find
      .trim()
      .split(/\s+/)
      .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('\\s+'),
    'g',
  );
  const count = [...text.matchAll(pattern)].length;
  if (count !== 1) throw new Error(`the patch of ${file} applies ${count} times, not once: ${find}`);
  writeFileSync(
    path,
    text.replace(pattern, () => replace),
  );
}

function simulate(script: URL, seedsMax: number): Promise<Caught | null> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, { stderr: true, stdout: true });
    let next = 1;
    const end = (caught: Caught | null): void => void worker.terminate().then(() => resolve(caught), reject);
    const goOn = (): void => {
      if (next > seedsMax) return end(null);
      const seeds = Array.from({ length: Math.min(SEEDS_OF_ONE_ORDER, seedsMax - next + 1) }, (_, index) => next + index);
      next += seeds.length;
      worker.postMessage({ seeds, trace: false, untilFailure: true } satisfies WorkerOrder);
    };
    worker.on('error', (error) => end({ seed: next - SEEDS_OF_ONE_ORDER, rule: error.name, message: error.message }));
    worker.on('message', ({ reports }: WorkerAnswer) => {
      const found = reports.find(
        (report): report is SeedReport & { failure: NonNullable<SeedReport['failure']> } => report.failure !== null,
      );
      if (found === undefined) goOn();
      else end({ seed: found.seed, rule: found.failure.rule, message: found.failure.message });
    });
    goOn();
  });
}
