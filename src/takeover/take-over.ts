/**
 * Takeover (DESIGN section 8): a peer takes the place of a secondary that is gone for good. In a crash-safe order, the steps of
 * `TAKEOVER_STEPS`: nothing is changed before the fence; from step 2 on a crash is finished by the next start, without a second fence.
 *
 * It does not prove that the former host is gone: that is the fence. Where the fence failed silently, the lease of the former host and
 * the host epoch are the second line, and the primary, which durably keeps the highest host epoch, the arbiter.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { alignedStart } from '../disk/alignment.ts';
import type { Disk } from '../disk/disk.ts';
import { hostEpochIn, EpochReader, promotionIn, settleHostEpoch } from '../../journals/watermark-epoch.ts';
import { renewFiles } from '../../journals/renew-files.ts';
import { hostEpochPath } from '../../journals/files.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import { LIMITS } from '../model/limits.ts';
import type { RegionOptions } from '../peer/nvram/contract.ts';
import type { RegionStore } from '../peer/open-peer-region.ts';
import { checkWatermark, journalIdentityOf } from '../secondary/recover.ts';
import { Secondary, type SecondaryOptions } from '../secondary/secondary.ts';
import { readHostState, writeHostState, type HostState } from '../state/host-state.ts';
import { lockStateFolder } from '../state/state-folder.ts';
import { checkVolumeTable } from '../state/volume-table.ts';
import { volumeMissing } from '../volume/errors.ts';
import { fenceFormerHost } from './fence.ts';
import { openHeldRegion, type HeldRegion } from './held-region.ts';
import { takenOverOptions, takeoverPaths, type TakenOverHost, type TakeoverPaths } from './taken-over-options.ts';
import { takenOverAlready, takeoverJournals, takeoverPromoted, takeoverRole, takeoverUnbound } from './takeover-errors.ts';

export const TAKEOVER_STEPS = [
  { step: 1, name: 'fence', does: 'shut the former host out of the shared storage, by the command or by a person' },
  { step: 2, name: 'record', does: 'make the role, the condition taking-over and the next host epoch durable in this host' },
  {
    step: 3,
    name: 'raise',
    does: 'raise the host epoch on the shared storage, wait until a former host that still runs has noticed, give the journals new files',
  },
  { step: 4, name: 'add', does: 'recover from the journals, and add the records of the region to them' },
  { step: 5, name: 'finish', does: 'make the condition active durable: the journals have everything' },
] as const;
export type TakeoverStep = (typeof TAKEOVER_STEPS)[number]['step'];

export interface TakeoverOptions extends TakenOverHost {
  readonly nvram: Omit<RegionOptions, 'disk'>;
  /** A person says that the former host is shut out. */
  readonly fenced: boolean;
  /** Go on although what the region held may be gone. */
  readonly force: boolean;
  /** Regions of its own, for a test; files unless it is told. */
  readonly regions?: RegionStore;
  /** Wait until a former host has noticed; a test waits shorter. */
  readonly settle?: () => Promise<void>;
  /** Called when a step is done; a test crashes here. */
  readonly onStep?: (step: TakeoverStep) => void;
  /** Of the secondary in step 4, for a disk that exists only in a test. */
  readonly openCarrier?: SecondaryOptions['openCarrier'];
}

export interface TakeoverReport {
  readonly tookOver: boolean;
  readonly dryRun: boolean;
  /** It went on where a takeover before it was interrupted. */
  readonly resumed: boolean;
  readonly fence: 'command' | 'by hand' | 'before' | 'none yet';
  readonly hostEpoch: number;
  /** Records that the region held, and those of them that no journal had; null: not known. */
  readonly heldRecords: number;
  readonly addedRecords: number | null;
  /** The newest complete data set; null: none. */
  readonly completeDataSet: string | null;
  readonly lines: readonly string[];
}

