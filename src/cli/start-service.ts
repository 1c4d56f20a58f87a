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
import { isTakeoverUnfinished, takeOver } from '../takeover/take-over.ts';
import { takenOverAlready } from '../takeover/takeover-errors.ts';
import type { HostConfig, PeerConfig, PrimaryConfig, SecondaryConfig } from './config/host-config.ts';
import { peerOptions, primaryOptions, secondaryOfPeer, secondaryOptions, takeoverOptions } from './host-options.ts';
import { askedOf, takeOverFrom } from './peer-takeover.ts';

/** What all hosts have in common for whoever runs them. */
export interface RunningHost {
  readonly controlSocket: string;
  readonly ended: Promise<HostEnd>;
  status(): StatusReport;
  stop(): Promise<void>;
}

export interface Service {
  readonly host: RunningHost;
  readonly commands: HostCommands;
}

/**
 * Stop the host, do something with its files, and start what its durable state says then: the same host, or the next one. `reason`
 * is what the host's status says meanwhile.
 */
export type WhileStopped = <T>(reason: string, work: () => Promise<T>) => Promise<T>;

export interface ServiceOptions {
  readonly log: Log;
  readonly standalone: boolean;
  readonly withoutPeer: boolean;
  readonly emptyRegion: boolean;
  /** Disk of a secondary, where somebody watches it; the machine's own by default. */
  readonly disk?: Disk;
}

/** Start the host of this config, as its durable state says. @throws what its start throws */
export async function startService(config: HostConfig, options: ServiceOptions, whileStopped: WhileStopped): Promise<Service> {
  const state = readHostState(new NodeDisk(), config.stateDirectory);
  // Only a promotion or a takeover changes a role; any other difference is refused.
  if (state.role !== config.role && (state.condition === 'promoted' || config.role === 'peer'))
    options.log.write(
      'warn',
      `the config says ${config.role}, but the durable state says ${state.role} (${state.condition}): the state decides`,
    );
  if (config.role === 'primary') return startPrimary(config, options);
  if (config.role === 'secondary') return startSecondary(secondaryOf(config, options));
  return startPeer(config, options, whileStopped);
}

async function startPrimary(config: PrimaryConfig, { log, standalone }: ServiceOptions): Promise<Service> {
  const primary = await Primary.start(primaryOptions(config, log, standalone));
  return { host: primary, commands: { detach: async (body) => primary.detach({ dryRun: body.dryRun === true }) } };
}

/** A peer, or the secondary that it has become; a takeover that a crash interrupted is finished first. */
async function startPeer(config: PeerConfig, options: ServiceOptions, whileStopped: WhileStopped): Promise<Service> {
  const { log, standalone, emptyRegion, disk: watched } = options;
  const disk = new NodeDisk();
  // Its fence is done: what is left needs nobody's word any more.
  if (isTakeoverUnfinished(disk, config.stateDirectory)) await takeOver(takeoverOptions(config, log, { fenced: false, force: false }));
  const state = readHostState(disk, config.stateDirectory);
  if (state.role !== 'peer') {
    const secondary = secondaryOfPeer(config, asSecondary(log), { dial: true, standalone });
    const { host, commands } = await startSecondary(watched === undefined ? secondary : { ...secondary, disk: watched });
    return { host, commands: { ...commands, takeover: () => Promise.reject(takenOverAlready(state)) } };
  }
  const peer = await Peer.start({ ...peerOptions(config, log), emptyRegion });
  return { host: peer, commands: { takeover: (body) => takeOverFrom(peer, { config, log, asked: askedOf(body), whileStopped }) } };
}

/** The log lines of a host that was a peer when its log was opened. */
function asSecondary(log: Log): Log {
  return { ...log, write: (level, message, fields) => log.write(level, message, { role: 'secondary', ...fields }) };
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
