/** What `journal diff` is asked: two journals or two rings; which blocks two data sets both wrote; who wrote one block. Reads only, takes no locks. */
import { resolve } from 'node:path';
import { scanWindow } from '../../../journals/file-scan.ts';
import { journalPath } from '../../../journals/files.ts';
import type { Disk } from '../../disk/disk.ts';
import { UsageError } from '../../model/errors.ts';
import type { DataSetId } from '../../model/ids.ts';
import { findOverlaps, type Overlap } from './diff-overlaps.ts';
import { collectedJson, DiffCollector, DiffLines, lastWritersJson, overlapJson, ringDiffJson, writerJson } from './diff-report.ts';
import { diffPair, diffRings } from './diff-rings.ts';
import { tableJournal, type TabledJournal } from './diff-table.ts';
import { journalDiffText, overlapsText, ringDiffText, writersText } from './diff-text.ts';
import { findWriters, type BlockWriter } from './last-writer.ts';
import { locate, type LocatedJournal, type LocatedRing } from '../ring/locate-ring.ts';
import { listSlots, readState, readWatermark } from '../ring/read-ring.ts';
import { vlunOf } from '../show/record-filter.ts';
import { isRingInUse } from '../ring/running.ts';
import type { LineOutput } from '../show/show-output.ts';
import { findJournal, openToRead } from '../show/show-source.ts';

export interface DiffOptions {
  readonly disk: Disk;
  readonly a: string;
  readonly b: string | undefined;
  readonly stateDirectory: string | undefined;
  /** Differences, ranges or writers that text and JSON list. */
  readonly limit: number;
  /** Overlaps: a range for each record, instead of one for all neighbours. */
  readonly exact: boolean;
  /** Where every one of them goes as a line of JSON; null: not asked. */
  readonly lines: LineOutput | null;
}

export interface DiffAnswer {
  readonly equal: boolean;
  readonly text: readonly string[];
  readonly json: Record<string, unknown>;
}

/** Compare two journals, or two rings. @throws UsageError ERR_USAGE, ERR_NO_JOURNALS; FarshoreError ERR_JOURNAL_READ */
export async function compare(options: DiffOptions): Promise<DiffAnswer> {
  const { disk, lines, limit } = options;
  if (options.b === undefined)
    throw new UsageError('ERR_USAGE', 'compare with what? give a second journal or folder, or one of --overlaps and --lba');
  const a = locate({ disk, path: options.a });
  const b = locate({ disk, path: options.b });
  const collector = new DiffCollector(limit);
  const listener = lines === null ? collector : new DiffLines(lines);
  if (a.kind === 'ring' && b.kind === 'ring') {
    const diff = await diffRings({ disk, a: a.directory, b: b.directory, listener });
    const { pairs } = collector;
    const running = { a: isRingInUse(a.directory), b: isRingInUse(b.directory) };
    const summary = { ...ringDiffJson(diff), running };
    await writeLast(lines, { kind: 'rings', ...summary });
    const notes = (['a', 'b'] as const).filter((side) => running[side] === true).map((side) => movingNote(side.toUpperCase()));
    const text = lines === null ? [...ringDiffText(diff, pairs), ...notes] : [];
    return { equal: diff.equal, text, json: { ...summary, journals: pairs.map(collectedJson) } };
  }
  if (a.kind === 'ring' || b.kind === 'ring')
    throw new UsageError(
      'ERR_USAGE',
      `${a.kind === 'ring' ? options.b : options.a} is a file and the other a folder: give two of one kind`,
    );
  for (const { path } of [a, b]) openToRead(disk, path).closeSync();
  const pair = await diffPair({ disk, a, b, window: scanWindow(), listener });
  const [collected] = collector.pairs;
  if (collected === undefined) return { equal: pair.equal, text: [], json: {} };
  return { equal: pair.equal, text: journalDiffText(collected), json: collectedJson(collected) };
}

/** Which blocks two data sets both wrote. @param dataSets in one ring; null: those of two files. @throws as `compare`, and ERR_DATA_SET_NOT_FOUND */
export async function compareBlocks(options: DiffOptions, dataSets: readonly [DataSetId, DataSetId] | null): Promise<DiffAnswer> {
  const [a, b] = await tableTwo(options, dataSets);
  const [first, second] = [named(a), named(b)];
  if (first.dataSet === second.dataSet)
    throw new UsageError('ERR_USAGE', `both hold data set ${first.dataSet}: --overlaps lays two different data sets over each other`);
  const overlaps: Overlap[] = [];
  const take = (overlap: Overlap): void => {
    if (options.lines !== null) options.lines.line(JSON.stringify({ kind: 'overlap', ...overlapJson(overlap) }));
    else if (overlaps.length < options.limit) overlaps.push(overlap);
  };
  const { ranges, blocks } = findOverlaps(first, second, { exact: options.exact, take });
  const both = [first.dataSet, second.dataSet] as const;
  const unreadable = [a, b].flatMap(({ path, scan }) => (scan.tail.verdict === 'clean-end' ? [] : [{ path, offset: scan.tail.offset }]));
  const summary = { dataSets: both.map(String), last: `${Math.max(...both)}`, ranges, blocks, unreadable };
  await writeLast(options.lines, { kind: 'overlaps', ...summary });
  const text = options.lines === null ? overlapsText({ dataSets: both, overlaps, ranges, blocks, unreadable }) : [];
  return { equal: ranges === 0, text, json: { ...summary, overlaps: overlaps.map(overlapJson), omitted: ranges - overlaps.length } };
}

