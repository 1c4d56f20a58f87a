/**
 * One host as a real process, for end-to-end tests: its config, its commands, its life and death. It is ended by its process ID only,
 * and every wait has a limit whose message shows the end of the host's log.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askStatus } from '../../src/cli/control-client.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { controlSocketPath } from '../../src/state/state-folder.ts';

/** The program that belongs to this build of the tests. */
export const FARSHORE_PROGRAM = fileURLToPath(new URL('../../src/cli/run.cjs', import.meta.url));

const LOG_BYTES_MAX = 512 * 1024;
const LOG_TAIL_LINES = 25;
const POLL_MS = 20;
const START_MS = 30_000;
const STOP_MS = 30_000;
const COMMAND_MS = 60_000;

export interface VolumeFile {
  name: string;
  vlun: number;
  size: string;
  path: string;
  store?: 'auto' | 'pwrite' | 'mmap';
}

/** A config file as a value. Tests may change it; it is written again before each command and start. */
export interface ConfigFile {
  role: string;
  group: string;
  state: string;
  volumes: VolumeFile[];
  nbd: { listen: string | string[] };
  replication: { listen?: string | string[]; flush?: string; connect?: string[]; links?: number };
  dataSets?: { minAge?: string; maxAge?: string; maxSize?: string };
  backlog?: { limit?: string; policy?: string };
  journals?: { path: string; slots: number; size: string };
  mode?: 'write-through' | 'write-back';
  peer?: { listen: string };
  /** Role peer: its region, and where its secondary listens. Its volumes, journals, nbd and replication are those of its takeover. */
  nvram?: { path: string; size: string; hold: 'memory' | 'durable' };
  connect?: string[];
  fence?: string[];
  objective?: string;
  status?: { listen: string };
  log?: { level: string; format: string };
  insecure?: boolean;
}

export interface CommandResult {
  /** Null: ended by a signal. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the program's standard input. */
  readonly input?: string;
}

/** Every process that runs for a test; `endProcesses` ends what is left. */
const processes = new Set<ChildProcess>();

/** End, by process ID, whatever a test left running. */
export async function endProcesses(): Promise<void> {
  await Promise.all(
    [...processes].map(async (child) => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await gone;
    }),
  );
  processes.clear();
}

/** Start a program whose process is ended with the test. */
export function spawnTracked(program: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', ...options.env } });
  processes.add(child);
  child.once('exit', () => processes.delete(child));
  // A program that does not read its input must not fail the test.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  return child;
}

