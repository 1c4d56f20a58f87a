/**
 * `journal dump`: the bytes of one journal with the names of their fields, in the order of the file: header, complete mark, records,
 * and what stands behind them. Streams through the scan's window, works on any bytes, takes no lock and writes nothing.
 */
import { scanFile, type FileScan, type RecordInWindow } from '../../../journals/file-scan.ts';
import { decodeHeader, decodeMark, HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET } from '../../../journals/format.ts';
import type { ScannedCompleteMark, ScannedHeader } from '../../../journals/contract.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { UsageError } from '../../model/errors.ts';
import { RECORD_HEADER_BYTES, SYNC_PAYLOAD_BYTES } from '../../record/record.ts';
import { readBlock, readSome, whatFollows, wholeHeader } from './dump-read.ts';
import { fieldsOf, HEADER_TABLE, MARK_TABLE, RECORD_TABLE, SYNC_TABLE, type FieldTable } from './dump-fields.ts';
import { HexRows, hexRows, RegionWriter, touches, type Region } from './dump-hex.ts';
import { dumpWatermark } from './dump-watermark.ts';
import type { DumpWriter } from './dump-writer.ts';
import { recordMissing } from './dump-payload.ts';
import type { NumberRange } from '../show/record-filter.ts';
import type { LineOutput } from '../show/show-output.ts';
import { peekFile } from '../ring/peek-journal.ts';
import { isWatermark, openToRead, type FoundJournal } from '../show/show-source.ts';

/** Bytes that are shown where nothing can be read. */
const UNREADABLE_SHOWN_BYTES = 256;
const READ_BYTES = 64 * 1024;

export interface DumpOptions {
  readonly disk: Disk;
  readonly found: Pick<FoundJournal, 'path' | 'slot' | 'running'>;
  readonly output: LineOutput;
  readonly writer: DumpWriter;
  /** Bytes of each payload that are shown. */
  readonly payloadBytes: number;
  /** Only the records with these numbers; null: everything. */
  readonly sequence: NumberRange | null;
  /** Only these bytes; null: everything, through the end of the records. */
  readonly region: { readonly from: number; readonly lengthBytes: number } | null;
  /** Memory to scan through, made by `scanWindow`. */
  readonly window?: Uint8Array;
}

export interface DumpReport {
  /** Whether everything that was asked for could be read; what is in flight beside a running host is not judged. */
  readonly readable: boolean;
}

/** Dump a journal, or a watermark. @throws UsageError ERR_NOT_A_JOURNAL, ERR_RANGE; FarshoreError ERR_JOURNAL_READ, ERR_RECORD_NOT_FOUND; ReaderGone */
export async function dumpFile(options: DumpOptions): Promise<DumpReport> {
  const { disk, found, output, writer } = options;
  const file = openToRead(disk, found.path);
  try {
    const region = regionOf(options, file.sizeBytes());
    const clipped = region === null ? writer : new RegionWriter(writer, region);
    const report = isWatermark(file) ? dumpWatermark(file, clipped) : await dumpJournal({ ...options, writer: clipped }, file, region);
    writer.end();
    await output.leave();
    return report;
  } finally {
    file.closeSync();
  }
}

function regionOf({ region, found }: DumpOptions, fileBytes: number): Region | null {
  if (region === null) return null;
  if (region.from < fileBytes) return { from: region.from, to: Math.min(fileBytes, region.from + region.lengthBytes) };
  throw new UsageError('ERR_RANGE', `byte ${region.from} is behind the end of ${found.path}, which has ${fileBytes} bytes`, {
    details: { path: found.path, offset: region.from, fileBytes },
  });
}

async function dumpJournal(options: DumpOptions, file: DiskFile, region: Region | null): Promise<DumpReport> {
  const { found, output, writer, sequence, window } = options;
  const peek = await peekFile({ file, slot: 0, window });
  if (sequence === null) {
    dumpHeader(file, writer, peek.header);
    dumpMark(file, writer, peek.completeMark);
  }
  let shown = 0;
  const enough = (): boolean => region !== null && reached >= region.to;
  let reached = 0;
  const scan = await scanFile({
    file,
    slot: found.slot ?? 0,
    ...(window === undefined ? {} : { window }),
    enough,
    pause: () => output.leave(),
    take: (record) => {
      reached = record.fileOffset + record.record.encodedBytes;
      if (region !== null && !touches(region, record.fileOffset, record.record.encodedBytes)) return;
      if (sequence !== null && !isNumbered(record, sequence)) return;
      shown += 1;
      dumpRecord(writer, record, region === null ? options.payloadBytes : Number.POSITIVE_INFINITY);
    },
  });
  if (sequence !== null) {
    if (shown === 0) throw recordMissing(scan, sequence.from);
    return { readable: true };
  }
  if (region !== null) {
    if (!enough()) await dumpBehind({ file, writer, output, scan, region });
    return { readable: true };
  }
  dumpTail(file, writer, scan);
  await output.leave();
  return { readable: isReadable(scan, found.running === true) };
}

function isNumbered({ record }: RecordInWindow, { from, to }: NumberRange): boolean {
  return record.type !== 'pad' && record.sequence >= from && record.sequence <= to;
}

function isReadable({ header, completeMark, tail }: FileScan, running: boolean): boolean {
  if (header.verdict !== 'readable' || completeMark.verdict === 'unreadable') return false;
  return tail.verdict === 'clean-end' || (running && completeMark.verdict === 'not-set');
}

