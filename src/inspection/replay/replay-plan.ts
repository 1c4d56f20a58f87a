/**
 * The plan of a replay by hand: which data sets above the watermark are stored, in ascending order (I4), and which are not and why.
 * It goes by recovery's own decisions: what a start would replay may be replayed, and nothing behind a hole.
 */
import { EXIT, FarshoreError, RefusedError, type ErrorCode } from '../../model/errors.ts';
import type { Chain, DataSetId, HistoryPoint, SequenceNumber, StreamId, VolumeEntry } from '../../model/ids.ts';
import { rangesOf } from '../../protocol/recovery-summary.ts';
import type { RecoveryOutline } from '../../protocol/recovery-plan.ts';
import type { RingReport, SlotReport } from '../ring/ring-report.ts';

/** One complete data set above the watermark. */
export interface ReplaySet {
  readonly dataSet: DataSetId;
  readonly slot: number;
  readonly path: string;
  readonly firstSequence: SequenceNumber;
  readonly finalSequence: SequenceNumber;
  readonly chain: Chain;
  /** Chain of the data set before it; null: not known, so that its own is only compared with the watermark's. */
  readonly chainBefore: Chain | null;
  readonly generation: number;
  readonly stream: StreamId;
  /** Its complete flag is set, or cannot be read. */
  readonly flagged: boolean;
}

/** A data set above the watermark that is not replayed. */
export interface NotReplayed {
  readonly slot: number;
  readonly dataSet: DataSetId | null;
  readonly reason: string;
}

export interface ReplayPlan {
  readonly directory: string;
  readonly watermark: HistoryPoint | null;
  readonly volumes: readonly VolumeEntry[];
  /** The watermark's own data set, if its slot was not used again: what it wrote last must be in the copies. */
  readonly newestDone: ReplaySet | null;
  /** Every data set to which copies can be brought if nothing of later ones is in them, ascending. */
  readonly complete: readonly ReplaySet[];
  /** Those that are stored: a prefix of `complete`. */
  readonly replayed: readonly ReplaySet[];
  readonly notReplayed: readonly NotReplayed[];
  /** Where the copies are afterwards; null: no data set is in them. */
  readonly through: HistoryPoint | null;
}

export interface PlanReplayOptions {
  readonly report: RingReport;
  /** Default: the last data set that is complete with all before it. */
  readonly through?: DataSetId | undefined;
  /** The operator says that the copies are pure images of the watermark. */
  readonly volumesAtWatermark: boolean;
}

/** Plan a replay. @throws RefusedError ERR_REPLAY_RUNNING, ERR_REPLAY_STATE, ERR_REPLAY_THROUGH, and what a recovery would refuse with */
export function planReplay(options: PlanReplayOptions): ReplayPlan {
  const { report, through } = options;
  const { plan, state } = checkReport(options);
  const watermark = report.watermark.newest?.point ?? null;
  const complete = completeSets(report, plan);
  const replayed = through === undefined ? complete : upTo(through, { report, complete, watermark });
  const last = replayed.at(-1);
  return {
    directory: report.directory,
    watermark,
    volumes: state.volumes,
    newestDone: newestDone(report, watermark),
    complete,
    replayed,
    notReplayed: notReplayed(report, replayed),
    through: last === undefined ? watermark : { dataSet: last.dataSet, finalSequence: last.finalSequence, chain: last.chain },
  };
}

function checkReport(options: PlanReplayOptions): { plan: RecoveryOutline; state: { readonly volumes: readonly VolumeEntry[] } } {
  const { report, through, volumesAtWatermark } = options;
  const { directory, state, plan, refusal } = report;
  if (report.running === true)
    throw new RefusedError('ERR_REPLAY_RUNNING', `a running host uses the journals in ${directory}: they move while they are read`, {
      hint: "stop that host, or copy its state folder, journals and volumes while it is stopped, and replay the copy's journals",
      details: { directory },
    });
  if (state === null && refusal === null)
    throw unfit(`no state was found for the journals in ${directory}: whose volumes these are stands in the state of the secondary`, {
      hint: 'name the state folder with --state DIR',
    });
  if (state !== null && (state.state.role !== 'secondary' || state.condition === 'promoted'))
    throw unfit(
      `the host of ${state.directory} is a ${state.state.role} (${state.condition}): its volumes went on without these journals`,
      {
        hint: 'replay is for the journals of a secondary that was not promoted',
      },
    );
  const unsettled = refusal !== null && (plan === null || through === undefined || !volumesAtWatermark);
  if (unsettled)
    throw new FarshoreError(refusal.code as ErrorCode, refusal.message, {
      exitCode: EXIT.refused,
      hint: wayOut(report),
      details: { directory },
    });
  if (plan === null || state === null)
    throw unfit(`the journals in ${directory} belong to no group yet: there is nothing to replay`, { hint: 'nothing has to be done' });
  return { plan, state: state.state };
}

