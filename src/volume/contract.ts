/** What primary and secondary need of a source volume (DESIGN section 1: volume, VLUN); the implementation is source-volume.ts. */
import type { Done } from '../disk/disk.ts';
import type { VolumeEntry } from '../model/ids.ts';

/** How stores reach the file: `auto` decides by measurement (docs/decisions), see FACTS in the decision record. */
export type StoreMethod = 'auto' | 'pwrite' | 'mmap';

export interface VolumeConfig extends VolumeEntry {
  readonly path: string;
  readonly store: StoreMethod;
}

/**
 * One open, locked, fully allocated volume. Offsets and lengths are bytes. All methods throw or report an error with the
 * errno of the disk; after a failed store or flush the owner decides (I10), the volume never retries.
 */
export interface Volume {
  readonly entry: VolumeEntry;
  readonly path: string;
  /** Read without waiting for a disk: true and `target` filled if the whole range is in memory. */
  readNow(target: Uint8Array, offset: number): boolean;
  read(target: Uint8Array, offset: number, done: Done): void;
  /** Store without waiting for a disk if the method allows it for this range (whole pages, not too long); false: use `store`. Throws the disk's error. */
  storeNow(bytes: Uint8Array, offset: number): boolean;
  store(bytes: Uint8Array, offset: number, done: Done): void;
  /** Zeroes that stay allocated. */
  zero(offset: number, lengthBytes: number, done: Done): void;
  /** Whether `zero` is faster than writing zeroes here. */
  readonly fastZero: boolean;
  /** Everything stored before the call is durable when done. Calls that overlap share flushes. */
  flush(done: Done): void;
  /** The same, on a thread that may wait (the destage worker). */
  storeSync(bytes: Uint8Array, offset: number): void;
  zeroSync(offset: number, lengthBytes: number): void;
  flushSync(): void;
  close(): void;
}
