/**
 * Compare two journals: what their headers, complete marks and tails say, and their records by sequence number: only in one, differing,
 * reordered. Records with equal checksums, and what neither side can read, are compared byte by byte. What stands behind a clean end is not compared.
 */
import type { ScannedFile } from '../../../journals/file-scan.ts';
import { BLOCK_BYTES, HEADER_OFFSET, MARK_OFFSET } from '../../../journals/format.ts';
import type { SequenceNumber } from '../../model/ids.ts';
import { RECORD_HEADER_BYTES } from '../../record/record.ts';
import { PairedBytes } from './diff-bytes.ts';
import type { DiffTable, TableRow, TabledJournal } from './diff-table.ts';

/** The field that says that two journals are not of one data set. */
export const DATA_SET_FIELD = 'records of data set';

/** One field that two journals, or two records, have different values in. */
export interface FieldDifference {
  readonly field: string;
  readonly a: string;
  readonly b: string;
}

export type RecordDifference =
  | { readonly kind: 'only in A' | 'only in B'; readonly sequence: SequenceNumber; readonly record: TableRow }
  | {
      readonly kind: 'differing';
      readonly sequence: SequenceNumber;
      readonly a: TableRow;
      readonly b: TableRow;
      readonly fields: readonly FieldDifference[];
    }
  /** Places count from 1 in the order of arrival. */
  | { readonly kind: 'reordered'; readonly sequence: SequenceNumber; readonly placeA: number; readonly placeB: number };

export type RecordDifferenceKind = RecordDifference['kind'];
export const RECORD_DIFFERENCE_KINDS = ['only in A', 'only in B', 'differing', 'reordered'] as const;

export interface JournalDiff {
  readonly equal: boolean;
  /** Header, complete flag, tail. */
  readonly fields: readonly FieldDifference[];
  readonly counts: Readonly<Record<RecordDifferenceKind, number>>;
  /** Records that both hold, byte for byte the same. */
  readonly same: number;
}

/** A journal that was tabled, and is still open. */
export interface OpenTable extends TabledJournal {
  readonly file: ScannedFile;
}

/** Compare; `found` is called with every difference between records, in the order of numbers, then of places. */
export function diffJournals(a: OpenTable, b: OpenTable, found: (difference: RecordDifference) => void): JournalDiff {
  const counts: Record<RecordDifferenceKind, number> = { 'only in A': 0, 'only in B': 0, differing: 0, reordered: 0 };
  const tell = (difference: RecordDifference): void => {
    counts[difference.kind] += 1;
    found(difference);
  };
  const bytes = new PairedBytes(a.file, b.file);
  const fields = [...headerFields(a, b), ...tableFields(a.table, b.table), ...unreadableFields(a, b, bytes)];
  const comparable = a.dataSet === b.dataSet && a.stream === b.stream;
  const [rowsA, rowsB] = [rowsByNumber(a.table), rowsByNumber(b.table)];
  let same = 0;
  for (const [sequence, row] of rowsA) {
    const other = comparable ? rowsB.get(sequence) : undefined;
    const record = a.table.row(row);
    if (other === undefined) tell({ kind: 'only in A', sequence, record });
    else {
      const differing = recordFields(record, b.table.row(other), bytes);
      if (differing.length > 0) tell({ kind: 'differing', sequence, a: record, b: b.table.row(other), fields: differing });
      else same += 1;
    }
  }
  for (const [sequence, row] of rowsB)
    if (!comparable || !rowsA.has(sequence)) tell({ kind: 'only in B', sequence, record: b.table.row(row) });
  if (comparable) for (const moved of reordered(rowsA, rowsB)) tell(moved);
  const equal = fields.length === 0 && RECORD_DIFFERENCE_KINDS.every((kind) => counts[kind] === 0);
  return { equal, fields, counts, same };
}

