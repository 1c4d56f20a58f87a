/** `nvram ls` and `nvram verify`: what a region holds of each data set, what of it no journal has, and what is wrong with the file. */
import type { Disk } from '../../disk/disk.ts';
import type { Finding } from '../ring/ring-report.ts';
import { compareJournals, type JournalsComparison } from './compare-journals.ts';
import { HeldDataSets, type HeldDataSet } from './held-data-sets.ts';
import { readRegion, type RegionPicture } from './read-region.ts';
import { regionFindings } from './region-findings.ts';

/** How often a region that a peer writes is read before its moving end is told as it is. */
const ATTEMPTS = 3;

export interface RegionReport {
  readonly picture: RegionPicture;
  readonly dataSets: readonly HeldDataSet[];
  /** Null: no journals were given, or they are not there. */
  readonly journals: JournalsComparison | null;
  readonly findings: readonly Finding[];
  /** Whether every byte that counts was read and is right; what is in flight beside a running peer is not judged. */
  readonly clean: boolean;
  readonly notes: readonly string[];
}

export interface InspectRegionOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Folder of journals to compare with. */
  readonly journals: string | null;
  readonly notes?: readonly string[];
}

/** Inspect a region. @throws UsageError ERR_NOT_A_REGION; FarshoreError ERR_NVRAM_OPEN, ERR_JOURNAL_READ */
export async function inspectRegion(options: InspectRegionOptions): Promise<RegionReport> {
  const { disk, path, journals: directory } = options;
  let held = new HeldDataSets();
  let picture = await take(disk, path, held);
  for (let attempt = 1; attempt < ATTEMPTS && isMoving(picture); attempt += 1) {
    held = new HeldDataSets();
    picture = await take(disk, path, held);
  }
  const dataSets = held.list();
  const groupId = picture.contents?.groupId ?? null;
  const journals = directory === null ? null : await compareJournals({ disk, directory, held, groupId });
  const findings = regionFindings(picture, dataSets);
  const notes = [...(options.notes ?? []), ...(journals?.notes ?? [])];
  return { picture, dataSets, journals, findings, clean: findings.every(({ verdict }) => verdict === 'in flight'), notes };
}

function take(disk: Disk, path: string, held: HeldDataSets): Promise<RegionPicture> {
  return readRegion({ disk, path, take: (record, fileOffset) => held.take(record, fileOffset) });
}

function isMoving({ running, contents }: RegionPicture): boolean {
  return running === true && contents?.end.verdict === 'unreadable';
}
