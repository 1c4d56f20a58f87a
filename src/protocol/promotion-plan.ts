/**
 * Promotion (DESIGN section 9): what is kept, what is given up, and the crash-safe order of the steps.
 *
 * It can only say *at least* what is lost: writes that the primary took after its last known head are unknown here.
 *
 * @design Fig. 11; DESIGN section 9
 * @invariant I1, I8
 */
import { RefusedError } from '../model/errors.ts';
import type { Head, HeldDataSet, HistoryOrigin } from '../model/handshake.ts';
import type { DataSetId, Generation, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import { formatBytes, formatSeconds } from '../model/units.ts';
import { appendGeneration } from './generations.ts';
import { bitAt, highestBit } from './handshake-history.ts';
import { rangesOf } from './recovery-summary.ts';
import type { RecoveryPlan } from './recovery-decision.ts';

/** A data set above the watermark, as machine or recovery know it. */
export interface PromotionDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  /** Known when its sync command was received. */
  readonly finalSequence: SequenceNumber | null;
  /** Highest number of it that was heard of. */
  readonly highestSequence: SequenceNumber;
  readonly records: number;
  readonly bytes: number;
}

export interface PromotionFacts {
  readonly generations: readonly Generation[];
  /** Random 64 bits as 16 hex digits, for the new generation. */
  readonly generationId: string;
  readonly watermark: HistoryPoint | null;
  /** Where numbering goes on after the watermark. */
  readonly origin: HistoryOrigin;
  /** Complete data sets above the watermark without a gap, ascending: they are destaged. */
  readonly complete: readonly HistoryPoint[];
  /** Everything held above the watermark, complete ones included, ascending. */
  readonly held: readonly PromotionDataSet[];
  /** The last head that the primary told, and when it arrived (this host's clock); null if none is known. */
  readonly knownHead: { readonly head: Head; readonly receivedAtMs: number } | null;
  /** Bytes of the stream through the last data set that is kept, and the time of its last write (the primary's clock); null if unknown. */
  readonly keptBytes: number | null;
  readonly keptTimeMs: number | null;
  /** This host's clock. */
  readonly nowMs: number;
}

export interface DiscardedDataSet {
  readonly dataSet: DataSetId;
  readonly reason: 'partial' | 'complete behind a gap';
  readonly records: number;
  readonly bytes: number;
  /** Numbers that are not there. */
  readonly missing: number;
  /** No sync command was received: there may be more numbers. */
  readonly missingAtLeast: boolean;
}

/** What the last known head adds to what is kept; each is a lower bound, null if unknown. */
export interface KnownLoss {
  readonly dataSets: number;
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number | null;
  /** Seconds since the head arrived; later writes are unknown. Null: no head is known. */
  readonly headAgeSeconds: number | null;
}

export interface PromotionPlan {
  /** The copy that is served: null when nothing was ever complete. */
  readonly keep: HistoryPoint | null;
  /** Data sets to destage first, ascending. */
  readonly destage: readonly DataSetId[];
  readonly discard: readonly DiscardedDataSet[];
  readonly loss: KnownLoss;
  readonly generation: Generation;
  /** The list to make durable in step 2. */
  readonly generations: readonly Generation[];
  readonly steps: typeof PROMOTION_STEPS;
  readonly lines: readonly string[];
}

/** The steps in their order. A crash after any of them is finished by `resumePromotion`. */
export const PROMOTION_STEPS = [
  { step: 1, name: 'refuse links', does: 'close all links, dial no more, and wait for the commits in flight', durable: false },
  { step: 2, name: 'write promoting', does: 'make role promoting and the new list of generations durable in one file', durable: true },
  { step: 3, name: 'destage', does: 'flag and destage the complete prefix, in ascending order, and write its watermark', durable: true },
  { step: 4, name: 'discard', does: 'empty the journals of everything else', durable: true },
  { step: 5, name: 'write promoted', does: 'make role promoted durable', durable: true },
  { step: 6, name: 'serve', does: 'serve the volumes over NBD and tell the old primary', durable: false },
] as const;
export type PromotionStep = (typeof PROMOTION_STEPS)[number];
export type PromotionStepNumber = PromotionStep['step'];

/** Plan a promotion. @throws RefusedError ERR_PROMOTION_BLANK, ERR_GENERATIONS_FULL */
export function planPromotion(facts: PromotionFacts): PromotionPlan {
  if (facts.generations.length === 0) {
    throw new RefusedError('ERR_PROMOTION_BLANK', 'this secondary belongs to no group yet, so there is no copy that could be promoted', {
      hint: 'let it meet its primary first, or initialise it as a primary',
    });
  }
  const keep = facts.complete.at(-1) ?? facts.watermark;
  const discard = facts.held.filter((set) => set.dataSet > keptThrough(facts).dataSet).map(discardOf);
  const generations = appendGeneration(facts.generations, { id: facts.generationId, kept: keep, seen: highestSeen(facts) });
  const generation = generations.at(-1) as Generation;
  const loss = lossOf(facts, discard);
  const plan = {
    keep,
    destage: facts.complete.map((point) => point.dataSet),
    discard,
    loss,
    generation,
    generations,
    steps: PROMOTION_STEPS,
  };
  return { ...plan, lines: describePromotion(plan, facts) };
}