/** Rows by ascending number; of a number that stands there twice, the first one. */
function rowsByNumber(table: DiffTable): Map<SequenceNumber, number> {
  const order = Uint32Array.from({ length: table.count }, (_, row) => row);
  order.sort((a, b) => table.wide('sequence', a) - table.wide('sequence', b) || a - b);
  const rows = new Map<SequenceNumber, number>();
  for (const row of order) {
    const sequence = table.wide('sequence', row);
    if (!rows.has(sequence)) rows.set(sequence, row);
  }
  return rows;
}

/** The fewest records that must move for both orders of arrival to be one: those outside a longest common run. */
function reordered(rowsA: ReadonlyMap<SequenceNumber, number>, rowsB: ReadonlyMap<SequenceNumber, number>): RecordDifference[] {
  const common = [...rowsA].filter(([sequence]) => rowsB.has(sequence)).sort(([, a], [, b]) => a - b);
  const placesB = Uint32Array.from(common, ([sequence]) => rowsB.get(sequence) ?? 0);
  const stays = longestAscending(placesB);
  const moved: RecordDifference[] = [];
  for (const [index, [sequence, rowA]] of common.entries())
    if (stays[index] === 0) moved.push({ kind: 'reordered', sequence, placeA: rowA + 1, placeB: (placesB[index] ?? 0) + 1 });
  return moved;
}

/** Mark the members of one longest ascending run (patience sorting). */
function longestAscending(values: Uint32Array): Uint8Array {
  const tails: number[] = [];
  const before = new Int32Array(values.length).fill(-1);
  for (const [index, value] of values.entries()) {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[tails[middle] ?? 0] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    before[index] = low === 0 ? -1 : (tails[low - 1] ?? -1);
    tails[low] = index;
  }
  const members = new Uint8Array(values.length);
  for (let index = tails.at(-1) ?? -1; index >= 0; index = before[index] ?? -1) members[index] = 1;
  return members;
}

type Shown = string | number | null | undefined;

function fieldsDiffering(pairs: readonly (readonly [field: string, a: Shown, b: Shown])[]): FieldDifference[] {
  return pairs.flatMap(([field, a, b]) => {
    const [shownA, shownB] = [showValue(a), showValue(b)];
    return shownA === shownB ? [] : [{ field, a: shownA, b: shownB }];
  });
}

function showValue(value: Shown): string {
  return value === null || value === undefined ? 'none' : String(value);
}

const HEADER_FIELDS = ['slot', 'slots', 'slotBytes', 'groupId', 'generation', 'stream', 'dataSet', 'firstSequence'] as const;

function headerFields({ scan: a, ...ofA }: TabledJournal, { scan: b, ...ofB }: TabledJournal): FieldDifference[] {
  const fields: FieldDifference[] = [];
  if (a.header.verdict === 'readable' && b.header.verdict === 'readable') {
    const [headerA, headerB] = [a.header, b.header];
    fields.push(...fieldsDiffering(HEADER_FIELDS.map((name) => [`header ${name}`, headerA[name], headerB[name]])));
  } else fields.push(...fieldsDiffering([['header', showHeader(a.header), showHeader(b.header)]]));
  if (a.completeMark.verdict === 'set' && b.completeMark.verdict === 'set') {
    const [markA, markB] = [a.completeMark, b.completeMark];
    const names = ['dataSet', 'finalSequence', 'chain'] as const;
    fields.push(...fieldsDiffering(names.map((name) => [`complete flag ${name}`, markA.point[name], markB.point[name]])));
    fields.push(...fieldsDiffering([['complete flag stream', markA.stream, markB.stream]]));
  } else fields.push(...fieldsDiffering([['complete flag', showMark(a.completeMark), showMark(b.completeMark)]]));
  fields.push(
    ...fieldsDiffering([
      [DATA_SET_FIELD, ofA.dataSet, ofB.dataSet],
      ['records of stream', ofA.stream, ofB.stream],
      ['verdict', showTail(a.tail), showTail(b.tail)],
      ['file bytes', a.fileBytes, b.fileBytes],
    ]),
  );
  return fields;
}

