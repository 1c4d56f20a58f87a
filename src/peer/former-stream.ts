/**
 * A peer takes up another stream only when it holds nothing of the one before. But a kill may undo a release: what was given up since the
 * region's newest anchor is found again at the next opening, and would pass for records of the new stream.
 */
import { RecordReader } from '../record/record-reader.ts';
import { hexHalf } from '../record/fields.ts';
import type { HostState } from '../state/host-state.ts';
import type { NvramRegion } from './nvram/contract.ts';

/** Give up again what the region has of a former stream: it stands before everything of the present one. Returns how many records. @invariant I8 */
export function releaseFormerStream(region: NvramRegion, state: Pick<HostState, 'stream' | 'generations'>): number {
  const { tail } = region;
  let through = tail;
  for (const { encoded, firstOrdinal, records } of region.segments()) {
    if (isOfStream(encoded, state)) break;
    through = firstOrdinal + records;
  }
  if (through > tail) region.release(through);
  return through - tail;
}

function isOfStream(encoded: Uint8Array, { stream, generations }: Pick<HostState, 'stream' | 'generations'>): boolean {
  const reader = new RecordReader(encoded);
  if (stream === null || reader.examine(0, encoded.length) !== 'record') return true;
  const { generation, streamHigh, streamLow } = reader.header;
  return generation === generations.at(-1)?.number && streamHigh === hexHalf(stream, 0) && streamLow === hexHalf(stream, 1);
}
