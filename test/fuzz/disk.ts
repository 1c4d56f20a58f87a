/** A disk in memory with these files, all durable: the one place where fuzzing depends on which disk in memory there is. */
import { posix } from 'node:path';
import type { Disk } from '../../src/disk/disk.ts';
import { TestDisk } from '../support/test-disk.ts';

export interface FuzzDisk extends Disk {
  /** What a power cut would leave of a file. */
  durableBytes(path: string): Uint8Array | null;
}

export function diskOf(files: ReadonlyMap<string, Uint8Array>): FuzzDisk {
  const disk = new TestDisk();
  for (const [path, bytes] of files) {
    disk.makeDirectory(posix.dirname(path));
    disk.replaceFile(path, bytes);
  }
  return disk;
}
