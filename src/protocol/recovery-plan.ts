/**
 * Recovery (Fig. 11, DESIGN section 6): what a host that comes back does with each of its journals.
 *
 * Steps: **gather** which journals hold a data set above the watermark (first table), **judge** the content of those in ascending
 * order, **decide** what becomes of each (second table), **add up** what the machine is restored with.
 * The plan changes nothing, so it may be made beside a running host, and again after a crash in the middle of carrying it out.
 *
 * The shell then, in this order: refuses if the plan does; makes every slot of `makeDurable` durable; rewrites the watermark; sets
 * flags and destages through `through` in ascending order; empties the slots of `discard`. Only then it meets its primary.
 *
 * @design Fig. 11, steps 400-450
 * @invariant I1, I3, I4
 */
import { RefusedError } from '../model/errors.ts';
import type { HistoryOrigin } from '../model/handshake.ts';
import type { DataSetId } from '../model/ids.ts';
import { decide, describeTuple } from './decision-table.ts';
import { dataSetAbove, firstRecordOf, isOwnStream, judgeJournal, namesAbove } from './recovery-content.ts';
import type { ActiveContent, ActiveSummary, JudgedJournal } from './recovery-content.ts';
import type { FateTuple, JournalOutline, OwnerTuple, RecordFacts, RecoveryFacts, RecoverySetting } from './recovery-facts.ts';
import { FATE_TABLE, OWNER_TABLE } from './recovery-tables.ts';
import type { HeldInJournal, JournalDecision, RecoveryAction, RecoveryPlan, SlotToKeep } from './recovery-decision.ts';
import type { RestoredDataSet, RestoredRecord } from './secondary-contract.ts';
import { describePlan } from './recovery-summary.ts';

export type { JournalDecision, RecoveryPlan, SlotToKeep } from './recovery-decision.ts';

/** A plan without the records that a machine is restored with: all that an inspection asks. */
export type RecoveryOutline = Omit<RecoveryPlan, 'restored'>;

/** Plan what becomes of every journal. */
export function planRecovery(facts: RecoveryFacts): RecoveryPlan {
  const setting = { ...facts, origin: effectiveOrigin(facts) };
  const contents = new Map<DataSetId, ActiveContent>();
  const judgements = facts.journals
    .map((journal) => ({ journal, dataSet: dataSetAbove(journal, firstRecordOf(journal), setting) }))
    .sort((a, b) => (a.dataSet ?? -1) - (b.dataSet ?? -1))
    .map(({ journal, dataSet }) => {
      const judgement = judgeJournal(journal, setting, contents.get((dataSet ?? 0) - 1) ?? null);
      if (judgement.judged.active !== null) contents.set(judgement.judged.active.dataSet, judgement.judged.active.content);
      return judgement;
    });
  const plan = planJudged(
    setting,
    judgements.map(({ judged }) => judged),
  );
  const kept = new Set(plan.makeDurable.map(({ slot }) => slot));
  const restored = judgements.flatMap(({ judged: { outline, active }, records }) =>
    active !== null && kept.has(outline.slot) ? [restore(outline, active, records)] : [],
  );
  return { ...plan, restored };
}

/** Plan with journals that were judged one by one (`judgeJournal`). */
export function planJudged(facts: RecoverySetting, judged: readonly JudgedJournal[]): RecoveryOutline {
  const { watermark } = facts;
  const setting = { ...facts, origin: effectiveOrigin(facts) };
  const { origin } = setting;
  const actives = judged.filter(isActive).sort((a, b) => a.active.dataSet - b.active.dataSet);
  const contents = new Map(actives.map(({ active }) => [active.dataSet, active.content]));
  let reachable = origin.dataSet;
  while (contents.get(reachable)?.content === 'complete') reachable += 1;
  const seen = { reachable, count: (dataSet: DataSetId) => actives.filter(({ active }) => active.dataSet === dataSet).length };
  const journals = judged.map((journal) => decideJournal(setting, seen, journal)).sort((a, b) => a.slot - b.slot);
  const kept = actives.filter(({ outline }) => journals.some((journal) => journal.slot === outline.slot && isKept(journal.action)));
  const last = contents.get(reachable - 1);
  const replayed = reachable > origin.dataSet && last?.finalSequence != null && last.chain !== null;
  const through = replayed ? { dataSet: reachable - 1, finalSequence: last.finalSequence, chain: last.chain } : watermark;
  const outcome = journals.some((journal) => journal.action === 'refuse') ? 'refuse' : 'recover';
  return {
    outcome,
    journals,
    makeDurable: kept.map(slotToKeep),
    discard: journals.filter((journal) => journal.action === 'discard').map((journal) => journal.slot),
    origin,
    through,
    lines: describePlan({ outcome, journals, through, watermark }),
  };
}

