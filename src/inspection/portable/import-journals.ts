/**
 * Put the journals of an export back (docs/portable-journals.md): into a new folder as the ring that it was exported from, or into the free and
 * retired slots of a ring that no host uses. The export is checked whole before anything is written.
 */
import { basename } from 'node:path';
import type { Disk } from '../../disk/disk.ts';
import { errnoOf, UsageError } from '../../model/errors.ts';
import type { DataSetId } from '../../model/ids.ts';
import { watermarkPath } from '../../../journals/files.ts';
import { importIntoNewFolder, UNFINISHED_NAME } from './import-folder.ts';
import { importIntoRing } from './import-ring.ts';
import { locateRing } from '../ring/locate-ring.ts';
import { importNotRing } from './portable-errors.ts';
import type { PortableHeader, PortableVerdict } from './portable-format.ts';
import { openPortable } from './portable-reader.ts';

export interface ImportedJournal {
  readonly slot: number;
  readonly dataSet: DataSetId | null;
  readonly verdict: PortableVerdict;
  readonly bytes: number;
  /** `there already`: the slot holds the same bytes, from an import that was interrupted. */
  readonly outcome: 'imported' | 'there already' | 'missing, as it was';
}

export interface ImportReport {
  readonly path: string;
  readonly directory: string;
  readonly kind: 'new ring' | 'existing ring';
  /** Nothing was changed. */
  readonly dryRun: boolean;
  readonly header: PortableHeader;
  readonly journals: readonly ImportedJournal[];
}

export interface ImportOptions {
  readonly disk: Disk;
  /** The export. */
  readonly path: string;
  /** A new or empty folder, a ring's folder, or the state folder around one. */
  readonly directory: string;
  readonly dryRun: boolean;
}

/**
 * Import an export. Killed at any moment, it has harmed nothing that was there, and goes on when it is run again.
 * @throws CorruptionError ERR_IMPORT_DAMAGED; RefusedError ERR_IMPORT_NOT_EMPTY, ERR_IMPORT_FOREIGN, ERR_IMPORT_UNSOUND, ERR_IMPORT_OCCUPIED,
 * ERR_JOURNALS_LOCKED and those of a ring that is not whole; FarshoreError ERR_IMPORT_READ, ERR_IMPORT_WRITE
 */
export async function importJournals(options: ImportOptions): Promise<ImportReport> {
  const { disk, path, dryRun } = options;
  const { file, contents } = openPortable(disk, path);
  try {
    const { directory, kind } = target(disk, options.directory);
    const importing = { disk, directory, dryRun, file, contents };
    const journals = kind === 'new ring' ? importIntoNewFolder(importing) : await importIntoRing(importing);
    return { path, directory, kind, dryRun, header: contents.header, journals };
  } finally {
    file.closeSync();
  }
}

function listTarget(disk: Disk, named: string): string[] {
  try {
    return disk.exists(named) ? disk.list(named) : [];
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') throw importNotRing(named, 'a file in its place');
    throw error;
  }
}

/** The folder that is meant, also by the state folder around it, and what it is. */
function target(disk: Disk, named: string): { directory: string; kind: ImportReport['kind'] } {
  const names = listTarget(disk, named);
  if (names.includes(UNFINISHED_NAME)) {
    // With its watermark the ring of an interrupted import is whole, and a host may have used it since.
    return { directory: named, kind: names.includes(basename(watermarkPath(named))) ? 'existing ring' : 'new ring' };
  }
  const [first] = names;
  if (first === undefined) return { directory: named, kind: 'new ring' };
  try {
    return { directory: locateRing({ disk, path: named }).directory, kind: 'existing ring' };
  } catch (error) {
    if (error instanceof UsageError) throw importNotRing(named, first);
    throw error;
  }
}
