/**
 * Put the journals of an export into slots of a ring that no host uses, under the ring's lock:
 *
 * 1 **check** everything, before anything is written: same group, generation, stream and geometry; each journal sound and inside the window;
 *   each slot free, or its data set covered by the watermark; all of them or none;
 * 2 **make durable** what that relied on: names in the folder, and the watermark, which a killed host may have left in the page cache only (I5);
 * 3 **write** each journal whole as its slot's spare, and flush it;
 * 4 **rename** all spares into place, and flush the directory.
 *
 * A crash before 4 leaves spares, which every start ignores; in the middle of 4 some slots hold their imported journal and the others what
 * they held. Run again, it finds the former there already. The ring's watermark never changes: the export's is not used.
 *
 * @invariant I5
 */
import { join } from 'node:path';
import { alignedStart } from '../../disk/alignment.ts';
import { awaitDone } from '../../disk/await-done.ts';
import type { Disk } from '../../disk/disk.ts';
import { FarshoreError } from '../../model/errors.ts';
import type { Geometry } from '../../model/ids.ts';
import type { JournalIdentity, StoredWatermark } from '../../../journals/contract.ts';
import { journalMissing, journalsLocked, journalSize, watermarkMissing } from '../../../journals/errors.ts';
import { scanWindow } from '../../../journals/file-scan.ts';
import { journalPath, sparePath, watermarkPath } from '../../../journals/files.ts';
import { WatermarkFile } from '../../../journals/watermark.ts';
import type { Importing } from './import-folder.ts';
import { UNFINISHED_NAME, writeEntry } from './import-folder.ts';
import type { ImportedJournal } from './import-journals.ts';
import { holdsAlready, refuseOccupied, refuseUnsound } from './import-rules.ts';
import { openJournalToRead, peekJournal, type PeekedJournal } from '../ring/peek-journal.ts';
import { importForeign, importWrite } from './portable-errors.ts';
import { entryAsFile, type PlacedEntry } from './portable-reader.ts';
import { measureJournal } from './portable-journal.ts';
import { guessGeometry, listSlots } from '../ring/read-ring.ts';

/** Carry steps 1-4 out. @throws RefusedError, CorruptionError of the ring and of the rules; FarshoreError ERR_IMPORT_WRITE */
export async function importIntoRing(importing: Importing): Promise<ImportedJournal[]> {
  const { disk, directory, dryRun } = importing;
  const path = watermarkPath(directory);
  if (!disk.exists(path)) throw watermarkMissing(path);
  const lock = disk.lock(path);
  if (lock === null) throw journalsLocked(directory);
  try {
    const watermark = openWatermark(disk, directory);
    try {
      const stored = watermark.read();
      const { toWrite, imported } = await check(importing, stored);
      if (dryRun) return imported;
      await makeDurable(disk, directory, watermark);
      write(importing, toWrite);
      return imported;
    } finally {
      await awaitDone((done) => watermark.close(done));
    }
  } finally {
    lock.release();
  }
}

function openWatermark(disk: Disk, directory: string): WatermarkFile {
  return new WatermarkFile({ disk, directory, alignedStart, events: { durable: () => {}, failed: () => {}, idle: () => {} } });
}

interface Checked {
  readonly toWrite: readonly PlacedEntry[];
  readonly imported: ImportedJournal[];
}

