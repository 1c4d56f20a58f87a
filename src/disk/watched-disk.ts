/**
 * A disk whose writes to some files pass through a watch, which sees them before and after, and may hold them back; everything else
 * goes to the disk itself. Costs nothing where nobody watches.
 */
import type { Disk, DiskFile, Done } from './disk.ts';

export interface WatchedWrite {
  readonly path: string;
  readonly buffers: readonly Uint8Array[];
  readonly position: number;
}

export interface DiskWatch {
  /** Whether this file's writes are watched; asked when it is opened. */
  watches(path: string): boolean;
  /** Carry the write out when its time has come, then report it. The buffers stay as they are until it is reported. */
  write(write: WatchedWrite, carryOut: (done: Done) => void, done: Done): void;
  /** A file has its new name, durably only after the directory's flush. */
  renamed?(from: string, to: string): void;
}

/** The same disk, with its writes under watch. */
export function watchDisk(disk: Disk, watch: DiskWatch): Disk {
  return overlay<Disk>(disk, {
    open: (path, options) => {
      const file = disk.open(path, options);
      return watch.watches(path) ? watchFile(file, watch) : file;
    },
    rename: (from, to) => {
      disk.rename(from, to);
      watch.renamed?.(from, to);
    },
  });
}

function watchFile(file: DiskFile, watch: DiskWatch): DiskFile {
  return overlay<DiskFile>(file, {
    write: (buffers, position, done) => {
      watch.write({ path: file.path, buffers, position }, (written) => file.write(buffers, position, written), done);
    },
  });
}

/** The object with some of its members replaced; the others are called on the object itself, which has private fields. */
function overlay<T extends object>(object: T, members: Partial<T>): T {
  return new Proxy(object, {
    get: (target, key) => {
      const own: unknown = Reflect.get(members, key);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
