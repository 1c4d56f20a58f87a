/**
 * Storage that two hosts reach: the volumes and journals of a secondary, which its peer opens by its own path when it takes over. One page
 * cache for both, as with a process that is stopped, or a cluster file system; a host's own files stay its own.
 */
import { type Content, type DiskOptions, SimulatedDisk } from './disk.ts';
import type { Inode } from './inode.ts';

const SHARED = /^\/(?:volumes|journals)(?:\/|$)/;

/** The disk of a host with its own files, and with the volumes and journals of another. Both see what either writes. */
export function attachStorage(own: SimulatedDisk, storage: SimulatedDisk, options: Partial<DiskOptions> = {}): SimulatedDisk {
  for (const [path, inode] of storage.content.entries) if (SHARED.test(path)) inode.isShared = true;
  const content: Content = {
    entries: merged(own.content.entries, storage.content.entries),
    durableEntries: merged(own.content.durableEntries, storage.content.durableEntries),
    pendingEntries: [
      ...own.content.pendingEntries.filter((change) => change.every(([path]) => !SHARED.test(path))),
      ...storage.content.pendingEntries.filter((change) => change.some(([path]) => SHARED.test(path))),
    ],
    // What was in memory is gone when the host's own power was cut, whatever the storage went through.
    powerCuts: own.content.powerCuts ?? 0,
    directories: new Set([...own.content.directories, ...storage.content.directories]),
  };
  return new SimulatedDisk({ ...own.options, ...options }, content);
}

/** Whether a path lies on the storage that both hosts reach. */
export function isOnSharedStorage(path: string): boolean {
  return SHARED.test(path);
}

function merged(own: ReadonlyMap<string, Inode>, storage: ReadonlyMap<string, Inode>): Map<string, Inode> {
  return new Map([...[...own].filter(([path]) => !SHARED.test(path)), ...[...storage].filter(([path]) => SHARED.test(path))]);
}
