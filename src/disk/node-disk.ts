/** The disk of this machine: node:fs, and libc for what node:fs lacks. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../model/errors.ts';
import type { Disk, DiskFile, DiskLock, OpenOptions } from './disk.ts';
import { fileSystemOf } from './file-system.ts';
import { lockExclusive, namePath, pwriteSync, systemError } from './libc.ts';
import { NodeFile } from './node-file.ts';

const EIO = 5;
const ENOTBLK = 15;
/** What access(2) says of a path that is not there. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

export class NodeDisk implements Disk {
  open(path: string, options: OpenOptions): DiskFile {
    return new NodeFile(path, options);
  }

  syncDirectory(path: string): void {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } catch (error) {
      throw namePath(error, path);
    } finally {
      closeSync(fd);
    }
  }

  rename(from: string, to: string): void {
    renameSync(from, to);
  }

  unlink(path: string): void {
    unlinkSync(path);
  }

  exists(path: string): boolean {
    try {
      accessSync(path);
      return true;
    } catch (error) {
      if (ABSENT.has(errnoOf(error))) return false;
      // A disk that cannot say is not a file that is not there.
      throw error;
    }
  }

  list(directory: string): string[] {
    return readdirSync(directory).toSorted();
  }

  /** Make a directory and those above it; all their entries are durable. */
  makeDirectory(path: string): void {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    const top = dirname(resolve(first));
    for (let parent = dirname(resolve(path)); parent.length >= top.length; parent = dirname(parent)) {
      this.syncDirectory(parent);
      if (parent === top) return;
    }
  }

  readFile(path: string): Uint8Array | null {
    let fd: number | null = null;
    try {
      // O_NONBLOCK: a FIFO would be waited for, for ever, and a character device may have no end.
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const kind = fstatSync(fd);
      if (!kind.isFile() && !kind.isDirectory()) throw systemError({ errno: ENOTBLK, syscall: 'open', path });
      return readFileSync(fd);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw namePath(error, path);
    } finally {
      if (fd !== null) closeSync(fd);
    }
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    const next = `${path}.new`;
    const fd = openSync(next, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      try {
        const written = bytes.length === 0 ? 0 : pwriteSync({ fd, path: next }, bytes, 0);
        if (written !== bytes.length) throw systemError({ errno: EIO, syscall: 'write', path: next });
        fdatasyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(next, path);
    } catch (error) {
      rmSync(next, { force: true });
      throw namePath(error, next);
    }
    this.syncDirectory(dirname(path));
  }

  lock(path: string): DiskLock | null {
    const isDevice = existsSync(path) && statSync(path).isBlockDevice();
    const fd = openForLock(path, isDevice);
    if (fd === null) return null;
    let held = false;
    try {
      held = lockExclusive(fd, path);
    } finally {
      if (!held) closeSync(fd);
    }
    return held ? { release: () => closeSync(fd) } : null;
  }

  fileSystemOf(path: string): string {
    return fileSystemOf(path);
  }

  bootId(): string {
    try {
      return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '');
    } catch {
      return '0'.repeat(32);
    }
  }
}

/** Open what the lock is held on; null if a device is mounted or claimed otherwise (O_EXCL on a block device claims it). */
function openForLock(path: string, isDevice: boolean): number | null {
  if (!isDevice) return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    return openSync(path, constants.O_RDWR | constants.O_EXCL);
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return null;
    throw error;
  }
}
