/**
 * A copy of the compiled sources in a folder of its own, into which bugs are planted one after another, and the thread that simulates
 * them. A thread loads every module anew, so the tree is copied once and a planted file is put right again afterwards.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { WorkerAnswer, WorkerOrder } from '../../src/simulation/runner.ts';
import type { SeedReport } from '../../src/simulation/simulation.ts';

export interface Caught {
  readonly seed: number;
  readonly rule: string;
  readonly message: string;
}

const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const SEEDS_OF_ONE_ORDER = 10;
/** A bug that makes these seeds take longer than this has made them hang. */
const ORDER_TIMEOUT_MS = 30_000;
const HEAP_MAX_MB = 1024;

export class MutantTree {
  /** Where the compiled files stand, as in `dist`. */
  readonly root: string;
  readonly #folder: string;
  readonly #original = new Map<string, string>();

  /** @param parts folders of the compiled files; with tests they find fixtures and packages as in the checkout */
  constructor(parts: readonly string[] = ['src', 'journals']) {
    this.#folder = mkdtempSync(join(tmpdir(), 'farshore-mutants-'));
    this.root = join(this.#folder, 'dist');
    mkdirSync(this.root);
    for (const part of parts)
      cpSync(join(compiledRoot, part), join(this.root, part), { recursive: true, filter: (path) => !path.endsWith('.map') });
    for (const name of ['node_modules', 'package.json', 'fixtures', 'docs'])
      symlinkSync(join(dirname(compiledRoot), name), join(this.#folder, name));
  }

  /** Text of a compiled file as it was built. @param file `src/...` or `journals/...` with `.ts` or `.js` */
  textOf(file: string): string {
    const known = this.#original.get(file);
    if (known !== undefined) return known;
    const text = readFileSync(this.#path(file), 'utf8');
    this.#original.set(file, text);
    return text;
  }

  plant(file: string, text: string): void {
    this.textOf(file);
    writeFileSync(this.#path(file), text);
  }

  /** Take every bug out again. */
  restore(): void {
    for (const [file, text] of this.#original) writeFileSync(this.#path(file), text);
    this.#original.clear();
  }

  /** Simulate the seeds from..to with what is planted; null: nobody objected. A thread that ends, hangs or eats the memory is caught as well. */
  simulate({ from = 1, to }: { from?: number; to: number }): Promise<Caught | null> {
    return new Promise((resolve, reject) => {
      const script = pathToFileURL(join(this.root, 'src/simulation/worker.js'));
      const worker = new Worker(script, { stderr: true, stdout: true, resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MB } });
      let first = from;
      let next = from;
      let timer: NodeJS.Timeout | undefined;
      const end = (caught: Caught | null): void => {
        clearTimeout(timer);
        worker.removeAllListeners();
        worker.on('error', () => {});
        void worker.terminate().then(() => resolve(caught), reject);
      };
      const goOn = (): void => {
        if (next > to) return end(null);
        first = next;
        const seeds = Array.from({ length: Math.min(SEEDS_OF_ONE_ORDER, to - next + 1) }, (_, index) => first + index);
        next += seeds.length;
        clearTimeout(timer);
        timer = setTimeout(() => end({ seed: first, rule: 'hang', message: `no answer within ${ORDER_TIMEOUT_MS} ms` }), ORDER_TIMEOUT_MS);
        worker.postMessage({ seeds, trace: false, untilFailure: true } satisfies WorkerOrder);
      };
      worker.on('error', (error) => end({ seed: first, rule: error.name, message: error.message }));
      worker.on('exit', (code) => end({ seed: first, rule: 'exit', message: `the thread ended with ${code}` }));
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

  /** Remove the copy. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(file: string): string {
    return join(this.root, file.replace(/\.ts$/, '.js'));
  }
}