function dumpHeader(file: DiskFile, writer: DumpWriter, judged: ScannedHeader): void {
  const block = readBlock(file, HEADER_OFFSET);
  const header = block.length < MARK_OFFSET ? judged : decodeHeader(block);
  writer.part({
    part: 'header',
    offset: HEADER_OFFSET,
    lengthBytes: block.length,
    sequence: null,
    text:
      header.verdict === 'readable'
        ? 'whole'
        : header.verdict === 'later-version'
          ? `of format version ${header.version}, which this Farshore does not know; its fields as version 1 has them`
          : `UNREADABLE at byte ${header.offset}: expected ${header.expected}, found ${header.found}`,
  });
  dumpTable(writer, HEADER_TABLE, block, HEADER_OFFSET);
}

function dumpMark(file: DiskFile, writer: DumpWriter, judged: ScannedCompleteMark): void {
  const block = readBlock(file, MARK_OFFSET);
  const whole = block.length === RECORDS_OFFSET - MARK_OFFSET;
  const mark = whole ? decodeMark(block) : judged;
  const isVoid = mark.verdict === 'set' && judged.verdict === 'not-set';
  writer.part({
    part: 'complete mark',
    offset: MARK_OFFSET,
    lengthBytes: block.length,
    sequence: null,
    text: isVoid ? 'void: it names another data set than header and records, and counts as not set' : markText(mark, whole),
  });
  if (whole && mark.verdict === 'not-set') hexRows(writer, MARK_OFFSET, block);
  else dumpTable(writer, MARK_TABLE, block, MARK_OFFSET);
}

function markText(mark: ScannedCompleteMark, whole: boolean): string {
  if (mark.verdict === 'not-set') return 'zeroes: the data set is not flagged complete';
  if (mark.verdict === 'set') return `set: data set ${mark.point.dataSet} is complete`;
  return whole ? `UNREADABLE at byte ${mark.offset}` : 'UNREADABLE: the file is cut short';
}

/** The fields of a block, and the rest of it. */
function dumpTable(writer: DumpWriter, table: FieldTable, block: Uint8Array, offset: number): void {
  for (const field of fieldsOf(table, block, offset)) writer.field(field);
  hexRows(writer, offset + table.lengthBytes, block.subarray(table.lengthBytes));
}

function dumpRecord(writer: DumpWriter, { record, fileOffset, window }: RecordInWindow, payloadBytes: number): void {
  const { type, sequence, encodedBytes, offset, payloadOffset } = record;
  const isPad = type === 'pad';
  const held = record.payloadBytes === 0 ? '' : `, payload of ${record.payloadBytes} bytes`;
  const text = isPad ? 'a pad, of no data set' : `${type}, number ${sequence}${held}`;
  writer.part({ part: 'record', offset: fileOffset, lengthBytes: encodedBytes, text, sequence: isPad ? null : sequence });
  for (const field of fieldsOf(RECORD_TABLE, window.subarray(offset, offset + RECORD_HEADER_BYTES), fileOffset)) writer.field(field);
  const payload = window.subarray(payloadOffset, payloadOffset + record.payloadBytes);
  const payloadAt = fileOffset + RECORD_HEADER_BYTES;
  if (type === 'sync' && payload.length === SYNC_PAYLOAD_BYTES) {
    for (const field of fieldsOf(SYNC_TABLE, payload, payloadAt)) writer.field(field);
    return;
  }
  const shownBytes = Math.min(payload.length, payloadBytes);
  hexRows(writer, payloadAt, payload.subarray(0, shownBytes));
  if (payload.length > shownBytes) writer.omitted(payloadAt + shownBytes, payload.length - shownBytes);
}

/** Where the records end, and why. */
function dumpTail(file: DiskFile, writer: DumpWriter, { tail, fileBytes }: FileScan): void {
  const { offset } = tail;
  const follows = whatFollows(file, tail);
  if (tail.verdict === 'clean-end') {
    const text = `clean end of the records${follows === null ? '' : `: ${follows}`}; the file has ${fileBytes} bytes`;
    writer.part({ part: 'end', offset, lengthBytes: 0, sequence: null, text });
    return;
  }
  const bytes = readSome(file, offset, UNREADABLE_SHOWN_BYTES);
  const text = `from here on: expected ${tail.expected}, found ${tail.found}${follows === null ? '' : `; ${follows}`}`;
  writer.part({ part: 'UNREADABLE', offset, lengthBytes: bytes.length, sequence: null, text });
  const header = wholeHeader(bytes) === null ? bytes.subarray(0, 0) : bytes.subarray(0, RECORD_HEADER_BYTES);
  for (const field of fieldsOf(RECORD_TABLE, header, offset)) writer.field(field);
  hexRows(writer, offset + header.length, bytes.subarray(header.length));
  if (offset + bytes.length < fileBytes) writer.omitted(offset + bytes.length, fileBytes - offset - bytes.length);
}

interface Behind {
  readonly file: DiskFile;
  readonly writer: DumpWriter;
  readonly output: LineOutput;
  readonly scan: FileScan;
  readonly region: Region;
}

/** Bytes of the region that lie behind the last record: nothing says what they are. */
async function dumpBehind({ file, writer, output, scan, region }: Behind): Promise<void> {
  const { tail } = scan;
  const from = Math.max(region.from, tail.offset, Math.min(RECORDS_OFFSET, scan.fileBytes));
  const why = tail.verdict === 'clean-end' ? 'clean end' : `UNREADABLE: expected ${tail.expected}, found ${tail.found}`;
  const text = `the records end at byte ${tail.offset} (${why})`;
  writer.part({ part: 'behind the records', offset: from, lengthBytes: region.to - from, sequence: null, text });
  const rows = new HexRows(writer, from);
  for (let at = from; at < region.to;) {
    const bytes = readSome(file, at, Math.min(READ_BYTES, region.to - at));
    if (bytes.length === 0) {
      writer.note(`the disk gives nothing from byte ${at} on`);
      break;
    }
    rows.add(bytes);
    at += bytes.length;
    await output.leave();
  }
  rows.end();
}
