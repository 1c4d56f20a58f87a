/**
 * What a start, or a promotion, would decide about the files of a stopped host: production code's own preview, and the plan behind a
 * refusal as well, because a fixture tells of every journal what becomes of it. Changes nothing.
 */
import { alignedStart } from '../../disk/alignment.ts';
import { awaitDone } from '../../disk/await-done.ts';
import type { Disk } from '../../disk/disk.ts';
import type { JournalPoolEvents, ScannedJournal, StoredWatermark } from '../../../journals/contract.ts';
import { openRing } from '../../../journals/ring.ts';
import { FarshoreError, RefusedError } from '../../model/errors.ts';
import type { HistoryPoint } from '../../model/ids.ts';
import { originAfter } from '../../protocol/generations.ts';
import { planRecovery, type RecoveryPlan } from '../../protocol/recovery-plan.ts';
import { hashChain } from '../../record/record.ts';
import { checkWatermark, journalIdentityOf, previewRecovery } from '../../secondary/recover.ts';
import { readHostState, type HostState } from '../../state/host-state.ts';
import { checkVolumeTable } from '../../state/volume-table.ts';
import type { ExpectedJournal, FixtureExpected } from '../fixture-files.ts';
import type { HostFolder } from '../fixture-folder.ts';

/** The decision without the volumes, and where the copy is afterwards. */
export interface Decision extends Omit<FixtureExpected, 'volumes' | 'volumesFrom'> {
  readonly throughPoint: HistoryPoint | null;
}

export interface DecisionQuestion {
  readonly disk: Disk;
  readonly host: HostFolder;
  readonly recover: 'start' | 'promote';
}

const UNHEARD: JournalPoolEvents = { durable: () => {}, completeFlagDurable: () => {}, watermarkDurable: () => {}, failed: () => {} };

/** @throws what is no operating error: a refusal is an answer */
export async function decideRecovery({ disk, host, recover }: DecisionQuestion): Promise<Decision> {
  const watermarkBefore = await readRing(disk, host, async ({ watermark }) => watermark()?.point?.dataSet ?? null).catch(ifOperating(null));
  try {
    const state = readState(disk, host);
    if (state.condition === 'promoted') return decision({ watermarkBefore, plan: null, throughPoint: state.divergedFrom });
    const options = { disk, ...host.journals, state, mode: modeOf(state, recover) };
    const { plan, watermark } = await previewRecovery(options);
    return decision({ watermarkBefore, plan, throughPoint: plan?.through ?? watermark?.point ?? null });
  } catch (error) {
    if (!(error instanceof FarshoreError)) throw error;
    const { code, exitCode } = error;
    const plan = await planAnyway({ disk, host, recover }).catch(ifOperating(null));
    const journals = plan === null ? [] : journalsOf(plan);
    return { outcome: 'refuse', error: { code, exitCode }, journals, through: null, throughPoint: null, watermarkBefore };
  }
}

/** A start and a promotion alike check these before they look at a journal. */
function readState(disk: Disk, host: HostFolder): HostState {
  const state = readHostState(disk, host.stateDirectory);
  if (state.role !== 'secondary' && state.condition !== 'promoted')
    throw new RefusedError('ERR_ROLE', `the state in ${host.stateDirectory} is a ${state.role}'s, and a fixture is of a secondary`);
  checkVolumeTable(state.volumes, host.volumes);
  return state;
}

function modeOf(state: HostState, recover: 'start' | 'promote'): 'start' | 'promote' {
  return state.condition === 'promoting' ? 'promote' : recover;
}

function decision(found: { watermarkBefore: number | null; plan: RecoveryPlan | null; throughPoint: HistoryPoint | null }): Decision {
  const { plan, throughPoint, watermarkBefore } = found;
  const journals = plan === null ? [] : journalsOf(plan);
  return { outcome: 'recover', error: null, journals, through: throughPoint?.dataSet ?? null, throughPoint, watermarkBefore };
}

function journalsOf(plan: RecoveryPlan): ExpectedJournal[] {
  return plan.journals.map(({ slot, dataSet, label, action }) => ({ slot, dataSet, label, action }));
}

/** The plan that a refusal came from; null when recovery never came so far. */
async function planAnyway({ disk, host, recover }: DecisionQuestion): Promise<RecoveryPlan | null> {
  const { directory, geometry } = host.journals;
  const state = readState(disk, host);
  if (state.groupId === null || state.stream === null) return null;
  const generations = state.condition === 'promoting' ? state.generations.slice(0, -1) : state.generations;
  return readRing(disk, host, async ({ watermark, scan }) => {
    const stored = watermark();
    checkWatermark(directory, stored, state);
    const point = stored?.point ?? null;
    const facts = { identity: journalIdentityOf(state), geometry, watermark: point, origin: originAfter(point, generations), hashChain };
    return planRecovery({ ...facts, journals: await scan(), mode: modeOf(state, recover) });
  });
}

interface ReadRing {
  readonly watermark: () => StoredWatermark | null;
  readonly scan: () => Promise<readonly ScannedJournal[]>;
}

async function readRing<T>(disk: Disk, host: HostFolder, read: (ring: ReadRing) => Promise<T>): Promise<T> {
  const ring = openRing({ disk, ...host.journals, alignedStart, events: UNHEARD });
  try {
    return await read({
      watermark: () => ring.readWatermark(),
      scan: () => new Promise((resolve, reject) => ring.scan((error, journals) => (error === null ? resolve(journals) : reject(error)))),
    });
  } finally {
    await awaitDone((done) => ring.close(done));
  }
}

/** Answer an operating error with a value; anything else goes on. */
function ifOperating<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof FarshoreError) return value;
    throw error;
  };
}
