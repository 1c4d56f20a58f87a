/**
 * Promotion of a secondary (DESIGN section 9): carries the steps of `PROMOTION_STEPS` out, in an order in which a crash after any of
 * them is finished by the next start. With --force a connected primary is told between steps 2 and 3.
 *
 * It cannot say what the primary wrote after its last head; it says *at least* what is lost.
 */
import { awaitDone } from '../disk/await-done.ts';
import { assert } from '../model/assert.ts';
import { messageOf, RefusedError } from '../model/errors.ts';
import type { HistoryPoint } from '../model/ids.ts';
import type { RegionId } from '../model/peer.ts';
import { appendGeneration } from '../protocol/generations.ts';
import {
  compareResumed,
  planPromotion,
  PROMOTION_STEPS,
  promotionOfHeld,
  resumePromotion,
  type PromotionPlan,
  type PromotionStep,
  type PromotionStepNumber,
} from '../protocol/promotion-plan.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import { readHostState } from '../state/host-state.ts';
import { newGenerationId, newStreamId } from '../state/identity.ts';
import type { HostState } from '../state/host-state.ts';
import type { Cut } from './head-history.ts';
import type { Secondary } from './secondary.ts';
import { supersededMessage } from './superseder.ts';

/** A forced promotion waits so long for the connected primary to record that it is superseded. */
const SUPERSEDED_ANSWER_MS = 5_000;
/** Commits in flight and the destage of what is complete take a bounded number of disk writes. */
const SETTLE_MS = 120_000;
const MEND = 'mend the disk and promote again; when that says that a promotion is under way, start this host again: the start finishes it';

export interface PromotionReport {
  readonly promoted: boolean;
  readonly dryRun: boolean;
  readonly keptDataSet: string | null;
  readonly keptSequence: string | null;
  /** Time of the cut of the last data set kept, by the primary's clock; null if unknown. */
  readonly lastWriteKept: string | null;
  readonly destaged: readonly string[];
  readonly discarded: readonly {
    readonly dataSet: string;
    readonly reason: string;
    readonly records: number;
    readonly bytes: number;
    readonly missing: number;
  }[];
  readonly lossAtLeast: PromotionPlan['loss'];
  readonly generation: number;
  /** Only with --force: whether the connected primary has recorded that it is superseded. */
  readonly primaryAnswered: boolean | null;
  readonly lines: readonly string[];
}

/** Promote a host that is a secondary. @throws RefusedError ERR_PRIMARY_CONNECTED, ERR_PEER_MAY_HOLD_MORE, ERR_ALREADY_PROMOTED, ERR_PROMOTION_BLANK, ERR_PROMOTION_STUCK */
export async function promote(secondary: Secondary, options: { force: boolean; dryRun: boolean }): Promise<PromotionReport> {
  const { state, links, replica } = secondary;
  if (state.condition === 'promoted') throw alreadyPromoted(state);
  if (secondary.phase === 'failed')
    throw new RefusedError('ERR_GROUP_FAILED', `this secondary failed: ${secondary.reason ?? 'see its log'}`, { hint: MEND });
  if (secondary.phase === 'promoting') throw new RefusedError('ERR_PROMOTION_RUNNING', 'a promotion of this host is under way');
  const connected = (links?.openLinks.length ?? 0) > 0;
  const needed = peerNeeded(secondary);
  if (connected && !options.force && !options.dryRun) throw primaryConnected();
  if (needed !== null && !options.force && !options.dryRun) throw peerMayHoldMore(needed);
  if (options.dryRun || replica === null) return reportOf(secondary, planOf(secondary), { dryRun: true, primaryAnswered: null, needed });
  const phaseBefore = secondary.phase === 'waiting-for-peer' ? secondary.phase : 'replicating';
  secondary.phase = 'promoting';
  begin(secondary, 1);
  links?.freeze();
  secondary.mirror?.mirror.pause();
  let plan: PromotionPlan;
  try {
    await settle(secondary, () => replica.ring.pendingBytes === 0, 'the journals');
    plan = planOf(secondary);
    begin(secondary, 2);
    write(secondary, { condition: 'promoting', generations: plan.generations, divergedFrom: plan.keep });
  } catch (error) {
    giveUp(secondary, phaseBefore);
    throw error;
  }
  const primaryAnswered = connected ? await tellPrimary(secondary) : null;
  links?.stop(CLOSE_CODE.superseded, 'this host is being promoted');
  const told = reportOf(secondary, plan, { dryRun: false, primaryAnswered, needed });
  await finishPromotion(secondary, plan.keep, { resumed: false });
  return told;
}

