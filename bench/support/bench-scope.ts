/**
 * What a bench starts and makes, so that nothing stays: processes, each ended by its own id, and one temporary folder. It holds for
 * success, failure and Ctrl-C; only SIGKILL of the bench itself leaves something behind.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from './bench-error.ts';
import { connected, sleep, until } from './waits.ts';

const COMMAND_MS = 600_000;
const STOP_MS = 20_000;
const KILL_MS = 5_000;
const LISTEN_MS = 20_000;
const OUTPUT_KEPT = 8_000;
/** Linux takes 107 bytes for a socket's path, and the longest below this one has 70. */
const PARENT_BYTES_MAX = 37;

export interface CommandOutput {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Folder of a control group to run in. */
  readonly cgroup?: string | null;
}

/** A process that runs until it is stopped. */
export class BenchProcess {
  readonly name: string;
  readonly child: ChildProcess;
  /** The last of what it wrote to stdout and stderr. */
  output = '';

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output = (this.output + text).slice(-OUTPUT_KEPT)));
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.child.pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** @throws BenchError when it ended by itself */
  assertRuns(): void {
    if (this.hasEnded)
      throw new BenchError(`${this.name} ended by itself (${this.child.signalCode ?? this.child.exitCode}): ${this.output}`);
  }

  /** End it: SIGTERM, and SIGKILL when that is not enough. */
  async stop(): Promise<void> {
    for (const [signal, limitMs] of [['SIGTERM', STOP_MS] as const, ['SIGKILL', KILL_MS] as const]) {
      if (this.hasEnded) return;
      this.child.kill(signal);
      const deadline = performance.now() + limitMs;
      while (!this.hasEnded && performance.now() < deadline) await sleep(5);
    }
  }
}

export class BenchScope {
  /** A folder of this bench alone; gone when the scope is closed. */
  readonly folder: string;
  readonly #children = new Set<ChildProcess>();
  readonly #undo: (() => void)[] = [];
  #closed = false;

  constructor(parent: string = process.env['FARSHORE_BENCH_TMP'] ?? tmpdir()) {
    if (Buffer.byteLength(parent) > PARENT_BYTES_MAX) {
      throw new BenchError(`${parent}: sockets below it would have names that are too long; set FARSHORE_BENCH_TMP to a shorter path`);
    }
    this.folder = mkdtempSync(join(parent, 'farshore-bench-'));
  }

  /** Start a process that runs until it is stopped. */
  start(name: string, program: string, args: readonly string[], options: StartOptions = {}): BenchProcess {
    return new BenchProcess(name, this.#spawn(program, args, options));
  }

  /** Run a command to its end. @throws BenchError when it cannot be started, or takes more than 10 minutes */
  async run(program: string, args: readonly string[], options: StartOptions = {}): Promise<CommandOutput> {
    const child = this.#spawn(program, args, options);
    const output = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS);
    try {
      const exitCode = await new Promise<number | null>((resolve, reject) => {
        child.once('close', resolve);
        child.once('error', (cause) => reject(new BenchError(`${program} could not be started: ${cause.message}`, { cause })));
      });
      return { exitCode, ...output };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Run a command that must end with exit code 0, and return its stdout. @throws BenchError */
  async succeed(program: string, args: readonly string[], options: StartOptions = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(program, args, options);
    if (exitCode === 0) return stdout;
    throw new BenchError(
      `"${[program, ...args].join(' ')}" ended with exit code ${exitCode ?? 'none'}: ${(stderr || stdout).trim().slice(-OUTPUT_KEPT)}`,
    );
  }

  /** Wait until a process listens on a Unix socket. @throws BenchError when it does not, or ends */
  async listens(path: string, server: BenchProcess): Promise<void> {
    await until(`${server.name} to make ${path}`, LISTEN_MS, () => {
      server.assertRuns();
      return existsSync(path);
    });
    (await connected(path, LISTEN_MS)).destroy();
  }

  /** A new folder below the scope's. */
  newFolder(name: string): string {
    return mkdtempSync(join(this.folder, `${name}-`));
  }

  /** Remove a folder of this scope. */
  removeFolder(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  /** Have something undone when the scope is closed, after its processes have ended. */
  atEnd(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** End everything that still runs, and remove the folder. */
  async close(first: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#closed = true;
    for (const [signal, limitMs] of [[first, STOP_MS] as const, ['SIGKILL', KILL_MS] as const]) {
      for (const child of this.#children) child.kill(signal);
      const deadline = performance.now() + limitMs;
      while (this.#children.size > 0 && performance.now() < deadline) await sleep(5);
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    for (const undo of this.#undo.splice(0)) undo();
  }

  #spawn(program: string, args: readonly string[], options: StartOptions): ChildProcess {
    if (this.#closed) throw new BenchError('the bench is ending');
    const { cwd = this.folder, environment = cleanEnvironment(), cgroup = null } = options;
    // The shell enters the group and becomes the program: the id stays.
    const [first, ...rest] =
      cgroup === null ? [program, ...args] : ['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup, program, ...args];
    const child = spawn(first ?? program, rest, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.add(child);
    const gone = (): void => void this.#children.delete(child);
    child.once('exit', gone);
    child.once('error', gone);
    return child;
  }
}

/**
 * Run with a scope that is closed whatever happens, Ctrl-C included (exit code 130; 143 for other signals): then it neither returns nor
 * throws, because what the work makes of processes that were ended under it is no result.
 */
export async function withBenchScope<Result>(work: (scope: BenchScope) => Promise<Result>): Promise<Result> {
  const scope = new BenchScope();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const interruption = new Promise<never>(() => undefined);
  let isInterrupted = false;
  const interrupted = (signal: NodeJS.Signals): void => {
    if (isInterrupted) return;
    isInterrupted = true;
    process.stderr.write(`interrupted (${signal}): ending what runs\n`);
    void scope.close('SIGKILL').finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  for (const signal of signals) process.on(signal, interrupted);
  try {
    return await work(scope);
  } finally {
    // The process ends while this waits.
    if (isInterrupted) await interruption;
    for (const signal of signals) process.off(signal, interrupted);
    await scope.close();
  }
}

/** Ours, without what would change how Farshore behaves. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('FARSHORE_') && name !== 'NODE_OPTIONS' && name !== 'FORCE_COLOR',
  );
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}
