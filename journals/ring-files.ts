/** Open the files of a ring and check that they are the ring that the config means. Never creates or changes anything. */
import type { Disk, DiskFile } from '../src/disk/disk.ts';
import { FarshoreError } from '../src/model/errors.ts';
import type { Geometry } from '../src/model/ids.ts';
import type { ScannedHeader } from './contract.ts';
import { journalGeometry, journalMissing, journalRead, journalSize } from './errors.ts';
import { journalPath } from './files.ts';
import { BLOCK_BYTES, decodeHeader, HEADER_OFFSET } from './format.ts';

export interface OpenJournalOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly geometry: Geometry;
  readonly slot: number;
  /** Aligned memory of at least one block, overwritten. */
  readonly scratch: Uint8Array;
}

/**
 * Open one slot's file. A header that cannot be read is recovery's business; one that names another ring is refused here.
 * @throws RefusedError ERR_JOURNAL_MISSING, ERR_JOURNAL_SIZE, ERR_JOURNAL_GEOMETRY; FarshoreError ERR_JOURNAL_READ
 */
export function openJournal(options: OpenJournalOptions): DiskFile {
  const { disk, directory, geometry, slot } = options;
  const path = journalPath(directory, slot);
  if (!disk.exists(path)) throw journalMissing(path);
  const file = disk.open(path, { durableWrites: true });
  try {
    const sizeBytes = file.sizeBytes();
    if (sizeBytes !== geometry.slotBytes) throw journalSize(path, geometry.slotBytes, sizeBytes);
    const block = options.scratch.subarray(0, BLOCK_BYTES);
    file.readSync(block, HEADER_OFFSET);
    checkHeader({ path, slot, geometry, header: decodeHeader(block) });
  } catch (thrown) {
    file.closeSync();
    throw thrown instanceof FarshoreError ? thrown : journalRead(path, thrown);
  }
  return file;
}

/** Refuse a header that names another ring or another slot. @throws RefusedError ERR_JOURNAL_GEOMETRY */
export function checkHeader(found: { path: string; slot: number; geometry: Geometry; header: ScannedHeader }): void {
  const { path, slot, geometry, header } = found;
  if (header.verdict !== 'readable') return;
  if (header.slots === geometry.slots && header.slotBytes === geometry.slotBytes && header.slot === slot) return;
  const expected = `slot ${slot} of ${geometry.slots} slots of ${geometry.slotBytes} bytes`;
  throw journalGeometry(path, expected, `slot ${header.slot} of ${header.slots} slots of ${header.slotBytes} bytes`);
}

/** Open the files of all slots, or none. */
export function openJournals(options: Omit<OpenJournalOptions, 'slot'>): DiskFile[] {
  const files: DiskFile[] = [];
  try {
    for (let slot = 0; slot < options.geometry.slots; slot += 1) files.push(openJournal({ ...options, slot }));
  } catch (thrown) {
    for (const file of files) file.closeSync();
    throw thrown;
  }
  return files;
}