/** The region for which this host would have to wait first: its durable state names one, and no live session of the peer answers for it. */
export function peerNeeded({ state, mirror }: Pick<Secondary, 'state' | 'mirror'>): RegionId | null {
  const isFetched = mirror !== null && mirror.awaited === null;
  return isFetched ? null : (state.peerMayHoldMore ?? null);
}

/** @param region that may hold more */
export function peerMayHoldMore(region: RegionId): RefusedError {
  return new RefusedError(
    'ERR_PEER_MAY_HOLD_MORE',
    `region ${region} of the peer may hold acknowledged records that no journal here has: promoting now may lose acknowledged data sets`,
    { hint: 'start this host and its peer, and promote when the status no longer says waiting-for-peer; or give them up: promote --force' },
  );
}

/** Step 2 was not reached, or failed: this host is a secondary as before, and its file must say so too. */
function giveUp(secondary: Secondary, phaseBefore: Secondary['phase']): void {
  if (secondary.phase !== 'promoting') return;
  try {
    // A write that failed after its rename: the next start would finish a promotion that was given up.
    const { disk, stateDirectory } = secondary.options;
    if (readHostState(disk, stateDirectory).condition === 'promoting') secondary.writeState({});
  } catch (error) {
    secondary.fail('ERR_PROMOTION_STUCK', `whether the state says promoting is unknown: ${messageOf(error)}; start this host again`);
    return;
  }
  secondary.phase = phaseBefore;
  secondary.links?.unfreeze();
  secondary.mirror?.mirror.resume();
}

/** The log says with which step a promotion goes on. */
function begin(secondary: Secondary, number: PromotionStepNumber): void {
  for (const step of PROMOTION_STEPS) if (step.step === number) secondary.options.log('info', `promotion step ${shown(step)}`);
}

function shown({ step, name }: PromotionStep): string {
  return `${step}: ${name}`;
}

/** Write the state, or say which disk stands in the way of the promotion. */
function write(secondary: Secondary, change: Parameters<Secondary['writeState']>[0]): void {
  try {
    secondary.writeState(change);
  } catch (error) {
    secondary.reason = `the promotion waits for the state folder: ${messageOf(error)}`;
    throw new RefusedError('ERR_PROMOTION_STUCK', secondary.reason, { cause: error, hint: MEND });
  }
}

/** Steps 3 to 6; also of a promotion that a crash interrupted. */
async function finishPromotion(secondary: Secondary, keep: HistoryPoint | null, how: { resumed: boolean }): Promise<void> {
  const { replica, ring, options } = secondary;
  begin(secondary, 3);
  if (replica !== null && ring !== null) {
    await settle(
      secondary,
      () => replica.isSettled && (keep === null || (replica.watermarkPoint?.dataSet ?? -1) >= keep.dataSet),
      'the destage',
    );
    begin(secondary, 4);
    // A discard that a kill interrupted may stand in the page cache only: its slot looks free, and a power cut would bring back what was in it.
    const slots = how.resumed
      ? ring.buffers.map(({ slot }) => slot)
      : new Set([...(secondary.recovery?.discard ?? []), ...replica.machine.held().map((set) => set.dataSet % ring.geometry.slots)]);
    for (const slot of slots) await awaitDone((done) => ring.discard(slot, done));
  }
  await secondary.endReplication(CLOSE_CODE.superseded, 'this host was promoted');
  const generation = secondary.state.generations.at(-1)?.number ?? 0;
  begin(secondary, 5);
  write(secondary, {
    role: 'primary',
    condition: 'promoted',
    peerMayHoldMore: null,
    stream: newStreamId(),
    divergedFrom: keep,
    reason: `promoted at ${new Date().toISOString()}: generation ${generation} goes on after ${keep === null ? 'no data set' : `data set ${keep.dataSet}`}`,
  });
  if (!options.dial) return;
  begin(secondary, 6);
  await secondary.serve();
}

