/**
 * Recovery of a secondary (Fig. 11; DESIGN section 6), each step safe to repeat after a crash in the middle:
 *
 * 1 **read** the watermark and check that it is this host's;
 * 2 **scan** every journal into its memory buffer;
 * 3 **plan** by the decision tables, or refuse;
 * 4 **make durable** what was read: journals first, then the watermark; a killed process leaves its bytes in the page cache only;
 * 5 **restore** the machine, which then sets flags and destages what is complete, in ascending order (steps 410-450 of the figure).
 *
 * Only then anybody is told what this host holds. A slot that the plan discards is emptied last.
 */
import type { Disk } from '../disk/disk.ts';
import { alignedStart } from '../disk/alignment.ts';
import { awaitDone } from '../disk/await-done.ts';
import type { JournalPoolEvents, JournalRing, ScannedJournal, StoredWatermark } from '../../journals/contract.ts';
import { hostSuperseded } from '../../journals/errors.ts';
import { openRing } from '../../journals/ring.ts';
import { RefusedError } from '../model/errors.ts';
import type { Geometry } from '../model/ids.ts';
import { originAfter } from '../protocol/generations.ts';
import { compareResumed, resumedLess } from '../protocol/promotion-plan.ts';
import { planRecovery, refusalOf, type RecoveryPlan } from '../protocol/recovery-plan.ts';
import { SecondaryMachine } from '../protocol/secondary-machine.ts';
import type { SecondaryCore } from '../protocol/secondary-contract.ts';
import { hashChain } from '../record/record.ts';
import type { HostState } from '../state/host-state.ts';
import type { Cut } from './head-history.ts';

export interface RecoverOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly geometry: Geometry;
  readonly state: HostState;
  /** A promotion gives up what is not complete. */
  readonly mode: 'start' | 'promote';
  readonly events: JournalPoolEvents;
  /** Least time between the begins of two commits of little; absent: none. */
  readonly commitGapMs?: number;
  /** Go on although the lock of a host that was shut out is still there. */
  readonly afterFence?: { bypassed(path: string): void } | undefined;
}

export interface Recovered {
  readonly ring: JournalRing;
  readonly watermark: StoredWatermark | null;
  /** Null while the host is blank. */
  readonly machine: SecondaryCore | null;
  readonly plan: RecoveryPlan | null;
  /** Cuts that the journals tell of, from the watermark's data set on. */
  readonly cuts: readonly Cut[];
  /** One sentence for each kept journal that did not end cleanly. */
  readonly unreadable: readonly string[];
}

/** Open the ring and carry steps 1-5 out. @throws RefusedError or CorruptionError that names the file, what was found and what was expected. */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { disk, directory, geometry, events, state, afterFence, commitGapMs } = options;
  const ring = openRing({ disk, directory, geometry, alignedStart, events, hostEpoch: state.hostEpoch, afterFence, commitGapMs });
  try {
    const { watermark, plan, cuts, unreadable } = await readAndPlan(ring, options);
    if (plan === null) return { ring, watermark, machine: null, plan, cuts, unreadable };
    await makeDurable(ring, plan, options);
    const machine = new SecondaryMachine({ geometry, origin: plan.origin, restored: plan.restored, hashChain });
    return { ring, watermark, machine, plan, cuts, unreadable };
  } catch (error) {
    await awaitDone((done) => ring.close(done));
    throw error;
  }
}

/** Carry steps 1-3 out and change nothing: what a recovery would do. @throws as `recover` */
export async function previewRecovery(
  options: Omit<RecoverOptions, 'events'>,
): Promise<Pick<Recovered, 'watermark' | 'plan' | 'cuts' | 'unreadable'>> {
  const { disk, directory, geometry, afterFence } = options;
  const ring = openRing({ disk, directory, geometry, alignedStart, events: UNHEARD, afterFence });
  try {
    return await readAndPlan(ring, options);
  } finally {
    await awaitDone((done) => ring.close(done));
  }
}

const UNHEARD: JournalPoolEvents = { durable: () => {}, completeFlagDurable: () => {}, watermarkDurable: () => {}, failed: () => {} };

async function readAndPlan(
  ring: JournalRing,
  options: Omit<RecoverOptions, 'events'>,
): Promise<Pick<Recovered, 'watermark' | 'plan' | 'cuts' | 'unreadable'>> {
  const { directory, state } = options;
  const watermark = ring.readWatermark();
  if (state.groupId === null || state.stream === null) {
    await refuseStray(ring, directory);
    return { watermark, plan: null, cuts: [], unreadable: [] };
  }
  checkWatermark(directory, watermark, state);
  const facts = await recoveryFacts(ring, options, watermark);
  const plan = planRecovery(facts);
  const refusal = refusalOf(plan) ?? refusalOfResumed(state, plan);
  if (refusal !== null) throw refusal;
  const cuts = cutsIn(facts.journals, state.stream, watermark?.point?.dataSet ?? 0);
  return { watermark, plan, cuts, unreadable: unreadableIn(facts.journals, plan) };
}

/** An interrupted promotion finds what it promised to keep, or refuses before anything is written. */
export function refusalOfResumed({ condition, generations }: HostState, { through }: Pick<RecoveryPlan, 'through'>): RefusedError | null {
  const recorded = generations.at(-1);
  if (condition !== 'promoting' || recorded === undefined) return null;
  return compareResumed(recorded, through) === 'less' ? resumedLess(recorded, through) : null;
}

