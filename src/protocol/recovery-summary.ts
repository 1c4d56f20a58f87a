/** Recovery's plan in words: what the log and the inspection tool print. */
import type { DataSetId, HistoryPoint } from '../model/ids.ts';
import type { JournalDecision, RecoveryAction } from './recovery-decision.ts';

/** Describe a plan: a line for each journal that is not simply done, and a closing sentence. */
export function describePlan(plan: {
  outcome: 'recover' | 'refuse';
  journals: readonly JournalDecision[];
  through: HistoryPoint | null;
  watermark: HistoryPoint | null;
}): string[] {
  const notable = plan.journals.filter((journal) => journal.action !== 'done already');
  const lines = notable.map(
    (journal) => `slot ${journal.slot}  data set ${journal.dataSet ?? '-'}  ${journal.label}: ${journal.reason}${describeHeld(journal)}`,
  );
  if (plan.outcome === 'refuse') {
    const refused = notable.filter((journal) => journal.action === 'refuse').length;
    return [
      ...lines,
      `recovery refuses because of ${refused} ${refused === 1 ? 'journal' : 'journals'}; the copy stays at data set ${plan.watermark?.dataSet ?? 'none'}`,
    ];
  }
  const phrases = [
    phrase('replays', idsOf(notable, ['replay'])),
    phrase('keeps', idsOf(notable, ['keep partial', 'keep complete'])),
    phrase('discards', idsOf(notable, ['discard'])),
  ].filter((text) => text !== null);
  const closing = phrases.length === 0 ? 'recovery has nothing to do' : `recovery ${phrases.join(', ')}`;
  return [...lines, `${closing}; the copy will be at data set ${plan.through?.dataSet ?? 'none'}`];
}

function describeHeld({ held }: JournalDecision): string {
  if (held === null) return '';
  const missing = held.finalSequence === null ? `at least ${held.missing} missing, sync included` : `${held.missing} missing`;
  return ` (${held.records} records, ${missing})`;
}

function idsOf(journals: readonly JournalDecision[], actions: readonly RecoveryAction[]): DataSetId[] {
  return journals
    .filter((journal) => actions.includes(journal.action) && journal.dataSet !== null)
    .map((journal) => journal.dataSet ?? 0)
    .sort((a, b) => a - b);
}

function phrase(verb: string, ids: readonly DataSetId[]): string | null {
  return ids.length === 0 ? null : `${verb} ${ids.length} data ${ids.length === 1 ? 'set' : 'sets'} (${rangesOf(ids)})`;
}

/** Show ascending IDs as ranges: `4-6, 9`. */
export function rangesOf(ids: readonly DataSetId[]): string {
  const parts: string[] = [];
  let from = ids[0] ?? 0;
  for (let i = 0; i < ids.length; i += 1) {
    const id = ids[i] ?? 0;
    if (ids[i + 1] === id + 1) continue;
    parts.push(from === id ? `${id}` : `${from}-${id}`);
    from = ids[i + 1] ?? id;
  }
  return parts.join(', ');
}
