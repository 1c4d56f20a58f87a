/**
 * The byte tables of format version 1, as data: record header, sync payload and every binary message. The codecs take their
 * offsets from here, PROTOCOL.md shows the same rows, and a test pins the hash of it all to the version.
 *
 * All integers are little-endian. Offsets count from the start of the record or message.
 */

/**
 * How a field is encoded.
 * - `ascii`, `hex`: characters, or the bytes that the hex digits name, in reading order
 * - `id`: 64 bits, at most 2^53 - 1; `id?`: the same, all ones is null (null is not 0)
 * - `crc32`: 32 bits, CRC-32 as in zlib
 * - `zero`: reserved, must be zero
 */
export type FieldKind = 'ascii' | 'hex' | 'u8' | 'u16' | 'u32' | 'id' | 'id?' | 'crc32' | 'zero';

export interface FieldLayout {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly kind: FieldKind;
}

export const FORMAT_MAGIC = 'FSR1';
export const FORMAT_VERSION = 1;

/** Every record begins with this header; the payload follows without a gap. */
export const RECORD_HEADER = [
  { name: 'magic', offset: 0, size: 4, kind: 'ascii' },
  { name: 'version', offset: 4, size: 2, kind: 'u16' },
  { name: 'type', offset: 6, size: 1, kind: 'u8' },
  { name: 'flags', offset: 7, size: 1, kind: 'zero' },
  { name: 'generation', offset: 8, size: 4, kind: 'u32' },
  { name: 'vlun', offset: 12, size: 4, kind: 'u32' },
  { name: 'stream', offset: 16, size: 8, kind: 'hex' },
  { name: 'dataSet', offset: 24, size: 8, kind: 'id' },
  { name: 'firstSequence', offset: 32, size: 8, kind: 'id' },
  { name: 'sequence', offset: 40, size: 8, kind: 'id' },
  { name: 'lba', offset: 48, size: 8, kind: 'id' },
  { name: 'lengthBytes', offset: 56, size: 8, kind: 'id' },
  { name: 'timeUs', offset: 64, size: 8, kind: 'id' },
  { name: 'payloadChecksum', offset: 72, size: 4, kind: 'crc32' },
  // Last, so that it covers all that stands before it, the payload's checksum included, in one run of bytes (I9).
  { name: 'headerChecksum', offset: 76, size: 4, kind: 'crc32' },
] as const satisfies readonly FieldLayout[];
export const RECORD_HEADER_BYTES = 80;

/** The payload of a sync record. */
export const SYNC_PAYLOAD = [
  { name: 'reason', offset: 0, size: 1, kind: 'u8' },
  { name: 'reserved', offset: 1, size: 7, kind: 'zero' },
  { name: 'chain', offset: 8, size: 16, kind: 'hex' },
  { name: 'incarnation', offset: 24, size: 8, kind: 'hex' },
  { name: 'headBytes', offset: 32, size: 8, kind: 'id' },
] as const satisfies readonly FieldLayout[];
export const SYNC_PAYLOAD_BYTES = 40;
export const SYNC_RECORD_BYTES = RECORD_HEADER_BYTES + SYNC_PAYLOAD_BYTES;

/** VLUN of records that change no volume (sync, pad). */
export const NO_VLUN = 0xffff_ffff;

/**
 * The first bytes of every message but `records`, which is records back to back and nothing else: each has checksums and a length of its
 * own. The checksum covers the message without the checksum's own four bytes.
 */
export const MESSAGE_HEADER = [
  { name: 'kind', offset: 0, size: 1, kind: 'u8' },
  { name: 'version', offset: 1, size: 1, kind: 'u8' },
  { name: 'reserved', offset: 2, size: 2, kind: 'zero' },
  { name: 'checksum', offset: 4, size: 4, kind: 'crc32' },
] as const satisfies readonly FieldLayout[];
export const MESSAGE_HEADER_BYTES = 8;

/** Then `rangeCount` times ACKNOWLEDGE_RANGE. Without ranges it is the secondary's keep-alive. */
export const ACKNOWLEDGE_BODY = [
  { name: 'windowHigh', offset: 8, size: 8, kind: 'id' },
  { name: 'received', offset: 16, size: 8, kind: 'id?' },
  { name: 'durable', offset: 24, size: 8, kind: 'id?' },
  { name: 'complete', offset: 32, size: 8, kind: 'id?' },
  { name: 'destaged', offset: 40, size: 8, kind: 'id?' },
  { name: 'destagedSequence', offset: 48, size: 8, kind: 'id?' },
  { name: 'rangeCount', offset: 56, size: 4, kind: 'u32' },
  { name: 'reserved', offset: 60, size: 4, kind: 'zero' },
] as const satisfies readonly FieldLayout[];
export const ACKNOWLEDGE_BYTES = 64;

/** One range; offsets count from the range's start. */
export const ACKNOWLEDGE_RANGE = [
  { name: 'from', offset: 0, size: 8, kind: 'id' },
  { name: 'to', offset: 8, size: 8, kind: 'id' },
] as const satisfies readonly FieldLayout[];
export const ACKNOWLEDGE_RANGE_BYTES = 16;

export const REJECT_BODY = [
  { name: 'reason', offset: 8, size: 1, kind: 'u8' },
  { name: 'reserved', offset: 9, size: 7, kind: 'zero' },
  { name: 'dataSet', offset: 16, size: 8, kind: 'id' },
  { name: 'sequence', offset: 24, size: 8, kind: 'id' },
  { name: 'windowHigh', offset: 32, size: 8, kind: 'id' },
] as const satisfies readonly FieldLayout[];
export const REJECT_BYTES = 40;

