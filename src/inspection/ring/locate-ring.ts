/** Find the journals that an inspection is asked for: a ring's folder, a host's state folder, or one journal's file. Reads only. */
import { basename, dirname, join, resolve } from 'node:path';
import { isRingFile, journalSlotOf } from '../../../journals/files.ts';
import type { Disk } from '../../disk/disk.ts';
import { errnoOf, FarshoreError, UsageError } from '../../model/errors.ts';
import { hostStatePath } from '../../state/host-state.ts';

/** Where OPERATOR's sample config puts the journals, inside the state folder. */
const JOURNALS_NAME = 'journals';

export interface LocatedRing {
  readonly kind: 'ring';
  /** Folder of the journals. */
  readonly directory: string;
  /** State folder of the secondary that these journals belong to, as far as one was found. */
  readonly stateDirectory: string | null;
}

export interface LocatedJournal {
  readonly kind: 'journal';
  readonly path: string;
  /** By the file's name; null if it is not named like a slot's. */
  readonly slot: number | null;
}

export interface LocateOptions {
  readonly disk: Disk;
  /** What the operator named. */
  readonly path: string;
  /** State folder that the operator named, if any. */
  readonly stateDirectory?: string | undefined;
}

/** Find out what a path is. @throws UsageError ERR_NO_JOURNALS when there are none; FarshoreError ERR_JOURNAL_READ when the disk cannot say */
export function locate(options: LocateOptions): LocatedRing | LocatedJournal {
  const { disk } = options;
  const path = resolve(options.path);
  const names = listFolder(disk, path);
  if (names === null) return { kind: 'journal', path, slot: journalSlotOf(basename(path)) };
  const stateDirectory = options.stateDirectory === undefined ? null : resolve(options.stateDirectory);
  if (names.some(isRingFile)) return { kind: 'ring', directory: path, stateDirectory: stateDirectory ?? findState(disk, path) };
  const inside = join(path, JOURNALS_NAME);
  const holdsState = disk.exists(hostStatePath(path));
  if ((holdsState || names.includes(JOURNALS_NAME)) && listFolder(disk, inside)?.some(isRingFile) === true)
    return { kind: 'ring', directory: inside, stateDirectory: stateDirectory ?? (holdsState ? path : null) };
  throw new UsageError('ERR_NO_JOURNALS', `${options.path} holds no journals: neither a watermark nor slot-NNNN.journal is in it`, {
    hint: holdsState
      ? 'it is a state folder; name the folder that its config calls journals.path'
      : 'name the folder that the config of the secondary calls journals.path, its state folder, or one journal file',
    details: { path },
  });
}

/** The same, where one file is not enough. @throws UsageError ERR_NO_JOURNALS */
export function locateRing(options: LocateOptions): LocatedRing {
  const located = locate(options);
  if (located.kind === 'ring') return located;
  throw new UsageError('ERR_NO_JOURNALS', `${options.path} is a file; a folder of journals is needed here`, {
    hint: `name its folder, ${dirname(located.path)}`,
    details: { path: located.path },
  });
}

function findState(disk: Disk, directory: string): string | null {
  return [dirname(directory), directory].find((folder) => disk.exists(hostStatePath(folder))) ?? null;
}

/** Names in a folder; null for a file. */
function listFolder(disk: Disk, path: string): string[] | null {
  try {
    return disk.list(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOTDIR') return null;
    if (errno === 'ENOENT')
      throw new UsageError('ERR_NO_JOURNALS', `${path} does not exist`, { hint: 'check the path; mounts too', details: { path } });
    throw new FarshoreError('ERR_JOURNAL_READ', `${path} could not be read`, { cause: error, details: { path } });
  }
}
