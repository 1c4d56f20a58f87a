/**
 * Run seeds in threads of their own, because a simulation takes a thread's clock and timers over: a range on several threads, which fetch
 * the next few seeds when they have finished some, or one seed with its trace.
 */
import { Worker } from 'node:worker_threads';
import type { SeedReport } from './simulation.ts';
import { type SimulationSummary, Tally } from './summary.ts';

export interface RunOptions {
  readonly from: number;
  readonly to: number;
  readonly threads: number;
  /** Stop after so many failures. */
  readonly failuresMax: number;
  readonly onProgress: (progress: {
    readonly done: number;
    readonly total: number;
    readonly seedsPerSecond: number;
    readonly failures: number;
  }) => void;
}

/** What a thread is asked, and what it answers. */
export interface WorkerOrder {
  readonly seeds: readonly number[];
  readonly trace: boolean;
  /** Leave the rest of the seeds out when one failed. */
  readonly untilFailure?: boolean;
}
export interface WorkerAnswer {
  readonly reports: readonly SeedReport[];
  readonly lines: readonly string[];
}

const SEEDS_OF_ONE_ORDER = 20;

export async function runSeeds(options: RunOptions): Promise<SimulationSummary> {
  const { from, to, failuresMax } = options;
  const tally = new Tally();
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  let next = from;
  const order = (): WorkerOrder | null => {
    if (next > to || tally.failures.length >= failuresMax) return null;
    const count = Math.min(SEEDS_OF_ONE_ORDER, to - next + 1);
    const seeds = Array.from({ length: count }, (_, index) => next + index);
    next += count;
    return { seeds, trace: false };
  };
  const answered = ({ reports }: WorkerAnswer): void => {
    for (const report of reports) tally.add(report);
    options.onProgress({
      done: tally.seeds,
      total: to - from + 1,
      seedsPerSecond: tally.seeds / Math.max(seconds(), 0.001),
      failures: tally.failures.length,
    });
  };
  const threads = Math.max(1, Math.min(options.threads, Math.ceil((to - from + 1) / SEEDS_OF_ONE_ORDER)));
  await Promise.all(Array.from({ length: threads }, () => runThread(order, answered)));
  return tally.summary(seconds());
}

/** Run one seed and hand its trace over, event by event. */
export async function traceSeed(seed: number): Promise<{ report: SeedReport; lines: readonly string[] }> {
  let asked = false;
  const answers: WorkerAnswer[] = [];
  await runThread(
    () => (asked ? null : ((asked = true), { seeds: [seed], trace: true })),
    (answer) => void answers.push(answer),
  );
  const [answer] = answers;
  const report = answer?.reports[0];
  if (answer === undefined || report === undefined) throw new Error(`seed ${seed} gave no report`);
  return { report, lines: answer.lines };
}

function runThread(order: () => WorkerOrder | null, answered: (answer: WorkerAnswer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url));
    const goOn = (): void => {
      const next = order();
      if (next === null) void worker.terminate().then(() => resolve(), reject);
      else worker.postMessage(next);
    };
    worker.on('error', reject);
    worker.on('message', (answer: WorkerAnswer) => {
      answered(answer);
      goOn();
    });
    goOn();
  });
}