/** What recovery cannot understand may have been stored in part; only copies from before then are known. */
function wayOut(report: RingReport): string {
  const ids = report.plan === null ? [] : completeSets(report, report.plan).map(({ dataSet }) => dataSet);
  return ids.length === 0
    ? 'farshore journal verify says what is damaged; nothing was written'
    : `nothing was written; copies that are pure images of the watermark can still be brought to data set ${rangesOf(ids)}: --through N --volumes-at-watermark`;
}

function unfit(message: string, { hint }: { hint: string }): RefusedError {
  return new RefusedError('ERR_REPLAY_STATE', message, { hint });
}

/** Data sets that recovery would replay, from the first one above the watermark on, without a hole. */
function completeSets(report: RingReport, plan: RecoveryOutline): ReplaySet[] {
  const { generation, stream } = report.identity;
  const sets: ReplaySet[] = [];
  let { dataSet } = plan.origin;
  let chainBefore: Chain = plan.origin.chain;
  for (;;) {
    const slot = report.slots.find(({ decision }) => decision?.action === 'replay' && decision.dataSet === dataSet);
    const held = slot?.decision?.held ?? null;
    if (slot === undefined || held === null || held.finalSequence === null || held.chain === null || stream === null) return sets;
    const { firstSequence, finalSequence, chain } = held;
    const { path } = slot;
    sets.push({
      dataSet,
      slot: slot.slot,
      path,
      firstSequence,
      finalSequence,
      chain,
      chainBefore,
      generation,
      stream,
      flagged: isFlagged(slot),
    });
    chainBefore = chain;
    dataSet += 1;
  }
}

function newestDone(report: RingReport, watermark: HistoryPoint | null): ReplaySet | null {
  if (watermark === null) return null;
  const { dataSet, finalSequence, chain } = watermark;
  for (const { slot, path, contents } of report.slots) {
    if (contents === null || contents.dataSet !== dataSet || contents.finalSequence !== finalSequence || contents.missing > 0) continue;
    const { firstSequence, generation, stream } = contents;
    if (firstSequence === null || generation === null || stream === null) continue;
    return { dataSet, slot, path, firstSequence, finalSequence, chain, chainBefore: null, generation, stream, flagged: true };
  }
  return null;
}

function isFlagged({ contents }: SlotReport): boolean {
  return contents === null || contents.scan.completeMark.verdict !== 'not-set';
}

function upTo(
  through: DataSetId,
  found: { report: RingReport; complete: readonly ReplaySet[]; watermark: HistoryPoint | null },
): readonly ReplaySet[] {
  const { complete } = found;
  const index = complete.findIndex(({ dataSet }) => dataSet === through);
  if (index !== -1) return complete.slice(0, index + 1);
  const ids = complete.map(({ dataSet }) => dataSet);
  throw new RefusedError('ERR_REPLAY_THROUGH', `--through ${through}: ${whyNot(through, found)}`, {
    hint: ids.length === 0 ? 'no data set above the watermark is complete: nothing can be replayed' : `possible: ${rangesOf(ids)}`,
    details: { through, possible: ids },
  });
}

function whyNot(
  through: DataSetId,
  { report, complete, watermark }: { report: RingReport; complete: readonly ReplaySet[]; watermark: HistoryPoint | null },
): string {
  if (watermark !== null && through <= watermark.dataSet)
    return `data set ${through} is at or below the watermark ${watermark.dataSet}, which is in the volumes already; a replay never goes back`;
  const decision = report.slots.find((slot) => slot.decision?.dataSet === through)?.decision ?? null;
  const last = complete.at(-1)?.dataSet ?? watermark?.dataSet ?? null;
  const before = last === null ? '' : `, and what is complete without a hole ends at data set ${last}`;
  if (decision === null) return `no journal holds data set ${through}${before}`;
  return `data set ${through} is not replayed over a hole: ${decision.label} (${decision.reason})${before}`;
}

function notReplayed(report: RingReport, replayed: readonly ReplaySet[]): NotReplayed[] {
  const stored = new Set(replayed.map(({ slot }) => slot));
  return report.slots
    .flatMap(({ slot, decision }): NotReplayed[] => {
      if (decision === null || stored.has(slot) || decision.action === 'done already') return [];
      const { dataSet, action, label, reason } = decision;
      return [{ slot, dataSet, reason: action === 'replay' ? 'complete, above --through' : `${label}: ${reason}` }];
    })
    .sort((a, b) => (a.dataSet ?? -1) - (b.dataSet ?? -1));
}
