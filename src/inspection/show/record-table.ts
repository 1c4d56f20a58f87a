/** Records as rows of a table, made one by one: a column grows when a longer number comes, and a row that is wider than the terminal goes on below. */
import { LIMITS } from '../../model/limits.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { NO_VLUN } from '../../record/record.ts';
import { showU32 } from '../../record/fields.ts';
import { TERMINAL_COLUMNS } from '../ring/columns.ts';
import type { NumberVerdict } from '../ring/record-numbers.ts';

/** Blocks of a volume of half a TiB: of larger ones the column grows when they come. */
const LBA_USUAL_MAX = 999_999_999;

const BETWEEN = '  ';
const BELOW = '    ';

export interface RecordTableOptions {
  readonly fileBytes: number;
  /** First number of the data set, as far as it is known before the records are read. */
  readonly firstSequence: number | null;
  /** Blocks of the largest volume, where a volume table tells it. */
  readonly lbaMax: number | null;
  /** Checksums instead of the time: both do not fit. */
  readonly checksums: boolean;
}

interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  width: number;
}

export class RecordTable {
  readonly #columns: readonly Column[];
  readonly #checksums: boolean;

  constructor({ fileBytes, firstSequence, lbaMax, checksums }: RecordTableOptions) {
    const last = firstSequence === null ? 0 : firstSequence + LIMITS.dataSetRecordsMax;
    const right = (title: string, widest: number): Column => ({ title, align: 'right', width: Math.max(title.length, `${widest}`.length) });
    const left = (title: string, width: number): Column => ({ title, align: 'left', width });
    this.#checksums = checksums;
    this.#columns = [
      right('at byte', fileBytes),
      right('number', last),
      left('type', 5),
      right('VLUN', 0),
      right('LBA', lbaMax ?? LBA_USUAL_MAX),
      right('bytes', LIMITS.recordDataBytesMax),
      ...(checksums ? [left('payload', 8), left('header', 8)] : [left('time (UTC)', 15)]),
    ];
  }

  title(): string[] {
    return this.#lay(this.#columns.map(({ title }) => title));
  }

  /** The lines of one record; a sync command has its reason, chain and final number below its row. */
  row(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): string[] {
    const { type, sequence, vlun, lba, lengthBytes, timeUs, payloadChecksum, headerChecksum, sync } = record;
    const onVolume = vlun !== NO_VLUN;
    const cells = [
      `${fileOffset}`,
      type === 'pad' ? '-' : `${sequence}`,
      type,
      onVolume ? `${vlun}` : '-',
      onVolume ? `${lba}` : '-',
      `${lengthBytes}`,
      ...(this.#checksums ? [showU32(payloadChecksum), showU32(headerChecksum)] : [type === 'pad' ? '-' : clock(timeUs)]),
    ];
    const lines = this.#lay(cells);
    if (sync !== null) {
      lines.push(`${BELOW}cut by ${sync.reason}, final number ${sequence}, head at ${sync.headBytes} bytes`);
      lines.push(`${BELOW}chain ${sync.chain}  incarnation ${sync.incarnation}`);
    }
    if (verdict !== null && verdict !== 'first') lines.push(`${BELOW}${TOLD[verdict]}`);
    return lines;
  }

  #lay(cells: readonly string[]): string[] {
    const lines: string[] = [];
    let line = '';
    for (const [index, column] of this.#columns.entries()) {
      const cell = cells[index] ?? '';
      column.width = Math.max(column.width, cell.length);
      const padded = column.align === 'right' ? cell.padStart(column.width) : cell.padEnd(column.width);
      const wider = line === '' ? padded : `${line}${BETWEEN}${padded}`;
      if (wider.trimEnd().length <= TERMINAL_COLUMNS) line = wider;
      else {
        lines.push(line.trimEnd());
        line = `${BELOW}${padded}`;
      }
    }
    return [...lines, line.trimEnd()];
  }
}

const TOLD: Readonly<Record<Exclude<NumberVerdict, 'first'>, string>> = {
  again: '^ the same record stood there before',
  contradicts: '^ ANOTHER record has this number',
  outside: '^ a number that this data set cannot have',
};

/** `12:04:31.220331` */
function clock(timeUs: number): string {
  return isoOf(timeUs).slice(11, 26);
}

/** A time of microseconds since 1970 as ISO 8601, with its microseconds. */
export function isoOf(timeUs: number): string {
  const milliseconds = new Date(Math.floor(timeUs / 1000)).toISOString().slice(0, -1);
  return `${milliseconds}${String(timeUs % 1000).padStart(3, '0')}Z`;
}