function discardOf(set: PromotionDataSet): DiscardedDataSet {
  const { dataSet, records, bytes, firstSequence, finalSequence, highestSequence } = set;
  const missing = (finalSequence ?? highestSequence + 1) - firstSequence + 1 - records;
  return {
    dataSet,
    records,
    bytes,
    missing,
    missingAtLeast: finalSequence === null,
    reason: missing === 0 ? 'complete behind a gap' : 'partial',
  };
}

/** Nothing that was ever heard of may be numbered again, not even what the primary only announced. */
function highestSeen({ held, knownHead, complete, watermark, origin }: PromotionFacts): { dataSet: DataSetId; sequence: SequenceNumber } {
  const dataSets = [origin.dataSet - 1, watermark?.dataSet ?? -1, knownHead?.head.dataSet ?? -1];
  const sequences = [origin.firstSequence - 1, watermark?.finalSequence ?? -1, knownHead?.head.sequence ?? -1];
  for (const set of held) dataSets.push(set.dataSet);
  for (const set of held) sequences.push(set.highestSequence, set.finalSequence ?? -1);
  for (const point of complete) dataSets.push(point.dataSet);
  for (const point of complete) sequences.push(point.finalSequence);
  return { dataSet: Math.max(...dataSets), sequence: Math.max(...sequences) };
}

/** The last number that is kept; where a generation began after the watermark, the numbers between do not count as lost. */
function keptThrough({ complete, origin }: PromotionFacts): { dataSet: DataSetId; sequence: SequenceNumber } {
  const last = complete.at(-1);
  return last === undefined
    ? { dataSet: origin.dataSet - 1, sequence: origin.firstSequence - 1 }
    : { dataSet: last.dataSet, sequence: last.finalSequence };
}

function lossOf(facts: PromotionFacts, discard: readonly DiscardedDataSet[]): KnownLoss {
  const { knownHead, keptBytes, keptTimeMs, nowMs } = facts;
  const { dataSet: keptDataSet, sequence: keptSequence } = keptThrough(facts);
  const seen = facts.held.filter((set) => set.dataSet > keptDataSet);
  const highest = seen.reduce((max, set) => Math.max(max, set.highestSequence), keptSequence);
  const discardedBytes = discard.reduce((sum, set) => sum + set.bytes, 0);
  if (knownHead === null) {
    return {
      dataSets: (seen.at(-1)?.dataSet ?? keptDataSet) - keptDataSet,
      records: highest - keptSequence,
      bytes: discardedBytes,
      seconds: null,
      headAgeSeconds: null,
    };
  }
  const { head, receivedAtMs } = knownHead;
  const lost = Math.max(head.sequence, highest) - keptSequence;
  const newest = Math.max(head.dataSet, seen.at(-1)?.dataSet ?? keptDataSet);
  // The head names the next data set's ID while none is open: it counts only when something of it was given.
  const dataSets = lost === 0 ? 0 : Math.max(1, newest - keptDataSet - (headIsOpen(facts, head) ? 0 : 1));
  return {
    dataSets,
    records: lost,
    bytes: Math.max(discardedBytes, keptBytes === null ? 0 : head.bytes - keptBytes),
    seconds: lost === 0 ? 0 : keptTimeMs === null ? null : Math.max(0, head.timeMs - keptTimeMs) / 1000,
    headAgeSeconds: Math.max(0, nowMs - receivedAtMs) / 1000,
  };
}

/** Whether a number of the head's data set is known to exist: one was received, or the set before ends below the head's number. */
function headIsOpen({ held, complete, watermark }: PromotionFacts, head: Head): boolean {
  const before = [...complete, ...held, watermark].find((set) => set?.dataSet === head.dataSet - 1)?.finalSequence ?? null;
  return held.some((set) => set.dataSet >= head.dataSet) || (before !== null && head.sequence > before);
}