/** Who wrote one block, and who last. @throws as `compare`, and ERR_VOLUME_UNKNOWN */
export async function findBlockWriters(options: DiffOptions, block: { lba: number; volume: string | undefined }): Promise<DiffAnswer> {
  const { disk, lines, limit } = options;
  const located = locate({ disk, path: options.a, stateDirectory: options.stateDirectory });
  const ring = located.kind === 'ring' ? located : null;
  const volumes = ring === null ? null : (readState(disk, ring).state?.state.volumes ?? null);
  const vlun = block.volume === undefined ? null : vlunOf(block.volume, volumes);
  const writers: BlockWriter[] = [];
  const result = await findWriters({
    disk,
    journals: journalsOf(disk, located),
    lba: block.lba,
    vlun,
    take: (writer) => {
      if (lines !== null) return lines.line(JSON.stringify({ kind: 'writer', ...writerJson(writer) }));
      writers.push(writer);
      // The last ones tell.
      if (writers.length > limit) writers.shift();
    },
    pause: () => lines?.leave() ?? null,
  });
  const watermark = ring === null ? null : (readWatermark(disk, ring.directory).watermark.newest?.point?.dataSet ?? null);
  const summary = { lba: `${block.lba}`, vlun, watermark: watermark === null ? null : `${watermark}`, ...lastWritersJson(result) };
  await writeLast(lines, { kind: 'last', ...summary });
  const text = lines === null ? writersText({ lba: block.lba, writers, result, watermark }) : [];
  return { equal: true, text, json: { ...summary, listed: writers.map(writerJson) } };
}

/** Understand `N,M`. @throws UsageError ERR_USAGE */
export function parseTwoDataSets(text: string): [DataSetId, DataSetId] {
  const match = /^\s*(\d+)\s*,\s*(\d+)\s*$/.exec(text);
  const [first, second] = [Number(match?.[1] ?? Number.NaN), Number(match?.[2] ?? Number.NaN)];
  if (Number.isSafeInteger(first) && Number.isSafeInteger(second)) return [first, second];
  throw new UsageError('ERR_USAGE', `"${text}" does not name two data sets: expected --data-sets N,M`);
}

function movingNote(side: string): string {
  return `note: a host uses ring ${side}: its journals may have changed meanwhile`;
}

async function tableTwo(options: DiffOptions, dataSets: readonly [DataSetId, DataSetId] | null): Promise<[TabledJournal, TabledJournal]> {
  const { disk, a, b } = options;
  const window = scanWindow();
  if (dataSets !== null) {
    if (b !== undefined) throw new UsageError('ERR_USAGE', '--data-sets names two data sets of one folder: give one folder');
    const paths: string[] = [];
    for (const dataSet of dataSets) paths.push((await findJournal({ disk, path: a, dataSet })).path);
    return tableBoth(disk, [paths[0] ?? '', paths[1] ?? ''], window);
  }
  if (b === undefined) throw new UsageError('ERR_USAGE', '--overlaps of which? give two journal files, or a folder with --data-sets N,M');
  for (const path of [a, b])
    if (locate({ disk, path }).kind === 'ring')
      throw new UsageError('ERR_USAGE', `${path} is a folder: give two files, or one folder with --data-sets N,M`);
  return tableBoth(disk, [resolve(a), resolve(b)], window);
}

async function tableBoth(disk: Disk, paths: readonly [string, string], window: Uint8Array): Promise<[TabledJournal, TabledJournal]> {
  return [await tableOf(disk, paths[0], window), await tableOf(disk, paths[1], window)];
}

async function tableOf(disk: Disk, path: string, window: Uint8Array): Promise<TabledJournal> {
  const file = openToRead(disk, path);
  try {
    return await tableJournal({ file, slot: 0, window });
  } finally {
    file.closeSync();
  }
}

function named({ path, dataSet, table }: TabledJournal): { dataSet: DataSetId; table: TabledJournal['table'] } {
  if (dataSet !== null) return { dataSet, table };
  throw new UsageError('ERR_USAGE', `${path} names no data set: nothing of it can overlap`);
}

function journalsOf(disk: Disk, located: LocatedRing | LocatedJournal): { path: string; slot: number | null }[] {
  if (located.kind === 'journal') {
    openToRead(disk, located.path).closeSync();
    return [{ path: located.path, slot: located.slot }];
  }
  return listSlots(disk, located.directory).map((slot) => ({ path: journalPath(located.directory, slot), slot }));
}

async function writeLast(lines: LineOutput | null, summary: Record<string, unknown>): Promise<void> {
  lines?.line(JSON.stringify(summary));
  await (lines?.leave() ?? null);
}