type ActiveJudged = JudgedJournal & { readonly active: ActiveSummary };

function isActive(judged: JudgedJournal): judged is ActiveJudged {
  return judged.active !== null;
}

/** Turn a plan that refuses into the error for the operator, which names the first journal that cannot be used; else null. */
export function refusalOf(plan: Pick<RecoveryPlan, 'journals'>): RefusedError | null {
  const refused = plan.journals.filter((journal) => journal.action === 'refuse');
  const first = refused[0];
  if (first === undefined) return null;
  const others = refused.length > 1 ? ` (and ${refused.length - 1} more)` : '';
  return new RefusedError(
    first.code ?? 'ERR_RECOVERY_JOURNAL_UNREADABLE',
    `recovery refuses: ${first.path}: ${first.label}: ${first.reason}${others}. Going on could lose or mix data that was acknowledged`,
    {
      hint: 'nothing was changed; look at the journals before setting one aside, and restore a copy of this host only as a whole (state, journals and volumes together)',
      details: { journals: refused.map(({ slot, path, dataSet, label, code }) => ({ slot, path, dataSet, label, code })) },
    },
  );
}

/** Where numbering goes on: after the watermark, unless the origin says that a generation began there. */
export function effectiveOrigin({ watermark, origin }: Pick<RecoverySetting, 'watermark' | 'origin'>): HistoryOrigin {
  if (watermark === null || origin.dataSet > watermark.dataSet) return origin;
  return { dataSet: watermark.dataSet + 1, firstSequence: watermark.finalSequence + 1, chain: watermark.chain };
}

interface Seen {
  /** First data set that is not complete with all before it. */
  readonly reachable: DataSetId;
  readonly count: (dataSet: DataSetId) => number;
}

function decideJournal(setting: RecoverySetting, seen: Seen, judged: JudgedJournal): JournalDecision {
  const { slot, path, header } = judged.outline;
  const owner = reduceOwner(setting, judged);
  const row = decide(OWNER_TABLE, owner);
  if (row.then !== null || !isActive(judged)) {
    const { action, code, reason } = row.then ?? {
      action: 'refuse' as const,
      code: 'ERR_RECOVERY_CONTRADICTION' as const,
      reason: 'it names no data set',
    };
    const dataSet = header.verdict === 'readable' ? header.dataSet : null;
    return {
      slot,
      path,
      dataSet,
      label: row.label,
      action,
      code,
      reason: describeHeader(judged.outline, reason),
      inputs: describeTuple(owner),
      held: null,
    };
  }
  const { dataSet, content } = judged.active;
  const fate = reduceFate(setting, seen, judged);
  const { label, then } = decide(FATE_TABLE, fate);
  const reason = content.contradiction === null ? then.reason : `${then.reason} (${content.contradiction})`;
  return {
    slot,
    path,
    dataSet,
    label,
    action: then.action,
    code: then.code,
    reason,
    inputs: `${describeTuple(owner)} ${describeTuple(fate)}`,
    held: heldBy(judged.active),
  };
}

function heldBy({ firstSequence, highestSequence, recordCount, bytes, content }: ActiveSummary): HeldInJournal {
  return {
    firstSequence: firstSequence ?? 0,
    finalSequence: content.finalSequence,
    chain: content.chain,
    highestSequence,
    records: recordCount,
    bytes,
    missing: content.missing,
  };
}

function describeHeader({ header }: JournalOutline, reason: string): string {
  if (header.verdict === 'unreadable') return `${reason}; at byte ${header.offset} expected ${header.expected}, found ${header.found}`;
  if (header.verdict === 'later-version') return `${reason}: version ${header.version}`;
  return reason;
}

