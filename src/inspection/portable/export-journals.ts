/**
 * Export journals of a ring into one portable file (docs/portable-journals.md), read-only and beside a running host.
 *
 * 1 **look**: watermark, then header and first record of every journal: geometry, and which journals are wanted;
 * 2 of each wanted one: **measure** (scan to its end), **copy** its bytes with a checksum, **measure again**: if a host changed it
 *   meanwhile, once more, a bounded number of times.
 *
 * Nothing is checked away: damaged and torn journals travel as they are, with the verdict on them. What does not travel is what stands behind
 * the end of the records. Beside a running host two journals of one export are not of one moment; each by itself is.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { journalRead } from '../../../journals/errors.ts';
import { scanWindow } from '../../../journals/file-scan.ts';
import { journalPath, watermarkPath } from '../../../journals/files.ts';
import type { WatermarkContent } from '../../../journals/format.ts';
import { UNBOUND_IDENTITY } from '../../../journals/format.ts';
import type { JournalIdentity } from '../../../journals/contract.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { FarshoreError } from '../../model/errors.ts';
import type { DataSetId, Geometry } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import { isWantedBy, type ExportSelection, showSelection } from './export-selection.ts';
import type { ExportSink } from './export-sink.ts';
import { peekJournal, type PeekedJournal } from '../ring/peek-journal.ts';
import { exportChanged, noGeometry, noSuchDataSet } from './portable-errors.ts';
import { encodeEntryHeader, encodeEntryTrailer, encodePortableHeader, WATERMARK_BYTES_MAX } from './portable-format.ts';
import type { PortableEntry } from './portable-format.ts';
import { isSameScan, measureJournal } from './portable-journal.ts';
import { guessGeometry, isUnbound, listSlots, readWatermark } from '../ring/read-ring.ts';
import { ReaderGone } from '../show/show-output.ts';

const PIECE_BYTES = 256 * 1024;

export interface ExportReport extends JournalIdentity {
  readonly directory: string;
  readonly path: string;
  readonly geometry: Geometry;
  readonly watermark: DataSetId | null;
  readonly bytes: number;
  readonly entries: readonly PortableEntry[];
  /** What the reader of the export should know. */
  readonly notes: readonly string[];
}

/** Export what is selected. @throws UsageError ERR_EXPORT_NO_DATA_SET; FarshoreError ERR_JOURNAL_READ; RefusedError ERR_EXPORT_CHANGED; what the sink throws; ReaderGone */
export async function exportJournals(options: {
  readonly disk: Disk;
  readonly directory: string;
  readonly selection: ExportSelection;
  readonly openSink: () => ExportSink;
}): Promise<ExportReport> {
  const { disk, directory, selection, openSink } = options;
  const { watermark } = readWatermark(disk, directory);
  const watermarkBytes = readWatermarkBytes(disk, directory);
  const window = scanWindow();
  const peeked: PeekedJournal[] = [];
  for (const slot of listSlots(disk, directory)) peeked.push(await peekJournal({ disk, path: journalPath(directory, slot), slot, window }));
  const headers = peeked.map(({ header }) => header);
  const geometry = guessGeometry(headers, peeked);
  if (geometry === null) throw noGeometry(directory, 'no header can be read, and the files have no size that a ring has');
  const wanted = choose({ peeked, geometry, selection, directory });
  const large = peeked.find(({ slot, fileBytes }) => fileBytes > LIMITS.slotBytesMax && wanted.some((journal) => journal.slot === slot));
  if (large !== undefined)
    throw noGeometry(directory, `${large.path} has ${large.fileBytes} bytes, at most ${LIMITS.slotBytesMax} are a slot`);
  const strays = peeked.filter(({ slot }) => slot >= geometry.slots).map(({ path }) => path);
  const identity = identityOf(watermark.newest, wanted);
  const sink = openSink();
  try {
    await sink.write(encodePortableHeader({ ...identity, geometry, entries: wanted.length, watermark: watermarkBytes }));
    const entries: PortableEntry[] = [];
    for (const { slot } of wanted) entries.push(await exportJournal({ disk, directory, slot, geometry, window, sink }));
    sink.finish();
    const point = watermark.newest?.point?.dataSet ?? null;
    const notes = notesOn({ disk, directory, before: watermark.newest, entries, selection, strays });
    return { ...identity, directory, path: sink.path, geometry, watermark: point, bytes: sink.position, entries, notes };
  } catch (error) {
    sink.abandon();
    throw error;
  }
}

/** A slot that is to be exported: its file may be missing. */
type Wanted = Pick<PeekedJournal, 'slot'> & Partial<Pick<PeekedJournal, 'header'>>;

function choose(from: {
  readonly peeked: readonly PeekedJournal[];
  readonly geometry: Geometry;
  readonly selection: ExportSelection;
  readonly directory: string;
}): Wanted[] {
  const { peeked, geometry, selection, directory } = from;
  const own = peeked.filter(({ slot }) => slot < geometry.slots);
  const wanted: Wanted[] = own.filter((journal) => isWantedBy(selection, journal));
  if (selection.kind === 'all') {
    for (let slot = 0; slot < geometry.slots; slot += 1) if (!own.some((journal) => journal.slot === slot)) wanted.push({ slot });
    return wanted.sort((a, b) => a.slot - b.slot);
  }
  if (wanted.length > 0) return wanted;
  const held = own.flatMap(({ dataSet }) => dataSet ?? []).sort((a, b) => a - b);
  throw noSuchDataSet(directory, showSelection(selection), held);
}

