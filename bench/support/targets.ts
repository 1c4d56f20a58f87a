/** What issue 6 asks for, row by row, as data: the report of a bench closes with this table. */
import type { Spread } from './statistics.ts';

export interface Target {
  /** Named by whoever measures it. */
  readonly id: TargetId;
  readonly measure: string;
  /** Behind the figure, such as ` us`; empty for ratios. */
  readonly unit: string;
  /** Whether more is better. */
  readonly wanted: 'at least' | 'at most';
  readonly must: number;
  readonly goal: number;
}

/** What was measured for one row; the verdict is about the median. */
export interface TargetResult {
  readonly id: TargetId;
  readonly spread: Spread;
  /** What a reader must know about the figure, if anything. */
  readonly note?: string;
}

export type Verdict = 'goal' | 'must' | 'missed' | 'not measured';

export type TargetId =
  | 'write-4k-32/nbdkit-file'
  | 'write-4k-128/nbdkit-file'
  | 'write-4k-1/nbdkit-file'
  | 'fsync-32/nbdkit-file'
  | 'fsync-1/nbdkit-file'
  | 'write-1m/nbdkit-file'
  | 'write-1m/mirror-background'
  | 'write-4k-32/mirror-write-blocking'
  | 'write-4k-32/mirror-background'
  | 'read-4k-32/nbdkit-file'
  | 'read-1m/nbdkit-file'
  | 'front-end-32/nbdkit-memory'
  | 'front-end-128/nbdkit-memory'
  | 'cpu-primary'
  | 'cpu-secondary'
  | 'recovery'
  | 'recovery-point-p99'
  | 'round-trip-50ms'
  | 'memory-primary'
  | 'memory-secondary'
  | 'stall-primary'
  | 'stall-secondary';

const ratio = (id: TargetId, measure: string, must: number, goal: number): Target => ({
  id,
  measure,
  unit: '',
  wanted: 'at least',
  must,
  goal,
});
const ceiling = (id: TargetId, measure: string, unit: string, must: number, goal: number): Target => ({
  id,
  measure,
  unit,
  wanted: 'at most',
  must,
  goal,
});

/** The table of issue 6, a line per figure. */
export const TARGETS: readonly Target[] = [
  ratio('write-4k-32/nbdkit-file', 'replicated 4k random write, depth 32, against nbdkit file', 0.9, 1.2),
  ratio('write-4k-128/nbdkit-file', 'replicated 4k random write, depth 128, against nbdkit file', 0.9, 1.2),
  ratio('write-4k-1/nbdkit-file', '4k random write, depth 1, against nbdkit file', 0.7, 1.0),
  ratio('fsync-32/nbdkit-file', '4k random write, depth 32, fsync every 32, against nbdkit file', 0.7, 1.0),
  ratio('fsync-1/nbdkit-file', 'flush every write, against nbdkit file', 0.7, 1.0),
  ratio('write-1m/nbdkit-file', '1 MiB sequential write, against nbdkit file', 0.35, 0.6),
  ratio('write-1m/mirror-background', '1 MiB sequential write, against QEMU mirror background', 0.8, 1.2),
  ratio('write-4k-32/mirror-write-blocking', '4k depth 32, against QEMU mirror write-blocking', 5, 8),
  ratio('write-4k-32/mirror-background', '4k depth 32, against QEMU mirror background', 3, 5),
  ratio('read-4k-32/nbdkit-file', '4k random read, depth 32, against nbdkit file', 0.9, 1.1),
  ratio('read-1m/nbdkit-file', '1 MiB read, against nbdkit file', 0.8, 1.0),
  ratio('front-end-32/nbdkit-memory', 'NBD front end alone, depth 32, against nbdkit memory', 1.0, 1.3),
  ratio('front-end-128/nbdkit-memory', 'NBD front end alone, depth 128, against nbdkit memory', 1.0, 1.3),
  ceiling('cpu-primary', 'CPU per replicated 4k write at depth 128: primary', ' us', 12, 8),
  ceiling('cpu-secondary', 'CPU per replicated 4k write at depth 128: secondary', ' us', 22, 15),
  { id: 'recovery', measure: 'recovery: scan and replay of full journals', unit: ' GB/s', wanted: 'at least', must: 0.5, goal: 1 },
  ceiling('recovery-point-p99', 'recovery point p99 under sustained 4k load at 70 % of the maximum', ' s', 0.5, 0.1),
  ratio('round-trip-50ms', '4k depth 32 over a link of 50 ms round trip, against the same without delay', 0.8, 0.95),
  ceiling('memory-primary', 'memory of the primary over slots x size + unacknowledged limit + mapped pages', ' MB', 250, 150),
  ceiling('memory-secondary', 'memory of the secondary over slots x size + unacknowledged limit + mapped pages', ' MB', 250, 150),
  ceiling('stall-primary', 'longest event-loop stall on the primary under load', ' ms', 50, 10),
  ceiling('stall-secondary', 'longest event-loop stall on the secondary under load', ' ms', 50, 10),
];

/** Judge a row by the median of what was measured. */
export function judge(target: Target, result: TargetResult | undefined): Verdict {
  if (result === undefined) return 'not measured';
  const reaches = (limit: number): boolean =>
    target.wanted === 'at least' ? result.spread.median >= limit : result.spread.median <= limit;
  if (reaches(target.goal)) return 'goal';
  return reaches(target.must) ? 'must' : 'missed';
}