function describePromotion(plan: Omit<PromotionPlan, 'lines'>, facts: PromotionFacts): string[] {
  const { keep, destage, discard, loss, generation } = plan;
  const lines = [
    keep === null
      ? 'keeps the volumes as they were initialised: no data set was ever complete'
      : `keeps everything through data set ${keep.dataSet} (number ${keep.finalSequence})`,
  ];
  if (facts.keptTimeMs !== null) lines.push(`last write kept: ${new Date(facts.keptTimeMs).toISOString()} by the primary's clock`);
  if (destage.length > 0) lines.push(`destages ${destage.length} complete data sets first (${rangesOf(destage)})`);
  for (const set of discard) {
    const missing = set.missing === 0 ? '' : `, ${set.missingAtLeast ? 'at least ' : ''}${set.missing} missing`;
    lines.push(`discards data set ${set.dataSet}, ${set.reason}: ${set.records} records, ${formatBytes(set.bytes)}${missing}`);
  }
  lines.push(describeLoss(loss));
  lines.push(`begins generation ${generation.number} at data set ${generation.firstDataSet}, number ${generation.firstSequence}`);
  return lines;
}

function describeLoss(loss: KnownLoss): string {
  const sum = `at least ${loss.dataSets} data sets, ${loss.records} commands, ${formatBytes(loss.bytes)}${loss.seconds === null ? '' : `, ${formatSeconds(loss.seconds)}`} of the primary's writes`;
  if (loss.headAgeSeconds === null)
    return loss.records === 0
      ? 'no head of the primary is known: how much is lost is unknown'
      : `loses ${sum}; no head of the primary is known`;
  const age = `the last word of the primary is ${formatSeconds(loss.headAgeSeconds)} old, and later writes are unknown`;
  return loss.records === 0 ? `loses nothing that is known; ${age}` : `loses ${sum}; ${age}`;
}

/** Durable role of a host that may be in the middle of a promotion. */
export type PromotionRole = 'secondary' | 'promoting' | 'promoted';

/** Say which steps a restarted host still has to do, in order; empty when no promotion was begun. */
export function resumePromotion(role: PromotionRole): readonly PromotionStep[] {
  switch (role) {
    case 'secondary':
      return [];
    case 'promoting':
      // Step 1 holds only as long as the process: a restarted host must not open links either.
      return PROMOTION_STEPS.filter(({ step }) => step === 1 || step >= 3);
    case 'promoted':
      return PROMOTION_STEPS.filter(({ step }) => step === 6);
  }
}

/**
 * Compare what an interrupted promotion still finds with the generation that it wrote in step 2: `same` goes on with step 3;
 * `more` (bytes became readable that were not counted) writes step 2 again with the same ID, which nobody has seen yet; `less` must refuse.
 */
export function compareResumed(recorded: Generation, through: HistoryPoint | null): 'same' | 'more' | 'less' {
  const recordedDataSet = recorded.afterDataSet ?? -1;
  const found = through?.dataSet ?? -1;
  if (found !== recordedDataSet) return found > recordedDataSet ? 'more' : 'less';
  return through === null || through.chain === recorded.chain ? 'same' : 'less';
}

/** The error of a resumed promotion that no longer finds what it had promised to keep. */
export function resumedLess(recorded: Generation, through: HistoryPoint | null): RefusedError {
  return new RefusedError(
    'ERR_PROMOTION_LOST_PREFIX',
    `the interrupted promotion kept everything through data set ${recorded.afterDataSet ?? 'none'} (chain ${recorded.chain}), but only data set ${through?.dataSet ?? 'none'} (chain ${through?.chain ?? 'none'}) can be found now`,
    { hint: 'nothing was changed; a journal or the watermark was replaced by an older copy since' },
  );
}

/** What a promotion needs of recovery's plan (made with mode `promote`), when the host was stopped. */
export function promotionOfRecovery(plan: RecoveryPlan): Pick<PromotionFacts, 'origin' | 'complete' | 'held'> {
  const complete: HistoryPoint[] = [];
  const held: PromotionDataSet[] = [];
  for (const { dataSet, action, held: found } of plan.journals) {
    if (dataSet === null || found === null || action === 'refuse') continue;
    const { firstSequence, finalSequence, highestSequence, chain, records, bytes } = found;
    if (action === 'replay' && finalSequence !== null && chain !== null) complete.push({ dataSet, finalSequence, chain });
    held.push({ dataSet, firstSequence, finalSequence, highestSequence, records, bytes });
  }
  const ascending = (a: { dataSet: DataSetId }, b: { dataSet: DataSetId }): number => a.dataSet - b.dataSet;
  return { origin: plan.origin, complete: complete.sort(ascending), held: held.sort(ascending) };
}

/** What a promotion needs of a running machine's held data sets; bytes are handed in by data set. */
export function promotionOfHeld(held: readonly HeldDataSet[], bytesOf: (dataSet: DataSetId) => number): PromotionDataSet[] {
  return held.map((set) => {
    let records = 0;
    for (let index = highestBit(set.durable); index >= 0; index -= 1) if (bitAt(set.durable, index)) records += 1;
    const { dataSet, firstSequence, finalSequence } = set;
    return {
      dataSet,
      firstSequence,
      finalSequence,
      highestSequence: Math.max(firstSequence + highestBit(set.received), finalSequence ?? -1),
      records,
      bytes: bytesOf(dataSet),
    };
  });
}
