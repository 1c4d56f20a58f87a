/**
 * When a data set is closed (DESIGN section 2, step 5): a decision table, as data.
 *
 * A flush is a good place to cut and not a necessary one, so a data set closes only while the next ID is inside the window:
 * a slow link makes data sets larger, not more numerous (Fig. 12: a data set holds one or more transactions). While the window
 * is unknown (before the first session) it counts as shut.
 *
 * It does not decide whether a write fits: that is `admission.ts`, which asks with the trigger `full`.
 */
import { assert } from '../model/assert.ts';
import type { CutPolicy } from './primary-contract.ts';

/** What happened: a FLUSH or FUA is durable here, one that the far side must have too, time, the window, a full set, a request. */
export const CUT_TRIGGERS = ['flush', 'remoteFlush', 'clock', 'window', 'full', 'request'] as const;
export type CutTrigger = (typeof CUT_TRIGGERS)[number];

/** Younger than minAge; at least minAge; at least maxAge. */
export const DATA_SET_AGES = ['young', 'ripe', 'old'] as const;
export type DataSetAge = (typeof DATA_SET_AGES)[number];

export interface CutSituation {
  readonly trigger: CutTrigger;
  /** No record has the open data set's ID yet. */
  readonly empty: boolean;
  readonly age: DataSetAge;
  /** The ID after the open one is inside the window. */
  readonly nextInWindow: boolean;
  /** A cut was remembered while the window was shut. */
  readonly due: boolean;
}

/** `remember`: cut as soon as the window moves. `keep`: go on filling. */
export type CutVerdict = 'cut' | 'remember' | 'keep';

export interface CutRow {
  readonly label: string;
  /** What must hold; what is not named may be anything. */
  readonly when: {
    readonly trigger?: readonly CutTrigger[];
    readonly empty?: boolean;
    readonly age?: readonly DataSetAge[];
    readonly nextInWindow?: boolean;
    readonly due?: boolean;
  };
  readonly verdict: CutVerdict;
}

/** Every situation matches exactly one row. */
export const CUT_TABLE: readonly CutRow[] = [
  { label: 'nothing to close', when: { empty: true }, verdict: 'keep' },
  { label: 'asked for', when: { trigger: ['request'], empty: false }, verdict: 'cut' },
  { label: 'full', when: { trigger: ['full'], empty: false }, verdict: 'cut' },
  { label: 'flush of a young data set', when: { trigger: ['flush'], empty: false, age: ['young'] }, verdict: 'keep' },
  { label: 'flush', when: { trigger: ['flush'], empty: false, age: ['ripe', 'old'], nextInWindow: true }, verdict: 'cut' },
  {
    label: 'flush, window shut',
    when: { trigger: ['flush'], empty: false, age: ['ripe', 'old'], nextInWindow: false },
    verdict: 'remember',
  },
  { label: 'flush for the far side', when: { trigger: ['remoteFlush'], empty: false, nextInWindow: true }, verdict: 'cut' },
  {
    label: 'flush for the far side, window shut',
    when: { trigger: ['remoteFlush'], empty: false, nextInWindow: false },
    verdict: 'remember',
  },
  { label: 'not old yet', when: { trigger: ['clock'], empty: false, age: ['young', 'ripe'] }, verdict: 'keep' },
  { label: 'old', when: { trigger: ['clock'], empty: false, age: ['old'], nextInWindow: true }, verdict: 'cut' },
  { label: 'old, window shut', when: { trigger: ['clock'], empty: false, age: ['old'], nextInWindow: false }, verdict: 'keep' },
  { label: 'window moved, still shut', when: { trigger: ['window'], empty: false, nextInWindow: false }, verdict: 'keep' },
  { label: 'window moved, cut was due', when: { trigger: ['window'], empty: false, nextInWindow: true, due: true }, verdict: 'cut' },
  { label: 'window moved, old', when: { trigger: ['window'], empty: false, age: ['old'], nextInWindow: true, due: false }, verdict: 'cut' },
  {
    label: 'window moved, none due',
    when: { trigger: ['window'], empty: false, age: ['young', 'ripe'], nextInWindow: true, due: false },
    verdict: 'keep',
  },
];

/** Tell whether a row covers a situation. */
export function matchesCutRow({ when }: CutRow, situation: CutSituation): boolean {
  return (
    (when.trigger === undefined || when.trigger.includes(situation.trigger)) &&
    (when.empty === undefined || when.empty === situation.empty) &&
    (when.age === undefined || when.age.includes(situation.age)) &&
    (when.nextInWindow === undefined || when.nextInWindow === situation.nextInWindow) &&
    (when.due === undefined || when.due === situation.due)
  );
}

/** Decide whether the open data set is closed now. */
export function decideCut(situation: CutSituation): CutRow {
  const row = CUT_TABLE.find((candidate) => matchesCutRow(candidate, situation));
  assert(row !== undefined, `no row of the cut table for ${situation.trigger}`);
  return row;
}

/** Classify an age in milliseconds. */
export function ageOf(ageMs: number, policy: CutPolicy): DataSetAge {
  if (ageMs >= policy.maxAgeMs) return 'old';
  return ageMs >= policy.minAgeMs ? 'ripe' : 'young';
}
