/** The binary messages beside the records: acks, rejects, the head, and what was received after a link was lost. */
import { assert } from '../model/assert.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import type { HeldDataSet } from '../model/handshake.ts';
import type { SequenceRange } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { NOT_AN_ID, readId, readNullableId, showU64, writeId, writeNullableId } from './fields.ts';
import { BITMAP_BYTES_MAX, heldDataSetFault } from './held-data-set.ts';
import { ACKNOWLEDGE_BODY, ACKNOWLEDGE_BYTES, ACKNOWLEDGE_RANGE, ACKNOWLEDGE_RANGE_BYTES, HEAD_BODY, HEAD_BYTES, HELD_DATA_SET, HELD_DATA_SET_BYTES, MESSAGE_KIND, offsetsOf, PROGRESS_BODY, PROGRESS_BYTES, REJECT_BODY, REJECT_BYTES, REJECT_REASON, REQUEST_PROGRESS_BODY, REQUEST_PROGRESS_BYTES } from './layout.ts';
import type { AcknowledgeMessage, ControlMessage, HeadMessage, LinkKey, ProgressMessage, RejectMessage, RequestProgressMessage } from './messages.ts';
import { violate } from './violation.ts';
import type { Violation } from './violation.ts';

const ACKNOWLEDGE_AT = offsetsOf(ACKNOWLEDGE_BODY);
const RANGE_AT = offsetsOf(ACKNOWLEDGE_RANGE);
const REJECT_AT = offsetsOf(REJECT_BODY);
const HEAD_AT = offsetsOf(HEAD_BODY);
const REQUEST_AT = offsetsOf(REQUEST_PROGRESS_BODY);
const PROGRESS_AT = offsetsOf(PROGRESS_BODY);
const HELD_AT = offsetsOf(HELD_DATA_SET);
const LINK_KEY_BYTES = 4;

/** A message under construction: its bytes with kind and version set, and its view. */
function begin(kind: ControlMessage['kind'], lengthBytes: number): DataView {
  const view = new DataView(new ArrayBuffer(lengthBytes));
  view.setUint8(0, MESSAGE_KIND[kind]);
  view.setUint8(1, PROTOCOL_VERSION);
  return view;
}

/** Encode all but the message's checksum. */
export function encodeControlMessage(message: ControlMessage): DataView {
  switch (message.kind) {
    case 'acknowledge':
      return encodeAcknowledge(message);
    case 'reject':
      return encodeReject(message);
    case 'head':
      return encodeHead(message);
    case 'requestProgress':
      return encodeRequestProgress(message);
    case 'progress':
      return encodeProgress(message);
  }
}

/** Decode a message whose kind, version and checksum were checked. Never throws. */
export function decodeControlMessage(kind: ControlMessage['kind'], view: DataView): ControlMessage | Violation {
  const reader = new MessageReader(view);
  const message = decoders[kind](reader);
  return reader.fault ?? message;
}

const decoders: { readonly [Kind in ControlMessage['kind']]: (reader: MessageReader) => ControlMessage } = {
  acknowledge: decodeAcknowledge,
  reject: decodeReject,
  head: decodeHead,
  requestProgress: decodeRequestProgress,
  progress: decodeProgress,
};

/** Reads fields and keeps the first fault; after it every further field reads as 0 or null, and lists as empty. */
class MessageReader {
  readonly view: DataView;
  fault: Violation | null = null;

  constructor(view: DataView) {
    this.view = view;
  }

  /** The message must be at least, or exactly, so long. */
  length(bytes: number, exactly: boolean): void {
    const found = this.view.byteLength;
    if (exactly ? found !== bytes : found < bytes) this.#refuse(violate('message-length', `expected ${exactly ? '' : 'at least '}${bytes} bytes, found ${found}`));
  }

  id(name: string, offset: number): number {
    if (this.fault !== null) return 0;
    return this.#valid(name, offset, readId(this.view, offset));
  }

  nullableId(name: string, offset: number): number | null {
    if (this.fault !== null) return null;
    const value = readNullableId(this.view, offset);
    return value === null ? null : this.#valid(name, offset, value);
  }

  u32(offset: number): number {
    return this.fault === null ? this.view.getUint32(offset, true) : 0;
  }

  count(name: string, offset: number, max: number): number {
    const value = this.u32(offset);
    if (value > max) this.#refuse(violate('count', `${name}: expected at most ${max}, found ${value}`));
    return this.fault === null ? value : 0;
  }

  zero(from: number, to: number): void {
    for (let offset = from; offset < to && this.fault === null; offset += 1) {
      if (this.view.getUint8(offset) !== 0) this.#refuse(violate('reserved', `byte ${offset} is not 0`));
    }
  }

  refuse(violation: Violation): void {
    this.#refuse(violation);
  }

  #valid(name: string, offset: number, value: number): number {
    if (value !== NOT_AN_ID) return value;
    this.#refuse(violate('identifier', `${name}: expected at most 2^53 - 1, found ${showU64(this.view, offset)}`));
    return 0;
  }

  #refuse(violation: Violation): void {
    this.fault ??= violation;
  }
}