/**
 * Take the place of the secondary, on the files of a peer that does not run.
 * @throws UsageError ERR_TAKEOVER_CONFIG; RefusedError ERR_FENCE_NEEDED, ERR_FENCE_FAILED, ERR_TAKEOVER_UNBOUND, ERR_TAKEOVER_REGION,
 * ERR_TAKEOVER_JOURNALS, ERR_TAKEN_OVER, ERR_EPOCH_UNSETTLED, and what a start of the secondary throws
 */
export async function takeOver(options: TakeoverOptions): Promise<TakeoverReport> {
  const { disk, stateDirectory, log } = options;
  const paths = takeoverPaths(options);
  const folder = lockStateFolder(disk, stateDirectory);
  let held: HeldRegion | null = null;
  let fence: TakeoverReport['fence'] = 'before';
  try {
    let state = readHostState(disk, stateDirectory);
    const resumed = state.condition === 'taking-over';
    try {
      checkTakeable(state, paths);
      held = await openHeldRegion({ ...options, region: { disk, ...options.nvram }, state });
      if (held.warning !== null) log('warn', held.warning);
      if (!resumed) {
        begin(options, 1);
        fence = await fenceFormerHost({ fence: paths.fence, fenced: options.fenced, log });
        ended(options, 1);
        begin(options, 2);
        state = recordTakeover(options, paths, state);
        ended(options, 2);
      } else log('warn', `finishing a takeover that was interrupted: host epoch ${state.hostEpoch}`);
      begin(options, 3);
      await raise(options, paths, state);
      ended(options, 3);
    } finally {
      // Locked again by the secondary of step 4.
      folder.release();
    }
    return await addRecords(options, held, { resumed, fence });
  } finally {
    held?.close();
  }
}

/** A takeover that a crash interrupted goes on with step 3; whoever starts the host asks this first. */
export function isTakeoverUnfinished(disk: Disk, stateDirectory: string): boolean {
  return readHostState(disk, stateDirectory).condition === 'taking-over';
}

/** Whether a peer in this state could take its secondary's place with these paths. @throws the refusal */
export function checkTakeable(state: HostState, paths: TakeoverPaths): void {
  const { role, condition } = state;
  if (role === 'secondary' && condition !== 'taking-over') throw takenOverAlready(state);
  if (role === 'primary' || (role === 'peer' && condition !== 'active')) throw takeoverRole(state);
  if (state.groupId === null || state.stream === null || state.geometry === undefined) throw takeoverUnbound();
  checkVolumeTable(state.volumes, paths.volumes);
}

function begin({ log }: TakeoverOptions, number: TakeoverStep): void {
  for (const { step, name, does } of TAKEOVER_STEPS) if (step === number) log('info', `takeover step ${step}: ${name}: ${does}`);
}

function ended({ onStep }: TakeoverOptions, step: TakeoverStep): void {
  onStep?.(step);
}

/** Step 2: only now, and only if the storage is the right one, this host stops being a peer. */
function recordTakeover({ disk, stateDirectory }: TakeoverOptions, paths: TakeoverPaths, state: HostState): HostState {
  const found = lookAtStorage(disk, paths, state);
  const next: HostState = {
    ...state,
    role: 'secondary',
    condition: 'taking-over',
    reason: 'a takeover began after the fence',
    hostEpoch: Math.max(state.hostEpoch, found.hostEpoch) + 1,
    // Which run of the primary the newest records are of only the former host knew.
    lastPrimarySession: null,
  };
  writeHostState(disk, stateDirectory, next);
  return next;
}

