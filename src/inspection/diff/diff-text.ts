/** `journal diff` as text for an 80-column terminal. */
import { basename } from 'node:path';
import type { DataSetId } from '../../model/ids.ts';
import { NO_VLUN } from '../../record/record.ts';
import { layOut, shownTime, TERMINAL_COLUMNS, wrap, type Column } from '../ring/columns.ts';
import { DATA_SET_FIELD, RECORD_DIFFERENCE_KINDS } from './diff-journals.ts';
import type { FieldDifference, RecordDifference } from './diff-journals.ts';
import type { CollectedPair } from './diff-report.ts';
import type { Overlap, OverlapWriters } from './diff-overlaps.ts';
import type { PairDiff, RingDiff } from './diff-rings.ts';
import type { TableRow } from './diff-table.ts';
import type { BlockWriter, LastWriters } from './last-writer.ts';

const right = (title: string): Column => ({ title, align: 'right' });
const left = (title: string): Column => ({ title, align: 'left' });
const INDENT = '  ';
const indented = (lines: readonly string[]): string[] => lines.map((line) => `${INDENT}${line}`);

/** Lay out without the columns that can be spared, from the last one on, until it is narrow enough; --json has them all. */
function fit(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  spared: readonly string[],
  width = TERMINAL_COLUMNS,
): string[] {
  const lines = layOut(columns, rows);
  const title = spared.at(-1);
  if (title === undefined || lines.every((line) => line.length <= width)) return lines;
  const without = columns.findIndex((column) => column.title === title);
  return fit(
    columns.toSpliced(without, 1),
    rows.map((row) => row.toSpliced(without, 1)),
    spared.slice(0, -1),
    width,
  );
}

/** Two journals. */
export function journalDiffText({ pair, differences, omitted }: CollectedPair): string[] {
  const other = pair.fields.some(({ field }) => field === DATA_SET_FIELD);
  return [
    `A  ${pair.a.path}`,
    `B  ${pair.b.path}`,
    ...pairText({ pair, differences, omitted }),
    ...(other ? ['these are different data sets: --overlaps says which blocks both wrote'] : []),
  ];
}

/** Two rings: a table of the pairs, then what differs in each. */
export function ringDiffText(diff: RingDiff, pairs: readonly CollectedPair[]): string[] {
  const rows = [
    ...pairs.map(({ pair }) => pairRow(pair)),
    ...diff.lone.map(({ side, slot, dataSet }) => [
      showId(dataSet),
      side === 'A' ? `${slot}` : '-',
      side === 'B' ? `${slot}` : '-',
      '',
      '',
      '',
      '',
      `only in ${side}`,
    ]),
  ];
  const { watermark } = diff;
  const columns = ['data set', 'slot A', 'slot B', 'only A', 'only B', 'differ', 'moved'].map(right);
  return [
    `A  ${diff.a}`,
    `B  ${diff.b}`,
    '',
    ...(rows.length === 0 ? ['no journals in either'] : layOut([...columns, left('')], rows)),
    '',
    watermark.equal
      ? `watermark: same in both (${watermark.a === null ? 'no data set' : `data set ${watermark.a}`})`
      : `watermark: A ${showId(watermark.a)}, B ${showId(watermark.b)}`,
    ...fieldLines(diff.fields),
    ...pairs.filter(({ pair }) => !pair.equal).flatMap((collected) => ['', ...pairText(collected)]),
    '',
    diff.equal ? 'equal: every journal and the watermark' : describeRings(diff),
  ];
}

function describeRings({ differingPairs, pairs, lone }: RingDiff): string {
  return `different: ${differingPairs} of ${pairs} data sets that both have differ, ${lone.length} only in one`;
}

function pairRow({ dataSet, a, b, equal, counts, fields }: PairDiff): string[] {
  const numbers = RECORD_DIFFERENCE_KINDS.map((kind) => `${counts[kind]}`);
  return [showId(dataSet), showId(a.slot), showId(b.slot), ...numbers, equal ? 'same' : fields.length > 0 ? 'header differs' : 'differs'];
}

function pairText({ pair, differences, omitted }: CollectedPair): string[] {
  const { dataSet, equal, same, counts, fields, a, b } = pair;
  if (equal) return [`data set ${showId(dataSet)}: the same ${same} records in the same order`];
  const lines = [`data set ${showId(dataSet)}: A ${a.records} records, B ${b.records}, ${same} of them the same`, ...fieldLines(fields)];
  for (const kind of RECORD_DIFFERENCE_KINDS) {
    if (counts[kind] === 0) continue;
    lines.push(`${kind}: ${counts[kind]}`);
    lines.push(...indented(differenceLines(differences.filter((difference) => difference.kind === kind))));
    if (omitted[kind] > 0) lines.push(`  and ${omitted[kind]} more (--limit N, or --format ndjson for all)`);
  }
  return lines;
}

function fieldLines(fields: readonly FieldDifference[]): string[] {
  return fields.flatMap(({ field, a, b }) => besides(field, a, b));
}

/** On one line if it fits, else A below B. */
function besides(what: string, a: string, b: string): string[] {
  const line = `${what}: A ${a}, B ${b}`;
  if (line.length <= 78) return [line];
  return [`${what}:`, ...wrap(`  A ${a}`, '    '), ...wrap(`  B ${b}`, '    ')];
}

