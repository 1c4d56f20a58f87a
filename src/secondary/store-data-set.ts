/**
 * Fig. 9 step 304: write the blocks of one complete data set into the source volumes, in the order of their sequence numbers,
 * whatever the order in which they arrived (I4): of two writes to a block the later one wins.
 */
import { assert } from '../model/assert.ts';
import { BLOCK_BYTES, type Vlun } from '../model/ids.ts';
import type { MemoryBuffer } from '../../journals/contract.ts';
import type { RecordPeek } from '../record/contract.ts';
import { RecordReader } from '../record/record.ts';
import type { Volume } from '../volume/contract.ts';

/** A memory buffer as the destage sees it: the image's bytes, and where each record lies. */
export interface DestageSource {
  readonly image: Uint8Array;
  readonly reader: RecordReader;
  readonly offsets: Uint32Array;
}

/** Views of a shared memory buffer; made once for each slot. */
export function openDestageSource(buffer: MemoryBuffer): DestageSource {
  const image = Buffer.from(buffer.shared, buffer.start, buffer.slotBytes);
  return { image, reader: new RecordReader(image), offsets: new Uint32Array(buffer.offsets) };
}

/**
 * Store the first `writes` records of a data set; `mayStore` is asked before each. False: it said no, and the rest was not stored. Throws
 * the disk's error. In both cases the volumes are mixed, and only a full repetition mends them (I10).
 */
export function storeDataSet(
  source: DestageSource,
  writes: number,
  volumes: ReadonlyMap<Vlun, Volume>,
  mayStore: () => boolean = always,
): boolean {
  const { reader, image, offsets } = source;
  const peek: RecordPeek = { type: 'pad', vlun: 0, lba: 0, lengthBytes: 0, payloadOffset: 0 };
  for (let index = 0; index < writes; index += 1) {
    reader.peekAt(offsets[index] as number, peek);
    const volume = volumes.get(peek.vlun);
    assert(volume !== undefined, 'VLUN % was checked when the record arrived', peek.vlun);
    const offset = peek.lba * BLOCK_BYTES;
    if (!mayStore()) return false;
    if (peek.type === 'write') volume.storeSync(image.subarray(peek.payloadOffset, peek.payloadOffset + peek.lengthBytes), offset);
    else volume.zeroSync(offset, peek.lengthBytes);
  }
  return true;
}

function always(): boolean {
  return true;
}