/** Reduce a journal to the inputs of the first table. */
function reduceOwner(setting: RecoverySetting, { outline, firstRecord }: JudgedJournal): OwnerTuple {
  const { identity, origin } = setting;
  const { completeMark } = outline;
  const names = namesAbove(outline, firstRecord, setting);
  const olderMark =
    completeMark.verdict === 'set' && completeMark.stream !== identity.stream && completeMark.point.dataSet >= origin.dataSet;
  return {
    header: reduceHeader(setting, outline),
    firstRecord: firstRecord === null ? 'none' : names.record !== null ? 'above' : isOwnStream(identity, firstRecord) ? 'retired' : 'stale',
    mark: completeMark.verdict === 'unreadable' ? 'unreadable' : names.mark !== null ? 'above' : olderMark ? 'older-stream' : 'none',
  };
}

function reduceHeader({ identity, geometry, origin }: RecoverySetting, { header }: JournalOutline): OwnerTuple['header'] {
  if (header.verdict !== 'readable') return header.verdict;
  const sameGeometry = header.slots === geometry.slots && header.slotBytes === geometry.slotBytes;
  if (header.dataSet === null) return sameGeometry ? 'free' : 'foreign-geometry-retired';
  if (header.groupId !== identity.groupId) return 'foreign-group';
  if (identity.stream === null || header.generation > identity.generation) return 'unknown-stream';
  const above = header.dataSet >= origin.dataSet;
  if (!sameGeometry) return above ? 'foreign-geometry-above' : 'foreign-geometry-retired';
  if (!isOwnStream(identity, header)) return above ? 'older-stream-above' : 'older-stream-retired';
  return above ? 'above' : 'retired';
}

/** Reduce a data set above the watermark to the inputs of the second table. */
function reduceFate(setting: RecoverySetting, seen: Seen, { outline, active }: ActiveJudged): FateTuple {
  const { header, completeMark } = outline;
  const { dataSet } = active;
  const { slots } = setting.geometry;
  const moved = header.verdict === 'readable' && header.slot !== outline.slot;
  const flagged =
    completeMark.verdict === 'set' && completeMark.stream === setting.identity.stream && completeMark.point.dataSet === dataSet;
  return {
    names: active.namesContradict ? 'contradict' : 'agree',
    duplicate: seen.count(dataSet) > 1 ? 'yes' : 'no',
    place: moved || dataSet % slots !== outline.slot ? 'wrong-slot' : dataSet >= setting.origin.dataSet + slots ? 'above-window' : 'right',
    content: active.content.content,
    flag: completeMark.verdict === 'unreadable' ? 'unreadable' : flagged ? 'set' : 'not-set',
    earlier: dataSet <= seen.reachable ? 'complete' : 'incomplete',
    tail: outline.tail.verdict === 'clean-end' ? 'clean' : 'unreadable',
    mode: setting.mode,
  };
}

function isKept(action: RecoveryAction): boolean {
  return action === 'replay' || action === 'keep partial' || action === 'keep complete';
}

function restore({ completeMark }: JournalOutline, active: ActiveSummary, records: readonly RecordFacts[]): RestoredDataSet {
  const { dataSet, firstSequence } = active;
  const completeFlag = completeMark.verdict === 'set' && completeMark.point.dataSet === dataSet;
  return { dataSet, firstSequence: firstSequence ?? 0, completeFlag, records: records.map(restoreRecord) };
}

function restoreRecord(record: RecordFacts): RestoredRecord {
  const { dataSet, firstSequence, sequence, encodedBytes, headerChecksum, sync } = record;
  return { type: record.type === 'pad' ? 'write' : record.type, dataSet, firstSequence, sequence, encodedBytes, headerChecksum, sync };
}

function slotToKeep({ outline, active }: ActiveJudged): SlotToKeep {
  const { slot, header } = outline;
  const { dataSet, firstSequence, recordCount, endOffset } = active;
  const headerIsOld = header.verdict !== 'readable' || header.dataSet !== dataSet;
  return { slot, dataSet, firstSequence: firstSequence ?? 0, records: recordCount, endOffset, headerIsOld };
}
