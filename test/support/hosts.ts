/**
 * A primary and a secondary as real processes in a scratch folder, for end-to-end tests:
 *
 *     await withHosts({ volumes: [{ name: 'db1', sizeMiB: 32 }] }, async ({ primary, secondary, start, drained, same }) => { ... });
 *
 * NBD is served on Unix sockets in the folder, replication on a fixed port of 127.0.0.1, so that a restarted primary is found again.
 * When the work is over, however it ended, all processes are ended and the folder is gone.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { compareVolumes, type VolumeDifference } from '../../src/volume/compare.ts';
import { endProcesses, Host, type ConfigFile, type VolumeFile } from './host-process.ts';

export interface TestVolume {
  readonly name: string;
  readonly sizeMiB: number;
  /** Default: its place in the list. */
  readonly vlun?: number;
  readonly store?: 'auto' | 'pwrite' | 'mmap';
}

export interface HostsOptions {
  /** Default: one volume db1 of 32 MiB. */
  readonly volumes?: readonly TestVolume[];
  readonly group?: string;
  readonly links?: number;
  readonly slots?: number;
  readonly slotMiB?: number;
  readonly dataSets?: ConfigFile['dataSets'];
  readonly backlogLimit?: string;
  readonly flush?: 'local' | 'remote';
  /** Folder in which the scratch folder is made. Default: the system's. */
  readonly parent?: string;
}

const SLOT_MIB = 4;

/** Primary and secondary of one group, and what tests do with both. */
export class Hosts {
  readonly folder: string;
  readonly port: number;
  readonly primary: Host;
  readonly secondary: Host;

  constructor(folder: string, port: number, options: HostsOptions) {
    this.folder = folder;
    this.port = port;
    this.primary = new Host({ name: 'primary', folder, config: primaryConfig(port, options) });
    this.secondary = new Host({ name: 'secondary', folder, config: secondaryConfig(port, options) });
  }

  /** Initialise both hosts. */
  async init(): Promise<void> {
    await Promise.all([this.primary.init(), this.secondary.init()]);
  }

  /** Initialise and start both, and wait until they replicate. */
  async start(): Promise<void> {
    await this.init();
    await Promise.all([this.primary.start(), this.secondary.start()]);
    await this.replicating();
  }

  /** Wait until a link is agreed. */
  async replicating(timeoutMs = 60_000): Promise<void> {
    await this.primary.untilStatus('replicates', ({ state, links }) => links.some((link) => link.up) && state === 'replicating', timeoutMs);
  }

  /** Wait, with `farshore wait`, until everything written so far is in the far source volumes. */
  async drained(timeoutMs = 60_000): Promise<void> {
    const result = await this.primary.command(['wait', '--for', 'drained', '--timeout', `${timeoutMs}ms`], {
      timeoutMs: timeoutMs + 10_000,
    });
    if (result.exitCode === 0) return;
    throw new Error(`not drained: exit code ${result.exitCode}\n${result.stderr}\n${this.logTails()}`);
  }

  /** Compare the image files of all volumes byte by byte: is the secondary's equal to the primary's? */
  async same(): Promise<void> {
    for (const { name } of this.primary.config.volumes) {
      const difference = await differenceOf(this.primary.volumePath(name), this.secondary.volumePath(name));
      if (difference !== null) throw new Error(`volume ${name} differs: ${JSON.stringify(difference)}\n${this.logTails()}`);
    }
  }

  /** Wait until drained, then compare. */
  async drainedAndSame(timeoutMs = 60_000): Promise<void> {
    await this.drained(timeoutMs);
    await this.same();
  }

  logTails(): string {
    return `${this.primary.logTail()}\n${this.secondary.logTail()}`;
  }
}

/** Run with a scratch folder and the configs of a primary and a secondary in it; nothing runs yet. */
export function withHosts<Result>(options: HostsOptions, work: (hosts: Hosts) => Promise<Result>): Promise<Result> {
  return withScene(options, async (folder) => new Hosts(folder, await freePort(), options), work);
}

/** Run with a scratch folder and hosts in it; in the end no process and no file of theirs is left. */
export async function withScene<Scene extends { logTails(): string }, Result>(
  { parent = tmpdir() }: { readonly parent?: string | undefined },
  make: (folder: string) => Promise<Scene>,
  work: (hosts: Scene) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(parent, 'farshore-e2e-'));
  const hosts = await make(folder);
  try {
    return await work(hosts);
  } catch (error) {
    process.stdout.write(`${hosts.logTails()}\n`);
    throw error;
  } finally {
    await endProcesses();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where two image files differ first; null: identical. */
export function differenceOf(a: string, b: string): Promise<VolumeDifference | null> {
  return new Promise((resolve, reject) => {
    compareVolumes({ disk: new NodeDisk(), a, b }, (error, difference) => (error === null ? resolve(difference) : reject(error)));
  });
}

/** Assert that two image files are identical. */
export async function assertSame(a: string, b: string, what: string): Promise<void> {
  assert.is(JSON.stringify(await differenceOf(a, b)), 'null', what);
}

/** Digests of every file in a host's state folder: what a command that changes nothing must leave alone. */
export function filesOf(host: Host): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(host.stateDirectory, { recursive: true, encoding: 'utf8' })) {
    const path = join(host.stateDirectory, name);
    if (statSync(path).isFile()) found[name] = createHash('sha256').update(readFileSync(path)).digest('hex');
  }
  return found;
}

/**
 * A port on which nobody listens, outside the range from which the kernel gives ports to dialling sockets: a secondary that dials
 * such a port while its primary is down could be given the same port, and would then be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port was found');
}

function volumesOf(side: string, options: HostsOptions): VolumeFile[] {
  const volumes = options.volumes ?? [{ name: 'db1', sizeMiB: 32 }];
  return volumes.map(({ name, sizeMiB, vlun, store }, index) => ({
    name,
    vlun: vlun ?? index,
    size: `${sizeMiB}MiB`,
    path: `${side}/${name}.img`,
    ...(store === undefined ? {} : { store }),
  }));
}

function primaryConfig(port: number, options: HostsOptions): ConfigFile {
  return {
    role: 'primary',
    group: options.group ?? 'test',
    state: 'primary',
    volumes: volumesOf('primary', options),
    nbd: { listen: 'unix:primary.sock' },
    replication: { listen: `127.0.0.1:${port}`, ...(options.flush === undefined ? {} : { flush: options.flush }) },
    dataSets: { maxSize: `${(options.slotMiB ?? SLOT_MIB) - 1}MiB`, ...options.dataSets },
    ...(options.backlogLimit === undefined ? {} : { backlog: { limit: options.backlogLimit, policy: 'throttle' } }),
    log: { level: 'info', format: 'text' },
  };
}

function secondaryConfig(port: number, options: HostsOptions): ConfigFile {
  return {
    role: 'secondary',
    group: options.group ?? 'test',
    state: 'secondary',
    volumes: volumesOf('secondary', options),
    replication: { connect: [`ws://127.0.0.1:${port}`], links: options.links ?? 2 },
    journals: { path: 'secondary/journals', slots: options.slots ?? 8, size: `${options.slotMiB ?? SLOT_MIB}MiB` },
    nbd: { listen: 'unix:secondary.sock' },
    log: { level: 'info', format: 'text' },
  };
}
