/**
 * Replay by hand: bring copies of the source volumes to a complete data set above the watermark, by the journals alone, which are only read.
 *
 * 1 **inspect** the ring and plan, or refuse; 2 **look** at the copies; 3 **verify** every record of every data set that is to be stored:
 * checksums, numbers, bounds and the chain from the watermark on; 4 **lock** the copies as a host locks its volumes, for the whole
 * replay; 5 **compare** them with what the watermark's data set wrote, which they must hold (replay-contents.ts), and with later data sets, of
 * which they must hold nothing (replay-purity.ts); 6 **store** in ascending order,
 * the records of each data set in the order of their numbers, each verified again as it is read (I4, I9); 7 **flush**; 8 **read back**, if asked.
 *
 * Nothing is written before step 6. A replay that was killed is done again from its beginning: every block that it changes gets its
 * last contents whatever it holds. Memory: one data set's numbers, and the ranges that the data sets change.
 *
 * Not guaranteed: that the copies are of this host and not older than its watermark, where the journal that would tell is gone.
 */
import { scanWindow } from '../../../journals/file-scan.ts';
import type { Disk } from '../../disk/disk.ts';
import { CorruptionError, FarshoreError, messageOf, RefusedError } from '../../model/errors.ts';
import type { DataSetId, Vlun, VolumeEntry } from '../../model/ids.ts';
import { rangesOf } from '../../protocol/recovery-summary.ts';
import type { Volume, VolumeConfig } from '../../volume/contract.ts';
import { openVolumes } from '../../volume/open-volumes.ts';
import { inspectRing } from '../ring/inspect-ring.ts';
import { locateRing } from '../ring/locate-ring.ts';
import { checkCopies, parseCopies } from './replay-copies.ts';
import { ContentsCheck } from './replay-contents.ts';
import { indexDataSet, OrderedReader, storeRecord, type VolumeTally } from './replay-data-set.ts';
import { planReplay, type ReplayPlan, type ReplaySet } from './replay-plan.ts';
import { PurityCheck } from './replay-purity.ts';

export interface ReplayOptions {
  readonly disk: Disk;
  /** Folder of the journals, or the state folder. */
  readonly path: string;
  readonly stateDirectory?: string | undefined;
  /** `NAME=PATH` or `VLUN=PATH`, one for each volume of the group. */
  readonly volumes: readonly string[];
  readonly through?: DataSetId | undefined;
  readonly volumesAtWatermark: boolean;
  /** Paths that the host's config names: never stored into. */
  readonly sourcePaths: readonly string[];
}

/** A data set that was verified, with what it changes of each volume. */
export interface VerifiedSet extends ReplaySet {
  /** Its sync command is one of them. */
  readonly records: number;
  readonly changedBytes: number;
  readonly tallies: ReadonlyMap<Vlun, VolumeTally>;
}

/** All that is known before the first byte is stored. */
export interface PreparedReplay {
  readonly plan: ReplayPlan;
  readonly copies: readonly VolumeConfig[];
  readonly sets: readonly VerifiedSet[];
  readonly volumesAtWatermark: boolean;
}

/** Carry steps 1-3 out. @throws UsageError, RefusedError (exit 5), CorruptionError (exit 6) */
export async function prepareReplay(options: ReplayOptions): Promise<PreparedReplay> {
  const { disk, path, stateDirectory, through, volumesAtWatermark, sourcePaths } = options;
  const report = await inspectRing({ disk, located: locateRing({ disk, path, stateDirectory }) });
  const plan = planReplay({ report, through, volumesAtWatermark });
  const copies = parseCopies(options.volumes, plan.volumes);
  checkCopies({ disk, copies, directory: plan.directory, sourcePaths });
  const volumes = tableOf(plan);
  const window = scanWindow();
  const sets: VerifiedSet[] = [];
  for (const set of plan.replayed) {
    const { offsets, tallies } = await indexDataSet({ disk, set, volumes, window });
    const changedBytes = [...tallies.values()].reduce((sum, tally) => sum + tally.changedBytes, 0);
    sets.push({ ...set, records: offsets.length, changedBytes, tallies });
  }
  return { plan, copies, sets, volumesAtWatermark };
}

