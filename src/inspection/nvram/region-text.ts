/** `nvram ls` as text, on 80 columns, and as `--json` tells it: identifiers as decimal strings, times as ISO. */
import type { SequenceRange } from '../../model/ids.ts';
import { formatBytes } from '../../model/units.ts';
import { layOut, shownTime, wrap, type Column } from '../ring/columns.ts';
import { isoOf } from '../show/record-table.ts';
import { countNumbers, heldNumbers, shownRanges, type HeldDataSet } from './held-data-sets.ts';
import type { RegionReport } from './inspect-region.ts';
import type { RegionPicture } from './read-region.ts';

const COLUMNS: readonly Column[] = [
  { title: 'data set', align: 'right' },
  { title: 'gen', align: 'right' },
  { title: 'stream', align: 'left' },
  { title: 'numbers', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'sync', align: 'left' },
];
const REGION_ONLY: Column = { title: 'nvram only', align: 'right' };

/** The region, and a row for each data set of which it holds records. @param all numbers, times and cut reasons of every data set */
export function regionText(report: RegionReport, { all }: { readonly all: boolean }): string[] {
  const { picture, dataSets, journals, findings } = report;
  const rows = dataSets.map((held) => row(held, journals?.regionOnly.get(held) ?? null));
  const [title = '', ...lines] = layOut(journals === null ? COLUMNS : [...COLUMNS, REGION_ONLY], rows);
  const table = dataSets.flatMap((held, index) => [lines[index] ?? '', ...detail(held, journals?.regionOnly.get(held) ?? [], all)]);
  return [
    ...headText(picture),
    '',
    ...(dataSets.length === 0 ? ['no records are held'] : [title, ...table]),
    '',
    ...findings.flatMap(({ verdict, offset, what }) => wrap(`!! ${verdict}${offset === null ? '' : ` at byte ${offset}`}: ${what}`, '   ')),
    ...closing(report),
  ];
}

/** What the region is, as a block of lines. */
export function headText({ path, fileBytes, blocks, running, contents }: RegionPicture): string[] {
  const use = running === null ? '' : running ? ', in use by a running peer' : ', no peer is running';
  const lines = [...wrap(`region ${path}: ${formatBytes(fileBytes)}${use}`, '  ')];
  if (contents === null) return [...lines, '  neither anchor can be read: nothing says where its records begin'];
  const { regionId, groupId, anchor, tail, head, segments, heldBytes, freeBytes } = contents;
  const hold = anchor.inMemory ? 'held in memory: worth no more than this boot of the machine' : 'flushed: it survives the loss of power';
  const records = head.ordinal - tail.ordinal;
  return [
    ...lines,
    `  region ID  ${regionId}`,
    `  group      ${groupId ?? 'none yet'}`,
    ...wrap(`  anchor     ${blocks.newest}, counter ${anchor.counter}, opening ${anchor.opening}; ${hold}`, '             '),
    ...wrap(
      `  holds      ${records === 0 ? 'no records' : `records ${tail.ordinal} to ${head.ordinal - 1} (${records}) in ${segments} ${segments === 1 ? 'message' : 'messages'}, ${formatBytes(heldBytes)}`}; ${formatBytes(freeBytes)} free`,
      '             ',
    ),
  ];
}

function row({ dataSet, generation, stream, tally }: HeldDataSet, regionOnly: readonly SequenceRange[] | null): string[] {
  const { recordBytes } = sums({ tally });
  const cells = [
    `${dataSet}`,
    `${generation}`,
    stream,
    `${tally.numbers.count}`,
    formatBytes(recordBytes),
    tally.closing === null ? 'no' : 'yes',
  ];
  return regionOnly === null ? cells : [...cells, `${countNumbers(regionOnly)}`];
}

/** Below a row: the numbers, and those that no journal has. */
function detail(held: HeldDataSet, regionOnly: readonly SequenceRange[], all: boolean): string[] {
  const lines: string[] = [];
  const { firstWriteUs, lastWriteUs, cutReason } = sums(held);
  if (all) {
    const times =
      firstWriteUs === null || lastWriteUs === null ? '' : `, written ${shownTime(firstWriteUs)} to ${shownTime(lastWriteUs).slice(11)}`;
    const cut = cutReason === null ? '' : `, cut by ${cutReason}`;
    lines.push(...wrap(`      numbers ${shownRanges(heldNumbers(held))}${times}${cut}`, '         '));
  }
  if (regionOnly.length > 0) lines.push(...wrap(`      => no journal has ${shownRanges(regionOnly)}`, '         '));
  return lines;
}

