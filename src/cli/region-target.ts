/** Which NVRAM region a command means: a file, or the one that a peer's config names; and what surrounds it. */
import { resolve } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import { messageOf, UsageError } from '../model/errors.ts';
import type { VolumeEntry } from '../model/ids.ts';
import { locateRing } from '../inspection/ring/locate-ring.ts';
import { readHostState } from '../state/host-state.ts';
import { loadConfig } from './config/load-config.ts';

export interface RegionTarget {
  readonly path: string;
  /** Folder of the journals to compare with; null: none was named, or it is not there. */
  readonly journals: string | null;
  /** The volume table of the peer's state; null when there is none, or none that can be read. */
  readonly volumes: readonly VolumeEntry[] | null;
  readonly notes: readonly string[];
}

export interface RegionTargetFlags {
  readonly path: string | undefined;
  readonly config: string | undefined;
  /** Journals that the operator named; they must be there. */
  readonly journals?: string | undefined;
  readonly state?: string | undefined;
}

/** Find the region that is meant. @throws UsageError ERR_USAGE, ERR_NOT_A_REGION, ERR_NO_JOURNALS; what loading a config throws */
export async function regionTargetOf(disk: Disk, flags: RegionTargetFlags): Promise<RegionTarget> {
  const notes: string[] = [];
  const journals = flags.journals === undefined ? null : locateRing({ disk, path: flags.journals }).directory;
  if (flags.path !== undefined) return { path: resolve(flags.path), journals, volumes: volumesOf(disk, flags.state ?? null, notes), notes };
  if (flags.config === undefined) throw new UsageError('ERR_USAGE', 'which region? give its file, or -c FILE, the config of its peer');
  const config = await loadConfig(flags.config, { standalone: true });
  if (config.role !== 'peer')
    throw new UsageError('ERR_NOT_A_REGION', `${config.file} is the config of a ${config.role}: only a peer has an NVRAM region`, {
      hint: "give the peer's config, or the region's file",
      details: { config: config.file, role: config.role },
    });
  const volumes = volumesOf(disk, flags.state ?? config.stateDirectory, notes);
  return { path: config.nvram.path, journals: journals ?? findJournals(disk, config.takeover?.journals.directory, notes), volumes, notes };
}

function volumesOf(disk: Disk, stateDirectory: string | null, notes: string[]): readonly VolumeEntry[] | null {
  if (stateDirectory === null) return null;
  try {
    return readHostState(disk, resolve(stateDirectory)).volumes;
  } catch (error) {
    notes.push(`the state is not used: ${messageOf(error)}`);
    return null;
  }
}

/** A peer's own path to the journals may well not be mounted as long as it is no takeover's. */
function findJournals(disk: Disk, directory: string | undefined, notes: string[]): string | null {
  if (directory === undefined) return null;
  try {
    return locateRing({ disk, path: directory }).directory;
  } catch (error) {
    notes.push(`not compared with the journals of takeover.journals: ${messageOf(error)}`);
    return null;
  }
}
