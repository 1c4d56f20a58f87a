/**
 * `farshore start --trace FILE`: one line of JSON for each thing that became durable in the journals' folder, written when the disk has
 * reported it and before anything relies on it. So a killed host leaves no acknowledgement, release or destage whose reason is not in the
 * file, and whoever wants to know what a power cut could have taken cuts the journals back to what these lines say.
 *
 *     {"time":...,"event":"journalDurable","slot":3,"dataSet":"17","records":12,"sequences":"204-215","throughBytes":57344}
 *     {"time":...,"event":"completeFlagDurable","slot":3,"dataSet":"17","finalSequence":"215"}
 *     {"time":...,"event":"watermarkDurable","block":1,"dataSet":"17","finalSequence":"215","hostEpoch":0}
 *     {"time":...,"event":"journalFree","slot":3}
 *
 * `records` and `sequences` are what this commit brought; `throughBytes` is where the last durable record ends. What stands behind it in
 * the file may be old bytes of the slot, or a commit that is under way.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { journalSlotOf, isRingFile } from '../../journals/files.ts';
import {
  BLOCK_BYTES,
  decodeHeader,
  decodeMark,
  decodeWatermark,
  HEADER_OFFSET,
  MARK_OFFSET,
  RECORDS_OFFSET,
} from '../../journals/format.ts';
import type { Disk, Done } from '../disk/disk.ts';
import { watchDisk, type WatchedWrite } from '../disk/watched-disk.ts';
import { errnoOf, FarshoreError, messageOf } from '../model/errors.ts';
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import { rangesOf } from '../protocol/recovery-summary.ts';
import { RecordReader } from '../record/record.ts';

export type DurableEvent =
  | {
      readonly event: 'journalDurable';
      readonly slot: number;
      readonly dataSet: string;
      readonly records: number;
      readonly sequences: string;
      readonly throughBytes: number;
    }
  | { readonly event: 'completeFlagDurable'; readonly slot: number; readonly dataSet: string; readonly finalSequence: string }
  | {
      readonly event: 'watermarkDurable';
      readonly block: number;
      readonly dataSet: string | null;
      readonly finalSequence: string | null;
      readonly hostEpoch: number;
    }
  | { readonly event: 'journalFree'; readonly slot: number };

/** Where the records of a slot's file end, as far as its writes have told. */
interface SlotTail {
  readonly dataSet: DataSetId | null;
  readonly offset: number;
}

const SPARE_END = '.spare';

export interface TraceOptions {
  readonly path: string;
  /** The trace cannot be written any more and ends; the host goes on. Told once. */
  readonly ended: (error: unknown) => void;
}

/** The same disk, with a line in the file for each durable event. @throws FarshoreError ERR_TRACE_FILE */
export function traceDurable(disk: Disk, options: TraceOptions): { readonly disk: Disk; readonly close: () => void } {
  const lines = openLines(options);
  const tails = new Map<number, SlotTail>();
  /** Of a journal that is moved: durable when the spare has the slot's name. */
  const moved = new Map<string, DurableEvent>();
  const note = (event: DurableEvent): void => lines.write(event);
  const watched = watchDisk(disk, {
    watches: (name) => isRingFile(basename(name)),
    write: (write, carryOut, done) => carryOut(reported(write, { tails, moved, note }, done)),
    renamed: (from) => {
      const event = moved.get(from);
      moved.delete(from);
      if (event !== undefined) note(event);
    },
  });
  return { disk: watched, close: () => lines.close() };
}

interface Noted {
  readonly tails: Map<number, SlotTail>;
  readonly moved: Map<string, DurableEvent>;
  readonly note: (event: DurableEvent) => void;
}

function reported(write: WatchedWrite, { tails, moved, note }: Noted, done: Done): Done {
  return (error) => {
    if (error === null) {
      const event = describe(write, tails);
      if (event !== null && write.path.endsWith(SPARE_END)) moved.set(write.path, event);
      else if (event !== null) note(event);
    }
    done(error);
  };
}

function describe({ path, buffers, position }: WatchedWrite, tails: Map<number, SlotTail>): DurableEvent | null {
  const bytes = Buffer.concat(buffers);
  const name = basename(path, SPARE_END);
  if (name === 'watermark') return describeWatermark(bytes, position);
  const slot = journalSlotOf(name);
  // A spare's zeroes behind its records, and a discard's first two writes, say nothing: the header decides.
  if (slot === null || (position !== HEADER_OFFSET && !bytes.some((byte) => byte !== 0))) return null;
  if (position === MARK_OFFSET) return describeMark(bytes, slot);
  if (position === HEADER_OFFSET) {
    const header = decodeHeader(bytes.subarray(0, BLOCK_BYTES));
    const dataSet = header.verdict === 'readable' ? header.dataSet : null;
    tails.set(slot, { dataSet, offset: RECORDS_OFFSET });
    if (dataSet === null) return { event: 'journalFree', slot };
  }
  return describeCommit(bytes, position, { slot, tails });
}

function describeCommit(
  bytes: Buffer,
  position: number,
  { slot, tails }: { slot: number; tails: Map<number, SlotTail> },
): DurableEvent | null {
  const tail = tails.get(slot);
  if (tail === undefined || tail.dataSet === null) return null;
  const reader = new RecordReader(bytes);
  const sequences: SequenceNumber[] = [];
  let records = 0;
  let { offset } = tail;
  for (;;) {
    const record = reader.readAt(offset - position, bytes.length);
    if (record.kind !== 'record' || (record.type !== 'pad' && record.dataSet !== tail.dataSet)) break;
    if (record.type !== 'pad') {
      records += 1;
      sequences.push(record.sequence);
    }
    offset += record.encodedBytes;
  }
  tails.set(slot, { dataSet: tail.dataSet, offset });
  const ranges = rangesOf(sequences.toSorted((a, b) => a - b));
  return {
    event: 'journalDurable',
    slot,
    dataSet: String(tail.dataSet),
    records,
    sequences: ranges,
    throughBytes: offset,
  };
}

function describeMark(bytes: Buffer, slot: number): DurableEvent | null {
  const mark = decodeMark(bytes);
  if (mark.verdict !== 'set') return null;
  const { dataSet, finalSequence } = mark.point;
  return { event: 'completeFlagDurable', slot, dataSet: String(dataSet), finalSequence: String(finalSequence) };
}

function describeWatermark(bytes: Buffer, position: number): DurableEvent | null {
  const block = decodeWatermark(bytes.subarray(0, BLOCK_BYTES));
  if (block.verdict !== 'readable') return null;
  const { point, hostEpoch } = block.content;
  return {
    event: 'watermarkDurable',
    block: position / BLOCK_BYTES,
    dataSet: point === null ? null : String(point.dataSet),
    finalSequence: point === null ? null : String(point.finalSequence),
    hostEpoch,
  };
}

/** Lines go into the page cache at once: a killed process leaves them all. */
function openLines({ path, ended }: TraceOptions): { write(event: DurableEvent): void; close(): void } {
  let file: number | null;
  try {
    file = openSync(path, 'a', 0o600);
  } catch (error) {
    throw new FarshoreError('ERR_TRACE_FILE', `the trace ${path} cannot be written: ${messageOf(error)} (${errnoOf(error) ?? 'no code'})`, {
      cause: error,
      hint: 'give --trace a file in a folder that this user may write',
      details: { path },
    });
  }
  const close = (): void => {
    if (file !== null) closeSync(file);
    file = null;
  };
  const write = (event: DurableEvent): void => {
    try {
      if (file !== null) writeSync(file, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    } catch (error) {
      close();
      ended(error);
    }
  };
  return { write, close };
}
