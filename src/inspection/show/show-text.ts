/** `journal show` for people: what the journal says it is, its records, what is missing, and what the bytes behind them mean. 80 columns. */
import type { ScannedCompleteMark, ScannedHeader } from '../../../journals/contract.ts';
import type { SequenceRange, VolumeEntry } from '../../model/ids.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import { formatBytes } from '../../model/units.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { shownTime, wrap } from '../ring/columns.ts';
import type { NumberedRecord, NumberVerdict } from '../ring/record-numbers.ts';
import { RecordTable } from './record-table.ts';
import { verifyText } from '../ring/ring-text.ts';
import type { LineOutput } from './show-output.ts';
import type { ShowHead, ShowReport, ShowWriter } from './show-report.ts';
import { mapText } from './touch-map-text.ts';

/** Gaps and examples that are listed; the rest is counted. */
const LISTED_MAX = 20;
const NAME_WIDTH = 10;

export class TextWriter implements ShowWriter {
  readonly #output: LineOutput;
  readonly #checksums: boolean;
  readonly #withRecords: boolean;
  #table: RecordTable | null = null;
  #makeTable: () => RecordTable = () => {
    throw new Error('a table before its head');
  };

  constructor(output: LineOutput, options: { readonly checksums: boolean; readonly withRecords: boolean }) {
    this.#output = output;
    this.#checksums = options.checksums;
    this.#withRecords = options.withRecords;
  }

  begin(head: ShowHead): void {
    const { peek, volumes } = head;
    this.#output.lines(headText(head));
    this.#makeTable = () =>
      new RecordTable({
        fileBytes: peek.fileBytes,
        firstSequence: peek.firstRecord?.firstSequence ?? null,
        lbaMax: lbaMaxOf(volumes),
        checksums: this.#checksums,
      });
  }

  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void {
    if (this.#table === null) {
      this.#table = this.#makeTable();
      this.#output.line('');
      this.#output.lines(this.#table.title());
    }
    this.#output.lines(this.#table.row(record, fileOffset, verdict));
  }

  end(report: ShowReport): void {
    this.#output.line('');
    if (report.map !== null) this.#output.lines(mapText(report.map));
    this.#output.lines(endText(report, this.#withRecords));
  }
}

/** A name and what there is to say about it; what does not fit goes on below. */
export function row(name: string, text: string): string[] {
  return wrap(`${name.padEnd(NAME_WIDTH)} ${text}`, ' '.repeat(NAME_WIDTH + 1)).map((line) => line.trimEnd());
}

function headText({ path, slot, peek, running }: ShowHead): string[] {
  const { fileBytes, header, completeMark } = peek;
  const use = running === true ? ', beside a running host' : '';
  return [
    // Never broken: a path is for copying.
    `${'journal'.padEnd(NAME_WIDTH)} ${path}`,
    ...row('', `${slot === null ? '' : `slot ${slot}, `}${fileBytes} bytes${use}`),
    ...headerText(header),
    ...markText(completeMark),
  ];
}

function headerText(header: ScannedHeader): string[] {
  if (header.verdict === 'later-version') return row('header', `of format version ${header.version}, which this Farshore does not know`);
  if (header.verdict === 'unreadable')
    return row('header', `UNREADABLE at byte ${header.offset}: expected ${header.expected}, found ${header.found}`);
  const { dataSet, firstSequence, generation, stream, groupId, slot, slots, slotBytes } = header;
  return [
    ...row('header', dataSet === null ? 'free: no data set is in the slot' : `data set ${dataSet}, first number ${firstSequence}`),
    ...row('', `slot ${slot} of ${slots}, ${slotBytes} bytes; generation ${generation}, stream ${stream}`),
    ...row('', `group ${groupId}`),
  ];
}

function markText(mark: ScannedCompleteMark): string[] {
  if (mark.verdict === 'not-set') return row('flag', 'not complete');
  if (mark.verdict === 'unreadable') return row('flag', `UNREADABLE at byte ${mark.offset}: whether the data set was complete is unknown`);
  const { dataSet, finalSequence, chain } = mark.point;
  return [...row('flag', `data set ${dataSet} is complete through number ${finalSequence}`), ...row('', `chain ${chain}`)];
}

