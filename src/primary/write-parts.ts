/** How a write of the application becomes records: one for each `recordDataBytesMax`, all in one data set if they fit into one. */
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';
import { encodedWriteBytes } from '../record/record.ts';

/** Payload bytes of one write that fit into one data set, whatever its offset; a longer one is stored in parts. */
export function writeBytesMaxOf(dataSetBytesMax: number): number {
  const perRecord = encodedWriteBytes(LIMITS.recordDataBytesMax);
  const whole = Math.floor(dataSetBytesMax / perRecord);
  const restBytes = Math.max(0, dataSetBytesMax - whole * perRecord - encodedWriteBytes(0));
  const bytes = whole * LIMITS.recordDataBytesMax + Math.floor(restBytes / 4096) * 4096;
  assert(bytes >= 4096, `a data set of ${dataSetBytesMax} bytes holds not even one block`);
  return bytes;
}

/** Encoded bytes of a write: one record for each `recordDataBytesMax` of its payload; of a zero or trim, one header. */
export function encodedBytesOf(data: Uint8Array | null): number {
  if (data === null) return encodedWriteBytes(0);
  if (data.length <= LIMITS.recordDataBytesMax) return encodedWriteBytes(data.length);
  return recordBytesOf(data).reduce((sum, bytes) => sum + bytes, 0);
}

/** Encoded bytes of each record of a write, in order. */
export function recordBytesOf(data: Uint8Array | null): number[] {
  if (data === null) return [encodedWriteBytes(0)];
  if (data.length <= LIMITS.recordDataBytesMax) return [encodedWriteBytes(data.length)];
  const bytes: number[] = [];
  for (let begin = 0; begin < data.length; begin += LIMITS.recordDataBytesMax) {
    bytes.push(encodedWriteBytes(Math.min(LIMITS.recordDataBytesMax, data.length - begin)));
  }
  return bytes;
}