function encodeAcknowledge({ windowHigh, positions, ranges }: AcknowledgeMessage): DataView {
  assert(ranges.length <= LIMITS.ackRangesMax, 'an ack must not have more than ackRangesMax ranges');
  const view = begin('acknowledge', ACKNOWLEDGE_BYTES + ranges.length * ACKNOWLEDGE_RANGE_BYTES);
  writeId(view, ACKNOWLEDGE_AT.windowHigh, windowHigh);
  writeNullableId(view, ACKNOWLEDGE_AT.received, positions.received);
  writeNullableId(view, ACKNOWLEDGE_AT.durable, positions.durable);
  writeNullableId(view, ACKNOWLEDGE_AT.complete, positions.complete);
  writeNullableId(view, ACKNOWLEDGE_AT.destaged, positions.destaged);
  writeNullableId(view, ACKNOWLEDGE_AT.destagedSequence, positions.destagedSequence);
  view.setUint32(ACKNOWLEDGE_AT.rangeCount, ranges.length, true);
  let offset = ACKNOWLEDGE_BYTES;
  for (const { from, to } of ranges) {
    assert(from <= to, 'a range must not end before it begins');
    writeId(view, offset + RANGE_AT.from, from);
    writeId(view, offset + RANGE_AT.to, to);
    offset += ACKNOWLEDGE_RANGE_BYTES;
  }
  return view;
}

function decodeAcknowledge(reader: MessageReader): AcknowledgeMessage {
  reader.length(ACKNOWLEDGE_BYTES, false);
  const windowHigh = reader.id('windowHigh', ACKNOWLEDGE_AT.windowHigh);
  const positions = {
    received: reader.nullableId('received', ACKNOWLEDGE_AT.received),
    durable: reader.nullableId('durable', ACKNOWLEDGE_AT.durable),
    complete: reader.nullableId('complete', ACKNOWLEDGE_AT.complete),
    destaged: reader.nullableId('destaged', ACKNOWLEDGE_AT.destaged),
    destagedSequence: reader.nullableId('destagedSequence', ACKNOWLEDGE_AT.destagedSequence),
  };
  reader.zero(ACKNOWLEDGE_AT.reserved, ACKNOWLEDGE_BYTES);
  const count = reader.count('ranges', ACKNOWLEDGE_AT.rangeCount, LIMITS.ackRangesMax);
  reader.length(ACKNOWLEDGE_BYTES + count * ACKNOWLEDGE_RANGE_BYTES, true);
  const ranges: SequenceRange[] = [];
  for (let index = 0; index < count && reader.fault === null; index += 1) {
    const offset = ACKNOWLEDGE_BYTES + index * ACKNOWLEDGE_RANGE_BYTES;
    const from = reader.id('from', offset + RANGE_AT.from);
    const to = reader.id('to', offset + RANGE_AT.to);
    if (from > to) reader.refuse(violate('range', `range ${index} is ${from}..${to}`));
    ranges.push({ from, to });
  }
  return { kind: 'acknowledge', windowHigh, positions, ranges };
}

function encodeReject({ reason, dataSet, sequence, windowHigh }: RejectMessage): DataView {
  const view = begin('reject', REJECT_BYTES);
  view.setUint8(REJECT_AT.reason, REJECT_REASON[reason]);
  writeId(view, REJECT_AT.dataSet, dataSet);
  writeId(view, REJECT_AT.sequence, sequence);
  writeId(view, REJECT_AT.windowHigh, windowHigh);
  return view;
}

function decodeReject(reader: MessageReader): RejectMessage {
  reader.length(REJECT_BYTES, true);
  const code = reader.fault === null ? reader.view.getUint8(REJECT_AT.reason) : 0;
  if (code !== REJECT_REASON.window && code !== REJECT_REASON.checksum) reader.refuse(violate('reject-reason', `found ${code}`));
  reader.zero(REJECT_AT.reserved, REJECT_AT.dataSet);
  return {
    kind: 'reject',
    reason: code === REJECT_REASON.checksum ? 'checksum' : 'window',
    dataSet: reader.id('dataSet', REJECT_AT.dataSet),
    sequence: reader.id('sequence', REJECT_AT.sequence),
    windowHigh: reader.id('windowHigh', REJECT_AT.windowHigh),
  };
}

function encodeHead({ head }: HeadMessage): DataView {
  const view = begin('head', HEAD_BYTES);
  writeId(view, HEAD_AT.dataSet, head.dataSet);
  writeNullableId(view, HEAD_AT.sequence, head.sequence === -1 ? null : head.sequence);
  writeId(view, HEAD_AT.bytes, head.bytes);
  writeId(view, HEAD_AT.timeMs, head.timeMs);
  return view;
}

function decodeHead(reader: MessageReader): HeadMessage {
  reader.length(HEAD_BYTES, true);
  const dataSet = reader.id('dataSet', HEAD_AT.dataSet);
  const sequence = reader.nullableId('sequence', HEAD_AT.sequence) ?? -1;
  const bytes = reader.id('bytes', HEAD_AT.bytes);
  return { kind: 'head', head: { dataSet, sequence, bytes, timeMs: reader.id('timeMs', HEAD_AT.timeMs) } };
}

function encodeRequestProgress({ closedLinks }: RequestProgressMessage): DataView {
  const view = begin('requestProgress', REQUEST_PROGRESS_BYTES + closedLinks.length * LINK_KEY_BYTES);
  view.setUint32(REQUEST_AT.keyCount, closedLinks.length, true);
  encodeLinkKeys(view, REQUEST_PROGRESS_BYTES, closedLinks);
  return view;
}

function decodeRequestProgress(reader: MessageReader): RequestProgressMessage {
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

function encodeProgress({ closedLinks, destaged, windowHigh, held }: ProgressMessage): DataView {
  assert(held.length <= LIMITS.slotsMax, 'no more data sets can be held than there are slots');
  let lengthBytes = PROGRESS_BYTES + closedLinks.length * LINK_KEY_BYTES;
  for (const { received } of held) lengthBytes += HELD_DATA_SET_BYTES + 2 * received.length;
  const view = begin('progress', lengthBytes);
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

function decodeProgress(reader: MessageReader): ProgressMessage {
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
