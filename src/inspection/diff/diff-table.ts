/**
 * The records of one journal as columns of numbers, without their payloads: memory is bounded by the records that a data set may have, never by
 * its bytes. Pads belong to no data set and are only counted.
 */
import { scanFile, type FileScan, type ScannedFile } from '../../../journals/file-scan.ts';
import { RECORD_TYPE, type RecordTypeName } from '../../model/commands.ts';
import type { DataSetId, StreamId } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import type { DecodedRecord, SyncContent } from '../../record/record.ts';

const TYPES = Object.fromEntries(Object.entries(RECORD_TYPE).map(([name, code]) => [code, name])) as Record<number, RecordTypeName>;
/** Columns are enlarged as needed: most data sets have few records. */
const ROWS_FIRST = 1024;

/** One record, put together from the columns. */
export interface TableRow {
  readonly type: RecordTypeName;
  readonly generation: number;
  readonly firstSequence: number;
  readonly sequence: number;
  readonly vlun: number;
  readonly lba: number;
  readonly lengthBytes: number;
  readonly timeUs: number;
  readonly payloadChecksum: number;
  readonly headerChecksum: number;
  readonly encodedBytes: number;
  /** Byte of the file. */
  readonly offset: number;
  readonly sync: SyncContent | null;
}

const WIDE = ['firstSequence', 'sequence', 'lba', 'lengthBytes', 'timeUs', 'offset'] as const;
const NARROW = ['generation', 'vlun', 'payloadChecksum', 'headerChecksum', 'encodedBytes'] as const;
type Wide = (typeof WIDE)[number];

export class DiffTable {
  /** Records, in the order in which they arrived. */
  count = 0;
  pads = 0;
  /** Records more than a data set may have: not kept. */
  beyond = 0;
  #wide = columns(WIDE, () => new Float64Array(ROWS_FIRST));
  #narrow = columns(NARROW, () => new Uint32Array(ROWS_FIRST));
  #types = new Uint8Array(ROWS_FIRST);
  readonly #syncs = new Map<number, SyncContent>();

  add(record: DecodedRecord, fileOffset: number): void {
    if (record.type === 'pad') {
      this.pads += 1;
      return;
    }
    if (this.count === LIMITS.dataSetRecordsMax) {
      this.beyond += 1;
      return;
    }
    if (this.count === this.#types.length) this.#grow();
    const row = this.count;
    const wide = this.#wide;
    wide.firstSequence[row] = record.firstSequence;
    wide.sequence[row] = record.sequence;
    wide.lba[row] = record.lba;
    wide.lengthBytes[row] = record.lengthBytes;
    wide.timeUs[row] = record.timeUs;
    wide.offset[row] = fileOffset;
    for (const name of NARROW) this.#narrow[name][row] = record[name];
    this.#types[row] = RECORD_TYPE[record.type];
    if (record.sync !== null) this.#syncs.set(row, record.sync);
    this.count += 1;
  }

  /** One number of one record. */
  wide(name: Wide, row: number): number {
    return this.#wide[name][row] ?? 0;
  }

  typeAt(row: number): RecordTypeName {
    return TYPES[this.#types[row] ?? 0] ?? 'pad';
  }

  vlunAt(row: number): number {
    return this.#narrow.vlun[row] ?? 0;
  }

  row(row: number): TableRow {
    const { firstSequence, sequence, lba, lengthBytes, timeUs, offset } = this.#wide;
    const { generation, vlun, payloadChecksum, headerChecksum, encodedBytes } = this.#narrow;
    return {
      type: this.typeAt(row),
      generation: generation[row] ?? 0,
      firstSequence: firstSequence[row] ?? 0,
      sequence: sequence[row] ?? 0,
      vlun: vlun[row] ?? 0,
      lba: lba[row] ?? 0,
      lengthBytes: lengthBytes[row] ?? 0,
      timeUs: timeUs[row] ?? 0,
      payloadChecksum: payloadChecksum[row] ?? 0,
      headerChecksum: headerChecksum[row] ?? 0,
      encodedBytes: encodedBytes[row] ?? 0,
      offset: offset[row] ?? 0,
      sync: this.#syncs.get(row) ?? null,
    };
  }

  #grow(): void {
    const rows = Math.min(LIMITS.dataSetRecordsMax, this.#types.length * 2);
    const wide = this.#wide;
    const narrow = this.#narrow;
    this.#wide = columns(WIDE, (name) => larger(new Float64Array(rows), wide[name]));
    this.#narrow = columns(NARROW, (name) => larger(new Uint32Array(rows), narrow[name]));
    this.#types = larger(new Uint8Array(rows), this.#types);
  }
}

function columns<Name extends string, Column>(names: readonly Name[], make: (name: Name) => Column): Record<Name, Column> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Column>;
}

function larger<Column extends Float64Array | Uint32Array | Uint8Array>(column: Column, from: Column): Column {
  column.set(from);
  return column;
}

/** One journal, tabled. */
export interface TabledJournal {
  readonly path: string;
  readonly scan: FileScan;
  readonly table: DiffTable;
  /** Of its records, else of its header. */
  readonly dataSet: DataSetId | null;
  readonly stream: StreamId | null;
}

/** Scan a journal into a table. A disk that cannot read is a finding of the scan. */
export async function tableJournal(options: {
  readonly file: ScannedFile;
  readonly slot: number;
  readonly window: Uint8Array;
}): Promise<TabledJournal> {
  const table = new DiffTable();
  let first: DecodedRecord | null = null;
  const scan = await scanFile({
    ...options,
    take: ({ record, fileOffset }) => {
      if (record.type !== 'pad') first ??= record;
      table.add(record, fileOffset);
    },
  });
  const record = first as DecodedRecord | null;
  const header = scan.header.verdict === 'readable' && scan.header.dataSet !== null ? scan.header : null;
  return {
    path: options.file.path,
    scan,
    table,
    dataSet: record?.dataSet ?? header?.dataSet ?? null,
    stream: record?.stream ?? header?.stream ?? null,
  };
}
