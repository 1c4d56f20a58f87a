/** The demo's result: the numbers, the checks, and the verdict that follows from them. Pure. */
import { formatBytes, formatSeconds } from '../model/units.ts';
import type { Judgement } from './check-copy.ts';
import type { History } from './history.ts';
import { counted, plural } from './screen.ts';

/** Of `farshore promote --json`. */
export interface Promotion {
  readonly keptDataSet: string | null;
  readonly keptSequence: string | null;
  readonly discarded: readonly { readonly dataSet: string; readonly records: number; readonly bytes: number }[];
  readonly lines: readonly string[];
}

/** What was seen, as it was seen. */
export interface Evidence {
  readonly history: History;
  readonly judgement: Judgement;
  readonly promotion: Promotion;
  /** Data set that the primary last said is acknowledged with all before it, before it was killed. */
  readonly acknowledgedDataSet: string | null;
  readonly inFlightAtKill: number;
  readonly killedAtMs: number;
  readonly firstReadAtMs: number;
  /** The promoted host took a write, made it durable and gave it back. */
  readonly servesAgain: boolean;
  readonly oldPrimary: { readonly exitCode: number | null; readonly code: string; readonly message: string };
}

export interface Check {
  readonly name: string;
  readonly good: boolean;
  /** What was found, as a sentence without a full stop. */
  readonly found: string;
}

export interface DemoReport {
  readonly verdict: 'good' | 'bad';
  readonly summary: string;
  readonly seed: number;
  readonly writes: {
    readonly acknowledged: number;
    readonly acknowledgedBytes: number;
    readonly inFlightAtKill: number;
    readonly kept: number;
    /** Acknowledged by the primary, and not in the copy. */
    readonly acknowledgedNotKept: number;
  };
  readonly dataSets: { readonly acknowledgedBeforeKill: string | null; readonly complete: number; readonly keptThrough: string | null };
  readonly discarded: { readonly dataSets: number; readonly records: number; readonly bytes: number };
  /** From the kill to the first read that the promoted host answered. */
  readonly recoverySeconds: number;
  /** From the last write kept to the kill; 0 when every acknowledged write was kept. */
  readonly lossWindowSeconds: number;
  readonly volumesEqual: boolean;
  readonly oldPrimary: Evidence['oldPrimary'];
  readonly checks: readonly Check[];
  /** First blocks that are wrong, as sentences. */
  readonly faults: readonly string[];
  readonly wrongBlocks: number;
  /** The demo's folder, where it was left. */
  readonly folder: string | null;
}

