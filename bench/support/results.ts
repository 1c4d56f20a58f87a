/** What a bench leaves behind: every single sample, and what was made of them. `results.json` is a `BenchResults`. */
import type { Latency } from './fio.ts';
import type { Machine } from './machine.ts';
import type { Spread } from './statistics.ts';
import type { TargetResult } from './targets.ts';

/** One cell of one round: a workload on a server. */
export interface Sample {
  readonly round: number;
  readonly server: string;
  /** How the volume was prepared: large, small, cold, beyond. */
  readonly state: string;
  readonly workload: string;
  readonly operations: number;
  readonly flushes: number;
  readonly operationsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly completion: Latency | null;
  /** Of reads, where a workload has both. */
  readonly readCompletion: Latency | null;
  readonly sync: Latency | null;
  /** Microseconds per operation, by process, fio among them; the copy's work until it was even included. */
  readonly cpuUsPerOperation: Readonly<Record<string, number>>;
  readonly rssPeakBytes: Readonly<Record<string, number>>;
  /** Bytes that the server's processes had written per byte that the application wrote (ProcessCounters.writtenBytes, after a sync of their files). */
  readonly writtenPerByte: number | null;
  /** The same by the disk's own count (all its writers: others on the machine too); null where the disk has none. */
  readonly deviceWrittenPerByte: number | null;
  /** Milliseconds from the application's last reply until the copy was even; null without a copy. */
  readonly settleMs: number | null;
  /** Longest stall of an event loop, by host, in milliseconds; null where the host does not say. */
  readonly stallMs: Readonly<Record<string, number>> | null;
}

/** A comparison of the volume with its copy, byte by byte. */
export interface Comparison {
  readonly round: number;
  readonly server: string;
  readonly state: string;
  readonly equal: boolean;
  /** What cmp said when they differ. */
  readonly difference: string | null;
}

/** A whole volume copied, in one round. */
export interface CopySample {
  readonly round: number;
  readonly way: string;
  readonly megabytesPerSecond: number;
}

/** A section made elsewhere (layers, latency): lines of a table with its own columns, and what a reader must know. */
export interface Section {
  readonly title: string;
  readonly notes: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Every sample, as JSON. */
  readonly samples: readonly unknown[];
  readonly targets: readonly TargetResult[];
}

/** What was not measured, and why. */
export interface Skipped {
  readonly name: string;
  readonly why: string;
}

export interface BenchResults {
  /** Why the run ended early, with what it had; null: it did not. */
  readonly failure: string | null;
  readonly machine: Machine;
  readonly options: {
    readonly quick: boolean;
    readonly rounds: number;
    readonly seconds: number;
    readonly sizeMiB: number;
  };
  readonly samples: readonly Sample[];
  readonly comparisons: readonly Comparison[];
  readonly copies: readonly CopySample[];
  readonly ratios: readonly Ratio[];
  readonly sections: readonly Section[];
  readonly targets: readonly TargetResult[];
  readonly skipped: readonly Skipped[];
}

/** Farshore's rate over a peer's, pair by pair. */
export interface Ratio {
  readonly state: string;
  readonly workload: string;
  readonly peer: string;
  readonly spread: Spread;
}
