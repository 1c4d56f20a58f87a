/** Make the checksums of mutated bytes right again: without it nearly every mutation ends at the first check. */
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES } from '../../journals/format.ts';
import { MESSAGE_KIND } from '../../src/record/layout.ts';
import { RECORD_HEADER_BYTES } from '../../src/record/record.ts';

const HEADER_CHECKSUM_AT = 76;
const PAYLOAD_CHECKSUM_AT = 72;
const LENGTH_AT = 56;
const TYPE_AT = 6;
const ZERO_TYPE = 2;
const TRIM_TYPE = 3;

/** Records back to back from `begin` on: both checksums, as far as the lengths lead from one to the next. */
export function fixRecords(bytes: Uint8Array, begin = 0): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = begin; at + RECORD_HEADER_BYTES <= bytes.length;) {
    const type = view.getUint8(at + TYPE_AT);
    const stated = Number(view.getBigUint64(at + LENGTH_AT, true));
    const payloadBytes = type === ZERO_TYPE || type === TRIM_TYPE ? 0 : stated;
    const end = at + RECORD_HEADER_BYTES + payloadBytes;
    if (end <= bytes.length) {
      const payload = bytes.subarray(at + RECORD_HEADER_BYTES, end);
      view.setUint32(at + PAYLOAD_CHECKSUM_AT, payload.length === 0 ? 0 : crc32(payload), true);
    }
    view.setUint32(at + HEADER_CHECKSUM_AT, crc32(bytes.subarray(at, at + HEADER_CHECKSUM_AT)), true);
    at = end;
  }
}

/** One block of 4096 bytes: header, complete mark or watermark. */
export function fixBlock(bytes: Uint8Array, begin: number): void {
  const block = bytes.subarray(begin, begin + BLOCK_BYTES);
  if (block.length < BLOCK_BYTES) return;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  view.setUint32(8, 0, true);
  view.setUint32(8, crc32(block), true);
}

/** A message of a link: the header's checksum, and in `records` those of each record. */
export function fixMessage(bytes: Uint8Array): void {
  if (bytes.length < 8) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] === MESSAGE_KIND.records) fixRecords(bytes);
  else view.setUint32(4, crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4))), true);
}
