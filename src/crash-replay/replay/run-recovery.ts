/**
 * Recovery as the host itself runs it after a crash: the real start on the real disk, with the destage worker, until everything complete is in
 * the volumes; or the real promotion. It dials nobody and serves nothing.
 */
import type { Disk } from '../../disk/disk.ts';
import { EXIT, FarshoreError } from '../../model/errors.ts';
import type { DataSetId } from '../../model/ids.ts';
import type { NvramRegion } from '../../peer/nvram/contract.ts';
import type { AdoptedRegion } from '../../secondary/mirror/adopt-region.ts';
import { promote } from '../../secondary/promotion.ts';
import { Secondary } from '../../secondary/secondary.ts';
import type { FixtureManifest } from '../fixture-files.ts';
import type { HostFolder } from '../fixture-folder.ts';
import { onRegionCopy } from './region-copy.ts';

/** Destage of what is complete takes a bounded number of disk writes. */
const SETTLE_MS = 120_000;

export interface RecoveryRun {
  /** Why the host refused or failed; null when it recovered. */
  readonly error: { readonly code: string; readonly exitCode: number; readonly message: string } | null;
  /** Data set of the watermark afterwards; null: none, or it was not reached. */
  readonly through: DataSetId | null;
  /** Records that the peer's region held, and those that it added; null: no region, or they were refused. */
  readonly adopted: { readonly records: number; readonly added: number } | null;
}

export interface RecoveryRunOptions {
  readonly disk: Disk;
  readonly host: HostFolder;
  readonly manifest: Pick<FixtureManifest, 'recover' | 'group'>;
}

/** Run it to its end; never throws for what the host itself refuses. */
export function runRecovery(options: RecoveryRunOptions): Promise<RecoveryRun> {
  return onRegionCopy(options.host, options.disk, (region) => recoverWith(region, options));
}

async function recoverWith(region: NvramRegion | null, options: RecoveryRunOptions): Promise<RecoveryRun> {
  let secondary: Secondary | null = null;
  let adopted: RecoveryRun['adopted'] = null;
  const adopt: AdoptedRegion | null =
    region === null
      ? null
      : { source: 'the region of the peer', segments: () => region.segments(), adopted: (report) => void (adopted = report) };
  try {
    secondary = await startHost(options, adopt);
    // Promotion and stop let go of what tells where the copy is.
    const through = await settle(secondary);
    if (options.manifest.recover === 'start' || secondary.state.role === 'primary') return { error: null, through, adopted };
    await promote(secondary, { force: false, dryRun: false });
    return { error: null, through, adopted };
  } catch (error) {
    if (!(error instanceof FarshoreError)) throw error;
    return { error: { code: error.code, exitCode: error.exitCode, message: error.message }, through: null, adopted };
  } finally {
    await secondary?.stop();
  }
}

/** The start finishes an interrupted promotion by itself; a promoted host has nothing to recover. What a region holds is added as in a takeover. */
function startHost({ disk, host, manifest }: RecoveryRunOptions, adopt: AdoptedRegion | null): Promise<Secondary> {
  return Secondary.start({
    disk,
    group: manifest.group.name,
    stateDirectory: host.stateDirectory,
    volumes: host.volumes,
    connect: [],
    links: 1,
    journals: host.journals,
    nbdListen: [],
    objectiveMs: SETTLE_MS,
    dial: false,
    ...(adopt === null ? {} : { adopt }),
    log: () => {},
  });
}

/** Wait for the destage, and say where the copy is then. @throws FarshoreError when the host failed meanwhile */
async function settle(secondary: Secondary): Promise<DataSetId | null> {
  const { replica } = secondary;
  if (replica === null) return null;
  const settled = await secondary.until(() => replica.isSettled || secondary.phase === 'failed', SETTLE_MS);
  if (secondary.phase === 'failed') {
    const [, code = 'ERR_UNEXPECTED', message = ''] = /^(ERR_\w+): (.*)$/s.exec(secondary.reason ?? '') ?? [];
    throw new FarshoreError(code as `ERR_${string}`, message, { exitCode: EXIT.failed });
  }
  if (!settled) throw new FarshoreError('ERR_FIXTURE_UNSETTLED', `the destage did not end within ${SETTLE_MS / 1000} s`);
  return replica.watermarkPoint?.dataSet ?? null;
}
