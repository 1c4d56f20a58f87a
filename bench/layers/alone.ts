/** A layer in a process of its own: a program beside this module, which is told what to do as JSON and answers with JSON on stdout. */
import { fileURLToPath } from 'node:url';
import type { BenchProcess, BenchScope, StartOptions } from '../support/bench-scope.ts';
import { until } from '../support/waits.ts';

const READY_MS = 20_000;
/** As farshore itself sets it. */
const environment = (): NodeJS.ProcessEnv => ({ ...process.env, UV_THREADPOOL_SIZE: '16', NODE_OPTIONS: '' });

/** What one process used of the processors and the clock between two looks. */
export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Run a program to its end and return what it answered. @throws BenchError when it fails */
export async function runAlone<Answer>(scope: BenchScope, program: string, task: unknown, options: StartOptions = {}): Promise<Answer> {
  const stdout = await scope.succeed(process.execPath, [programPath(program), JSON.stringify(task)], {
    environment: environment(),
    ...options,
  });
  return JSON.parse(stdout) as Answer;
}

/** Start a program that serves until it is stopped, and return what it says first: one line of JSON. @throws BenchError */
export async function startAlone<Answer>(scope: BenchScope, program: string, task: unknown): Promise<[BenchProcess, Answer]> {
  const args = [programPath(program), JSON.stringify(task)];
  const started = scope.start(program, process.execPath, args, { environment: environment() });
  await until(`${program} to be ready`, READY_MS, () => {
    started.assertRuns();
    return started.output.includes('\n');
  });
  return [started, JSON.parse(started.output.split('\n', 1)[0] ?? '') as Answer];
}

/** The task of this process: the JSON that it was started with. */
export function taskOfProcess(): unknown {
  return JSON.parse(process.argv[2] ?? 'null');
}

/** Answer whoever started this process. */
export function answer(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Begin to measure this process; the function that is returned tells what it used since. */
export function startUsage(): () => Usage {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (user + system) / 1e6 };
  };
}

function programPath(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}
