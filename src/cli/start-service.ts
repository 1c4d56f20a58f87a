/** The host that a config and the durable state describe, started; with the commands that it takes while it runs. */
import type { Disk } from '../disk/disk.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import type { HostEnd } from '../model/host-end.ts';
import type { StatusReport } from '../model/status.ts';
import { Peer } from '../peer/peer.ts';
import { Primary } from '../primary/primary.ts';
import { promote } from '../secondary/promotion.ts';
import { Secondary, type SecondaryOptions } from '../secondary/secondary.ts';
import { readHostState } from '../state/host-state.ts';
import type { HostCommands } from '../status/host-server.ts';
import type { Log } from '../status/log.ts';
import type { HostConfig, PeerConfig, PrimaryConfig, SecondaryConfig } from './config/host-config.ts';
import { peerOptions, primaryOptions, secondaryOptions } from './host-options.ts';

/** What all hosts have in common for whoever runs them. */
export interface RunningHost {
  readonly controlSocket: string;
  readonly ended: Promise<HostEnd>;
  status(): StatusReport;
  stop(): Promise<void>;
}

/** A command on the files of a host, which is stopped for it. What the durable state says afterwards is started: the same host, or the next one. */
export interface StoppedCommand {
  /** What the host does meanwhile, for its status. */
  readonly reason: string;
  /** Asked while the host still runs. @throws the refusal */
  readonly check: (body: Readonly<Record<string, unknown>>) => void;
  readonly run: (body: Readonly<Record<string, unknown>>) => Promise<unknown>;
}

export interface Service {
  readonly host: RunningHost;
  readonly commands: HostCommands;
  readonly stoppedCommands?: Readonly<Record<string, StoppedCommand>>;
}

export interface ServiceOptions {
  readonly log: Log;
  readonly standalone: boolean;
  readonly withoutPeer: boolean;
  /** Disk of a secondary, where somebody watches it; the machine's own by default. */
  readonly disk?: Disk;
}

/** Start the host of this config, as its durable state says. @throws what its start throws */
export async function startService(config: HostConfig, options: ServiceOptions): Promise<Service> {
  const state = readHostState(new NodeDisk(), config.stateDirectory);
  // Only a promotion or a takeover changes a role; any other difference is refused.
  if (state.role !== config.role && state.condition === 'promoted')
    options.log.write(
      'warn',
      `the config says ${config.role}, but the durable state says ${state.role} (${state.condition}): the state decides`,
    );
  if (config.role === 'primary') return startPrimary(config, options);
  if (config.role === 'secondary') return startSecondary(secondaryOf(config, options));
  return startPeer(config, options);
}

async function startPrimary(config: PrimaryConfig, { log, standalone }: ServiceOptions): Promise<Service> {
  const primary = await Primary.start(primaryOptions(config, log, standalone));
  return { host: primary, commands: { detach: async (body) => primary.detach({ dryRun: body.dryRun === true }) } };
}

async function startPeer(config: PeerConfig, { log }: ServiceOptions): Promise<Service> {
  const peer = await Peer.start(peerOptions(config, log));
  return { host: peer, commands: {} };
}

function secondaryOf(config: SecondaryConfig, { log, standalone, withoutPeer, disk }: ServiceOptions): SecondaryOptions {
  if (config.mode === 'write-through' && config.peer !== null)
    log.write('warn', 'peer.listen is unused: the mode is write-through, so no peer is waited for; "mode: write-back" uses it');
  const options = secondaryOptions(config, log, { dial: true, standalone, withoutPeer });
  return disk === undefined ? options : { ...options, disk };
}

async function startSecondary(options: SecondaryOptions): Promise<Service> {
  const secondary = await Secondary.start(options);
  return {
    host: secondary,
    commands: { promote: (body) => promote(secondary, { force: body.force === true, dryRun: body.dryRun === true }) },
  };
}
