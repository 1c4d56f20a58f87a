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
import { gatherActive, isOwnStream, judgeContent, namesAbove } from './recovery-content.ts';
import type { ActiveContent, ActiveJournal } from './recovery-content.ts';
import type { FateTuple, JournalFacts, OwnerTuple, RecordFacts, RecoveryFacts } from './recovery-facts.ts';
import { FATE_TABLE, OWNER_TABLE } from './recovery-tables.ts';
import type { HeldInJournal, JournalDecision, RecoveryAction, RecoveryPlan, SlotToKeep } from './recovery-decision.ts';
import type { RestoredDataSet, RestoredRecord } from './secondary-contract.ts';
import { describePlan } from './recovery-summary.ts';

export type { JournalDecision, RecoveryPlan, SlotToKeep } from './recovery-decision.ts';

interface Judged {
  readonly active: ActiveJournal;
  readonly content: ActiveContent;
}

/** Plan what becomes of every journal. */
export function planRecovery(facts: RecoveryFacts): RecoveryPlan {
  const { watermark, geometry } = facts;
  const origin = effectiveOrigin(facts);
  const actives = facts.journals
    .map((journal) => gatherActive(journal, facts, origin))
    .filter((active) => active !== null)
    .sort((a, b) => a.dataSet - b.dataSet);
  const judged = new Map<number, Judged>();
  const contents = new Map<DataSetId, ActiveContent>();
  for (const active of actives) {
    const previous = contents.get(active.dataSet - 1) ?? null;
    const content = judgeContent({ active, origin, previous, recordsMax: geometry.recordsMax, hashChain: facts.hashChain });
    judged.set(active.journal.slot, { active, content });
    contents.set(active.dataSet, content);
  }
  let reachable = origin.dataSet;
  while (contents.get(reachable)?.content === 'complete') reachable += 1;
  const seen = { origin, reachable, count: (dataSet: DataSetId) => actives.filter((active) => active.dataSet === dataSet).length };
  const journals = facts.journals
    .map((journal) => decideJournal(facts, seen, journal, judged.get(journal.slot) ?? null))
    .sort((a, b) => a.slot - b.slot);
  const kept = actives.filter((active) => journals.some((journal) => journal.slot === active.journal.slot && isKept(journal.action)));
  const last = contents.get(reachable - 1);
  const replayed = reachable > origin.dataSet && last?.finalSequence != null && last.chain !== null;
  const through = replayed ? { dataSet: reachable - 1, finalSequence: last.finalSequence, chain: last.chain } : watermark;
  const outcome = journals.some((journal) => journal.action === 'refuse') ? 'refuse' : 'recover';
  return {
    outcome,
    journals,
    restored: kept.map(restore),
    makeDurable: kept.map(slotToKeep),
    discard: journals.filter((journal) => journal.action === 'discard').map((journal) => journal.slot),
    origin,
    through,
    lines: describePlan({ outcome, journals, through, watermark }),
  };
}

/** Turn a plan that refuses into the error for the operator, which names the first journal that cannot be used; else null. */
export function refusalOf(plan: RecoveryPlan): RefusedError | null {
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

/** Numbering goes on after the watermark, unless the origin says that a generation began there. */
function effectiveOrigin({ watermark, origin }: RecoveryFacts): HistoryOrigin {
  if (watermark === null || origin.dataSet > watermark.dataSet) return origin;
  return { dataSet: watermark.dataSet + 1, firstSequence: watermark.finalSequence + 1, chain: watermark.chain };
}

interface Seen {
  readonly origin: HistoryOrigin;
  /** First data set that is not complete with all before it. */
  readonly reachable: DataSetId;
  readonly count: (dataSet: DataSetId) => number;
}

function decideJournal(facts: RecoveryFacts, seen: Seen, journal: JournalFacts, judged: Judged | null): JournalDecision {
  const { slot, path, header } = journal;
  const owner = reduceOwner(facts, seen.origin, journal);
  const row = decide(OWNER_TABLE, owner);
  if (row.then !== null || judged === null) {
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
      reason: describeHeader(journal, reason),
      inputs: describeTuple(owner),
      held: null,
    };
  }
  const { active, content } = judged;
  const fate = reduceFate(facts, seen, judged);
  const { label, then } = decide(FATE_TABLE, fate);
  const reason = content.contradiction === null ? then.reason : `${then.reason} (${content.contradiction})`;
  return {
    slot,
    path,
    dataSet: active.dataSet,
    label,
    action: then.action,
    code: then.code,
    reason,
    inputs: `${describeTuple(owner)} ${describeTuple(fate)}`,
    held: heldBy(judged),
  };
}