/** What neither side can read is compared as bytes: two journals that are torn at one place need not be the same. */
function unreadableFields({ scan: a }: TabledJournal, { scan: b }: TabledJournal, bytes: PairedBytes): FieldDifference[] {
  const ranges: { what: string; from: number; to: number }[] = [];
  const fileBytes = Math.max(a.fileBytes, b.fileBytes);
  const add = (what: string, from: number, to: number): void => void ranges.push({ what, from, to: Math.min(to, fileBytes) });
  if (a.header.verdict !== 'readable' && b.header.verdict !== 'readable') add('header', HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES);
  if (a.completeMark.verdict === 'unreadable' && b.completeMark.verdict === 'unreadable')
    add('complete mark', MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES);
  if (a.tail.verdict === 'unreadable' && b.tail.verdict === 'unreadable' && a.tail.offset === b.tail.offset)
    add('unreadable tail', a.tail.offset, fileBytes);
  return ranges.flatMap(({ what, from, to }) => {
    const at = bytes.firstInRange(from, to);
    return at === null ? [] : [{ field: `${what}, first at byte ${at}`, a: bytes.shown(0), b: bytes.shown(1) }];
  });
}

function showHeader(header: TabledJournal['scan']['header']): string {
  if (header.verdict === 'readable') return 'readable';
  if (header.verdict === 'later-version') return `of version ${header.version}`;
  return `unreadable at byte ${header.offset} (expected ${header.expected}, found ${header.found})`;
}

function showMark(mark: TabledJournal['scan']['completeMark']): string {
  if (mark.verdict === 'unreadable') return `unreadable at byte ${mark.offset}`;
  return mark.verdict === 'set' ? 'set' : 'not set';
}

function showTail(tail: TabledJournal['scan']['tail']): string {
  return tail.verdict === 'clean-end' ? 'clean end' : `unreadable from byte ${tail.offset}`;
}

function tableFields(a: DiffTable, b: DiffTable): FieldDifference[] {
  const repeats = (table: DiffTable): number => table.count - rowsByNumber(table).size;
  const fields = fieldsDiffering([
    ['pad records', a.pads, b.pads],
    ['numbers that stand there again', repeats(a), repeats(b)],
  ]);
  // Records that were not looked at are never called equal.
  if (a.beyond + b.beyond === 0) return fields;
  return [...fields, { field: 'records beyond the limit, not compared', a: `${a.beyond}`, b: `${b.beyond}` }];
}

const RECORD_FIELDS = ['type', 'generation', 'firstSequence', 'vlun', 'lba', 'lengthBytes', 'timeUs'] as const;
const SYNC_FIELDS = ['reason', 'chain', 'incarnation', 'headBytes'] as const;

function recordFields(a: TableRow, b: TableRow, bytes: PairedBytes): FieldDifference[] {
  const alike = a.encodedBytes === b.encodedBytes && a.headerChecksum === b.headerChecksum;
  const at = alike ? bytes.firstDifference(a, b) : null;
  if (alike && at === null) return [];
  const fields = fieldsDiffering([
    ...RECORD_FIELDS.map((name) => [name, a[name], b[name]] as const),
    ...SYNC_FIELDS.map((name) => [`sync ${name}`, a.sync?.[name], b.sync?.[name]] as const),
    ['payload checksum', showChecksum(a.payloadChecksum), showChecksum(b.payloadChecksum)],
    ['header checksum', showChecksum(a.headerChecksum), showChecksum(b.headerChecksum)],
  ]);
  if (fields.length > 0 || at === null) return fields;
  const place = at < RECORD_HEADER_BYTES ? `byte ${at} of the header` : `byte ${at - RECORD_HEADER_BYTES} of the payload`;
  return [{ field: `${place}, although all checksums agree`, a: bytes.shown(0), b: bytes.shown(1) }];
}

function showChecksum(checksum: number): string {
  return `0x${checksum.toString(16).padStart(8, '0')}`;
}