/** Step 5 without locks and without storing: what `--dry-run` adds. @throws RefusedError ERR_REPLAY_MIXED */
export async function checkPurity(disk: Disk, prepared: PreparedReplay): Promise<void> {
  const { plan, copies, volumesAtWatermark } = prepared;
  await checkAge(disk, prepared);
  if (volumesAtWatermark || plan.replayed.length === plan.complete.length) return;
  const check = new PurityCheck({ disk, volumes: tableOf(plan), copies, complete: plan.complete });
  try {
    const stray = await check.findStray(plan.replayed.length);
    if (stray === null) return;
    const possible = await check.possible();
    throw new RefusedError(
      'ERR_REPLAY_MIXED',
      `--through ${plan.through?.dataSet}: an earlier replay brought these copies further: block ${stray.lba} of volume ${stray.volume} is what data set ${stray.dataSet} writes there, and what stood there before is not known`,
      {
        hint: `they can be brought to data set ${rangesOf(possible)}; or replay onto fresh copies; if these are fresh, say --volumes-at-watermark`,
        details: { ...stray, possible },
      },
    );
  } finally {
    check.close();
  }
}

async function checkAge(disk: Disk, prepared: PreparedReplay): Promise<void> {
  const { newestDone, complete } = prepared.plan;
  if (newestDone === null) return;
  const wrong = await withContents(disk, prepared, async (contents) => {
    for (const set of complete) await contents.cover(set);
    // Its journal is retired: nothing depends on its bytes any more, and damaged ones tell nothing.
    return contents.findWrong(newestDone).catch((error: unknown) => {
      if (error instanceof CorruptionError) return null;
      throw error;
    });
  });
  if (wrong === null) return;
  const { copy, lba } = wrong;
  const { dataSet } = newestDone;
  throw new RefusedError(
    'ERR_REPLAY_COPY',
    `the copy of volume ${copy.name} at ${copy.path} is not at the watermark: block ${lba} is not what data set ${dataSet} left there`,
    {
      hint: 'it is older than these journals, was changed since, or is of another host: copy volumes, journals and state of one stopped host together',
      details: { volume: copy.name, path: copy.path, lba, dataSet },
    },
  );
}

async function withContents<T>(disk: Disk, { plan, copies }: PreparedReplay, work: (contents: ContentsCheck) => Promise<T>): Promise<T> {
  const contents = new ContentsCheck({ disk, volumes: tableOf(plan), copies });
  try {
    return await work(contents);
  } finally {
    contents.close();
  }
}

/** Carry steps 4-8 out. @throws RefusedError ERR_VOLUME_LOCKED, ERR_REPLAY_MIXED, ERR_REPLAY_COPY; FarshoreError ERR_REPLAY_INCOMPLETE when the copies are mixed now */
export async function carryOutReplay(
  disk: Disk,
  prepared: PreparedReplay,
  options: { readBack: boolean } = { readBack: false },
): Promise<void> {
  const opened = openVolumes(disk, prepared.copies);
  try {
    await checkPurity(disk, prepared);
    const volumes = new Map<Vlun, Volume>(opened.map((volume) => [volume.entry.vlun, volume]));
    await storeAll(disk, prepared, volumes);
    if (options.readBack) await readBack(disk, prepared);
  } finally {
    for (const volume of opened) volume.close();
  }
}

/** Step 8. @throws CorruptionError ERR_REPLAY_READ_BACK */
async function readBack(disk: Disk, prepared: PreparedReplay): Promise<void> {
  await withContents(disk, prepared, async (contents) => {
    for (const set of prepared.sets.toReversed()) {
      const wrong = await contents.findWrong(set);
      if (wrong !== null)
        throw new CorruptionError(
          'ERR_REPLAY_READ_BACK',
          `the copy of volume ${wrong.copy.name} at ${wrong.copy.path}: block ${wrong.lba} does not read back as data set ${set.dataSet} wrote it a moment ago`,
          { hint: 'check the disk of the copy', details: { path: wrong.copy.path, lba: wrong.lba, dataSet: set.dataSet } },
        );
      await contents.cover(set);
    }
  });
}

async function storeAll(disk: Disk, { plan, sets }: PreparedReplay, volumes: ReadonlyMap<Vlun, Volume>): Promise<void> {
  const table = tableOf(plan);
  const window = scanWindow();
  const reader = new OrderedReader();
  let storing = 'the first data set';
  try {
    for (const set of sets) {
      storing = `data set ${set.dataSet}`;
      const index = await indexDataSet({ disk, set, volumes: table, window });
      reader.readEach(disk, index, (found) => storeRecord(found, volumes));
    }
    storing = 'the flush';
    for (const volume of volumes.values()) volume.flushSync();
  } catch (error) {
    if (!(error instanceof FarshoreError) && !(error instanceof Error && 'code' in error)) throw error;
    throw new FarshoreError('ERR_REPLAY_INCOMPLETE', `the replay ended in ${storing}: ${messageOf(error)}; the copies are mixed now`, {
      cause: error,
      hint: 'mend what failed and run the same command again: it begins anew, and what it stored already does no harm',
    });
  }
}

function tableOf({ volumes }: ReplayPlan): ReadonlyMap<Vlun, VolumeEntry> {
  return new Map(volumes.map((entry) => [entry.vlun, entry]));
}