function closing({ picture, dataSets, journals, notes }: RegionReport): string[] {
  const lines = notes.map((note) => `note: ${note}`);
  const { contents } = picture;
  if (contents !== null) {
    const { end } = contents;
    lines.push(
      end.verdict === 'clean-end'
        ? `end: clean end at byte ${end.offset}`
        : `end: ${picture.running === true ? 'in flight' : 'unreadable'} at byte ${end.offset}: expected ${end.expected}, found ${end.found}`,
    );
  }
  if (journals !== null) {
    const ranges = [...journals.regionOnly.values()];
    const only = ranges.reduce((sum, found) => sum + countNumbers(found), 0);
    const sets = ranges.filter((found) => found.length > 0).length;
    const moving = journals.running === true ? ' (a host uses them now, so this is no single moment)' : '';
    lines.push(
      only === 0
        ? `the journals in ${journals.directory} have all of it${moving}: a restart would fetch, and a takeover add, nothing`
        : `the journals in ${journals.directory} lack ${only} ${only === 1 ? 'record' : 'records'} of ${sets} ${sets === 1 ? 'data set' : 'data sets'}${moving}: a restart of the secondary would fetch them, a takeover adds them`,
    );
  } else if (dataSets.length > 0) lines.push('--journals DIR says which of them no journal has');
  return lines.flatMap((line) => wrap(line, '  '));
}

/** What `JournalTally` gathers, without what only a journal's file has. */
export function sums({ tally }: Pick<HeldDataSet, 'tally'>): Omit<ReturnType<HeldDataSet['tally']['contents']>, 'scan' | 'missing'> {
  const {
    scan: _scan,
    missing: _missing,
    ...others
  } = tally.contents({
    path: '',
    slot: 0,
    fileBytes: 0,
    readError: null,
    header: { verdict: 'unreadable', offset: 0, expected: '', found: '' },
    completeMark: { verdict: 'not-set' },
    tail: { verdict: 'clean-end', offset: 0 },
  });
  return others;
}

/** @returns what JSON.stringify takes; scripts depend on its names */
export function regionJson({ picture, dataSets, journals, findings, notes }: RegionReport): Record<string, unknown> {
  return {
    ...pictureJson(picture),
    dataSets: dataSets.map((held) => heldJson(held, journals?.regionOnly.get(held) ?? null)),
    journals: journals === null ? null : { directory: journals.directory, running: journals.running },
    findings,
    notes,
  };
}

export function pictureJson({ path, fileBytes, running, contents }: RegionPicture): Record<string, unknown> {
  return {
    path,
    fileBytes,
    running,
    regionId: contents?.regionId ?? null,
    groupId: contents?.groupId ?? null,
    inMemory: contents?.anchor.inMemory ?? null,
    ofOtherBoot: contents?.isOfOtherBoot ?? null,
    opening: contents?.anchor.opening ?? null,
    tail: contents === null ? null : `${contents.tail.ordinal}`,
    head: contents === null ? null : `${contents.head.ordinal}`,
    messages: contents?.segments ?? null,
    heldBytes: contents?.heldBytes ?? null,
    freeBytes: contents?.freeBytes ?? null,
    end: contents?.end ?? null,
  };
}

/** What a region holds of one data set. */
export function heldJson(held: HeldDataSet, regionOnly: readonly SequenceRange[] | null): Record<string, unknown> {
  const { types, recordBytes, changedBytes, firstSequence, highestSequence, finalSequence, firstWriteUs, lastWriteUs, cutReason } =
    sums(held);
  const text = (id: number | null): string | null => (id === null ? null : `${id}`);
  const iso = (timeUs: number | null): string | null => (timeUs === null ? null : isoOf(timeUs));
  return {
    dataSet: `${held.dataSet}`,
    generation: held.generation,
    stream: held.stream,
    records: held.tally.numbers.count,
    types,
    recordBytes,
    changedBytes,
    firstSequence: text(firstSequence),
    highestSequence: text(highestSequence),
    finalSequence: text(finalSequence),
    firstWrite: iso(firstWriteUs),
    lastWrite: iso(lastWriteUs),
    cutReason,
    numbers: heldNumbers(held).map(rangeJson),
    regionOnly: regionOnly === null ? null : { count: countNumbers(regionOnly), ranges: regionOnly.map(rangeJson) },
  };
}

export function rangeJson({ from, to }: SequenceRange): { from: string; to: string } {
  return { from: `${from}`, to: `${to}` };
}