/** What the shared storage says before anything is changed. @throws RefusedError ERR_TAKEOVER_JOURNALS, ERR_WATERMARK_MISSING; FarshoreError ERR_VOLUME_MISSING */
export function lookAtStorage(disk: Disk, paths: TakeoverPaths, state: HostState): { hostEpoch: number } {
  for (const volume of paths.volumes) if (!disk.exists(volume.path)) throw volumeMissing(volume);
  const { directory } = paths.journals;
  const reader = new EpochReader({ disk, directory, alignedStart });
  reader.close(() => {});
  const announced = disk.readFile(hostEpochPath(directory)) ?? new Uint8Array(0);
  const bytes = Buffer.concat([disk.readFile(reader.path) ?? new Uint8Array(0), announced]);
  const { newest } = judgeWatermark(bytes, reader.path);
  const { groupId } = journalIdentityOf(state);
  judgePromotion(bytes, state);
  const hostEpoch = hostEpochIn(bytes)?.hostEpoch ?? 0;
  if (newest.point !== null && newest.groupId !== groupId)
    throw takeoverJournals(directory, `they are of group ${newest.groupId}, the secondary was of group ${groupId}`);
  checkWatermark(directory, newest, { ...state, hostEpoch });
  return { hostEpoch };
}

/** A promoted host writes into the volumes as their primary: what the region holds is of a history that is over. @throws RefusedError ERR_TAKEOVER_PROMOTED */
function judgePromotion(bytes: Uint8Array, { generations }: HostState): void {
  const promotion = promotionIn(bytes);
  if (promotion !== null && promotion.identity.generation > (generations.at(-1)?.number ?? 0))
    throw takeoverPromoted(promotion.identity.generation, promotion.point?.dataSet ?? null);
}

/** Step 3: then nothing that a former host may still have under way reaches the files that are opened from here on. */
async function raise({ disk, settle, log }: TakeoverOptions, paths: TakeoverPaths, state: HostState): Promise<void> {
  const { directory } = paths.journals;
  const { hostEpoch, geometry } = state;
  await settleHostEpoch({
    disk,
    directory,
    alignedStart,
    hostEpoch,
    settle: settle ?? (() => sleep(LIMITS.epochSettleMs)),
    judge: (bytes) => judgePromotion(bytes, state),
  });
  if (await renewFiles({ disk, directory, slots: geometry?.slots ?? 0, alignedStart })) return;
  log('warn', `${directory} has no room for new files: this host goes on with those that the former host may still have open`);
}

/** Steps 4 and 5: the secondary makes the condition active as soon as its journals have what the region holds. */
async function addRecords(
  options: TakeoverOptions,
  held: HeldRegion,
  how: { readonly resumed: boolean; readonly fence: TakeoverReport['fence'] },
): Promise<TakeoverReport> {
  begin(options, 4);
  let counts = { records: 0, added: 0 };
  const secondary = await Secondary.start({
    ...takenOverOptions(options, { dial: false }),
    ...(options.openCarrier === undefined ? {} : { openCarrier: options.openCarrier }),
    adopt: {
      source: held.path,
      segments: () => held.segments(),
      adopted: (report) => {
        counts = report;
      },
    },
  });
  try {
    ended(options, 4);
    begin(options, 5);
    secondary.writeState({ condition: 'active', reason: null });
    ended(options, 5);
    const { state, replica } = secondary;
    const complete = replica?.machine.complete().at(-1) ?? replica?.watermarkPoint ?? null;
    const report = {
      tookOver: true,
      dryRun: false,
      ...how,
      hostEpoch: state.hostEpoch,
      heldRecords: counts.records,
      addedRecords: counts.added,
      completeDataSet: complete === null ? null : String(complete.dataSet),
    };
    const lines = describeTakeover(report, held.warning);
    for (const line of lines) options.log('info', line);
    return { ...report, lines };
  } finally {
    await secondary.stop();
  }
}

function describeTakeover(report: Omit<TakeoverReport, 'lines'>, warning: string | null): string[] {
  const { hostEpoch, heldRecords, addedRecords, completeDataSet, resumed } = report;
  return [
    `took the place of the secondary${resumed ? ', finishing a takeover that was interrupted' : ''}: host epoch ${hostEpoch}`,
    `the region held ${heldRecords} records; ${addedRecords ?? 'an unknown number'} of them were in no journal, and are now`,
    completeDataSet === null ? 'no data set is complete yet' : `the copy is complete through data set ${completeDataSet}`,
    ...(warning === null ? [] : [warning]),
  ];
}
