/**
 * The processes that the demo starts: hosts that run, and commands that end. Each is this very Farshore, as an operator would call
 * it. Whatever happens, all of them are ended, by their own handles, and nothing else is.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../model/errors.ts';
import type { HostFiles } from './scene.ts';
import { sleep, within } from './waits.ts';

/** The compiled entry beside this module, wherever that was installed. */
export const BIN = fileURLToPath(new URL('../cli/run.cjs', import.meta.url));

const COMMAND_MS = 120_000;
const STOP_MS = 5_000;
const KILL_MS = 5_000;
const LOG_LINES_SHOWN = 6;

export interface CommandEnd {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class HostProcess {
  readonly files: HostFiles;
  readonly child: ChildProcess;

  constructor(files: HostFiles, child: ChildProcess) {
    this.files = files;
    this.child = child;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** @throws FarshoreError ERR_DEMO_HOST_ENDED when it ended without being told to */
  assertRuns(): void {
    if (!this.hasEnded) return;
    const how = this.child.signalCode ?? `exit code ${this.child.exitCode}`;
    throw new FarshoreError('ERR_DEMO_HOST_ENDED', `the ${this.files.role} ended by itself (${how})`, {
      hint: `its log says why: ${this.files.log}`,
    });
  }

  /** Wait until it has ended, but not for ever. */
  async endsWithin(limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!this.hasEnded && performance.now() < deadline) await sleep(5);
  }

  /** The status addresses, once it has said them in its log. */
  statusAddress(): string | null {
    for (const line of logLines(this.files.log)) {
      const { message, status } = line as { message?: string; status?: readonly string[] };
      if (message?.endsWith(' runs') === true && status?.[0] !== undefined) return status[0];
    }
    return null;
  }

  /** The newest lines of its log, as text. */
  logTail(lines = LOG_LINES_SHOWN): string {
    const text = readFileSync(this.files.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    return text === '' ? '(its log is empty)' : text;
  }
}

export class DemoProcesses {
  /** Every host that was started. */
  readonly hosts: HostProcess[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #detached: boolean;
  #closed = false;

  /** Detached: the hosts outlive the demo, in process groups of their own, once `release` is called. */
  constructor(options: { detached: boolean }) {
    this.#detached = options.detached;
  }

  /** Run one command to its end. @throws FarshoreError ERR_DEMO_TIMEOUT */
  async command(args: readonly string[]): Promise<CommandEnd> {
    const child = this.#spawn([BIN, ...args], ['ignore', 'pipe', 'pipe'], false);
    const output = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    const closed = new Promise<number | null>((resolve) => void child.once('close', resolve));
    const exitCode = await within(closed, { what: `"farshore ${args.join(' ')}" to end`, limitMs: COMMAND_MS });
    return { exitCode, ...output };
  }

  /** Run one command that must succeed. @throws FarshoreError ERR_DEMO_COMMAND, ERR_DEMO_TIMEOUT */
  async succeed(args: readonly string[]): Promise<CommandEnd> {
    const end = await this.command(args);
    if (end.exitCode === 0) return end;
    throw new FarshoreError(
      'ERR_DEMO_COMMAND',
      `"farshore ${args.join(' ')}" ended with exit code ${end.exitCode ?? 'none'}: ${end.stderr.trim() || end.stdout.trim()}`,
    );
  }

  /** Start a host, as an operator does or by another program; its output goes to its log. */
  host(files: HostFiles, program: readonly string[] = [BIN, 'start', '-c', files.config]): HostProcess {
    const log = openSync(files.log, 'a', 0o600);
    try {
      const host = new HostProcess(files, this.#spawn(program, ['ignore', log, log], this.#detached));
      this.hosts.push(host);
      return host;
    } finally {
      closeSync(log);
    }
  }

  /** End everything that still runs, and start nothing any more. */
  async stopAll(): Promise<void> {
    this.#closed = true;
    for (const child of this.#children) child.kill('SIGTERM');
    if (await this.#gone(STOP_MS)) return;
    for (const child of this.#children) child.kill('SIGKILL');
    await this.#gone(KILL_MS);
  }

  /** The same at once, for a process that ends now. */
  killAll(): void {
    this.#closed = true;
    for (const child of this.#children) child.kill('SIGKILL');
  }

  /** Leave the hosts running. */
  release(): void {
    this.#closed = true;
    for (const child of this.#children) child.unref();
    this.#children.clear();
  }

  #spawn(args: readonly string[], stdio: ('ignore' | 'pipe' | number)[], detached: boolean): ChildProcess {
    if (this.#closed) throw new FarshoreError('ERR_DEMO_INTERRUPTED', 'the demo is ending');
    const child = spawn(process.execPath, args, { stdio, detached, env: environment() });
    this.#children.add(child);
    const gone = (): void => void this.#children.delete(child);
    child.once('exit', gone);
    child.once('error', gone);
    return child;
  }

  async #gone(limitMs: number): Promise<boolean> {
    const ends = [...this.#children].map((child) => new Promise<void>((resolve) => void child.once('exit', () => resolve())));
    return within(Promise.all(ends), { what: 'the hosts to end', limitMs }).then(
      () => true,
      () => false,
    );
  }
}

/** Ours, without what would change how Farshore behaves. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('FARSHORE_') && name !== 'FORCE_COLOR');
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}

function logLines(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as unknown);
}
