/** The memory buffer of one slot (Fig. 13): the exact image of the slot's file, shared with the destage worker. */
import type { Geometry } from '../src/model/ids.ts';
import type { MemoryBuffer } from './contract.ts';
import { BLOCK_BYTES } from './format.ts';

/** Say at which byte of `shared` (0 .. 4095) an address in memory begins that is a multiple of 4096; direct writes need that. */
export type AlignedStart = (shared: SharedArrayBuffer) => number;

export interface SlotMemory {
  readonly buffer: MemoryBuffer;
  /** The image of the file, `slotBytes` long. */
  readonly image: Uint8Array;
  /** Offset in the image of the record with index i. */
  readonly offsets: Uint32Array;
}

export function createSlotMemory(options: { slot: number; geometry: Geometry; alignedStart: AlignedStart }): SlotMemory {
  const { slot, geometry } = options;
  const shared = new SharedArrayBuffer(geometry.slotBytes + BLOCK_BYTES);
  const start = options.alignedStart(shared);
  const offsets = new SharedArrayBuffer(geometry.recordsMax * Uint32Array.BYTES_PER_ELEMENT);
  return {
    buffer: { slot, shared, start, slotBytes: geometry.slotBytes, offsets },
    image: new Uint8Array(shared, start, geometry.slotBytes),
    offsets: new Uint32Array(offsets),
  };
}

/** Allocate `lengthBytes` zeroed bytes at an aligned address. */
export function allocateAligned(lengthBytes: number, alignedStart: AlignedStart): Uint8Array {
  const shared = new SharedArrayBuffer(lengthBytes + BLOCK_BYTES);
  return new Uint8Array(shared, alignedStart(shared), lengthBytes);
}