const RECORD_COLUMNS = [right('sequence'), left('type'), right('volume'), right('LBA'), right('bytes'), right('at byte'), left('payload')];

function differenceLines(differences: readonly RecordDifference[]): string[] {
  const rows: string[][] = [];
  const lines: string[] = [];
  for (const difference of differences) {
    if (difference.kind === 'differing') {
      const { sequence, a, b, fields } = difference;
      lines.push(`sequence ${sequence}, at byte ${a.offset} of A and ${b.offset} of B:`);
      lines.push(...fields.flatMap(({ field, a: inA, b: inB }) => indented(besides(field, inA, inB))));
    } else if (difference.kind === 'reordered') {
      lines.push(`sequence ${difference.sequence} arrived as number ${difference.placeA} in A, ${difference.placeB} in B`);
    } else rows.push(recordRow(difference.record));
  }
  return rows.length > 0 ? fit(RECORD_COLUMNS, rows, ['payload'], TERMINAL_COLUMNS - INDENT.length) : lines;
}

function recordRow({ sequence, type, vlun, lba, lengthBytes, offset, payloadChecksum }: TableRow): string[] {
  const volume = vlun === NO_VLUN ? ['-', '-'] : [`${vlun}`, `${lba}`];
  return [`${sequence}`, type, ...volume, `${lengthBytes}`, `${offset}`, payloadChecksum.toString(16).padStart(8, '0')];
}

function showId(id: number | null): string {
  return id === null ? '-' : `${id}`;
}

/** The blocks that two data sets both wrote. */
export function overlapsText(found: {
  readonly dataSets: readonly [DataSetId, DataSetId];
  readonly overlaps: readonly Overlap[];
  readonly ranges: number;
  readonly blocks: number;
  readonly unreadable: LastWriters['unreadable'];
}): string[] {
  const { dataSets, overlaps, ranges, blocks, unreadable } = found;
  const [first, second] = dataSets;
  if (ranges === 0) return [`data sets ${first} and ${second} wrote no block both`, ...unreadableLines(unreadable)];
  const rows = overlaps.map(({ vlun, lba, blocks: length, last, earlier }) => [
    `${vlun}`,
    `${lba}`,
    `${lba + length - 1}`,
    `${length}`,
    showNumbers(last),
    last.type ?? '-',
    showNumbers(earlier),
  ]);
  const columns = [right('volume'), right('first LBA'), right('last LBA'), right('blocks')];
  const written = [right('last by number'), left('type'), right('before it by')];
  const earlier = Math.min(first, second);
  return [
    ...fit([...columns, ...written], rows, ['blocks', 'type', 'before it by']),
    ...(ranges > overlaps.length ? [`and ${ranges - overlaps.length} more ranges (--limit N, or --format ndjson for all)`] : []),
    '',
    ...wrap(
      `data sets ${first} and ${second} both wrote ${blocks} ${blocks === 1 ? 'block' : 'blocks'} in ${ranges} ${ranges === 1 ? 'range' : 'ranges'}; the records of data set ${Math.max(first, second)} wrote them last, after those of data set ${earlier}`,
    ),
    ...unreadableLines(unreadable),
  ];
}

function showNumbers({ fromSequence, toSequence }: OverlapWriters): string {
  return fromSequence === toSequence ? `${fromSequence}` : `${fromSequence}-${toSequence}`;
}

/** Who wrote a block. */
export function writersText(found: {
  readonly lba: number;
  readonly writers: readonly BlockWriter[];
  readonly result: LastWriters;
  readonly watermark: DataSetId | null;
}): string[] {
  const { lba, writers, result, watermark } = found;
  const rows = writers.map((writer) => [
    `${writer.dataSet}`,
    `${writer.sequence}`,
    writer.type,
    `${writer.vlun}`,
    `${writer.lba}`,
    `${writer.blocks}`,
    shownTime(writer.timeUs).slice('2026-11-22 '.length),
    showId(writer.slot),
  ]);
  const columns = [right('data set'), right('sequence'), left('type'), right('volume'), right('LBA'), right('blocks')];
  const omitted = result.writers - writers.length;
  return [
    ...(rows.length === 0 ? [] : fit([...columns, left('time (UTC)'), right('slot')], rows, ['blocks', 'time (UTC)'])),
    ...(omitted > 0 ? [`the first ${omitted} are left out (--limit N, or --format ndjson for all)`] : []),
    ...(rows.length === 0 ? [] : ['']),
    ...lastLines(lba, result, watermark),
    ...unreadableLines(result.unreadable),
  ];
}

function unreadableLines(unreadable: LastWriters['unreadable']): string[] {
  return unreadable.flatMap(({ path, offset }) =>
    wrap(`note: ${basename(path)} cannot be read from byte ${offset} on: writers may be missing here`, '  '),
  );
}

function lastLines(lba: number, { last }: LastWriters, watermark: DataSetId | null): string[] {
  if (last.length === 0) return [`no record here writes block ${lba}: what stands there is older`];
  return last.flatMap(({ vlun, dataSet, sequence, type, path, offset }) => {
    const destaged =
      watermark === null ? '' : dataSet <= watermark ? '; it is in the copy' : `; not in the copy yet, whose watermark is ${watermark}`;
    return wrap(
      `block ${lba} of volume ${vlun} was written last by data set ${dataSet}, sequence ${sequence} (${type}, byte ${offset} of ${basename(path)})${destaged}`,
      '  ',
    );
  });
}
