/** What the bench needs of a server, ours or a peer's: a volume over NBD, and perhaps a copy elsewhere. */
import type { BenchProcess, BenchScope } from '../support/bench-scope.ts';
import type { ToolName } from '../support/tools.ts';

/** A server that runs, with a volume of zeroes. */
export interface Server {
  readonly uri: string;
  /** By role: what the report calls them. */
  readonly processes: ReadonlyMap<string, BenchProcess>;
  /** The file behind the volume; null: none. */
  readonly volumePath: string | null;
  /** The file behind the copy; null: it makes none. */
  readonly copyPath: string | null;
  /** Wait until everything written so far is in the copy (it goes on replicating), and return when that was, as `performance.now()`. */
  settle(): Promise<number>;
  /** The same for the last time: after it the files may be compared. */
  drain(): Promise<void>;
  /** Longest stall of an event loop in the last minute by host, in milliseconds; null: no host says it. */
  stallMs(): Promise<Readonly<Record<string, number>> | null>;
  stop(): Promise<void>;
}

/** A kind of server: how to start one. */
export interface ServerKind {
  readonly name: ServerName;
  /** What it is, for the report. */
  readonly title: string;
  readonly replicates: boolean;
  /** Whether a file is behind its volume. */
  readonly onFile: boolean;
  readonly tools: readonly ToolName[];
  start(scope: BenchScope, options: ServerOptions): Promise<Server>;
}

export interface ServerOptions {
  readonly sizeMiB: number;
  /** Control group for the process that the application talks to; null: none. */
  readonly cgroup: string | null;
}

export const SERVER_NAMES = ['farshore', 'nbdkit-file', 'nbdkit-memory', 'qemu-nbd', 'mirror-background', 'mirror-write-blocking'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];
