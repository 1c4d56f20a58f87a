/** The result of `farshore demo --kill secondary`: the numbers, the checks, and the verdict that follows from them. Pure. */
import { formatBytes, formatSeconds } from '../model/units.ts';
import type { Judgement } from './check-copy.ts';
import type { History } from './history.ts';
import { counted, plural } from './screen.ts';
import { toMilliseconds, type Check } from './verdict.ts';

/** Of `farshore takeover --json`. */
export interface Takeover {
  /** Records that the region held, and those among them that no journal had. */
  readonly heldRecords: number;
  readonly addedRecords: number | null;
  readonly lines: readonly string[];
}

/** What was seen, as it was seen. */
export interface TakeoverEvidence {
  readonly history: History;
  readonly judgement: Judgement;
  readonly takeover: Takeover;
  /** Writes that were replied to before the kill. */
  readonly acknowledgedBeforeKill: number;
  readonly killedAtMs: number;
  /** When the primary replicated again, to the host that took over. */
  readonly replicatingAtMs: number;
  /** Requests of the application that failed. */
  readonly requestsLost: number;
  /** What the primary says of the copy when it was compared. */
  readonly drained: boolean;
  readonly oldSecondary: { readonly exitCode: number | null; readonly code: string; readonly message: string };
}

export interface TakeoverDemoReport {
  readonly verdict: 'good' | 'bad';
  readonly summary: string;
  readonly seed: number;
  readonly writes: {
    readonly acknowledged: number;
    readonly acknowledgedBytes: number;
    readonly acknowledgedBeforeKill: number;
    readonly kept: number;
  };
  readonly takeover: { readonly heldRecords: number; readonly addedRecords: number | null };
  /** From the kill until the primary replicated again. */
  readonly recoverySeconds: number;
  /** The slowest request after the kill. */
  readonly longestRequestSeconds: number;
  readonly volumesEqual: boolean;
  readonly oldSecondary: TakeoverEvidence['oldSecondary'];
  readonly checks: readonly Check[];
  readonly faults: readonly string[];
  readonly wrongBlocks: number;
  /** The demo's folder, where it was left. */
  readonly folder: string | null;
}

/** Judge the evidence. */
export function takeoverReportOf(evidence: TakeoverEvidence): TakeoverDemoReport {
  const { history, judgement, takeover, acknowledgedBeforeKill, oldSecondary } = evidence;
  const checks = checksOf(evidence);
  const bad = checks.filter((check) => !check.good);
  const recoverySeconds = toMilliseconds((evidence.replicatingAtMs - evidence.killedAtMs) / 1000);
  return {
    verdict: bad.length === 0 ? 'good' : 'bad',
    summary:
      bad.length === 0
        ? `all ${counted(history.acknowledged)} acknowledged writes are in the copy, those before the kill and those after it, and the primary replicated again ${formatSeconds(recoverySeconds)} after the kill`
        : bad.map(({ found }) => found).join('; '),
    seed: history.seed,
    writes: {
      acknowledged: history.acknowledged,
      acknowledgedBytes: history.acknowledgedBytes,
      acknowledgedBeforeKill,
      kept: isComplete(evidence) ? judgement.writesKeptMax : judgement.writesKept,
    },
    takeover: { heldRecords: takeover.heldRecords, addedRecords: takeover.addedRecords },
    recoverySeconds,
    longestRequestSeconds: toMilliseconds(longestRequestMs(evidence) / 1000),
    volumesEqual: judgement.equal,
    oldSecondary,
    checks,
    faults: judgement.faults,
    wrongBlocks: judgement.wrongBlocks,
    folder: null,
  };
}

/** The report as rows of what and how much. */
export function takeoverRows(report: TakeoverDemoReport): [string, string][] {
  const { writes, takeover } = report;
  return [
    [
      'writes acknowledged',
      `${counted(writes.acknowledged)}, ${formatBytes(writes.acknowledgedBytes)}; ${counted(writes.acknowledgedBeforeKill)} of them before the kill`,
    ],
    ['writes kept', counted(writes.kept)],
    ['held by the peer', `${plural(takeover.heldRecords, 'record')}; ${counted(takeover.addedRecords ?? 0)} of them no journal had`],
    ['recovery time', `${formatSeconds(report.recoverySeconds)} from the kill until the primary replicated again`],
    ['slowest request', `${formatSeconds(report.longestRequestSeconds)} after the kill: the application never had to stop`],
    [
      'volumes equal',
      report.volumesEqual ? 'yes: every byte, at one moment of both volumes' : `NO: ${plural(report.wrongBlocks, 'block')} wrong`,
    ],
    ...report.checks.map(({ name, good, found }): [string, string] => [`${good ? 'ok ' : 'BAD'} ${name}`, found]),
  ];
}

function isComplete({ history, judgement }: TakeoverEvidence): boolean {
  return judgement.equal && judgement.writesKeptMax === history.writes.length;
}

function checksOf(evidence: TakeoverEvidence): Check[] {
  const { history, judgement, requestsLost, drained, oldSecondary } = evidence;
  const { equal, wrongBlocks, faults, writesKeptMax } = judgement;
  const refuses = oldSecondary.exitCode === 5 && oldSecondary.code === 'ERR_HOST_SUPERSEDED';
  const missing = history.writes.length - writesKeptMax;
  return [
    {
      name: 'nothing mixed',
      good: equal,
      found: equal
        ? 'no half write, no lost earlier write, on either volume'
        : `${plural(wrongBlocks, 'block')} of the copy fit no moment of the history, first: ${faults[0] ?? '?'}`,
    },
    {
      name: 'nothing acknowledged is lost',
      good: isComplete(evidence) && drained,
      found: !drained
        ? 'the copy was compared before all was destaged'
        : missing > 0
          ? `the copy lacks the last ${plural(missing, 'write')}`
          : `the copy is what all ${counted(history.writes.length)} writes made of both volumes`,
    },
    {
      name: 'the application went on',
      good: requestsLost === 0,
      found:
        requestsLost === 0 ? 'no request failed, before or after the kill' : `${plural(requestsLost, 'request')} of the application failed`,
    },
    {
      name: 'old secondary refuses',
      good: refuses,
      found: refuses
        ? `exit code 5, ${oldSecondary.code}`
        : `the old secondary ended with exit code ${oldSecondary.exitCode ?? 'none'} (${oldSecondary.code}) instead of 5 (ERR_HOST_SUPERSEDED)`,
    },
  ];
}

function longestRequestMs({ history, killedAtMs }: TakeoverEvidence): number {
  let longestMs = 0;
  for (const { issuedAtMs, repliedAtMs } of history.writes) {
    if (repliedAtMs !== null && repliedAtMs > killedAtMs) longestMs = Math.max(longestMs, repliedAtMs - issuedAtMs);
  }
  return longestMs;
}
