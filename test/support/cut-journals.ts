/**
 * What a power cut could leave of a killed secondary's journals: everything that `farshore start --trace FILE` did not log as durable is
 * taken away. The trace begins with the first start after `init`, so what it does not name was never written.
 *
 * - Behind the durable bytes of a data set: zeroes.
 * - A complete flag that is not logged: not set.
 * - A slot whose header names a data set of which nothing is logged: free, as before; the one that it held then is below the watermark.
 * - A block of the watermark that is not logged: unreadable; the other one is the newest durable note.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalSlotOf, watermarkPath } from '../../journals/files.ts';
import {
  BLOCK_BYTES,
  decodeHeader,
  decodeMark,
  decodeWatermark,
  encodeHeader,
  HEADER_OFFSET,
  MARK_OFFSET,
  RECORDS_OFFSET,
} from '../../journals/format.ts';
import type { DurableEvent } from '../../src/secondary/durable-trace.ts';

/** What was taken away, for the test's report. */
export interface Cut {
  readonly slot: number | 'watermark';
  readonly what: 'records' | 'flag' | 'data set' | 'block';
  readonly bytes: number;
}

interface DurableSlot {
  readonly dataSet: string;
  throughBytes: number;
  flagged: boolean;
}

export function readTrace(path: string): DurableEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as DurableEvent);
}

/** Cut the journals of a host that does not run. */
export function cutJournals(directory: string, trace: readonly DurableEvent[]): Cut[] {
  const slots = new Map<number, DurableSlot>();
  const watermarks = new Map<number, string | null>();
  for (const event of trace) noteEvent(event, slots, watermarks);
  const cuts: Cut[] = [];
  for (const name of readdirSync(directory).toSorted()) {
    const slot = journalSlotOf(name);
    if (slot === null) continue;
    const path = join(directory, name);
    const image = readFileSync(path);
    const found = cutSlot(image, slot, slots.get(slot) ?? null);
    if (found.length > 0) writeFileSync(path, image, { flag: 'r+' });
    cuts.push(...found);
  }
  return [...cuts, ...cutWatermark(watermarkPath(directory), watermarks)];
}

function noteEvent(event: DurableEvent, slots: Map<number, DurableSlot>, watermarks: Map<number, string | null>): void {
  if (event.event === 'watermarkDurable') watermarks.set(event.block, event.dataSet);
  else if (event.event === 'journalFree') slots.delete(event.slot);
  else if (event.event === 'completeFlagDurable') {
    const slot = slots.get(event.slot);
    if (slot?.dataSet === event.dataSet) slot.flagged = true;
  } else {
    const slot = slots.get(event.slot);
    if (slot?.dataSet === event.dataSet) slot.throughBytes = Math.max(slot.throughBytes, event.throughBytes);
    else slots.set(event.slot, { dataSet: event.dataSet, throughBytes: event.throughBytes, flagged: false });
  }
}

function cutSlot(image: Buffer, slot: number, durable: DurableSlot | null): Cut[] {
  const header = decodeHeader(image.subarray(HEADER_OFFSET, BLOCK_BYTES));
  if (header.verdict !== 'readable') throw new Error(`slot ${slot}: a killed process left an unreadable header`);
  if (header.dataSet === null) return [];
  if (durable === null || String(header.dataSet) !== durable.dataSet) {
    encodeHeader(image.subarray(HEADER_OFFSET, BLOCK_BYTES), { ...header, dataSet: null, firstSequence: null });
    return [{ slot, what: 'data set', bytes: zero(image, MARK_OFFSET) }];
  }
  const cuts: Cut[] = [];
  const bytes = zero(image, Math.max(RECORDS_OFFSET, durable.throughBytes));
  if (bytes > 0) cuts.push({ slot, what: 'records', bytes });
  const mark = decodeMark(image.subarray(MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES));
  if (mark.verdict !== 'not-set' && !durable.flagged) {
    image.fill(0, MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES);
    cuts.push({ slot, what: 'flag', bytes: BLOCK_BYTES });
  }
  return cuts;
}

/** Zero the rest of an image; how much of it was not zero, through the last such byte. */
function zero(image: Buffer, from: number): number {
  let end = image.length;
  while (end > from && image[end - 1] === 0) end -= 1;
  image.fill(0, from);
  return end - from;
}

function cutWatermark(path: string, durable: ReadonlyMap<number, string | null>): Cut[] {
  const bytes = readFileSync(path);
  const cuts: Cut[] = [];
  for (const block of [0, 1]) {
    const view = bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    const found = decodeWatermark(view);
    const dataSet = found.verdict === 'readable' ? (found.content.point?.dataSet ?? null) : null;
    if (dataSet === null || durable.get(block) === String(dataSet)) continue;
    view.fill(0);
    cuts.push({ slot: 'watermark', what: 'block', bytes: BLOCK_BYTES });
  }
  if (cuts.length > 0) writeFileSync(path, bytes, { flag: 'r+' });
  return cuts;
}
