/** What `journal diff` found, gathered in bounded memory for text and --json, or written line by line as ndjson. Identifiers are decimal strings. */
import type { DataSetId } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import { NO_VLUN } from '../../record/record.ts';
import { RECORD_DIFFERENCE_KINDS, type RecordDifference, type RecordDifferenceKind } from './diff-journals.ts';
import type { Overlap, OverlapWriters } from './diff-overlaps.ts';
import type { DiffListener, PairDiff, RingDiff } from './diff-rings.ts';
import type { TableRow } from './diff-table.ts';
import type { BlockWriter, LastWriters } from './last-writer.ts';
import type { LineOutput } from '../show/show-output.ts';

/** A pair with the first differences of each kind. */
export interface CollectedPair {
  readonly pair: PairDiff;
  readonly differences: readonly RecordDifference[];
  readonly omitted: Readonly<Record<RecordDifferenceKind, number>>;
}

/** Kept in all, of however many pairs: as many as one data set may have records. */
const KEPT_MAX = LIMITS.dataSetRecordsMax;

/** Keeps at most `limit` differences of one kind in one pair of journals. */
export class DiffCollector implements DiffListener {
  readonly pairs: CollectedPair[] = [];
  readonly #limit: number;
  #differences: RecordDifference[] = [];
  #keptInAll = 0;
  #kept: Record<RecordDifferenceKind, number> = nothing();

  constructor(limit: number) {
    this.#limit = limit;
  }

  difference(difference: RecordDifference): void {
    if (this.#kept[difference.kind] === this.#limit || this.#keptInAll === KEPT_MAX) return;
    this.#keptInAll += 1;
    this.#kept[difference.kind] += 1;
    this.#differences.push(difference);
  }

  pair(pair: PairDiff): null {
    const kept = this.#kept;
    const omitted = nothing();
    for (const kind of RECORD_DIFFERENCE_KINDS) omitted[kind] = pair.counts[kind] - kept[kind];
    this.pairs.push({ pair, differences: this.#differences, omitted });
    this.#differences = [];
    this.#kept = nothing();
    return null;
  }
}

function nothing(): Record<RecordDifferenceKind, number> {
  return { 'only in A': 0, 'only in B': 0, differing: 0, reordered: 0 };
}

/** One line for each difference, and one for each pair behind its differences. */
export class DiffLines implements DiffListener {
  readonly #output: LineOutput;

  constructor(output: LineOutput) {
    this.#output = output;
  }

  difference(difference: RecordDifference, dataSet: DataSetId | null): void {
    this.#output.line(JSON.stringify({ dataSet: text(dataSet), ...differenceJson(difference) }));
  }

  pair(pair: PairDiff): Promise<void> | null {
    this.#output.line(JSON.stringify({ kind: 'journals', ...pairJson(pair) }));
    return this.#output.leave();
  }
}

/** One pair, with the differences that were kept. */
export function collectedJson({ pair, differences, omitted }: CollectedPair): Record<string, unknown> {
  return { ...pairJson(pair), differences: differences.map(differenceJson), omitted };
}

function pairJson({ equal, dataSet, stream, a, b, same, counts, fields }: PairDiff): Record<string, unknown> {
  return { equal, dataSet: text(dataSet), stream, a, b, same, counts, fields };
}

export function ringDiffJson(diff: RingDiff): Record<string, unknown> {
  const { equal, a, b, fields, watermark, pairs, differingPairs, lone } = diff;
  return {
    equal,
    a,
    b,
    fields,
    watermark: { ...watermark, a: text(watermark.a), b: text(watermark.b) },
    pairs,
    differingPairs,
    onlyInOne: lone.map((journal) => ({ ...journal, dataSet: text(journal.dataSet) })),
  };
}

function differenceJson(difference: RecordDifference): Record<string, unknown> {
  const { kind, sequence } = difference;
  const about = { kind, sequence: `${sequence}` };
  if (difference.kind === 'reordered') return { ...about, placeA: difference.placeA, placeB: difference.placeB };
  if (difference.kind === 'differing') return { ...about, fields: difference.fields, a: rowJson(difference.a), b: rowJson(difference.b) };
  return { ...about, record: rowJson(difference.record) };
}

function rowJson({
  type,
  vlun,
  lba,
  lengthBytes,
  timeUs,
  offset,
  payloadChecksum,
  headerChecksum,
  sync,
}: TableRow): Record<string, unknown> {
  const place = vlun === NO_VLUN ? {} : { vlun, lba: `${lba}` };
  const checksums = { payloadChecksum: hex(payloadChecksum), headerChecksum: hex(headerChecksum) };
  return {
    type,
    ...place,
    lengthBytes,
    time: new Date(timeUs / 1000).toISOString(),
    offset,
    ...checksums,
    ...(sync === null ? {} : { sync }),
  };
}

export function overlapJson({ vlun, lba, blocks, last, earlier }: Overlap): Record<string, unknown> {
  return { vlun, lba: `${lba}`, blocks, last: overlapWritersJson(last), earlier: overlapWritersJson(earlier) };
}

function overlapWritersJson({ dataSet, fromSequence, toSequence, type, offset }: OverlapWriters): Record<string, unknown> {
  return { dataSet: `${dataSet}`, fromSequence: `${fromSequence}`, toSequence: `${toSequence}`, type, offset };
}

export function writerJson(writer: BlockWriter): Record<string, unknown> {
  const { dataSet, sequence, lba, timeUs, ...others } = writer;
  return { dataSet: `${dataSet}`, sequence: `${sequence}`, lba: `${lba}`, time: new Date(timeUs / 1000).toISOString(), ...others };
}

export function lastWritersJson({ writers, last, unreadable }: LastWriters): Record<string, unknown> {
  return { writers, last: last.map(writerJson), unreadable };
}

function text(id: number | null): string | null {
  return id === null ? null : `${id}`;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}
