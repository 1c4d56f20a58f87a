/** A host's config after checking: units parsed, defaults filled in, paths absolute. The file itself is described in OPERATOR terms by `sample.ts`. */
import type { ListenAddress } from '../../model/addresses.ts';
import type { LogFormat, LogLevel } from '../../status/log.ts';
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
  readonly volumes: readonly VolumeConfig[];
  readonly nbd: { readonly listen: readonly ListenAddress[] };
  /** Empty: no status page. */
  readonly status: { readonly listen: readonly ListenAddress[] };
  readonly log: LogConfig;
  /** Recovery point objective: a host that is further behind is degraded. */
  readonly objectiveMs: number;
  /** Listening beyond loopback is allowed although links are not authenticated yet. */
  readonly insecure: boolean;
}

export interface PrimaryConfig extends CommonConfig {
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

export interface SecondaryConfig extends CommonConfig {
  readonly role: 'secondary';
  readonly mode: 'write-through';
  readonly replication: {
    /** WebSocket addresses of the primary, each one a path. */
    readonly connect: readonly string[];
    readonly links: number;
  };
  readonly journals: { readonly directory: string; readonly slots: number; readonly slotBytes: number };
}

export type HostConfig = PrimaryConfig | SecondaryConfig;
