/** What a ring that is in use takes from an export: nothing that could make a recovery refuse, or take the place of anything it needs. */
import { BLOCK_BYTES } from '../../../journals/format.ts';
import type { DiskFile } from '../../disk/disk.ts';
import type { HistoryPoint } from '../../model/ids.ts';
import type { PeekedJournal } from '../ring/peek-journal.ts';
import { importOccupied, importUnsound } from './portable-errors.ts';
import type { PortableHeader } from './portable-format.ts';
import type { MeasuredJournal } from './portable-journal.ts';
import type { PlacedEntry } from './portable-reader.ts';

const PIECE_BYTES = 64 * BLOCK_BYTES;

/** Refuse a journal that recovery would refuse in this ring. @throws RefusedError ERR_IMPORT_UNSOUND */
export function refuseUnsound(
  path: string,
  ring: PortableHeader,
  journal: { readonly entry: PlacedEntry; readonly measured: MeasuredJournal; readonly watermark: HistoryPoint | null },
): void {
  const why = whyUnsound(ring, journal);
  if (why !== null) throw importUnsound(path, journal.entry.slot, why);
}

function whyUnsound(
  { geometry, groupId, generation, stream }: PortableHeader,
  { entry, measured, watermark }: { entry: PlacedEntry; measured: MeasuredJournal; watermark: HistoryPoint | null },
): string | null {
  const { scan, firstRecord } = measured;
  const { header, completeMark } = scan;
  if (entry.missing) return 'its file was missing';
  if (entry.fileBytes !== geometry.slotBytes) return `its file had ${entry.fileBytes} bytes, expected ${geometry.slotBytes}`;
  if (measured.entry.verdict === 'damaged') return 'it is damaged';
  if (header.verdict !== 'readable') return 'its header is of a later version';
  const { dataSet } = header;
  if (dataSet === null) return 'it names no data set';
  if (header.slot !== entry.slot || header.slots !== geometry.slots || header.slotBytes !== geometry.slotBytes)
    return `its header names slot ${header.slot} of ${header.slots} slots of ${header.slotBytes} bytes`;
  if (header.groupId !== groupId) return `its header names group ${header.groupId}`;
  if (header.generation !== generation || header.stream !== stream)
    return `its header names generation ${header.generation}, stream ${header.stream}`;
  if (firstRecord !== null && (firstRecord.dataSet !== dataSet || firstRecord.stream !== stream))
    return `its header names data set ${dataSet}, and its records are of data set ${firstRecord.dataSet}`;
  if (completeMark.verdict === 'set' && completeMark.point.dataSet !== dataSet)
    return `its complete mark names data set ${completeMark.point.dataSet}`;
  if (dataSet % geometry.slots !== entry.slot) return `data set ${dataSet} belongs into slot ${dataSet % geometry.slots}`;
  const highest = (watermark?.dataSet ?? -1) + geometry.slots;
  return dataSet > highest ? `data set ${dataSet} is above the ring's window, which ends at ${highest}` : null;
}

/**
 * Refuse to replace a journal that is neither free nor, by every name in it, of data sets that the watermark covers.
 * @throws RefusedError ERR_IMPORT_OCCUPIED
 */
export function refuseOccupied(target: PeekedJournal, ring: PortableHeader, watermark: HistoryPoint | null): void {
  const why = whyOccupied(target, ring, watermark);
  if (why !== null) throw importOccupied(target.path, target.slot, why);
}

function whyOccupied(target: PeekedJournal, ring: PortableHeader, watermark: HistoryPoint | null): string | null {
  const { header, firstRecord, completeMark, free } = target;
  if (free) return null;
  if (header.verdict === 'unreadable')
    return `its header cannot be read (byte ${header.offset}: expected ${header.expected}, found ${header.found}), so nothing says that it is retired`;
  if (header.verdict === 'later-version') return `it is of format version ${header.version}`;
  if (header.groupId !== ring.groupId && header.dataSet !== null) return `it is of group ${header.groupId}`;
  if (completeMark.verdict === 'unreadable') return `its complete mark cannot be read (byte ${completeMark.offset})`;
  const named = [header.dataSet, firstRecord?.dataSet ?? null, completeMark.verdict === 'set' ? completeMark.point.dataSet : null];
  const covered = watermark === null ? 'and the watermark covers none' : `above the watermark, ${watermark.dataSet}`;
  const above = named.find((dataSet) => dataSet !== null && dataSet > (watermark?.dataSet ?? -1));
  if (above !== undefined) return `it holds data set ${above}, ${covered}`;
  return named.every((dataSet) => dataSet === null) ? 'it says that it is free, and holds bytes that cannot be read' : null;
}

/** Whether a slot's file is what the import would make of it. */
export function holdsAlready(target: DiskFile, file: DiskFile, entry: PlacedEntry): boolean {
  if (target.sizeBytes() !== entry.fileBytes) return false;
  const found = new Uint8Array(PIECE_BYTES);
  const wanted = new Uint8Array(PIECE_BYTES);
  for (let from = 0; from < entry.contentBytes; from += PIECE_BYTES) {
    const lengthBytes = Math.min(PIECE_BYTES, entry.contentBytes - from);
    const [there, asked] = [found.subarray(0, lengthBytes), wanted.subarray(0, lengthBytes)];
    if (target.readSync(there, from) !== lengthBytes || file.readSync(asked, entry.contentOffset + from) !== lengthBytes) return false;
    if (Buffer.compare(there, asked) !== 0) return false;
  }
  return true;
}
