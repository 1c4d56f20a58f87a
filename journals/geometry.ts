/** The geometry of a ring and what one data set may hold in it (DESIGN section 5: sizes count encoded bytes). */
import type { Geometry } from '../src/model/ids.ts';
import { LIMITS } from '../src/model/limits.ts';
import { RECORD_HEADER_BYTES, SYNC_RECORD_BYTES } from '../src/record/record.ts';
import { geometryInvalid } from './errors.ts';
import { BLOCK_BYTES, RECORDS_OFFSET } from './format.ts';

/**
 * Compute capacity and record maximum of a ring: capacity = slot - header area - one sync record - one block for alignment and terminator.
 * @throws UsageError ERR_JOURNAL_GEOMETRY_INVALID
 */
export function geometryOf(options: { slots: number; slotBytes: number }): Geometry {
  const { slots, slotBytes } = options;
  if (!Number.isSafeInteger(slots) || slots < LIMITS.slotsMin || slots > LIMITS.slotsMax) {
    throw geometryInvalid(`${slots} journal slots: expected ${LIMITS.slotsMin} to ${LIMITS.slotsMax}`, { slots });
  }
  if (
    !Number.isSafeInteger(slotBytes) ||
    slotBytes < LIMITS.slotBytesMin ||
    slotBytes > LIMITS.slotBytesMax ||
    slotBytes % BLOCK_BYTES !== 0
  ) {
    const range = `${LIMITS.slotBytesMin} to ${LIMITS.slotBytesMax} bytes, a multiple of ${BLOCK_BYTES}`;
    throw geometryInvalid(`journal slots of ${slotBytes} bytes: expected ${range}`, { slotBytes });
  }
  const capacityBytes = slotBytes - RECORDS_OFFSET - SYNC_RECORD_BYTES - BLOCK_BYTES;
  const recordsMax = Math.min(LIMITS.dataSetRecordsMax, Math.floor(capacityBytes / RECORD_HEADER_BYTES) + 1);
  return { slots, slotBytes, capacityBytes, recordsMax };
}
