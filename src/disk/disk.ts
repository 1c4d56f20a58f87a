/**
 * The one interface through which Farshore touches disks: the real one is `node-disk.ts`; tests put one in its place that
 * loses, tears and reorders what was not flushed. Nothing above this folder imports node:fs for data that must survive.
 *
 * Callback style on purpose: `fs.promises` costs 1.3-2.7 times the CPU on the paths that run per batch.
 */

export type Done = (error: Error | null) => void;

export interface OpenOptions {
  /** Create the file; fail with EEXIST if it is there. */
  readonly create?: boolean;
  /** Every completed write is durable when it is reported (O_DSYNC, with O_DIRECT where the file system takes it). */
  readonly durableWrites?: boolean;
  readonly readOnly?: boolean;
  /**
   * With `readOnly`: reads come from the storage, not from this host's page cache (O_DIRECT), so that they show what another host wrote.
   * Where the file system has no O_DIRECT, its own cache decides; aligned memory, offsets and lengths are asked for in any case.
   */
  readonly uncachedReads?: boolean;
}

/** One open file. One descriptor does all writes and flushes of a file, opened before the first write (I10). */
export interface DiskFile {
  readonly path: string;
  /** True if writes need addresses, offsets and lengths that are multiples of `DISK_ALIGNMENT_BYTES` (O_DIRECT). */
  readonly aligned: boolean;
  /** File or device size in bytes. */
  sizeBytes(): number;
  /** Write all buffers one after another at `position`; a short write is an error. With `durableWrites`, durable when done. */
  write(buffers: readonly Uint8Array[], position: number, done: Done): void;
  writeSync(bytes: Uint8Array, position: number): void;
  /** Read up to `target.length` bytes; fewer only at the end of the file. */
  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void;
  readSync(target: Uint8Array, position: number): number;
  /** Make everything durable that was written through this file or its mapping (fdatasync). */
  flush(done: Done): void;
  flushSync(): void;
  /** Allocate every byte of 0 .. sizeBytes (fallocate); ENOSPC leaves the file as it was. */
  allocate(sizeBytes: number, done: Done): void;
  /** The same while a host starts, when nothing else waits for this thread. */
  allocateSync(sizeBytes: number): void;
  /** Make a range read back as zeroes and keep it allocated; false: not supported here without writing zeroes. */
  zeroSync(position: number, lengthBytes: number): boolean;
  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void;
  /** Map the file's bytes shared, or null where this disk has no mappings. `forStores`: what this file reads is cached in small pages and without read-ahead, so that a later store dirties little (docs/decisions/0002). */
  map(options?: { readonly forStores?: boolean }): FileMapping | null;
  close(done: Done): void;
  closeSync(): void;
}

/** A shared mapping of a whole file of any size. No view of it is ever handed out: bytes are copied in and out. */
export interface FileMapping {
  /** Whether every page of the range is in memory now, so that nothing here waits for the disk. */
  isResident(position: number, lengthBytes: number): boolean;
  /** Copy `target.length` bytes from the mapping if every page of the range is resident; false (nothing copied) if not. */
  readResident(target: Uint8Array, position: number): boolean;
  /** Store through the mapping if the range is whole pages and all are resident; false (nothing stored) if not. */
  storeResident(bytes: Uint8Array, position: number): boolean;
  /** Copy bytes in, at any alignment; a page that is not in memory is waited for. Only for a file that is allocated whole, on a file system where blocks stay in place. */
  store(bytes: Uint8Array, position: number): void;
  /** Bring every page into memory, and keep it there as far as this process may; what stays out is only slower. */
  keepResident(): void;
  /** Unmap; any later use of the mapping is a broken invariant. */
  unmap(): void;
}

export interface Disk {
  open(path: string, options: OpenOptions): DiskFile;
  /** Durable directory entries: fsync of the directory. */
  syncDirectory(path: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  exists(path: string): boolean;
  list(directory: string): string[];
  makeDirectory(path: string): void;
  /** Whole small file; null if it is not there. */
  readFile(path: string): Uint8Array | null;
  /** Replace a small file crash-safely: temporary file, flush, rename, directory flush. */
  replaceFile(path: string, bytes: Uint8Array): void;
  /** Take an exclusive lock (flock) that ends with the process, or say that another process has it. */
  lock(path: string): DiskLock | null;
  /** Name of the file system under a path: 'ext4', 'xfs', 'btrfs', 'tmpfs' ..., 'block-device' for a device, or 'unknown'. */
  fileSystemOf(path: string): string;
  /** The machine's current boot as 32 hex digits: another one means that what was in page caches and in memory file systems is gone. Zeroes: not known. */
  bootId(): string;
}

export interface DiskLock {
  release(): void;
}

export const DISK_ALIGNMENT_BYTES = 4096;