/** Run a program to its end. @throws Error when it does not end in time or cannot be started */
export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const timeoutMs = options.timeoutMs ?? COMMAND_MS;
  const child = spawnTracked(program, args, options);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return await new Promise((resolve, reject) => {
    const shown = [program, ...args].join(' ');
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${shown} did not end within ${timeoutMs / 1000} s\n${tail(stdout)}\n${tail(stderr)}`));
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(limit);
      reject(new Error(`${shown} could not be started`, { cause: error }));
    });
    child.once('close', (exitCode, signal) => {
      clearTimeout(limit);
      resolve({ exitCode, signal, stdout, stderr });
    });
  });
}

/** Run a program that must succeed. @throws Error with what it printed */
export async function mustRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const result = await runProgram(program, args, options);
  if (result.exitCode === 0) return result;
  const end = result.signal ?? `exit code ${result.exitCode}`;
  throw new Error(`${[program, ...args].join(' ')} failed (${end})\n${tail(result.stdout)}\n${tail(result.stderr)}`);
}

export class Host {
  /** For messages. */
  readonly name: string;
  readonly folder: string;
  readonly config: ConfigFile;
  readonly configPath: string;
  #child: ChildProcess | null = null;
  #exit: Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> | null = null;
  #log = '';

  constructor(options: { name: string; folder: string; config: ConfigFile }) {
    this.name = options.name;
    this.folder = options.folder;
    this.config = options.config;
    this.configPath = join(options.folder, `${options.name}.yaml`);
  }

  get stateDirectory(): string {
    return join(this.folder, this.config.state);
  }

  get controlSocket(): string {
    return controlSocketPath(this.stateDirectory);
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** Everything that this host has logged, over all its runs, the newest part of it. */
  get log(): string {
    return this.#log;
  }

  /** Path of a volume's image file; the first volume without a name. */
  volumePath(name?: string): string {
    return join(this.folder, this.#volume(name).path);
  }

  #volume(name?: string): VolumeFile {
    const volume = this.config.volumes.find((one) => name === undefined || one.name === name);
    if (volume === undefined) throw new Error(`${this.name} has no volume ${name ?? ''}`);
    return volume;
  }

  /** The first NBD address, which is a Unix socket here. */
  get nbdSocket(): string {
    const listen = [this.config.nbd.listen].flat()[0] ?? '';
    return join(this.folder, listen.replace(/^unix:/, ''));
  }

  /** NBD URI of a volume, as libnbd, fio and qemu read it. */
  nbdUri(name?: string): string {
    return `nbd+unix:///${this.#volume(name).name}?socket=${this.nbdSocket}`;
  }

  /** Connect our own NBD client to a volume. */
  connect(name?: string): Promise<NbdClient> {
    return NbdClient.connect({ address: { kind: 'unix', path: this.nbdSocket }, exportName: this.#volume(name).name });
  }

  /** Write the config file. JSON is YAML. */
  writeConfig(): void {
    writeFileSync(this.configPath, `${JSON.stringify(configFileOf(this.config), null, 2)}\n`);
  }

  /** Run a farshore command with this host's config. */
  command(args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    this.writeConfig();
    return runProgram(process.execPath, [FARSHORE_PROGRAM, ...args, '-c', this.configPath], options);
  }

  /** Run a command that must succeed, and read its --json. */
  async commandJson<T = Record<string, unknown>>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    const result = await this.command([...args, '--json'], options);
    if (result.exitCode !== 0)
      throw new Error(`farshore ${args.join(' ')} on ${this.name}: exit code ${result.exitCode}\n${result.stdout}${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  /** Create what the config names. */
  async init(args: readonly string[] = []): Promise<void> {
    const result = await this.command(['init', ...args]);
    if (result.exitCode !== 0) throw new Error(`init of ${this.name}: exit code ${result.exitCode}\n${result.stderr}`);
  }

  /** Start the host's process without waiting for it. `program`: another one that runs the config, given as its last argument. */
  launch(
    args: readonly string[] = [],
    options: RunOptions & { readonly wrapper?: readonly string[]; readonly program?: readonly string[] } = {},
  ): void {
    if (this.#child !== null) throw new Error(`${this.name} runs already`);
    this.writeConfig();
    const start = options.program ?? [FARSHORE_PROGRAM, 'start', '-c'];
    const [program = '', ...rest] = [...(options.wrapper ?? []), process.execPath, ...start, this.configPath, ...args];
    this.#log += `---- ${this.name} starts ${args.join(' ')}\n`;
    const child = spawnTracked(program, rest, options);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_BYTES_MAX);
      });
    }
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      const end = (exitCode: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#child === child) this.#child = null;
        resolve({ exitCode, signal });
      };
      child.once('error', () => end(null, null));
      child.once('close', end);
    });
  }

  /** Start the host and wait until its control socket answers. @throws Error with the end of its log when it ends instead */
  async start(args: readonly string[] = [], options: RunOptions & { readonly program?: readonly string[] } = {}): Promise<void> {
    this.launch(args, options);
    await this.until('answers on its control socket', async () => (await this.status()).pid === this.pid, options.timeoutMs ?? START_MS);
  }

  /** Start a host that must refuse: wait for its end. */
  async startRefused(args: readonly string[] = []): Promise<{ exitCode: number | null; log: string }> {
    const before = this.#log.length;
    this.launch(args);
    const { exitCode } = await this.ended();
    return { exitCode, log: this.#log.slice(Math.min(before, this.#log.length)) };
  }

  /** Ask the running process for its status. @throws FarshoreError ERR_UNREACHABLE */
  status(): Promise<StatusReport> {
    return askStatus({ kind: 'socket', path: this.controlSocket });
  }

  /** Wait until the status fulfils a condition, and return it. */
  async untilStatus(what: string, condition: (status: StatusReport) => boolean, timeoutMs = 60_000): Promise<StatusReport> {
    let last: StatusReport | null = null;
    await this.until(
      what,
      async () => {
        last = await this.status();
        return condition(last);
      },
      timeoutMs,
      () => JSON.stringify(last),
    );
    return last as unknown as StatusReport;
  }

  /** Wait until a condition holds while the process runs. */
  async until(what: string, condition: () => Promise<boolean>, timeoutMs: number, lastSeen: () => string = () => ''): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    let failure = '';
    for (;;) {
      const held = await condition().catch((error: unknown) => {
        failure = String(error);
        return false;
      });
      if (held) return;
      if (this.#child === null) throw new Error(`${this.name} ended before it ${what}\n${this.logTail()}`);
      if (performance.now() > deadline) {
        throw new Error(`${this.name}: not "${what}" within ${timeoutMs / 1000} s. ${failure} ${lastSeen()}\n${this.logTail()}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Wait for the end of the process. */
  async ended(timeoutMs = STOP_MS): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> {
    if (this.#exit === null) throw new Error(`${this.name} was never started`);
    const end = await within(this.#exit, timeoutMs);
    if (end === null) throw new Error(`${this.name} did not end within ${timeoutMs / 1000} s\n${this.logTail()}`);
    return end;
  }

  /** Kill the process at once, and wait until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#child === null) throw new Error(`${this.name} does not run\n${this.logTail()}`);
    this.#child.kill(signal);
    await this.ended();
  }

  /** Send a signal without waiting: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Stop cleanly with SIGTERM. Returns the exit code. */
  async stop(timeoutMs = STOP_MS): Promise<number | null> {
    if (this.#child === null) throw new Error(`${this.name} does not run\n${this.logTail()}`);
    this.#child.kill('SIGTERM');
    const { exitCode } = await this.ended(timeoutMs);
    return exitCode;
  }

  logTail(): string {
    return `---- log of ${this.name}, its last lines\n${tail(this.#log)}`;
  }
}

/** A peer has its own paths to the shared storage in a section of its own: they count only after a takeover. */
function configFileOf(config: ConfigFile): unknown {
  if (config.role !== 'peer') return config;
  const { volumes, nbd, replication, journals, fence, ...own } = config;
  const shared = { volumes, nbd, replication, journals: { path: journals?.path } };
  return { ...own, takeover: fence === undefined ? shared : { ...shared, fence } };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A promise's value, or null when the time is up first. */
export async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), timeoutMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function tail(text: string): string {
  return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}
