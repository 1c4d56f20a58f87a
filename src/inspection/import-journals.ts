/**
 * Put the journals of an export back (docs/portable-journals.md): into a new folder as the ring that it was exported from, or into the free and
 * retired slots of a ring that no host uses. The export is checked whole before anything is written.
 */
import { basename } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import type { DataSetId } from '../model/ids.ts';
import { isRingFile, watermarkPath } from '../../journals/files.ts';
import { importIntoNewFolder, UNFINISHED_NAME } from './import-folder.ts';
import { importIntoRing } from './import-ring.ts';
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
  /** Folder of the ring. */
  readonly directory: string;
  readonly dryRun: boolean;
}

/**
 * Import an export. Killed at any moment, it has harmed nothing that was there, and goes on when it is run again.
 * @throws CorruptionError ERR_IMPORT_DAMAGED; RefusedError ERR_IMPORT_NOT_EMPTY, ERR_IMPORT_FOREIGN, ERR_IMPORT_UNSOUND, ERR_IMPORT_OCCUPIED,
 * ERR_JOURNALS_LOCKED and those of a ring that is not whole; FarshoreError ERR_IMPORT_READ, ERR_IMPORT_WRITE
 */
export async function importJournals(options: ImportOptions): Promise<ImportReport> {
  const { disk, path, directory, dryRun } = options;
  const { file, contents } = openPortable(disk, path);
  try {
    const kind = kindOf(disk, directory);
    const importing = { disk, directory, dryRun, file, contents };
    const journals = kind === 'new ring' ? importIntoNewFolder(importing) : await importIntoRing(importing);
    return { path, directory, kind, dryRun, header: contents.header, journals };
  } finally {
    file.closeSync();
  }
}

function kindOf(disk: Disk, directory: string): ImportReport['kind'] {
  const names = disk.exists(directory) ? disk.list(directory) : [];
  const ring = names.some(isRingFile);
  // A ring's folder may hold other files of its owner; a new one is made only where there is nothing.
  const strange = names.find((name) => name !== UNFINISHED_NAME);
  if (!ring && strange !== undefined) throw importNotRing(directory, strange);
  // With its watermark the ring of an interrupted import is whole, and a host may have used it since.
  if (names.includes(UNFINISHED_NAME)) return names.includes(basename(watermarkPath(directory))) ? 'existing ring' : 'new ring';
  return ring ? 'existing ring' : 'new ring';
}