/** Judge the evidence. */
export function reportOf(evidence: Evidence): DemoReport {
  const { history, judgement, promotion, oldPrimary } = evidence;
  const { kept } = judgement;
  const writesKept = keptWrites(judgement, promotion);
  const keptWithoutReply = history.writes.filter(({ index, repliedAtMs }) => repliedAtMs === null && kept[index] === 1).length;
  const acknowledgedNotKept = Math.max(0, history.acknowledged - (writesKept - keptWithoutReply));
  const checks = checksOf(evidence);
  const bad = checks.filter((check) => !check.good);
  const lossWindowSeconds = acknowledgedNotKept === 0 ? 0 : Math.max(0, evidence.killedAtMs - lastKeptAtMs(evidence)) / 1000;
  const recoverySeconds = (evidence.firstReadAtMs - evidence.killedAtMs) / 1000;
  return {
    verdict: bad.length === 0 ? 'good' : 'bad',
    summary:
      bad.length === 0
        ? `the copy is exactly what the application had written at one moment, ${momentText(acknowledgedNotKept, lossWindowSeconds)}, and it was served again ${formatSeconds(recoverySeconds)} after the kill`
        : bad.map(({ found }) => found).join('; '),
    seed: history.seed,
    writes: {
      acknowledged: history.acknowledged,
      acknowledgedBytes: history.acknowledgedBytes,
      inFlightAtKill: evidence.inFlightAtKill,
      kept: writesKept,
      acknowledgedNotKept,
    },
    dataSets: {
      acknowledgedBeforeKill: evidence.acknowledgedDataSet,
      complete: promotion.keptDataSet === null ? 0 : Number(promotion.keptDataSet) + 1,
      keptThrough: promotion.keptDataSet,
    },
    discarded: {
      dataSets: promotion.discarded.length,
      records: promotion.discarded.reduce((sum, { records }) => sum + records, 0),
      bytes: promotion.discarded.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    recoverySeconds: toMilliseconds(recoverySeconds),
    lossWindowSeconds: toMilliseconds(lossWindowSeconds),
    volumesEqual: judgement.equal,
    oldPrimary,
    checks,
    faults: judgement.faults,
    wrongBlocks: judgement.wrongBlocks,
    folder: null,
  };
}

/** The report as rows of what and how much. */
export function reportRows(report: DemoReport): [string, string][] {
  const { writes, dataSets, discarded } = report;
  return [
    [
      'writes acknowledged',
      `${counted(writes.acknowledged)}, ${formatBytes(writes.acknowledgedBytes)}; ${writes.inFlightAtKill} requests in flight at the kill`,
    ],
    ['writes kept', `${counted(writes.kept)}; ${counted(writes.acknowledgedNotKept)} acknowledged ones were not`],
    ['data sets complete', `${counted(dataSets.complete)}; kept through data set ${dataSets.keptThrough ?? 'none'}`],
    [
      'discarded',
      `${plural(discarded.dataSets, 'partial data set')}: ${plural(discarded.records, 'record')}, ${formatBytes(discarded.bytes)}`,
    ],
    ['data loss window', `${formatSeconds(report.lossWindowSeconds)} between the last write kept and the kill`],
    ['recovery time', `${formatSeconds(report.recoverySeconds)} from the kill to the first read from the promoted host`],
    [
      'volumes equal',
      report.volumesEqual ? 'yes: every byte, at one moment of both volumes' : `NO: ${plural(report.wrongBlocks, 'block')} wrong`,
    ],
    ...report.checks.map(({ name, good, found }): [string, string] => [`${good ? 'ok ' : 'BAD'} ${name}`, found]),
  ];
}

/**
 * Writes that the promoted host says it kept. Each write of the demo is one record, each data set ends with one sync record, and both
 * are counted from 0.
 */
export function numberedWrites({ keptDataSet, keptSequence }: Pick<Promotion, 'keptDataSet' | 'keptSequence'>): number {
  return keptDataSet === null || keptSequence === null ? 0 : Number(keptSequence) - Number(keptDataSet);
}

/** Writes in the copy: by its bytes, and within what they leave open (zeroes over zeroes) by the numbers. */
export function keptWrites({ writesKept, writesKeptMax }: Judgement, promotion: Promotion): number {
  return Math.min(Math.max(numberedWrites(promotion), writesKept), writesKeptMax);
}

function checksOf({ judgement, promotion, acknowledgedDataSet, servesAgain, oldPrimary }: Evidence): Check[] {
  const { writesKept, writesKeptMax, equal, wrongBlocks, faults } = judgement;
  const numbered = numberedWrites(promotion);
  const counts = writesKept <= numbered && numbered <= writesKeptMax;
  const byBytes = writesKept === writesKeptMax ? counted(writesKept) : `${counted(writesKept)} to ${counted(writesKeptMax)}`;
  const notOlder = Number(promotion.keptDataSet ?? -1) >= Number(acknowledgedDataSet ?? -1);
  const kept = `data set ${promotion.keptDataSet ?? 'none'} was kept`;
  return [
    {
      name: 'nothing mixed',
      good: equal,
      found: equal
        ? 'no half write, no lost earlier write, no later write, on either volume'
        : `${plural(wrongBlocks, 'block')} of the copy fit no moment of the history, first: ${faults[0] ?? '?'}`,
    },
    {
      name: 'right moment',
      good: equal && counts,
      found: `${counted(numbered)} writes by the promotion's numbers, ${byBytes} by the bytes of the copy`,
    },
    {
      name: 'nothing promised is lost',
      good: notOlder,
      found: `data set ${acknowledgedDataSet ?? 'none'} was acknowledged before the kill, ${kept}`,
    },
    {
      name: 'serves again',
      good: servesAgain,
      found: servesAgain
        ? 'the promoted host took a new write and gave it back'
        : 'the promoted host did not give back what was written to it',
    },
    {
      name: 'old primary refuses',
      good: oldPrimary.exitCode === 5,
      found:
        oldPrimary.exitCode === 5
          ? `exit code 5, ${oldPrimary.code}`
          : `the old primary ended with exit code ${oldPrimary.exitCode ?? 'none'} instead of 5`,
    },
  ];
}

function lastKeptAtMs({ history, judgement }: Evidence): number {
  let newestMs = history.writes[0]?.issuedAtMs ?? 0;
  for (const { index, issuedAtMs, repliedAtMs } of history.writes) {
    if (judgement.kept[index] === 1) newestMs = Math.max(newestMs, repliedAtMs ?? issuedAtMs);
  }
  return newestMs;
}

function momentText(lost: number, windowSeconds: number): string {
  return lost === 0 ? 'with every acknowledged write' : `${formatSeconds(windowSeconds)} before the kill`;
}

/** Seconds that are read by people and scripts: no more than milliseconds. */
export function toMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