function identityOf(watermark: WatermarkContent | null, wanted: readonly Wanted[]): JournalIdentity {
  if (watermark !== null && !isUnbound(watermark)) return pick(watermark);
  const named = wanted.flatMap(({ header }) => (header?.verdict === 'readable' && header.dataSet !== null ? [header] : []));
  const newest = named.toSorted((a, b) => b.generation - a.generation || (b.dataSet ?? 0) - (a.dataSet ?? 0))[0];
  return pick(newest ?? UNBOUND_IDENTITY);
}

function pick({ groupId, generation, stream }: JournalIdentity): JournalIdentity {
  return { groupId, generation, stream };
}

function readWatermarkBytes(disk: Disk, directory: string): Uint8Array {
  const path = watermarkPath(directory);
  try {
    // What stands behind its two blocks nobody reads.
    return disk.readFile(path)?.subarray(0, WATERMARK_BYTES_MAX) ?? new Uint8Array(0);
  } catch (error) {
    throw journalRead(path, error);
  }
}

interface ExportJournalOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly slot: number;
  readonly geometry: Geometry;
  readonly window: Uint8Array;
  readonly sink: ExportSink;
}

async function exportJournal(options: ExportJournalOptions): Promise<PortableEntry> {
  const { disk, directory, slot, sink } = options;
  const path = journalPath(directory, slot);
  const begin = sink.position;
  for (let attempt = 1; attempt <= sink.attemptsMax; attempt += 1) {
    // Opened anew each time: a host may have moved the journal into another file (I10).
    const file = openIfThere(disk, path);
    try {
      const entry = file === null ? await writeMissing(slot, sink) : await writeJournal(file, options);
      if (entry !== null) return entry;
    } catch (error) {
      throw error instanceof FarshoreError || error instanceof ReaderGone ? error : journalRead(path, error);
    } finally {
      file?.closeSync();
    }
    sink.rewind(begin);
  }
  throw exportChanged(path, sink.attemptsMax);
}

function openIfThere(disk: Disk, path: string): DiskFile | null {
  try {
    return disk.exists(path) ? disk.open(path, { readOnly: true }) : null;
  } catch (error) {
    throw journalRead(path, error);
  }
}

async function writeMissing(slot: number, sink: ExportSink): Promise<PortableEntry> {
  const nothing = { fileBytes: 0, contentBytes: 0, tailOffset: 0, verdict: 'damaged' } as const;
  const entry = { slot, missing: true, dataSet: null, ...nothing };
  const header = encodeEntryHeader(entry);
  await sink.write(header);
  await sink.write(encodeEntryTrailer(crc32(header)));
  return entry;
}

/** Write one journal; null if it changed meanwhile. */
async function writeJournal(file: DiskFile, { slot, geometry, window, sink }: ExportJournalOptions): Promise<PortableEntry | null> {
  const measuring = { file, slot, slotBytes: geometry.slotBytes, window };
  const { entry, scan } = await measureJournal(measuring);
  const header = encodeEntryHeader(entry);
  let checksum = crc32(header);
  await sink.write(header);
  const piece = new Uint8Array(PIECE_BYTES);
  for (let from = 0; from < entry.contentBytes; from += PIECE_BYTES) {
    const bytes = piece.subarray(0, Math.min(PIECE_BYTES, entry.contentBytes - from));
    if (file.readSync(bytes, from) !== bytes.length) return null;
    checksum = crc32(bytes, checksum);
    await sink.write(bytes);
  }
  const again = await measureJournal(measuring);
  if (!isSameScan(scan, again.scan) || again.entry.contentBytes !== entry.contentBytes) return null;
  await sink.write(encodeEntryTrailer(checksum));
  return entry;
}

function notesOn(about: {
  readonly disk: Disk;
  readonly directory: string;
  readonly before: WatermarkContent | null;
  readonly entries: readonly PortableEntry[];
  readonly selection: ExportSelection;
  readonly strays: readonly string[];
}): string[] {
  const { disk, directory, before, entries, selection, strays } = about;
  const notes = entries.flatMap((entry) => noteOn(directory, entry));
  for (const path of strays) notes.push(`${path} is no slot of this ring: not exported`);
  const after = readWatermark(disk, directory).watermark.newest;
  if (after?.counter !== before?.counter)
    notes.push('a running host moved the watermark while this was read: the journals of this export are not of one moment');
  if (before === null) notes.push(`${watermarkPath(directory)} is missing or cannot be read: it was exported as it is`);
  if (selection.kind === 'range') {
    const there = new Set(entries.map(({ dataSet }) => dataSet));
    const { from, to } = selection.range;
    const missing = Math.max(0, to - from + 1 - there.size);
    if (missing > 0) notes.push(`${missing} data sets of ${from} to ${to} are in no journal of this ring`);
  }
  return notes;
}

function noteOn(directory: string, { slot, missing, verdict, tailOffset, fileBytes }: PortableEntry): string[] {
  const path = join(journalPath(directory, slot));
  if (missing) return [`${path} is missing: exported as missing`];
  if (verdict === 'clean end') return [];
  return [
    `${path}: ${verdict}: its records end at byte ${tailOffset} of ${fileBytes}; exported as it is. ` +
      'farshore journal verify says what is wrong',
  ];
}
