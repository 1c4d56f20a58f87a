/** Rings for the tests of export, import and diff: written as bytes, so that they can be damaged in every way. */
import { join } from 'node:path';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { BLOCK_BYTES, encodeHeader, encodeWatermark } from '../../journals/format.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { exportJournals, type ExportReport } from '../../src/inspection/portable/export-journals.ts';
import type { ExportSelection } from '../../src/inspection/portable/export-selection.ts';
import { FileSink } from '../../src/inspection/portable/export-sink.ts';
import { buildImage, chainOf, encodePadRecord, encodeRecord, encodeSyncRecord, IDENTITY, SMALL } from '../journals/support.ts';

export const ALL: ExportSelection = { kind: 'all' };
export const only = (from: number, to = from): ExportSelection => ({ kind: 'range', range: { from, to } });

/** Records of a whole data set: `writes` writes of growing length, then its sync command. */
export function recordsOf(dataSet: number, writes = 3, identity = IDENTITY): Uint8Array[] {
  const firstSequence = dataSet * 100;
  const records = Array.from({ length: writes }, (_, index) =>
    encodeRecord({ dataSet, firstSequence, sequence: firstSequence + index, blocks: index % 6, identity }),
  );
  return [...records, encodeSyncRecord({ dataSet, firstSequence, sequence: firstSequence + writes, identity })];
}

/** Journals as crashes and disks leave them, by data set; the watermark is at 41. */
export function oddJournals(): Map<number, Uint8Array> {
  const whole = (dataSet: number, flagged: boolean, writes = 3): Uint8Array =>
    buildImage({ dataSet, flagged, records: recordsOf(dataSet, writes) });
  const torn = whole(42, false, 9);
  torn.fill(0xa5, 8192 + 80 + 592 + 900, 8192 + 80 + 592 + 1400);
  const stale = whole(40, true, 2);
  // Old bytes of the slot's data set before, right behind the end.
  stale.set(encodeRecord({ dataSet: 36, firstSequence: 3600, sequence: 3607, blocks: 20 }), endOf(recordsOf(40, 2)));
  const padded = buildImage({ dataSet: 43, flagged: false, records: [encodePadRecord(4096), ...recordsOf(43, 4)] });
  return new Map([
    [40, stale],
    [41, whole(41, true, 30)],
    [42, torn],
    [43, padded],
  ]);
}

function endOf(records: readonly Uint8Array[]): number {
  return 8192 + records.reduce((sum, { length }) => sum + length, 0);
}

/** A free slot's bytes. */
export function freeImage(slot: number): Uint8Array {
  const image = new Uint8Array(SMALL.slotBytes);
  encodeHeader(image, { ...IDENTITY, slot, slots: SMALL.slots, slotBytes: SMALL.slotBytes, dataSet: null, firstSequence: null });
  return image;
}

export function watermarkBytes(dataSet: number | null, identity = IDENTITY): Uint8Array {
  const bytes = new Uint8Array(2 * BLOCK_BYTES);
  const at = (id: number | null) => (id === null ? null : { dataSet: id, finalSequence: id * 100 + 3, chain: chainOf(id) });
  const before = dataSet === null || dataSet === 0 ? null : dataSet - 1;
  encodeWatermark(bytes.subarray(0, BLOCK_BYTES), { ...identity, point: at(before), hostEpoch: 0, counter: 6 });
  encodeWatermark(bytes.subarray(BLOCK_BYTES), { ...identity, point: at(dataSet), hostEpoch: 0, counter: 7 });
  return bytes;
}

/** Write a small ring: the journals by data set, the other slots free. */
export async function writeRing(
  disk: Disk,
  directory: string,
  options: { journals: ReadonlyMap<number, Uint8Array>; watermark?: number | null },
): Promise<void> {
  disk.makeDirectory(directory);
  for (let slot = 0; slot < SMALL.slots; slot += 1) {
    const [, image] = [...options.journals].find(([dataSet]) => dataSet % SMALL.slots === slot) ?? [0, freeImage(slot)];
    await writeWhole(disk, journalPath(directory, slot), image);
  }
  await writeWhole(disk, watermarkPath(directory), watermarkBytes(options.watermark === undefined ? 41 : options.watermark));
  disk.syncDirectory(directory);
}

/** Write a file, anew or over what is there, and flush it. */
export async function writeWhole(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  if (disk.exists(path)) disk.unlink(path);
  const file = disk.open(path, { create: true });
  if (bytes.length > 0) await awaitDone((done) => file.write([bytes], 0, done));
  file.flushSync();
  file.closeSync();
}

export function exportTo(disk: Disk, directory: string, path: string, selection = ALL): Promise<ExportReport> {
  return exportJournals({ disk, directory, selection, openSink: () => new FileSink(disk, path) });
}

/** Every file of a folder by its name. */
export function filesIn(disk: Disk, directory: string): Map<string, Buffer> {
  return new Map(disk.list(directory).map((name) => [name, Buffer.from(disk.readFile(join(directory, name)) ?? [])]));
}