/** A start that finds `promoting`, and that recovery has found what was promised to be kept: go on with step 3. */
export async function resumeInterruptedPromotion(secondary: Secondary): Promise<void> {
  const { state, recovery } = secondary;
  const recorded = state.generations.at(-1);
  if (recorded === undefined) throw new RefusedError('ERR_PROMOTION_BLANK', 'the state says promoting, but knows no generation');
  const through = recovery?.through ?? null;
  const found = compareResumed(recorded, through);
  assert(found !== 'less', 'recovery refuses a promotion that lost what it had kept');
  if (found === 'more') {
    const seen = {
      dataSet: Math.max(recorded.firstDataSet - 1, through?.dataSet ?? -1),
      sequence: Math.max(recorded.firstSequence - 1, through?.finalSequence ?? -1),
    };
    secondary.writeState({
      generations: appendGeneration(state.generations.slice(0, -1), { id: recorded.id, kept: through, seen }),
      divergedFrom: through,
    });
  }
  secondary.phase = 'promoting';
  const remaining = resumePromotion('promoting').map(shown).join(', ');
  secondary.options.log(
    'warn',
    `finishing the promotion to generation ${recorded.number} that was interrupted; what remains: ${remaining}`,
  );
  await finishPromotion(secondary, through, { resumed: true });
}

function planOf(secondary: Secondary): PromotionPlan {
  const { state, replica, heads } = secondary;
  const complete = replica?.machine.complete() ?? [];
  const watermark = replica?.watermarkPoint ?? null;
  const cut = heads.cutOf((complete.at(-1) ?? watermark)?.dataSet ?? -1);
  return planPromotion({
    generations: state.generations,
    generationId: newGenerationId(),
    watermark,
    origin: replica?.machine.origin ?? { dataSet: 0, firstSequence: 0, chain: '' },
    complete,
    held: replica === null ? [] : promotionOfHeld(replica.machine.held(), (dataSet) => replica.heldBytes(dataSet)),
    knownHead: heads.known,
    keptBytes: cut?.headBytes ?? null,
    keptTimeMs: cut?.timeMs ?? null,
    nowMs: Date.now(),
  });
}

async function settle(secondary: Secondary, condition: () => boolean, what: string): Promise<void> {
  const held = await secondary.until(() => condition() || secondary.phase === 'failed', SETTLE_MS);
  if (!held || secondary.phase === 'failed') {
    throw new RefusedError(
      'ERR_PROMOTION_STUCK',
      `the promotion waits for ${what}: ${secondary.reason ?? `nothing moved for ${SETTLE_MS / 1000} s`}`,
      {
        hint: MEND,
      },
    );
  }
}

async function tellPrimary(secondary: Secondary): Promise<boolean> {
  const { links, state } = secondary;
  if (links === null) return false;
  let answered = false;
  links.onSupersededAcknowledged = () => {
    answered = true;
    secondary.moved();
  };
  links.sendSuperseded(supersededMessage(state, Date.now()));
  await secondary.until(() => answered, SUPERSEDED_ANSWER_MS);
  return answered;
}

function reportOf(
  secondary: Secondary,
  plan: PromotionPlan,
  options: { dryRun: boolean; primaryAnswered: boolean | null; needed: RegionId | null },
): PromotionReport {
  return promotionReport(plan, { ...options, cut: secondary.heads.cutOf(plan.keep?.dataSet ?? -1) });
}

/** The plan as it is told; `cut`: of the last data set that is kept, if it is known; `needed`: the peer's region that is given up. */
export function promotionReport(
  plan: PromotionPlan,
  options: { dryRun: boolean; primaryAnswered: boolean | null; needed: RegionId | null; cut: Cut | null },
): PromotionReport {
  const { cut } = options;
  return {
    promoted: !options.dryRun,
    dryRun: options.dryRun,
    keptDataSet: plan.keep === null ? null : String(plan.keep.dataSet),
    keptSequence: plan.keep === null ? null : String(plan.keep.finalSequence),
    lastWriteKept: cut === null ? null : new Date(cut.timeMs).toISOString(),
    destaged: plan.destage.map(String),
    discarded: plan.discard.map(({ dataSet, reason, records, bytes, missing }) => ({
      dataSet: String(dataSet),
      reason,
      records,
      bytes,
      missing,
    })),
    lossAtLeast: plan.loss,
    generation: plan.generation.number,
    primaryAnswered: options.primaryAnswered,
    lines: options.needed === null ? plan.lines : [...plan.lines, givesUpRegion(options.needed)],
  };
}

function givesUpRegion(region: RegionId): string {
  return `gives up what only region ${region} of the peer may hold: acknowledged data sets may be lost`;
}

export function alreadyPromoted(state: HostState): RefusedError {
  return new RefusedError(
    'ERR_ALREADY_PROMOTED',
    `this host was promoted already: it serves generation ${state.generations.at(-1)?.number ?? '?'}`,
  );
}

function primaryConnected(): RefusedError {
  return new RefusedError('ERR_PRIMARY_CONNECTED', 'the primary is connected: promoting now would leave two hosts that both take writes', {
    hint: 'stop the primary first; or promote with --force, which tells the primary first that it is superseded',
  });
}
