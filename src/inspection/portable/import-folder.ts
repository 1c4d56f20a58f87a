/**
 * Make the ring of an export in a new or empty folder:
 *
 * 1 **mark** the folder as unfinished, lock the mark, and make it durable: whoever finds it may throw the rest away;
 * 2 **write** every slot's file whole, free ones where the export holds none, and flush each;
 * 3 **write the watermark**, flushed before it gets its name: without it no host and no command takes this for a ring;
 * 4 **remove** the mark.
 *
 * A crash before 3 leaves a folder that every start refuses; a crash before 4 a whole ring with a mark that the next import removes.
 */
import { join } from 'node:path';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { writeZeroesSync } from '../../disk/zeroes.ts';
import { FarshoreError } from '../../model/errors.ts';
import { journalsLocked } from '../../../journals/errors.ts';
import { isRingFile, journalPath, watermarkPath } from '../../../journals/files.ts';
import { BLOCK_BYTES, encodeHeader } from '../../../journals/format.ts';
import type { ImportedJournal } from './import-journals.ts';
import { importNotRing, importWrite } from './portable-errors.ts';
import type { PortableHeader } from './portable-format.ts';
import { copyContent, type PlacedEntry, type PortableContents } from './portable-reader.ts';

/** Says that an import was interrupted. */
export const UNFINISHED_NAME = 'import-unfinished';

export interface Importing {
  readonly disk: Disk;
  readonly directory: string;
  readonly dryRun: boolean;
  /** The export, open. */
  readonly file: DiskFile;
  readonly contents: PortableContents;
}

/** Carry steps 1-4 out. @throws RefusedError ERR_JOURNALS_LOCKED, ERR_IMPORT_NOT_EMPTY; FarshoreError ERR_IMPORT_WRITE */
export function importIntoNewFolder(importing: Importing): ImportedJournal[] {
  const { disk, directory, dryRun, contents } = importing;
  const imported = contents.entries.map(({ slot, dataSet, verdict, contentBytes, missing }): ImportedJournal => ({
    slot,
    dataSet,
    verdict,
    bytes: contentBytes,
    outcome: missing ? 'missing, as it was' : 'imported',
  }));
  if (dryRun) return imported;
  const mark = join(directory, UNFINISHED_NAME);
  let path = directory;
  let marked = false;
  try {
    if (!disk.exists(directory)) disk.makeDirectory(directory);
    path = mark;
    const lock = disk.lock(mark);
    if (lock === null) throw journalsLocked(directory);
    try {
      disk.syncDirectory(directory);
      path = directory;
      removeUnfinished(disk, directory);
      marked = true;
      for (let slot = 0; slot < contents.header.geometry.slots; slot += 1) {
        path = journalPath(directory, slot);
        writeSlot(importing, slot, path);
      }
      disk.syncDirectory(directory);
      path = watermarkPath(directory);
      // From here on the ring may be whole, and is never thrown away.
      marked = false;
      if (contents.header.watermark.length > 0) disk.replaceFile(path, contents.header.watermark);
      path = mark;
      disk.unlink(mark);
      disk.syncDirectory(directory);
    } catch (error) {
      if (marked) giveBack(disk, directory, mark);
      throw error;
    } finally {
      lock.release();
    }
  } catch (error) {
    throw error instanceof FarshoreError ? error : importWrite(path, error);
  }
  return imported;
}

/** An import that fails gives the space back that it took. */
function giveBack(disk: Disk, directory: string, mark: string): void {
  try {
    removeUnfinished(disk, directory);
    disk.unlink(mark);
  } catch {
    // What made it fail is told; the mark says that the rest may be thrown away.
  }
}

/** Nobody but an import wrote what lies beside its mark. */
function removeUnfinished(disk: Disk, directory: string): void {
  for (const name of disk.list(directory)) {
    if (name === UNFINISHED_NAME) continue;
    if (!isRingFile(name) && name !== 'watermark.new') throw importNotRing(directory, name);
    disk.unlink(join(directory, name));
  }
}

function writeSlot({ disk, file, contents }: Importing, slot: number, path: string): void {
  const entry = contents.entries.find((candidate) => candidate.slot === slot);
  if (entry?.missing === true) return;
  const opened = disk.open(path, { create: true });
  try {
    if (entry === undefined) writeFree(opened, slot, contents.header);
    else writeEntry({ opened, file, entry });
    opened.flushSync();
  } finally {
    opened.closeSync();
  }
}

function writeFree(opened: DiskFile, slot: number, { geometry, groupId, generation, stream }: PortableHeader): void {
  const { slots, slotBytes } = geometry;
  const block = new Uint8Array(BLOCK_BYTES);
  encodeHeader(block, { groupId, generation, stream, slot, slots, slotBytes, dataSet: null, firstSequence: null });
  opened.allocateSync(slotBytes);
  opened.writeSync(block, 0);
  writeZeroesSync({ file: opened, position: BLOCK_BYTES, lengthBytes: slotBytes - BLOCK_BYTES });
}

/** Write a journal's bytes into a new file, and zeroes behind them. */
export function writeEntry({ opened, file, entry }: { opened: DiskFile; file: DiskFile; entry: PlacedEntry }): void {
  if (entry.fileBytes > 0) opened.allocateSync(entry.fileBytes);
  copyContent(file, entry, (bytes, position) => opened.writeSync(bytes, position));
  writeZeroesSync({ file: opened, position: entry.contentBytes, lengthBytes: entry.fileBytes - entry.contentBytes });
}