/** Of the journals that are kept: where reading ended although it was no clean end (I9). A torn last commit looks like this too. */
function unreadableIn(journals: readonly ScannedJournal[], plan: RecoveryPlan): string[] {
  const kept = new Set(plan.makeDurable.map(({ slot }) => slot));
  return journals.flatMap(({ slot, path, tail }) =>
    kept.has(slot) && tail.verdict === 'unreadable'
      ? [`${path}: unreadable from byte ${tail.offset} on: expected ${tail.expected}, found ${tail.found}`]
      : [],
  );
}

function cutsIn(journals: readonly ScannedJournal[], stream: string, fromDataSet: number): Cut[] {
  return journals.flatMap(({ records }) =>
    records.flatMap(({ sync, dataSet, sequence, timeUs, stream: of }) =>
      sync === null || of !== stream || dataSet < fromDataSet
        ? []
        : [{ dataSet, finalSequence: sequence, reason: sync.reason, timeMs: timeUs / 1000, headBytes: sync.headBytes }],
    ),
  );
}

function generationOf(state: HostState): number {
  // While a promotion is unfinished the journals still carry the generation before it.
  const newest = state.condition === 'promoting' ? state.generations.at(-2) : state.generations.at(-1);
  return newest?.number ?? 0;
}

/** Identity that this host's journals and watermark carry. */
export function journalIdentityOf(state: HostState): { groupId: string; generation: number; stream: string } {
  return { groupId: state.groupId ?? '', generation: generationOf(state), stream: state.stream ?? '' };
}

async function recoveryFacts(
  ring: JournalRing,
  options: Omit<RecoverOptions, 'events'>,
  watermark: StoredWatermark | null,
): Promise<Parameters<typeof planRecovery>[0] & { journals: readonly ScannedJournal[] }> {
  const { state, geometry, mode } = options;
  const generations = state.condition === 'promoting' ? state.generations.slice(0, -1) : state.generations;
  const point = watermark?.point ?? null;
  return {
    identity: journalIdentityOf(state),
    geometry,
    watermark: point,
    origin: originAfter(point, generations),
    journals: await scanRing(ring),
    hashChain,
    mode,
  };
}

function scanRing(ring: JournalRing): Promise<readonly ScannedJournal[]> {
  return new Promise((resolve, reject) => ring.scan((error, journals) => (error === null ? resolve(journals) : reject(error))));
}

async function makeDurable(ring: JournalRing, plan: RecoveryPlan, { disk, directory, state, mode }: RecoverOptions): Promise<void> {
  // A killed process may have renamed a spare over a journal (I10) without living to make the name durable.
  disk.syncDirectory(directory);
  const identity = journalIdentityOf(state);
  ring.setIdentity(identity);
  for (const kept of plan.makeDurable) {
    const header = kept.headerIsOld ? { identity, dataSet: kept.dataSet, firstSequence: kept.firstSequence } : undefined;
    await awaitDone((done) => ring.makeDurable(kept.slot, done, header));
  }
  await awaitDone((done) => ring.makeWatermarkDurable(done));
  const kept = new Set(plan.makeDurable.map(({ slot }) => slot));
  for (const journal of plan.journals) if (!kept.has(journal.slot) && journal.action === 'done already') ring.retire(journal.slot);
  // A promotion empties slots only after it has found and destaged what it promised to keep.
  if (mode === 'start') for (const slot of plan.discard) await awaitDone((done) => ring.discard(slot, done));
}

/** Refuse a watermark of another host or time than the state. @throws RefusedError ERR_WATERMARK_FOREIGN, ERR_HOST_SUPERSEDED */
export function checkWatermark(directory: string, watermark: StoredWatermark | null, state: HostState): void {
  const expected = journalIdentityOf(state);
  if (watermark === null) return;
  if (watermark.hostEpoch > state.hostEpoch) throw hostSuperseded(directory, { own: state.hostEpoch, found: watermark.hostEpoch });
  if (isUnbound(watermark)) return;
  if (watermark.groupId === expected.groupId && watermark.generation === expected.generation && watermark.stream === expected.stream)
    return;
  throw new RefusedError(
    'ERR_WATERMARK_FOREIGN',
    `the watermark in ${directory} is of group ${watermark.groupId}, generation ${watermark.generation}, stream ${watermark.stream}; this host's state says group ${expected.groupId}, generation ${expected.generation}, stream ${expected.stream}`,
    {
      hint: 'state folder and journals are of two different hosts or times; put those together that belong together',
    },
  );
}

function isUnbound(watermark: StoredWatermark): boolean {
  return watermark.point === null && /^0+$/.test(watermark.groupId);
}

/** A blank host has nothing in its journals; if it has, its state folder was lost. */
async function refuseStray(ring: JournalRing, directory: string): Promise<void> {
  const journals = await scanRing(ring);
  const used = journals.find(
    (journal) => journal.records.length > 0 || (journal.header.verdict === 'readable' && journal.header.dataSet !== null),
  );
  if (used === undefined) {
    for (const journal of journals) ring.retire(journal.slot);
    return;
  }
  throw journalsNotBlank(used.path, directory);
}

/** The refusal of a blank state beside journals that are not. */
export function journalsNotBlank(path: string, directory: string): RefusedError {
  return new RefusedError(
    'ERR_JOURNALS_NOT_BLANK',
    `this host's state is blank, but ${path} holds records: state folder and journals in ${directory} do not belong together`,
    {
      hint: 'restore the state folder that belongs to these journals; journals are never emptied by a start',
    },
  );
}
