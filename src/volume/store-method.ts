import type { StoreMethod } from './contract.ts';

/** How stores reach the volume, and why so; shown in status and in the log. */
export interface StoreMethodInUse {
  readonly method: 'pwrite' | 'mmap';
  readonly reason: string;
}

/**
 * Where an allocated block stays the block of its file: a store through the mapping then never needs new space. Elsewhere
 * (copy on write, reflinks, network) a full disk would be a SIGBUS in spite of fallocate.
 */
export const STORES_IN_PLACE: ReadonlySet<string> = new Set(['ext4', 'block-device', 'tmpfs']);

/** Choose the store method of one volume (docs/decisions/0002). */
export function chooseStoreMethod(options: { wanted: StoreMethod; fileSystem: string; mapped: boolean }): StoreMethodInUse {
  if (options.wanted === 'pwrite') return { method: 'pwrite', reason: 'as configured' };
  if (options.wanted === 'auto') return { method: 'pwrite', reason: 'auto: scattered stores dirty less through pwrite' };
  if (!options.mapped) return { method: 'pwrite', reason: 'this disk has no mappings' };
  if (!STORES_IN_PLACE.has(options.fileSystem)) {
    return { method: 'pwrite', reason: `a store through a mapping on ${options.fileSystem} may need space that a full disk does not have` };
  }
  return { method: 'mmap', reason: 'as configured: resident whole pages through the mapping, the rest through pwrite' };
}
