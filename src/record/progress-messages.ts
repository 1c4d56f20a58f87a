/** The messages after a link was lost: which links are closed, and what had been received. */
import { assert } from '../model/assert.ts';
import type { HeldDataSet } from '../model/handshake.ts';
import { LIMITS } from '../model/limits.ts';
import { writeId, writeNullableId } from './fields.ts';
import { BITMAP_BYTES_MAX, heldDataSetFault } from './held-data-set.ts';
import {
  HELD_DATA_SET,
  HELD_DATA_SET_BYTES,
  offsetsOf,
  PROGRESS_BODY,
  PROGRESS_BYTES,
  REQUEST_PROGRESS_BODY,
  REQUEST_PROGRESS_BYTES,
} from './layout.ts';
import { beginMessage } from './message-frame.ts';
import type { MessageReader } from './message-frame.ts';
import type { LinkKey, ProgressMessage, RequestProgressMessage } from './messages.ts';
import { violate } from './violation.ts';

const REQUEST_AT = offsetsOf(REQUEST_PROGRESS_BODY);
const PROGRESS_AT = offsetsOf(PROGRESS_BODY);
const HELD_AT = offsetsOf(HELD_DATA_SET);
const LINK_KEY_BYTES = 4;

export function encodeRequestProgress({ closedLinks }: RequestProgressMessage): DataView {
  const view = beginMessage('requestProgress', REQUEST_PROGRESS_BYTES + closedLinks.length * LINK_KEY_BYTES);
  view.setUint32(REQUEST_AT.keyCount, closedLinks.length, true);
  encodeLinkKeys(view, REQUEST_PROGRESS_BYTES, closedLinks);
  return view;
}

export function decodeRequestProgress(reader: MessageReader): RequestProgressMessage {
  reader.length(REQUEST_PROGRESS_BYTES, false);
  const count = reader.count('closedLinks', REQUEST_AT.keyCount, LIMITS.closedLinksMax);
  reader.zero(REQUEST_AT.reserved, REQUEST_PROGRESS_BYTES);
  reader.length(REQUEST_PROGRESS_BYTES + count * LINK_KEY_BYTES, true);
  return { kind: 'requestProgress', closedLinks: decodeLinkKeys(reader, REQUEST_PROGRESS_BYTES, count) };
}

function encodeLinkKeys(view: DataView, offset: number, keys: readonly LinkKey[]): void {
  assert(keys.length <= LIMITS.closedLinksMax, 'a message must not name more than closedLinksMax links');
  for (const [index, key] of keys.entries()) {
    assert(Number.isInteger(key) && key >= 0 && key <= 0xffff_ffff, 'a link key must have 32 bits');
    view.setUint32(offset + index * LINK_KEY_BYTES, key, true);
  }
}

function decodeLinkKeys(reader: MessageReader, offset: number, count: number): LinkKey[] {
  const keys: LinkKey[] = [];
  for (let index = 0; index < count && reader.fault === null; index += 1) keys.push(reader.u32(offset + index * LINK_KEY_BYTES));
  return keys;
}

export function encodeProgress({ closedLinks, destaged, windowHigh, held }: ProgressMessage): DataView {
  assert(held.length <= LIMITS.slotsMax, 'no more data sets can be held than there are slots');
  let lengthBytes = PROGRESS_BYTES + closedLinks.length * LINK_KEY_BYTES;
  for (const { received } of held) lengthBytes += HELD_DATA_SET_BYTES + 2 * received.length;
  const view = beginMessage('progress', lengthBytes);
  writeId(view, PROGRESS_AT.windowHigh, windowHigh);
  writeNullableId(view, PROGRESS_AT.destaged, destaged);
  view.setUint32(PROGRESS_AT.keyCount, closedLinks.length, true);
  view.setUint32(PROGRESS_AT.heldCount, held.length, true);
  encodeLinkKeys(view, PROGRESS_BYTES, closedLinks);
  let offset = PROGRESS_BYTES + closedLinks.length * LINK_KEY_BYTES;
  for (const dataSet of held) offset = encodeHeld(view, offset, dataSet);
  return view;
}