function endText(report: ShowReport, withRecords: boolean): string[] {
  const { contents, tally, findings, notes, tailMeaning, path } = report;
  const { scan } = contents;
  const found = verifyText({
    findings,
    slots: [],
    notes,
    read: `${path} read, ${contents.numbers} records, ${formatBytes(contents.recordBytes)}`,
  });
  return [
    ...countText(report, withRecords),
    ...missingText(report),
    ...examplesText('repeated', tally.numbers.countOf('again'), tally.numbers.examplesOf('again')),
    ...examplesText('contradict', tally.numbers.countOf('contradicts'), tally.numbers.examplesOf('contradicts')),
    ...examplesText('impossible', tally.numbers.countOf('outside'), tally.numbers.examplesOf('outside')),
    ...row('tail', `${report.tailVerdict}, byte ${scan.tail.offset}: ${tailMeaning}`),
    ...(scan.tail.verdict === 'unreadable' ? [...row('', `expected ${scan.tail.expected}`), ...row('', `found ${scan.tail.found}`)] : []),
    ...row('verdict', report.verdict),
    '',
    ...found,
  ];
}

function countText({ contents, filtered, wantedRecords }: ShowReport, withRecords: boolean): string[] {
  const { types, recordBytes, changedBytes, firstWriteUs, lastWriteUs, dataSet } = contents;
  const { pad, ...commands } = types;
  const named = Object.entries(commands).filter(([, count]) => count > 0);
  const total = named.reduce((sum, [, count]) => sum + count, 0);
  const which = named.map(([type, count]) => `${count} ${type}`).join(', ');
  const shown = !filtered ? '' : `; ${wantedRecords} ${withRecords ? 'shown' : 'drawn'}`;
  const whose = dataSet === null ? '' : ` of data set ${dataSet}`;
  const pads = pad === 0 ? '' : `; ${pad} ${pad === 1 ? 'pad' : 'pads'}`;
  const lines = row('records', `${total === 0 ? 'none' : `${total}${whose}: ${which}`}${pads}${shown}`);
  if (total === 0) return lines;
  lines.push(...row('', `${formatBytes(recordBytes)} of records, which change ${formatBytes(changedBytes)}`));
  if (firstWriteUs === null || lastWriteUs === null) return lines;
  const from = shownTime(firstWriteUs);
  const to = shownTime(lastWriteUs);
  return [
    ...lines,
    ...row('written', `${from} to ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to} UTC, by the primary's clock`),
  ];
}

function missingText({ contents, missing }: ShowReport): string[] {
  const { firstSequence, highestSequence, numbers } = contents;
  if (firstSequence === null) return [];
  const { gaps, count, finalSequence } = missing;
  if (highestSequence === null) return row('numbers', `none from ${firstSequence} on`);
  const through = finalSequence ?? highestSequence;
  const whole = finalSequence === null ? 'no gaps' : 'none missing';
  const lines = row('numbers', `${firstSequence} to ${through}: ${numbers} there, ${count === 0 ? whole : `${count} MISSING`}`);
  for (const gap of gaps.slice(0, LISTED_MAX)) lines.push(...row('', shownGap(gap)));
  if (gaps.length > LISTED_MAX) lines.push(...row('', `and ${gaps.length - LISTED_MAX} more gaps`));
  if (finalSequence === null) lines.push(...row('', `no sync command was read: how many come behind ${highestSequence} is not known`));
  return lines;
}

function shownGap({ from, to }: SequenceRange): string {
  return from === to ? `missing ${from}` : `missing ${from} to ${to}, which are ${to - from + 1}`;
}

function examplesText(name: string, count: number, examples: readonly NumberedRecord[]): string[] {
  if (count === 0) return [];
  const shown = examples.slice(0, LISTED_MAX).map(({ offset, sequence }) => `${sequence} at byte ${offset}`);
  return row(name, `${count}: ${shown.join(', ')}${count > shown.length ? ' and more' : ''}`);
}

function lbaMaxOf(volumes: readonly VolumeEntry[] | null): number | null {
  return volumes === null ? null : volumes.reduce((max, { sizeBytes }) => Math.max(max, Math.floor(sizeBytes / BLOCK_BYTES)), 0);
}
