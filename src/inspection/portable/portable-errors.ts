/** Operating errors of `journal export` and `journal import`; every message names the file, what was found and what was expected. */
import { CorruptionError, errnoOf, FarshoreError, messageOf, RefusedError, UsageError } from '../../model/errors.ts';
import type { DataSetId } from '../../model/ids.ts';

export function noSuchDataSet(directory: string, wanted: string, held: readonly DataSetId[]): UsageError {
  const list = held.length === 0 ? 'none' : `${held[0]} to ${held.at(-1)}`;
  return new UsageError('ERR_EXPORT_NO_DATA_SET', `no journal in ${directory} holds ${wanted}; it holds ${list}`, {
    hint: 'farshore journal ls shows which data sets are there; --all exports every journal that is not free',
    details: { directory, wanted },
  });
}

export function noGeometry(directory: string, found: string): CorruptionError {
  return new CorruptionError('ERR_EXPORT_GEOMETRY', `the geometry of the ring in ${directory} cannot be told: ${found}`, {
    hint: 'an export says how many slots of which size there are; keep a plain copy of the folder instead',
    details: { directory },
  });
}

export function exportExists(path: string): RefusedError {
  return new RefusedError('ERR_EXPORT_EXISTS', `${path} exists already, and is not overwritten`, {
    hint: 'name another file, or remove that one',
    details: { path },
  });
}

export function exportWrite(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_EXPORT_WRITE', `the export could not be written to ${path}: ${messageOf(cause)}`, {
    cause,
    hint: errnoOf(cause) === 'ENOSPC' ? 'free space there, or name a file on another disk' : 'check the path and its disk',
    details: { path },
  });
}

export function exportChanged(path: string, attempts: number): RefusedError {
  const often = attempts === 1 ? 'while it was read' : `each of ${attempts} times that it was read`;
  return new RefusedError('ERR_EXPORT_CHANGED', `a running host changed ${path} ${often}: what was written is no export`, {
    hint:
      attempts === 1
        ? 'write to a file with --out: then what has changed is read again'
        : 'try again, name the data sets that are closed (journal ls shows them), or stop the host first',
    details: { path, attempts },
  });
}

export function exportDamaged(path: string, fault: { offset: number; expected: string; found: string }): CorruptionError {
  const { offset, expected, found } = fault;
  return new CorruptionError(
    'ERR_IMPORT_DAMAGED',
    `${path} is damaged or not whole: at byte ${offset} expected ${expected}, found ${found}; nothing was written`,
    { hint: 'copy the file again from where it was made, or export again', details: { path, offset, expected, found } },
  );
}

export function exportVersion(path: string, version: number): RefusedError {
  return new RefusedError('ERR_IMPORT_VERSION', `${path} has format version ${version}, this Farshore knows version 1`, {
    hint: 'use the newer Farshore that wrote it',
    details: { path, version },
  });
}

export function importNotRing(directory: string, found: string): RefusedError {
  return new RefusedError('ERR_IMPORT_NOT_EMPTY', `${directory} is neither empty nor a folder of journals: it holds ${found}`, {
    hint: 'name a new or empty folder, or the folder that the config calls journals.path',
    details: { directory, found },
  });
}

export function importForeign(path: string, what: string, expected: string, found: string): RefusedError {
  return new RefusedError('ERR_IMPORT_FOREIGN', `${path} is of another ${what}: expected ${expected}, found ${found}`, {
    hint: 'import it into a new folder: a ring takes only journals of its own group, generation, stream and geometry',
    details: { path, what, expected, found },
  });
}

export function importUnsound(path: string, slot: number, why: string): RefusedError {
  return new RefusedError('ERR_IMPORT_UNSOUND', `the journal of slot ${slot} in ${path} cannot go into a ring that is in use: ${why}`, {
    hint: 'import it into a new folder: there every journal is put as it is, for inspection',
    details: { path, slot },
  });
}

export function importOccupied(path: string, slot: number, why: string): RefusedError {
  return new RefusedError('ERR_IMPORT_OCCUPIED', `${path} is not replaced: ${why}`, {
    hint: 'only a free slot takes a journal, or one whose data set the watermark covers; import into a new folder instead',
    details: { path, slot },
  });
}

export function importWrite(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_IMPORT_WRITE', `the import could not be written to ${path}: ${messageOf(cause)}`, {
    cause,
    hint: 'nothing that was there before was changed; free space or check the disk, and run the import again: it goes on',
    details: { path },
  });
}