function heldBy({ active, content }: Judged): HeldInJournal {
  const { records } = active;
  const firstSequence = active.firstSequence ?? 0;
  return {
    firstSequence,
    finalSequence: content.finalSequence,
    chain: content.chain,
    highestSequence: records.reduce((max, record) => Math.max(max, record.sequence), firstSequence - 1),
    records: records.length,
    bytes: records.reduce((sum, record) => sum + record.encodedBytes, 0),
    missing: content.missing,
  };
}

function describeHeader({ header }: JournalFacts, reason: string): string {
  if (header.verdict === 'unreadable') return `${reason}; at byte ${header.offset} expected ${header.expected}, found ${header.found}`;
  if (header.verdict === 'later-version') return `${reason}: version ${header.version}`;
  return reason;
}

/** Reduce a journal to the inputs of the first table. */
export function reduceOwner(facts: RecoveryFacts, origin: HistoryOrigin, journal: JournalFacts): OwnerTuple {
  const { completeMark, records } = journal;
  const names = namesAbove(journal, facts, origin);
  const first = records.find((record) => record.type !== 'pad');
  const olderMark =
    completeMark.verdict === 'set' && completeMark.stream !== facts.identity.stream && completeMark.point.dataSet >= origin.dataSet;
  return {
    header: reduceHeader(facts, origin, journal),
    firstRecord: first === undefined ? 'none' : names.record !== null ? 'above' : isOwnStream(facts.identity, first) ? 'retired' : 'stale',
    mark: completeMark.verdict === 'unreadable' ? 'unreadable' : names.mark !== null ? 'above' : olderMark ? 'older-stream' : 'none',
  };
}

function reduceHeader({ identity, geometry }: RecoveryFacts, origin: HistoryOrigin, { header }: JournalFacts): OwnerTuple['header'] {
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
function reduceFate(facts: RecoveryFacts, seen: Seen, { active, content }: Judged): FateTuple {
  const { journal, dataSet } = active;
  const { header, completeMark } = journal;
  const { slots } = facts.geometry;
  const moved = header.verdict === 'readable' && header.slot !== journal.slot;
  const flagged = completeMark.verdict === 'set' && completeMark.stream === facts.identity.stream && completeMark.point.dataSet === dataSet;
  return {
    names: active.namesContradict ? 'contradict' : 'agree',
    duplicate: seen.count(dataSet) > 1 ? 'yes' : 'no',
    place: moved || dataSet % slots !== journal.slot ? 'wrong-slot' : dataSet >= seen.origin.dataSet + slots ? 'above-window' : 'right',
    content: content.content,
    flag: completeMark.verdict === 'unreadable' ? 'unreadable' : flagged ? 'set' : 'not-set',
    earlier: dataSet <= seen.reachable ? 'complete' : 'incomplete',
    tail: journal.tail.verdict === 'clean-end' ? 'clean' : 'unreadable',
    mode: facts.mode,
  };
}

function isKept(action: RecoveryAction): boolean {
  return action === 'replay' || action === 'keep partial' || action === 'keep complete';
}

function restore({ journal, dataSet, firstSequence, records }: ActiveJournal): RestoredDataSet {
  const { completeMark } = journal;
  const completeFlag = completeMark.verdict === 'set' && completeMark.point.dataSet === dataSet;
  return { dataSet, firstSequence: firstSequence ?? 0, completeFlag, records: records.map(restoreRecord) };
}

function restoreRecord(record: RecordFacts): RestoredRecord {
  const { dataSet, firstSequence, sequence, encodedBytes, headerChecksum, sync } = record;
  return { type: record.type === 'pad' ? 'write' : record.type, dataSet, firstSequence, sequence, encodedBytes, headerChecksum, sync };
}

function slotToKeep({ journal, dataSet, firstSequence, records, endOffset }: ActiveJournal): SlotToKeep {
  const { slot, header } = journal;
  const headerIsOld = header.verdict !== 'readable' || header.dataSet !== dataSet;
  return { slot, dataSet, firstSequence: firstSequence ?? 0, records: records.length, endOffset, headerIsOld };
}