/** Encode one held data set; returns where it ends. */
function encodeHeld(view: DataView, offset: number, held: HeldDataSet): number {
  const bitmapBytes = held.received.length;
  assert(bitmapBytes <= BITMAP_BYTES_MAX && heldDataSetFault(held) === null, 'what is held must not contradict itself');
  writeId(view, offset + HELD_AT.dataSet, held.dataSet);
  writeId(view, offset + HELD_AT.firstSequence, held.firstSequence);
  writeNullableId(view, offset + HELD_AT.finalSequence, held.finalSequence);
  view.setUint32(offset + HELD_AT.bitmapBytes, bitmapBytes, true);
  const bitmaps = new Uint8Array(view.buffer, view.byteOffset + offset + HELD_DATA_SET_BYTES, 2 * bitmapBytes);
  bitmaps.set(held.received, 0);
  bitmaps.set(held.durable, bitmapBytes);
  return offset + HELD_DATA_SET_BYTES + 2 * bitmapBytes;
}

export function decodeProgress(reader: MessageReader): ProgressMessage {
  reader.length(PROGRESS_BYTES, false);
  const windowHigh = reader.id('windowHigh', PROGRESS_AT.windowHigh);
  const destaged = reader.nullableId('destaged', PROGRESS_AT.destaged);
  const keyCount = reader.count('closedLinks', PROGRESS_AT.keyCount, LIMITS.closedLinksMax);
  const heldCount = reader.count('held', PROGRESS_AT.heldCount, LIMITS.slotsMax);
  let offset = PROGRESS_BYTES + keyCount * LINK_KEY_BYTES;
  reader.length(offset, false);
  const closedLinks = decodeLinkKeys(reader, PROGRESS_BYTES, keyCount);
  const held: HeldDataSet[] = [];
  for (let index = 0; index < heldCount && reader.fault === null; index += 1) {
    const dataSet = decodeHeld(reader, offset, held.at(-1)?.dataSet ?? -1);
    if (dataSet === null) break;
    held.push(dataSet);
    offset += HELD_DATA_SET_BYTES + 2 * dataSet.received.length;
  }
  reader.length(offset, true);
  return { kind: 'progress', closedLinks, destaged, windowHigh, held };
}

/** Decode one held data set, which must be above the one before it; null and a fault if it is none. */
function decodeHeld(reader: MessageReader, offset: number, before: number): HeldDataSet | null {
  reader.length(offset + HELD_DATA_SET_BYTES, false);
  const dataSet = reader.id('dataSet', offset + HELD_AT.dataSet);
  const firstSequence = reader.id('firstSequence', offset + HELD_AT.firstSequence);
  const finalSequence = reader.nullableId('finalSequence', offset + HELD_AT.finalSequence);
  const bitmapBytes = reader.count('bitmapBytes', offset + HELD_AT.bitmapBytes, BITMAP_BYTES_MAX);
  reader.zero(offset + HELD_AT.reserved, offset + HELD_DATA_SET_BYTES);
  const bitmapsAt = offset + HELD_DATA_SET_BYTES;
  reader.length(bitmapsAt + 2 * bitmapBytes, false);
  if (reader.fault !== null) return null;
  const bytes = new Uint8Array(reader.view.buffer, reader.view.byteOffset + bitmapsAt, 2 * bitmapBytes);
  const held = { dataSet, firstSequence, finalSequence, received: bytes.slice(0, bitmapBytes), durable: bytes.slice(bitmapBytes) };
  const fault = dataSet <= before ? `data set ${dataSet} follows ${before}` : heldDataSetFault(held);
  if (fault !== null) reader.refuse(violate('bitmap', fault));
  return held;
}
