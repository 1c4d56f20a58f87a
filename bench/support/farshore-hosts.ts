/** A primary and a secondary as real processes, with configs written here: write-through, defaults otherwise. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askStatus, type HostTarget } from '../../src/cli/control-client.ts';
import { waitFor } from '../../src/cli/wait-for.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { controlSocketPath } from '../../src/state/state-folder.ts';
import type { BenchProcess, BenchScope } from './bench-scope.ts';

/** The compiled program beside this module. */
export const FARSHORE = fileURLToPath(new URL('../../src/cli/run.cjs', import.meta.url));
const GROUP = 'bench';
const VOLUME = 'v';
const DRAIN_MS = 300_000;

export type HostRole = 'primary' | 'secondary';

export interface FarshoreOptions {
  readonly sizeMiB: number;
  /** Where the secondary dials; default: the primary's own socket. */
  readonly dial?: string;
  /** Lines for the end of a host's config, such as `backlog: { limit: 64MiB }`. */
  readonly extra?: Partial<Readonly<Record<HostRole, string>>>;
  /** Options of node itself, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[];
  /** Another compiled farshore; default: this one. */
  readonly program?: string;
  /** Control group for the primary; null: none. */
  readonly primaryCgroup?: string | null;
}

export class FarshoreHosts {
  readonly folder: string;
  readonly processes = new Map<HostRole, BenchProcess>();
  readonly #scope: BenchScope;
  readonly #options: FarshoreOptions;

  constructor(scope: BenchScope, options: FarshoreOptions) {
    this.#scope = scope;
    this.#options = options;
    this.folder = scope.newFolder('farshore');
  }

  get uri(): string {
    return `nbd+unix:///${VOLUME}?socket=${join(this.folder, 'nbd.sock')}`;
  }

  /** Address at which the primary takes the secondary's links. */
  get linkSocket(): string {
    return join(this.folder, 'link.sock');
  }

  volumePath(role: HostRole): string {
    return join(this.folder, role, 'volume');
  }

  configPath(role: HostRole): string {
    return join(this.folder, `${role}.yaml`);
  }

  target(role: HostRole): HostTarget {
    return { kind: 'socket', path: controlSocketPath(join(this.folder, role, 'state')) };
  }

  process(role: HostRole): BenchProcess {
    const found = this.processes.get(role);
    if (found === undefined) throw new Error(`the ${role} was not started`);
    return found;
  }

  /** Write both configs, make the volumes and journals, start both hosts, and wait until they replicate. @throws BenchError */
  async start(): Promise<void> {
    for (const role of ['primary', 'secondary'] as const) {
      mkdirSync(join(this.folder, role));
      writeFileSync(this.configPath(role), this.#config(role));
    }
    await Promise.all((['primary', 'secondary'] as const).map((role) => this.farshore(['init', '-c', this.configPath(role)])));
    await this.startHost('primary');
    await this.startHost('secondary');
    await waitFor(this.target('primary'), { goal: 'replicating', timeoutMs: 30_000 });
  }

  /** Start one host on what is there. */
  async startHost(role: HostRole): Promise<BenchProcess> {
    const args = [...(this.#options.nodeOptions ?? []), this.#program, 'start', '-c', this.configPath(role)];
    const started = this.#scope.start(`farshore ${role}`, process.execPath, args, {
      cwd: join(this.folder, role),
      cgroup: role === 'primary' ? (this.#options.primaryCgroup ?? null) : null,
    });
    this.processes.set(role, started);
    const { path } = this.target(role) as { path: string };
    await this.#scope.listens(path, started);
    if (role === 'primary') await this.#scope.listens(join(this.folder, 'nbd.sock'), started);
    return started;
  }

  /** Run a command of farshore that must succeed, and return its stdout. @throws BenchError */
  farshore(args: readonly string[]): Promise<string> {
    return this.#scope.succeed(process.execPath, [this.#program, ...args]);
  }

  status(role: HostRole): Promise<StatusReport> {
    return askStatus(this.target(role));
  }

  /** Wait until everything written so far is in the copy, and return when that was, as `performance.now()`; the primary is asked every 50 ms. */
  async settle(): Promise<number> {
    await waitFor(this.target('primary'), { goal: 'drained', timeoutMs: DRAIN_MS });
    return performance.now();
  }

  /** The same by `farshore wait --for drained`, as an operator does. @throws BenchError */
  async drain(): Promise<void> {
    await this.farshore(['wait', '-c', this.configPath('primary'), '--for', 'drained', '--timeout', `${DRAIN_MS / 1000}s`]);
  }

  /** Stop both hosts; the primary first, so that it hands over what is left. */
  async stop(): Promise<void> {
    for (const role of ['primary', 'secondary'] as const) await this.processes.get(role)?.stop();
  }

  get #program(): string {
    return this.#options.program ?? FARSHORE;
  }

  #config(role: HostRole): string {
    const { sizeMiB, dial = `ws+unix:${this.linkSocket}`, extra } = this.#options;
    const home = join(this.folder, role);
    const own =
      role === 'primary'
        ? [`nbd: { listen: "unix:${join(this.folder, 'nbd.sock')}" }`, `replication: { listen: "unix:${this.linkSocket}" }`]
        : [
            `nbd: { listen: "unix:${join(this.folder, 'nbd-copy.sock')}" }`,
            `replication: { connect: [ "${dial}" ] }`,
            `journals: { path: ${join(home, 'journals')} }`,
          ];
    return [
      `role: ${role}`,
      `group: ${GROUP}`,
      `state: ${join(home, 'state')}`,
      `volumes: [ { vlun: 0, name: ${VOLUME}, path: ${this.volumePath(role)}, size: ${sizeMiB}MiB } ]`,
      ...own,
      `status: { listen: "unix:${join(this.folder, `${role}-status.sock`)}" }`,
      'log: { level: warn }',
      extra?.[role] ?? '',
      '',
    ].join('\n');
  }
}
