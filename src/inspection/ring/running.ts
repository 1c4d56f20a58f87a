/**
 * Find out whether a host uses a ring, without disturbing it: a lock of our own, however short, could make a host that starts just
 * then refuse. The kernel lists all locks in /proc/locks by device and inode.
 */
import { readFileSync, statSync } from 'node:fs';
import { fileSystemOf } from '../../disk/file-system.ts';
import { watermarkPath } from '../../../journals/files.ts';

/** Whether a host holds the ring in `directory`; null where the system does not tell. */
export function isRingInUse(directory: string): boolean | null {
  return isLocked(watermarkPath(directory));
}

/** Whether a process holds the lock of a file; null where the system does not tell. */
export function isLocked(path: string): boolean | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return holdsLock(readFileSync('/proc/locks', 'utf8'), { device: dev, inode: ino, subvolumes: fileSystemOf(path) === 'btrfs' });
  } catch {
    return null;
  }
}

/**
 * Look a file's lock up in the text of /proc/locks: `1: FLOCK  ADVISORY  WRITE 812 fd:01:524306 0 EOF`, device in hex.
 * @param file `subvolumes`: stat(2) names a device of the subvolume, and the list one of the whole file system, both without a major number
 */
export function holdsLock(locks: string, file: { device: bigint; inode: bigint; subvolumes?: boolean }): boolean {
  const major = Number(((file.device >> 8n) & 0xfffn) | ((file.device >> 32n) & 0xfffff000n));
  const minor = Number((file.device & 0xffn) | ((file.device >> 12n) & 0xffffff00n));
  const wanted = `${hex(major)}:${hex(minor)}:${file.inode}`;
  return locks.split('\n').some((line) => {
    const fields = line.trim().split(/\s+/);
    const [place = ''] = fields.slice(5, 6);
    const isOfSubvolume = file.subvolumes === true && place.startsWith('00:') && place.endsWith(`:${file.inode}`);
    return fields[1] === 'FLOCK' && (place === wanted || isOfSubvolume);
  });
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}
