/** Journals, and what `journal show` and `journal dump` tell of them, for their tests. */
import { writeFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { dumpFile, type DumpOptions, type DumpReport } from '../../src/inspection/dump/dump.ts';
import { DumpJson, DumpText } from '../../src/inspection/dump/dump-writer.ts';
import { ALL_RECORDS } from '../../src/inspection/show/record-filter.ts';
import { JsonWriter, NdjsonWriter } from '../../src/inspection/show/show-json.ts';
import { LineOutput } from '../../src/inspection/show/show-output.ts';
import type { ShowReport } from '../../src/inspection/show/show-report.ts';
import type { FoundJournal } from '../../src/inspection/show/show-source.ts';
import { TextWriter } from '../../src/inspection/show/show-text.ts';
import { showJournal, type ShowOptions } from '../../src/inspection/show/show.ts';
import { scanWindow } from '../../journals/file-scan.ts';
import { encodeHeader, encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { CHAIN_START } from '../../src/model/ids.ts';
import type { WriteType } from '../../src/model/commands.ts';
import { RecordWriter, SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import { IDENTITY } from '../journals/support.ts';

export const disk = new NodeDisk();
const window = scanWindow();

/** Collects what is written. */
export class Collector extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('latin1');
    done();
  }
}

export interface SmallRecord {
  readonly type: WriteType;
  readonly sequence: number;
  readonly vlun?: number;
  readonly lba?: number;
  readonly blocks?: number;
  readonly timeUs?: number;
}

export interface SmallJournal {
  readonly dataSet?: number;
  readonly firstSequence?: number;
  readonly records: readonly SmallRecord[];
  /** Number of the sync command behind them. */
  readonly sync?: number;
  readonly flagged?: boolean;
  /** Zeroes behind the last record. */
  readonly restBytes?: number;
}

export interface BuiltJournal {
  readonly image: Uint8Array;
  /** Byte of the file at which each record begins, and where the last one ends. */
  readonly offsets: readonly number[];
}

/** A journal of any length: its header says that this is right. */
export function buildJournal(journal: SmallJournal): BuiltJournal {
  const { dataSet = 9, firstSequence = 900, records, sync, flagged = false, restBytes = 200 } = journal;
  const payloads = records.map(({ type, blocks = 1 }) => (type === 'write' ? blocks * 512 : 0));
  const recordBytes = payloads.reduce((sum, bytes) => sum + 80 + bytes, 0) + (sync === undefined ? 0 : SYNC_RECORD_BYTES);
  const image = new Uint8Array(RECORDS_OFFSET + recordBytes + restBytes);
  encodeHeader(image, { ...IDENTITY, slot: 1, slots: 4, slotBytes: image.length, dataSet, firstSequence });
  const writer = new RecordWriter(image);
  const offsets = [RECORDS_OFFSET];
  for (const [index, record] of records.entries()) {
    const { type, sequence, vlun = 1, lba = sequence, blocks = 1, timeUs = 1_700_000_000_000_000 + sequence } = record;
    const payload = type === 'write' ? new Uint8Array(payloads[index] ?? 0).map((_, at) => (sequence + at) % 251) : null;
    const command = { type, vlun, lba, lengthBytes: blocks * 512, timeUs, payload };
    const at = offsets.at(-1) ?? 0;
    offsets.push(at + writer.encodeWrite(at, command, { dataSet, firstSequence, sequence }, IDENTITY));
  }
  if (sync !== undefined) {
    const at = offsets.at(-1) ?? 0;
    const command = {
      dataSet,
      firstSequence,
      finalSequence: sync,
      reason: 'flush' as const,
      chain: CHAIN_START,
      incarnation: '1122334455667788',
    };
    offsets.push(at + writer.encodeSync(at, { ...command, headBytes: 0, timeUs: 1_700_000_000_100_000 }, IDENTITY));
  }
  if (flagged)
    encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), {
      stream: IDENTITY.stream,
      point: { dataSet, finalSequence: sync ?? 0, chain: CHAIN_START },
    });
  return { image, offsets };
}

export interface Shown {
  readonly text: string;
  readonly lines: readonly string[];
  readonly report: ShowReport;
}

export type ShowSetting = Partial<Pick<ShowOptions, 'filter' | 'map'>> &
  Partial<FoundJournal> & { format?: 'text' | 'json' | 'ndjson'; checksums?: boolean };

/** Show a file. */
export async function show(path: string, setting: ShowSetting = {}): Promise<Shown> {
  const { filter = ALL_RECORDS, map = false, format = 'text', checksums = false, ...surroundings } = setting;
  const stream = new Collector();
  const output = new LineOutput(stream);
  const found = { path, slot: 1, volumes: null, stateProblem: null, running: false, ...surroundings };
  const writer =
    format === 'json'
      ? new JsonWriter(output)
      : format === 'ndjson'
        ? new NdjsonWriter(output)
        : new TextWriter(output, { checksums, withRecords: !map });
  const report = await showJournal({ disk, found, filter, map, output, writer, window });
  return { text: stream.text, lines: stream.text.split('\n'), report };
}

/** Show these bytes. */
export function showBytes(path: string, image: Uint8Array, setting: ShowSetting = {}): Promise<Shown> {
  writeFileSync(path, image);
  return show(path, setting);
}

export interface Dumped {
  readonly text: string;
  readonly lines: readonly string[];
  readonly report: DumpReport;
}

export type DumpSetting = Partial<Pick<DumpOptions, 'payloadBytes' | 'sequence' | 'region'>> & {
  format?: 'text' | 'json' | 'ndjson';
  running?: boolean;
};

/** Dump a file. */
export async function dump(path: string, setting: DumpSetting = {}): Promise<Dumped> {
  const { format = 'text', payloadBytes = 64, sequence = null, region = null, running = false } = setting;
  const stream = new Collector();
  const output = new LineOutput(stream);
  const writer = format === 'text' ? new DumpText(output) : new DumpJson(output, format === 'json');
  const found = { path, slot: 1, running };
  const report = await dumpFile({ disk, found, output, writer, payloadBytes, sequence, region, window });
  return { text: stream.text, lines: stream.text.split('\n'), report };
}

/** Dump these bytes. */
export function dumpBytes(path: string, image: Uint8Array, setting: DumpSetting = {}): Promise<Dumped> {
  writeFileSync(path, image);
  return dump(path, setting);
}

/** Objects of ndjson. */
export function objectsOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
