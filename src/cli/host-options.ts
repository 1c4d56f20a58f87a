/** What a host needs to run, from its config. */
import { geometryOf } from '../../journals/geometry.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { LIMITS } from '../model/limits.ts';
import type { PeerOptions } from '../peer/peer.ts';
import type { PrimaryOptions } from '../primary/primary-options.ts';
import type { SecondaryOptions } from '../secondary/secondary.ts';
import type { TakeoverOptions } from '../takeover/take-over.ts';
import { takenOverOptions, type TakenOverHost } from '../takeover/taken-over-options.ts';
import type { Log } from '../status/log.ts';
import type { PeerConfig, PrimaryConfig, SecondaryConfig } from './config/host-config.ts';

/** How a secondary is to start, beside what its config says. */
export interface SecondaryStart {
  /** False: recover only, for a promotion of a host that does not run. */
  readonly dial: boolean;
  /** Serve a promoted host although it failed before. */
  readonly standalone: boolean;
  /** Give up what only the peer may hold, instead of waiting for it. */
  readonly withoutPeer?: boolean;
}

/** Options of a primary from its config. */
export function primaryOptions(config: PrimaryConfig, log: Log, standalone: boolean): PrimaryOptions {
  return {
    disk: new NodeDisk(),
    group: config.group,
    stateDirectory: config.stateDirectory,
    volumes: config.volumes,
    nbdListen: config.nbd.listen,
    replicationListen: config.replication.listen,
    flushReply: config.replication.flush,
    cutPolicy: {
      minAgeMs: config.dataSets.minAgeMs,
      maxAgeMs: config.dataSets.maxAgeMs,
      maxSizeBytes: config.dataSets.maxBytes,
      recordsMax: LIMITS.dataSetRecordsMax,
    },
    backlogLimitBytes: config.backlog.limitBytes,
    objectiveMs: config.objectiveMs,
    standalone,
    log: log.write,
  };
}

/** Options of a secondary from its config. */
export function secondaryOptions(config: SecondaryConfig, log: Log, how: SecondaryStart): SecondaryOptions {
  const { directory, slots, slotBytes } = config.journals;
  const peer = { peerListen: config.mode === 'write-back' ? (config.peer?.listen ?? []) : [], withoutPeer: how.withoutPeer ?? false };
  return {
    disk: new NodeDisk(),
    group: config.group,
    stateDirectory: config.stateDirectory,
    volumes: config.volumes,
    connect: config.replication.connect,
    links: config.replication.links,
    journals: { directory, geometry: geometryOf({ slots, slotBytes }) },
    nbdListen: config.nbd.listen,
    objectiveMs: config.objectiveMs,
    dial: how.dial,
    standalone: how.standalone,
    ...peer,
    log: log.write,
  };
}

/** Options of a peer from its config. */
export function peerOptions(config: PeerConfig, log: Log): PeerOptions {
  return {
    disk: new NodeDisk(),
    group: config.group,
    stateDirectory: config.stateDirectory,
    nvram: config.nvram,
    connect: config.connect,
    objectiveMs: config.objectiveMs,
    log: log.write,
  };
}

/** What a takeover needs to know of this host. */
export function takenOverHost(config: PeerConfig, log: Log): TakenOverHost {
  const { group, stateDirectory, takeover, objectiveMs } = config;
  return { disk: new NodeDisk(), group, stateDirectory, takeover, objectiveMs, log: log.write };
}

/** Options of the secondary that a peer has become. @throws UsageError ERR_TAKEOVER_CONFIG */
export function secondaryOfPeer(config: PeerConfig, log: Log, how: SecondaryStart): SecondaryOptions {
  return takenOverOptions(takenOverHost(config, log), { dial: how.dial, standalone: how.standalone });
}

export interface TakeoverAsked {
  /** A person says that the former host is shut out of the shared storage. */
  readonly fenced: boolean;
  /** Go on although what the region held may be gone. */
  readonly force: boolean;
}

/** Options of a takeover by this peer. */
export function takeoverOptions(config: PeerConfig, log: Log, asked: TakeoverAsked): TakeoverOptions {
  return { ...takenOverHost(config, log), nvram: config.nvram, fenced: asked.fenced, force: asked.force };
}