async function check(importing: Importing, stored: StoredWatermark | null): Promise<Checked> {
  const { disk, directory, file, contents } = importing;
  const { header, entries, path } = contents;
  const window = scanWindow();
  const peeked: PeekedJournal[] = [];
  for (const slot of listSlots(disk, directory)) peeked.push(await peekJournal({ disk, path: journalPath(directory, slot), slot, window }));
  const headers = peeked.map((journal) => journal.header);
  refuseForeign(path, header, { identity: stored, geometry: guessGeometry(headers, peeked) });
  const toWrite: PlacedEntry[] = [];
  const imported: ImportedJournal[] = [];
  for (const entry of entries) {
    const { slot, dataSet, verdict, contentBytes } = entry;
    const target = peeked.find((journal) => journal.slot === slot);
    if (target === undefined) throw journalMissing(journalPath(directory, slot));
    const measured = await measureJournal({ file: entryAsFile(file, entry), slot, slotBytes: header.geometry.slotBytes, window });
    refuseUnsound(path, header, { entry, measured, watermark: stored?.point ?? null });
    const there = isThere(importing, entry, target);
    if (!there) {
      const { slotBytes } = header.geometry;
      if (target.fileBytes !== slotBytes) throw journalSize(target.path, slotBytes, target.fileBytes);
      refuseOccupied(target, header, stored?.point ?? null);
      toWrite.push(entry);
    }
    imported.push({ slot, dataSet, verdict, bytes: contentBytes, outcome: there ? 'there already' : 'imported' });
  }
  return { toWrite, imported };
}

function isThere({ disk, file }: Importing, entry: PlacedEntry, { path }: PeekedJournal): boolean {
  const target = openJournalToRead(disk, path);
  try {
    return holdsAlready(target, file, entry);
  } finally {
    target.closeSync();
  }
}

function refuseForeign(
  path: string,
  header: JournalIdentity & { readonly geometry: Geometry },
  ring: { readonly identity: JournalIdentity | null; readonly geometry: Geometry | null },
): void {
  const { identity, geometry } = ring;
  if (identity === null) throw importForeign(path, 'group', 'a ring that is bound to a group', 'one that is bound to none');
  if (identity.groupId !== header.groupId) throw importForeign(path, 'group', `group ${identity.groupId}`, `group ${header.groupId}`);
  if (identity.generation !== header.generation || identity.stream !== header.stream) {
    const show = ({ generation, stream }: JournalIdentity): string => `generation ${generation}, stream ${stream}`;
    throw importForeign(path, 'stream', show(identity), show(header));
  }
  const show = (of: Geometry | null): string => (of === null ? 'none that can be told' : `${of.slots} slots of ${of.slotBytes} bytes`);
  if (show(geometry) !== show(header.geometry)) throw importForeign(path, 'geometry', show(geometry), show(header.geometry));
}

async function makeDurable(disk: Disk, directory: string, watermark: WatermarkFile): Promise<void> {
  try {
    // A killed host may have renamed a spare over a journal (I10) without living to make the name durable.
    disk.syncDirectory(directory);
    await awaitDone((done) => watermark.makeDurable(done));
    const mark = join(directory, UNFINISHED_NAME);
    if (!disk.exists(mark)) return;
    disk.unlink(mark);
    disk.syncDirectory(directory);
  } catch (error) {
    throw error instanceof FarshoreError ? error : importWrite(directory, error);
  }
}

function write({ disk, directory, file }: Importing, entries: readonly PlacedEntry[]): void {
  const spares: string[] = [];
  let path = directory;
  try {
    for (const entry of entries) {
      path = sparePath(journalPath(directory, entry.slot));
      if (disk.exists(path)) disk.unlink(path);
      const opened = disk.open(path, { create: true });
      spares.push(path);
      try {
        writeEntry({ opened, file, entry });
        opened.flushSync();
      } finally {
        opened.closeSync();
      }
    }
    for (const { slot } of entries) {
      path = journalPath(directory, slot);
      disk.rename(sparePath(path), path);
      spares.shift();
    }
    path = directory;
    disk.syncDirectory(directory);
  } catch (error) {
    for (const spare of spares) removeQuietly(disk, spare);
    throw error instanceof FarshoreError ? error : importWrite(path, error);
  }
}

function removeQuietly(disk: Disk, path: string): void {
  try {
    disk.unlink(path);
  } catch {
    // What made the import fail is told; a spare that stays behind is ignored by every start.
  }
}
