/**
 * A primary, a secondary in write-back and its peer as real processes in a scratch folder, for end-to-end tests:
 *
 *     await withPeeredHosts({}, async ({ primary, secondary, peer, start, takeOver }) => { ... });
 *
 * The peer's own paths to the shared storage are the secondary's very files: what a cluster has on a SAN, one machine has on its disk.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { StatusReport } from '../../src/model/status.ts';
import { Host, type ConfigFile, type RunOptions } from './host-process.ts';
import { freePort, Hosts, withScene, type HostsOptions } from './hosts.ts';

export interface PeeredHostsOptions extends HostsOptions {
  readonly hold?: 'memory' | 'durable';
  readonly regionMiB?: number;
  readonly mode?: 'write-back' | 'write-through';
}

export interface TakeoverJson {
  readonly hostEpoch: number;
}

export class PeeredHosts extends Hosts {
  readonly peerPort: number;
  readonly peer: Host;

  constructor(folder: string, ports: { readonly port: number; readonly peerPort: number }, options: PeeredHostsOptions) {
    super(folder, ports.port, options);
    const { config } = this.secondary;
    this.peerPort = ports.peerPort;
    this.peer = new Host({ name: 'peer', folder, config: peerConfig(config, ports.peerPort, options) });
    if (options.mode === 'write-through') return;
    config.mode = 'write-back';
    config.peer = { listen: `127.0.0.1:${ports.peerPort}` };
  }

  get regionPath(): string {
    return join(this.folder, this.peer.config.nvram?.path ?? '');
  }

  override async init(): Promise<void> {
    await Promise.all([super.init(), this.peer.init()]);
  }

  /** Initialise and start all three, and wait until acknowledgements are the peer's. */
  override async start(options: RunOptions & { readonly program?: readonly string[] } = {}): Promise<void> {
    await this.init();
    await Promise.all([this.primary.start(), this.secondary.start([], options), this.peer.start()]);
    await this.replicating();
    await this.writeBack();
  }

  /** Wait until the secondary acknowledges what its peer holds. */
  async writeBack(timeoutMs = 60_000): Promise<StatusReport> {
    return await this.secondary.untilStatus('is in write-back', ({ mode, peer }) => mode === 'write-back' && peer?.up === true, timeoutMs);
  }

  /** The peer takes the place of a secondary that is gone, or fenced; it runs afterwards, as a secondary. */
  async takeOver(args: readonly string[] = ['--fenced']): Promise<TakeoverJson> {
    const report = await this.peer.commandJson<TakeoverJson>(['takeover', ...args], { timeoutMs: 60_000 });
    if (!this.peer.isRunning) await this.peer.start();
    await this.peer.untilStatus('is the secondary', ({ role }) => role === 'secondary');
    return report;
  }

  /** The region's file goes with the peer's memory; the peer does not run. */
  loseRegion(): void {
    assert.not(this.peer.isRunning, 'a region is lost with its host');
    rmSync(this.regionPath, { force: true });
  }

  override logTails(): string {
    return `${super.logTails()}\n${this.peer.logTail()}`;
  }
}

/** Run with a scratch folder and the configs of three hosts in it; nothing runs yet. */
export function withPeeredHosts<Result>(options: PeeredHostsOptions, work: (hosts: PeeredHosts) => Promise<Result>): Promise<Result> {
  return withScene(
    options,
    async (folder) => {
      const port = await freePort();
      let peerPort = await freePort();
      while (peerPort === port) peerPort = await freePort();
      return new PeeredHosts(folder, { port, peerPort }, options);
    },
    work,
  );
}

function peerConfig(secondary: ConfigFile, peerPort: number, options: PeeredHostsOptions): ConfigFile {
  const { group, volumes, replication, journals } = structuredClone(secondary);
  return {
    role: 'peer',
    group,
    state: 'peer',
    nvram: { path: 'peer/nvram', size: `${options.regionMiB ?? 16}MiB`, hold: options.hold ?? 'memory' },
    connect: [`ws://127.0.0.1:${peerPort}`],
    volumes,
    replication,
    ...(journals === undefined ? {} : { journals }),
    nbd: { listen: 'unix:peer.sock' },
    log: { level: 'info', format: 'text' },
  };
}