/** The sequence number is -1 before the first one was given, and -1 is all ones. */
export const HEAD_BODY = [
  { name: 'dataSet', offset: 8, size: 8, kind: 'id' },
  { name: 'sequence', offset: 16, size: 8, kind: 'id?' },
  { name: 'bytes', offset: 24, size: 8, kind: 'id' },
  { name: 'timeMs', offset: 32, size: 8, kind: 'id' },
] as const satisfies readonly FieldLayout[];
export const HEAD_BYTES = 40;

/** Then `keyCount` link keys of 32 bits. */
export const REQUEST_PROGRESS_BODY = [
  { name: 'keyCount', offset: 8, size: 4, kind: 'u32' },
  { name: 'reserved', offset: 12, size: 4, kind: 'zero' },
] as const satisfies readonly FieldLayout[];
export const REQUEST_PROGRESS_BYTES = 16;

/** Then `keyCount` link keys of 32 bits, then `heldCount` times HELD_DATA_SET with its two bitmaps. */
export const PROGRESS_BODY = [
  { name: 'windowHigh', offset: 8, size: 8, kind: 'id' },
  { name: 'destaged', offset: 16, size: 8, kind: 'id?' },
  { name: 'keyCount', offset: 24, size: 4, kind: 'u32' },
  { name: 'heldCount', offset: 28, size: 4, kind: 'u32' },
] as const satisfies readonly FieldLayout[];
export const PROGRESS_BYTES = 32;

/** One held data set; offsets count from its start. Then `bitmapBytes` of received bits, then as many of durable bits. */
export const HELD_DATA_SET = [
  { name: 'dataSet', offset: 0, size: 8, kind: 'id' },
  { name: 'firstSequence', offset: 8, size: 8, kind: 'id' },
  { name: 'finalSequence', offset: 16, size: 8, kind: 'id?' },
  { name: 'bitmapBytes', offset: 24, size: 4, kind: 'u32' },
  { name: 'reserved', offset: 28, size: 4, kind: 'zero' },
] as const satisfies readonly FieldLayout[];
export const HELD_DATA_SET_BYTES = 32;

/** What a peer holds, and what may be sent to it. */
export const HELD_BODY = [
  { name: 'through', offset: 8, size: 8, kind: 'id' },
  { name: 'limitBytes', offset: 16, size: 8, kind: 'id' },
] as const satisfies readonly FieldLayout[];
export const HELD_BYTES = 24;

export const RELEASE_BODY = [{ name: 'through', offset: 8, size: 8, kind: 'id' }] as const satisfies readonly FieldLayout[];
export const RELEASE_BYTES = 16;

/**
 * First byte of a message; the numbers are part of protocol version 1. 16 to 69 carry JSON. 70 is the first letter of a record's magic:
 * a message that begins with a record is a message of records.
 */
export const MESSAGE_KIND = {
  records: 70,
  acknowledge: 2,
  reject: 3,
  head: 4,
  requestProgress: 5,
  progress: 6,
  held: 7,
  release: 8,
  hello: 16,
  welcome: 17,
  ready: 18,
  refuse: 19,
  superseded: 20,
  supersededAcknowledged: 21,
  peerHello: 22,
  peerWelcome: 23,
  fetch: 24,
  fetched: 25,
} as const;
export type MessageKindName = keyof typeof MESSAGE_KIND;

/** Why a record was rejected; the numbers are part of protocol version 1. */
export const REJECT_REASON = { window: 1, checksum: 2 } as const;

/** Every table with its size, for PROTOCOL.md and the pinned hash. `bytes` is where the table's part ends. */
export const LAYOUT_TABLES = {
  'record header': { fields: RECORD_HEADER, bytes: RECORD_HEADER_BYTES },
  'sync payload': { fields: SYNC_PAYLOAD, bytes: SYNC_PAYLOAD_BYTES },
  'message header': { fields: MESSAGE_HEADER, bytes: MESSAGE_HEADER_BYTES },
  acknowledge: { fields: ACKNOWLEDGE_BODY, bytes: ACKNOWLEDGE_BYTES },
  'acknowledge range': { fields: ACKNOWLEDGE_RANGE, bytes: ACKNOWLEDGE_RANGE_BYTES },
  reject: { fields: REJECT_BODY, bytes: REJECT_BYTES },
  head: { fields: HEAD_BODY, bytes: HEAD_BYTES },
  requestProgress: { fields: REQUEST_PROGRESS_BODY, bytes: REQUEST_PROGRESS_BYTES },
  progress: { fields: PROGRESS_BODY, bytes: PROGRESS_BYTES },
  held: { fields: HELD_BODY, bytes: HELD_BYTES },
  release: { fields: RELEASE_BODY, bytes: RELEASE_BYTES },
  'held data set': { fields: HELD_DATA_SET, bytes: HELD_DATA_SET_BYTES },
} as const satisfies Readonly<Record<string, { readonly fields: readonly FieldLayout[]; readonly bytes: number }>>;

/** Offsets of a table by field name. */
export function offsetsOf<const T extends readonly FieldLayout[]>(table: T): { readonly [F in T[number] as F['name']]: F['offset'] } {
  return Object.fromEntries(table.map((field) => [field.name, field.offset])) as { readonly [F in T[number] as F['name']]: F['offset'] };
}
