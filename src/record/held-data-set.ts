/** What a peer says of the data sets that it holds, checked the same way in `hello` (JSON) and in `progress` (binary). */
import type { HeldDataSet } from '../model/handshake.ts';
import { LIMITS } from '../model/limits.ts';

/** Bytes of a bitmap with one bit for each record that a data set may have. */
export const BITMAP_BYTES_MAX = Math.ceil(LIMITS.dataSetRecordsMax / 8);

/** Say what in a held data set contradicts itself, or null. */
export function heldDataSetFault(held: HeldDataSet): string | null {
  const { firstSequence, finalSequence, received, durable } = held;
  if (finalSequence !== null && finalSequence < firstSequence)
    return `finalSequence ${finalSequence} is below firstSequence ${firstSequence}`;
  if (received.length !== durable.length) return `received has ${received.length} bytes, durable ${durable.length}`;
  for (let index = 0; index < received.length; index += 1) {
    if (((durable[index] ?? 0) & ~(received[index] ?? 0)) !== 0) return `durable is not a subset of received, at byte ${index}`;
  }
  const numbers = highestNumbers(received);
  if (finalSequence !== null && numbers > finalSequence - firstSequence + 1) return `received goes beyond finalSequence ${finalSequence}`;
  return null;
}

/** Number of bits up to and with the highest one that is set. */
function highestNumbers(bitmap: Uint8Array): number {
  let bytes = bitmap.length;
  while (bytes > 0 && bitmap[bytes - 1] === 0) bytes -= 1;
  return bytes === 0 ? 0 : bytes * 8 - (Math.clz32(bitmap[bytes - 1] ?? 0) - 24);
}
