/**
 * Give journals and watermark new files with the same content. A host that was fenced badly may still have a write under way that no
 * lease stops any more: in its descriptors, which are those of the old files. Whoever opens the names finds the new ones.
 *
 * 1. **Copy** each journal into its spare file, durably, and **rename** it over the journal.
 * 2. **Replace** the watermark. 3. **Flush** the directory.
 *
 * A crash in between leaves old and new files with the same content; it can be done again.
 */
import { awaitDone } from '../src/disk/await-done.ts';
import type { Disk, DiskFile } from '../src/disk/disk.ts';
import { errnoOf } from '../src/model/errors.ts';
import { journalPath, sparePath, watermarkPath } from './files.ts';
import { allocateAligned } from './memory-buffer.ts';
import type { AlignedStart } from './memory-buffer.ts';

const PIECE_BYTES = 1024 * 1024;

export interface RenewOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly slots: number;
  readonly alignedStart: AlignedStart;
}

/** True: done. False: there is no room for a second file, and nothing is lost by going on with the old ones. @throws the disk's error */
export async function renewFiles({ disk, directory, slots, alignedStart }: RenewOptions): Promise<boolean> {
  const piece = allocateAligned(PIECE_BYTES, alignedStart);
  try {
    for (let slot = 0; slot < slots; slot += 1) await renewJournal(disk, journalPath(directory, slot), piece);
    const path = watermarkPath(directory);
    const bytes = disk.readFile(path);
    if (bytes !== null) disk.replaceFile(path, bytes);
  } catch (error) {
    if (errnoOf(error) !== 'ENOSPC') throw error;
    return false;
  }
  disk.syncDirectory(directory);
  return true;
}

async function renewJournal(disk: Disk, path: string, piece: Uint8Array): Promise<void> {
  const spare = sparePath(path);
  if (disk.exists(spare)) disk.unlink(spare);
  const from = disk.open(path, { readOnly: true, uncachedReads: true });
  let to: DiskFile | null = null;
  try {
    to = disk.open(spare, { create: true, durableWrites: true });
    await copy(from, to, piece);
    disk.rename(spare, path);
  } catch (error) {
    if (to !== null) disk.unlink(spare);
    throw error;
  } finally {
    await closed(from);
    if (to !== null) await closed(to);
  }
}

async function copy(from: DiskFile, to: DiskFile, piece: Uint8Array): Promise<void> {
  const sizeBytes = from.sizeBytes();
  await awaitDone((done) => to.allocate(sizeBytes, done));
  for (let position = 0; position < sizeBytes; position += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, sizeBytes - position));
    const bytesRead = await readPart(from, part, position);
    if (bytesRead !== part.length) throw new Error(`${from.path}: ${bytesRead} bytes at ${position}, expected ${part.length}`);
    await awaitDone((done) => to.write([part], position, done));
  }
  await awaitDone((done) => to.flush(done));
}

function readPart(file: DiskFile, part: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    file.read(part, position, (error, bytesRead) => (error === null ? resolve(bytesRead) : reject(error)));
  });
}

function closed(file: DiskFile): Promise<void> {
  return awaitDone((done) => file.close(done));
}
