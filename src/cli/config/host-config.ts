/** A host's config after checking: units parsed, defaults filled in, paths absolute. The file itself is described in OPERATOR terms by `sample.ts`. */
import type { ListenAddress } from '../../model/addresses.ts';
import type { LogFormat, LogLevel } from '../../status/log.ts';
import type { RegionHold } from '../../model/peer.ts';
import type { VolumeConfig } from '../../volume/contract.ts';

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** What every role has. */
export interface CommonConfig {
  /** Absolute path of the config file. */
  readonly file: string;
  readonly group: string;
  readonly stateDirectory: string;
  /** Empty: no status page. */
  readonly status: { readonly listen: readonly ListenAddress[] };
  readonly log: LogConfig;
  /** Recovery point objective: a host that is further behind is degraded. */
  readonly objectiveMs: number;
  /** Listening beyond loopback is allowed although links are not authenticated yet. */
  readonly insecure: boolean;
}

/** What a host has that keeps volumes. */
export interface VolumesConfig {
  readonly volumes: readonly VolumeConfig[];
  readonly nbd: { readonly listen: readonly ListenAddress[] };
}

export interface PrimaryConfig extends CommonConfig, VolumesConfig {
  readonly role: 'primary';
  readonly replication: {
    /** Empty only for a primary that was loaded with `standalone`. */
    readonly listen: readonly ListenAddress[];
    /** `remote`: FLUSH is replied to when its data set is durable on the far side. */
    readonly flush: 'local' | 'remote';
  };
  readonly dataSets: { readonly minAgeMs: number; readonly maxAgeMs: number; readonly maxBytes: number };
  readonly backlog: { readonly limitBytes: number; readonly policy: 'throttle' };
}

export interface SecondaryConfig extends CommonConfig, VolumesConfig {
  readonly role: 'secondary';
  readonly mode: 'write-through' | 'write-back';
  /** Where the peer dials in mode write-back; null: nowhere, and the mode is write-through. */
  readonly peer: { readonly listen: readonly ListenAddress[] } | null;
  readonly replication: {
    /** WebSocket addresses of the primary, each one a path. */
    readonly connect: readonly string[];
    readonly links: number;
  };
  readonly journals: { readonly directory: string; readonly slots: number; readonly slotBytes: number };
}

export interface PeerConfig extends CommonConfig {
  readonly role: 'peer';
  readonly nvram: { readonly path: string; readonly sizeBytes: number; readonly hold: RegionHold };
  /** WebSocket addresses of the secondary, each one a path. */
  readonly connect: readonly string[];
  /** Null: this peer never takes its secondary's place. */
  readonly takeover: TakeoverConfig | null;
}

/** This host's own paths to the shared storage, and to the primary (DESIGN section 8). */
export interface TakeoverConfig extends VolumesConfig {
  readonly journals: { readonly directory: string };
  readonly replication: { readonly connect: readonly string[]; readonly links: number };
  /** Program and arguments, run without a shell, that shut the secondary out of the shared storage; null: only `--fenced` will do. */
  readonly fence: readonly string[] | null;
}

export type HostConfig = PrimaryConfig | SecondaryConfig | PeerConfig;
export type Role = HostConfig['role'];

/** The volumes that a host has, or would have after a takeover. */
export function volumesOf(config: HostConfig): readonly VolumeConfig[] {
  return config.role === 'peer' ? (config.takeover?.volumes ?? []) : config.volumes;
}
