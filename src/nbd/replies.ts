/** Encoding of the replies of the transmission phase: simple, and structured with exactly one chunk. Pure. */
import { NBD_ALLOCATION_CONTEXT, NBD_BYTES, NBD_CHUNK, NBD_CHUNK_FLAG_DONE, NBD_MAGIC } from './constants.ts';
import type { NbdErrno } from './contract.ts';

/** The 64 bits of a request that its reply gives back. */
export interface Cookie {
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

/** Bytes of the replies that carry no read data; all fit into `REPLY_BYTES_MAX`. */
export const REPLY_BYTES = {
  simple: NBD_BYTES.simpleReply,
  /** Header, errno, message length (always without a message). */
  structuredError: NBD_BYTES.structuredReplyHeader + 6,
  /** Header, context ID, one extent. */
  blockStatus: NBD_BYTES.structuredReplyHeader + 12,
  /** Header and offset; the data follows. */
  offsetData: NBD_BYTES.structuredReplyHeader + NBD_BYTES.chunkOffset,
} as const;
export const REPLY_BYTES_MAX = 32;

/** Encode a simple reply (the data of a READ follows it); gives back its length in bytes. */
export function encodeSimpleReply(view: DataView, position: number, cookie: Cookie, errno: NbdErrno): number {
  view.setUint32(position, NBD_MAGIC.simpleReply);
  view.setUint32(position + 4, errno);
  view.setUint32(position + 8, cookie.cookieHigh);
  view.setUint32(position + 12, cookie.cookieLow);
  return REPLY_BYTES.simple;
}

/** Encode the header of a READ's only chunk, NBD_REPLY_TYPE_OFFSET_DATA; one chunk honours DF always. */
export function encodeOffsetDataHeader(
  view: DataView,
  position: number,
  request: Cookie & { offset: number; lengthBytes: number },
): number {
  encodeChunkHeader(view, position, request, { type: NBD_CHUNK.offsetData, lengthBytes: NBD_BYTES.chunkOffset + request.lengthBytes });
  view.setUint32(position + 20, Math.floor(request.offset / 2 ** 32));
  view.setUint32(position + 24, request.offset % 2 ** 32);
  return REPLY_BYTES.offsetData;
}

/** Encode NBD_REPLY_TYPE_ERROR. */
export function encodeStructuredError(view: DataView, position: number, cookie: Cookie, errno: NbdErrno): number {
  encodeChunkHeader(view, position, cookie, { type: NBD_CHUNK.error, lengthBytes: 6 });
  view.setUint32(position + 20, errno);
  view.setUint16(position + 24, 0);
  return REPLY_BYTES.structuredError;
}

/** Encode NBD_REPLY_TYPE_BLOCK_STATUS for base:allocation: volumes are fully allocated, so the range is one extent of data. */
export function encodeBlockStatus(view: DataView, position: number, request: Cookie & { lengthBytes: number }): number {
  encodeChunkHeader(view, position, request, { type: NBD_CHUNK.blockStatus, lengthBytes: 12 });
  view.setUint32(position + 20, NBD_ALLOCATION_CONTEXT.id);
  view.setUint32(position + 24, request.lengthBytes);
  view.setUint32(position + 28, 0);
  return REPLY_BYTES.blockStatus;
}

function encodeChunkHeader(view: DataView, position: number, cookie: Cookie, chunk: { type: number; lengthBytes: number }): void {
  view.setUint32(position, NBD_MAGIC.structuredReply);
  view.setUint16(position + 4, NBD_CHUNK_FLAG_DONE);
  view.setUint16(position + 6, chunk.type);
  view.setUint32(position + 8, cookie.cookieHigh);
  view.setUint32(position + 12, cookie.cookieLow);
  view.setUint32(position + 16, chunk.lengthBytes);
}
