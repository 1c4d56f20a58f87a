/**
 * The messages of a link, PROTOCOL.md: one WebSocket message (binary) is one of these. Decoding never throws, whatever the
 * bytes, and never allocates by a length that the bytes present do not bear out.
 *
 * Bulk data does not pass here: `decodeRecords` (records-message.ts) is the hot path.
 */
import { crc32 } from 'node:zlib';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import { LIMITS } from '../model/limits.ts';
import { decodeControlMessage, encodeControlMessage, isControlKind, isControlMessage } from './control-messages.ts';
import { showU32 } from './fields.ts';
import { decodeHandshakeBody, encodeHandshakeBody } from './handshake-messages.ts';
import { MESSAGE_HEADER, MESSAGE_HEADER_BYTES, MESSAGE_KIND, offsetsOf } from './layout.ts';
import type { MessageKindName } from './layout.ts';
import type { HandshakeMessage, WireMessage } from './messages.ts';
import { recordsLengthFault } from './records-message.ts';
import { violate } from './violation.ts';
import type { Violation } from './violation.ts';

export type * from './messages.ts';
export { checkRecords, decodeRecords, isRecordsMessage } from './records-message.ts';
export type { CheckedRecords, DamagedRecord, DecodedRecords } from './records-message.ts';
export type { Violation, ViolationLabel } from './violation.ts';

const AT = offsetsOf(MESSAGE_HEADER);
const KIND_NAMES: ReadonlyMap<number, MessageKindName> = new Map(
  (Object.keys(MESSAGE_KIND) as MessageKindName[]).map((name) => [MESSAGE_KIND[name], name]),
);

/** Encode a message. Records are encoded already: theirs are the bytes that were given. */
export function encodeMessage(message: WireMessage): Uint8Array {
  if (message.kind === 'records') return message.encoded;
  return seal(isControlMessage(message) ? encodeControlMessage(message) : envelope(message));
}

/** Decode a message, or say how it breaks the protocol. */
export function decodeMessage(bytes: Uint8Array): WireMessage | Violation {
  if (bytes.length < MESSAGE_HEADER_BYTES)
    return violate('message-length', `expected at least ${MESSAGE_HEADER_BYTES} bytes, found ${bytes.length}`);
  if (bytes.length > LIMITS.messageBytesMax)
    return violate('message-length', `expected at most ${LIMITS.messageBytesMax} bytes, found ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const code = view.getUint8(AT.kind);
  const kind = KIND_NAMES.get(code);
  const version = view.getUint8(AT.version);
  if (kind === 'records') return recordsLengthFault(bytes) ?? { kind, encoded: bytes };
  // A refusal reads the same in every version, so that a host can be told that its version is the reason.
  if (version !== PROTOCOL_VERSION && kind !== 'refuse')
    return violate('protocol-version', `expected ${PROTOCOL_VERSION}, found ${version}`);
  if (kind === undefined) return violate('message-kind', `found ${code}`);
  if (view.getUint16(AT.reserved, true) !== 0) return violate('reserved', 'bytes 2 and 3 are not 0');
  const stated = view.getUint32(AT.checksum, true);
  const computed = messageChecksum(bytes);
  if (stated !== computed) return violate('message-checksum', `expected ${showU32(stated)}, found ${showU32(computed)}`);
  return isControlKind(kind) ? decodeControlMessage(kind, view) : decodeHandshakeBody(kind, bytes.subarray(MESSAGE_HEADER_BYTES));
}

/** A handshake message but for its checksum. */
function envelope(message: HandshakeMessage): DataView {
  const body = encodeHandshakeBody(message);
  const bytes = new Uint8Array(MESSAGE_HEADER_BYTES + body.length);
  bytes[AT.kind] = MESSAGE_KIND[message.kind];
  bytes[AT.version] = PROTOCOL_VERSION;
  bytes.set(body, MESSAGE_HEADER_BYTES);
  return new DataView(bytes.buffer);
}

/** Put the checksum into a message that is otherwise ready. */
function seal(view: DataView): Uint8Array {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  view.setUint32(AT.checksum, messageChecksum(bytes), true);
  return bytes;
}

/** CRC-32 of a message without the four bytes of the checksum itself. */
function messageChecksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(MESSAGE_HEADER_BYTES), crc32(bytes.subarray(0, AT.checksum)));
}
