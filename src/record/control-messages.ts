/** The binary messages beside the records: acks, rejects and the head here, what follows a lost link in progress-messages.ts. */
import { assert, unreachable } from '../model/assert.ts';
import type { SequenceRange } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { writeId, writeNullableId } from './fields.ts';
import {
  ACKNOWLEDGE_BODY,
  ACKNOWLEDGE_BYTES,
  ACKNOWLEDGE_RANGE,
  ACKNOWLEDGE_RANGE_BYTES,
  HEAD_BODY,
  HEAD_BYTES,
  offsetsOf,
  REJECT_BODY,
  REJECT_BYTES,
  REJECT_REASON,
} from './layout.ts';
import { beginMessage, MessageReader } from './message-frame.ts';
import type { AcknowledgeMessage, ControlMessage, HeadMessage, RejectMessage, WireMessage } from './messages.ts';
import { decodeHeld, decodeRelease, encodePeerControl } from './peer-messages.ts';
import { decodeProgress, decodeRequestProgress, encodeProgress, encodeRequestProgress } from './progress-messages.ts';
import { violate } from './violation.ts';
import type { Violation } from './violation.ts';

const ACKNOWLEDGE_AT = offsetsOf(ACKNOWLEDGE_BODY);
const RANGE_AT = offsetsOf(ACKNOWLEDGE_RANGE);
const REJECT_AT = offsetsOf(REJECT_BODY);
const HEAD_AT = offsetsOf(HEAD_BODY);

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
    case 'held':
    case 'release':
      return encodePeerControl(message);
    default:
      return unreachable(message);
  }
}

/** True for the kinds that `encodeControlMessage` takes. */
export function isControlKind(kind: WireMessage['kind']): kind is ControlMessage['kind'] {
  return Object.hasOwn(decoders, kind);
}

export function isControlMessage(message: WireMessage): message is ControlMessage {
  return isControlKind(message.kind);
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
  held: decodeHeld,
  release: decodeRelease,
};

function encodeAcknowledge({ windowHigh, positions, ranges }: AcknowledgeMessage): DataView {
  assert(ranges.length <= LIMITS.ackRangesMax, 'an ack must not have more than ackRangesMax ranges');
  const view = beginMessage('acknowledge', ACKNOWLEDGE_BYTES + ranges.length * ACKNOWLEDGE_RANGE_BYTES);
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
  const view = beginMessage('reject', REJECT_BYTES);
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
  const view = beginMessage('head', HEAD_BYTES);
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
