/** The status of a host: `--json`, `/api/status` and the control socket carry these fields (OPERATOR.md; names there are fixed). */
import type { CutReason } from './commands.ts';
import type { Generation, GroupId, SessionId, StreamId } from './ids.ts';

export type HostStatus =
  | 'starting'
  | 'connecting'
  | 'replicating'
  | 'throttled'
  | 'degraded'
  | 'disconnected'
  | 'waiting-for-peer'
  | 'promoting'
  | 'promoted'
  | 'superseded'
  | 'standalone'
  | 'resync-needed'
  | 'failed'
  | 'stopped';

export interface PeerReport {
  /** Where the peer dials this host. */
  readonly address: string;
  /** The peer holds what is acknowledged: write-back. */
  readonly up: boolean;
  readonly regionId: string | null;
  readonly hold: 'memory' | 'durable' | null;
  /** Records that the peer's current session holds and that are not released yet, and their encoded bytes. */
  readonly heldRecords: number;
  readonly heldBytes: number;
  /** Acknowledged records that neither a journal nor the current session of the peer has: only this process has them (DESIGN section 8). */
  readonly exposedRecords: number;
  /** The region for which a restart would wait (`peer may hold more`); null: none. */
  readonly mayHoldMore: string | null;
  /** Why the mode is not write-back, as one sentence; null when it is. */
  readonly reason: string | null;
}

export interface NvramReport {
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: 'memory' | 'durable';
  readonly regionId: string;
  readonly heldRecords: number;
  readonly heldBytes: number;
  readonly freeBytes: number;
}

/** Durations of one kind over the last minute (the last 50 to 60 seconds): quantiles, at most a sixteenth too high and never too low. */
export interface RecentLatency {
  readonly count: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  readonly p999Seconds: number;
  readonly maxSeconds: number;
}

/** Durations of one kind since the start of this host; null where there was none. */
export interface LatencyReport {
  readonly count: number;
  readonly sumSeconds: number;
  readonly maxSeconds: number;
  readonly lastMinute: RecentLatency | null;
  /** How many took at most so long: 64 us, 128 us and so on up to 34 s. */
  readonly buckets: readonly number[];
}

/** What this host measures of itself while it works; docs/operating.md says what exactly. */
export interface LatencyReports {
  /** Primary: from the reply to the application to the record's acknowledgement. Counts records, of which it samples some. */
  readonly recordAcknowledged: LatencyReport | null;
  /** Primary: from the arrival of a data set's oldest write until it is known here to be destaged. Counts records. */
  readonly recoveryPoint: LatencyReport | null;
  /** Primary: the same from the closing of the data set, after its newest write. */
  readonly recoveryPointFromCut: LatencyReport | null;
  /** Secondary: one commit of one journal, write and flush. */
  readonly journalCommit: LatencyReport | null;
  /** Secondary: the destage of one data set, the flush of the volumes included. */
  readonly destage: LatencyReport | null;
}

export const NO_LATENCIES: LatencyReports = {
  recordAcknowledged: null,
  recoveryPoint: null,
  recoveryPointFromCut: null,
  journalCommit: null,
  destage: null,
};

/** The longest times in which the event loop did nothing else: no stall was longer. They include the timer's own 5 ms. */
export interface EventLoopReport {
  readonly longestStallSeconds: number;
  /** Of the last 60 seconds. */
  readonly longestStallLastMinuteSeconds: number;
  /** In which the loop's thread could run and the machine gave it no processor, in sum; null where the kernel does not tell. */
  readonly waitedForProcessorSeconds: number | null;
  readonly waitedForProcessorLastMinuteSeconds: number | null;
}

/** Identifiers are decimal strings in JSON; null before the first. As a sequence number, `open` is the newest one that was given. */
export interface PositionReport {
  readonly open: string | null;
  readonly sent: string | null;
  readonly received: string | null;
  readonly durable: string | null;
  readonly complete: string | null;
  readonly destaged: string | null;
  readonly acknowledged: string | null;
}

export interface StatusReport {
  readonly role: 'primary' | 'secondary' | 'peer';
  readonly group: string;
  readonly groupId: GroupId | null;
  readonly generation: number;
  readonly generations: readonly Generation[];
  readonly stream: StreamId | null;
  readonly session: SessionId | null;
  readonly state: HostStatus;
  /** Why the state is not simply replicating, as one sentence. */
  readonly reason: string | null;
  /** What an acknowledgement costs now: write-back only while a peer holds what is acknowledged. */
  readonly mode: 'write-back' | 'write-through' | 'none';
  readonly volumes: readonly {
    readonly name: string;
    readonly vlun: number;
    readonly sizeBytes: number;
    readonly path: string;
    readonly store: string;
  }[];
  readonly dataSets: PositionReport;
  readonly sequence: PositionReport;
  /** Data set at which the copy is consistent now, with why and when it was cut; null before the first. */
  readonly consistentAt: { readonly dataSet: string; readonly reason: CutReason | null; readonly time: string | null } | null;
  readonly behind: { readonly dataSets: number; readonly bytes: number; readonly seconds: number; readonly etaSeconds: number | null };
  readonly objectiveSeconds: number | null;
  readonly journals: { readonly slots: number; readonly active: number; readonly partial: number; readonly failed: number };
  readonly links: readonly {
    readonly address: string;
    readonly up: boolean;
    readonly error: string | null;
    readonly sentBytes: number;
    readonly receivedBytes: number;
  }[];
  /** Secondary that is configured for write-back: its peer. Null: no peer is configured. */
  readonly peer: PeerReport | null;
  /** Peer: its region. Null on other hosts. */
  readonly nvram: NvramReport | null;
  readonly rejects: number;
  readonly duplicates: number;
  readonly resends: number;
  readonly lastCut: { readonly dataSet: string; readonly reason: CutReason; readonly time: string } | null;
  /** Primary: encoded bytes that are not acknowledged, and the limit beyond which the application is slowed down. */
  readonly backlog: { readonly bytes: number; readonly limitBytes: number; readonly throttledSeconds: number } | null;
  readonly nbd: { readonly addresses: readonly string[]; readonly connections: number } | null;
  readonly latencies: LatencyReports;
  /** Null: nothing watches the process (a host inside a test). */
  readonly eventLoop: EventLoopReport | null;
  /** Addresses of page, /api/status and /metrics. */
  readonly statusPage: { readonly addresses: readonly string[] } | null;
  readonly replication: { readonly addresses: readonly string[] } | null;
  readonly divergedFrom: string | null;
  readonly lastRefusal: string | null;
  readonly pid: number;
  readonly uptimeSeconds: number;
}

export const NO_POSITIONS: PositionReport = {
  open: null,
  sent: null,
  received: null,
  durable: null,
  complete: null,
  destaged: null,
  acknowledged: null,
};

/** Decimal string of an identifier, as JSON carries it. */
export function idText(id: number | null): string | null {
  return id === null ? null : String(id);
}
