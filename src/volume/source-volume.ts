/**
 * A source volume: one fully allocated, locked, mapped file or block device.
 *
 * Reads come from the mapping if the bytes are in memory, otherwise from the disk without blocking this thread. Stores go
 * through pwrite or the mapping (store-method.ts). Both views are one page cache, so they never disagree.
 *
 * Not guaranteed here: an order among overlapping stores that are under way together, and any repair after a failure; both
 * are the owner's (I10).
 */
import { DISK_ALIGNMENT_BYTES } from '../disk/disk.ts';
import type { Disk, DiskFile, DiskLock, Done, FileMapping } from '../disk/disk.ts';
import { systemError } from '../disk/libc.ts';
import { writeZeroes, writeZeroesSync } from '../disk/zeroes.ts';
import { assert } from '../model/assert.ts';
import { messageOf } from '../model/errors.ts';
import type { VolumeEntry } from '../model/ids.ts';
import type { Volume, VolumeConfig } from './contract.ts';
import { volumeFailed, volumeLocked, volumeMissing, volumeSize } from './errors.ts';
import { SharedFlush } from './shared-flush.ts';
import { chooseStoreMethod } from './store-method.ts';
import type { StoreMethodInUse } from './store-method.ts';

/**
 * One pwrite makes folios of the page cache as large as itself, and every later 4 KiB store into one looks at all of its blocks: 22-28 us
 * in a folio of 1 MiB, 5 in 128 KiB, 3.3 in 32 KiB (docs/performance.md). So stores go in pieces of this size.
 */
const PIECE_BYTES = 32 * 1024;
/** But what is in memory has its folios already, and keeps them: a thread, for which each piece is a way there and back, stores so much at once. */
const RESIDENT_PIECE_BYTES = 1024 * 1024;
/** A longer store is a copy that would hold up the event loop: it goes to a thread. */
const STORE_NOW_BYTES_MAX = 64 * 1024;
/** What is in memory is copied faster than a thread is woken up, and 1 MiB takes a tenth of a millisecond. */
const READ_NOW_BYTES_MAX = 1024 * 1024;
/** Below this, zeroes are written: ZERO_RANGE would cut the file into ever more extents. */
const ZERO_RANGE_BYTES_MIN = 64 * 1024;
/** File systems whose FALLOC_FL_ZERO_RANGE is a change of metadata. A device may or may not write the zeroes itself. */
const FAST_ZERO: ReadonlySet<string> = new Set(['ext4', 'xfs', 'btrfs', 'f2fs']);
const EIO = 5;

export interface OpenVolumeOptions {
  readonly disk: Disk;
  readonly config: VolumeConfig;
  /** False: the same process holds the lock already (the destage worker's second opening). */
  readonly lock?: boolean;
  /** The host before this one was shut out, but its lock may still be there: go on without it. `bypassed` is told. */
  readonly afterFence?: { bypassed(path: string): void } | undefined;
}

/**
 * Open a volume: lock it, check its size, allocate what is sparse, map it.
 * @throws ERR_VOLUME_MISSING, ERR_VOLUME_LOCKED, ERR_VOLUME_SIZE, ERR_VOLUME_NO_SPACE, ERR_VOLUME_OPEN
 */
export function openVolume(options: OpenVolumeOptions): SourceVolume {
  const { disk, config } = options;
  if (!disk.exists(config.path)) throw volumeMissing(config);
  let lock: DiskLock | null = null;
  let file: DiskFile | null = null;
  try {
    if (options.lock !== false) {
      lock = disk.lock(config.path);
      if (lock === null && options.afterFence === undefined) throw volumeLocked(config);
      if (lock === null) options.afterFence?.bypassed(config.path);
    }
    file = disk.open(config.path, {});
    const foundBytes = file.sizeBytes();
    if (foundBytes !== config.sizeBytes) throw volumeSize(config, foundBytes);
    file.allocateSync(config.sizeBytes);
    return new SourceVolume({ config, file, lock, fileSystem: disk.fileSystemOf(config.path) });
  } catch (error) {
    file?.closeSync();
    lock?.release();
    throw volumeFailed(config, error);
  }
}

export class SourceVolume implements Volume {
  readonly entry: VolumeEntry;
  readonly path: string;
  readonly storeMethodInUse: StoreMethodInUse;
  /** The first failure of a store or a flush. The kernel reports a lost write once; from then on no flush here is ever reported as good. */
  failed: Error | null = null;
  readonly #file: DiskFile;
  readonly #lock: DiskLock | null;
  readonly #mapping: FileMapping | null;
  readonly #flush: SharedFlush;
  #fastZero: boolean;
  #underWay = 0;
  #closed = false;

  constructor(options: { config: VolumeConfig; file: DiskFile; lock: DiskLock | null; fileSystem: string }) {
    const { config, file, fileSystem } = options;
    this.entry = { vlun: config.vlun, name: config.name, sizeBytes: config.sizeBytes };
    this.path = config.path;
    this.#file = file;
    this.#lock = options.lock;
    this.#mapping = file.map({ forStores: true });
    this.storeMethodInUse = chooseStoreMethod({ wanted: config.store, fileSystem, mapped: this.#mapping !== null });
    this.#fastZero = FAST_ZERO.has(fileSystem);
    this.#flush = new SharedFlush((done) => this.#flushFile(done));
  }

  get fastZero(): boolean {
    return this.#fastZero;
  }

  readNow(target: Uint8Array, offset: number): boolean {
    this.#checkRange(offset, target.length);
    if (this.#mapping === null || target.length > READ_NOW_BYTES_MAX) return false;
    return this.#mapping.readResident(target, offset);
  }

  read(target: Uint8Array, offset: number, done: Done): void {
    this.#checkRange(offset, target.length);
    this.#underWay += 1;
    this.#file.read(target, offset, (error, bytesRead) => {
      this.#completed();
      done(error ?? (bytesRead === target.length ? null : this.#shortRead(offset + bytesRead)));
    });
  }

  storeNow(bytes: Uint8Array, offset: number): boolean {
    this.#checkRange(offset, bytes.length);
    if (bytes.length > STORE_NOW_BYTES_MAX || !this.#storesWithoutReading(offset, bytes.length)) return false;
    this.#storeSync(bytes, offset);
    return true;
  }

  store(bytes: Uint8Array, offset: number, done: Done): void {
    this.#checkRange(offset, bytes.length);
    const watched = this.#watched(done);
    let stored = 0;
    const next: Done = (error) => {
      if (error !== null || stored === bytes.length) return watched(error);
      const begin = stored;
      stored = begin + this.#pieceOnThread(offset + begin, bytes.length - begin);
      this.#file.write([bytes.subarray(begin, stored)], offset + begin, next);
    };
    next(null);
  }

  zero(offset: number, lengthBytes: number, done: Done): void {
    this.#checkRange(offset, lengthBytes);
    if (lengthBytes === 0) return void setImmediate(done, null);
    const watched = this.#watched(done);
    const writeThem = (): void => writeZeroes({ file: this.#file, position: offset, lengthBytes }, watched);
    if (lengthBytes < ZERO_RANGE_BYTES_MIN) return writeThem();
    this.#file.zero(offset, lengthBytes, (error, supported) => {
      if (error !== null || supported) return watched(error);
      this.#fastZero = false;
      writeThem();
    });
  }

  flush(done: Done): void {
    this.#checkRange(0, 0);
    // Also after a failure the answer comes later, never inside the call.
    const failed = this.failed;
    if (failed !== null) return void setImmediate(done, failed);
    this.#underWay += 1;
    this.#flush.ask((error) => {
      this.#completed();
      done(error);
    });
  }

  storeSync(bytes: Uint8Array, offset: number): void {
    this.#checkRange(offset, bytes.length);
    this.#storeSync(bytes, offset);
  }

  zeroSync(offset: number, lengthBytes: number): void {
    this.#checkRange(offset, lengthBytes);
    this.#remember(() => {
      if (lengthBytes >= ZERO_RANGE_BYTES_MIN) {
        if (this.#file.zeroSync(offset, lengthBytes)) return;
        this.#fastZero = false;
      }
      writeZeroesSync({ file: this.#file, position: offset, lengthBytes });
    });
  }

  flushSync(): void {
    this.#checkRange(0, 0);
    if (this.failed !== null) throw this.failed;
    this.#remember(() => this.#file.flushSync());
  }

  /** Unmap; close and give the lock back at once, or as soon as nothing is under way any more. */
  close(): void {
    this.#checkRange(0, 0);
    this.#closed = true;
    this.#mapping?.unmap();
    if (this.#underWay === 0) this.#closeFile();
  }

  #completed(): void {
    this.#underWay -= 1;
    if (this.#closed && this.#underWay === 0) this.#closeFile();
  }

  #closeFile(): void {
    this.#file.closeSync();
    this.#lock?.release();
  }

  #storeSync(bytes: Uint8Array, offset: number): void {
    this.#remember(() => {
      const mapping = this.storeMethodInUse.method === 'mmap' && bytes.length <= STORE_NOW_BYTES_MAX ? this.#mapping : null;
      if (mapping?.storeResident(bytes, offset) === true) return;
      if (bytes.length <= PIECE_BYTES) return this.#file.writeSync(bytes, offset);
      for (let begin = 0; begin < bytes.length; begin += PIECE_BYTES) {
        this.#file.writeSync(bytes.subarray(begin, Math.min(bytes.length, begin + PIECE_BYTES)), offset + begin);
      }
    });
  }

  /** Whole blocks of the page cache are stored without reading; a part of one only if the rest of it is in memory. */
  #storesWithoutReading(offset: number, lengthBytes: number): boolean {
    if (offset % DISK_ALIGNMENT_BYTES === 0 && lengthBytes % DISK_ALIGNMENT_BYTES === 0) return true;
    return this.#mapping !== null && this.#mapping.isResident(offset, lengthBytes);
  }

  #pieceOnThread(offset: number, lengthBytes: number): number {
    const resident = Math.min(lengthBytes, RESIDENT_PIECE_BYTES);
    const isResident = !this.#closed && this.#mapping?.isResident(offset, resident) === true;
    return isResident ? resident : Math.min(lengthBytes, PIECE_BYTES);
  }

  #remember(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failed ??= error instanceof Error ? error : new Error(messageOf(error));
      throw error;
    }
  }

  /** Count an operation that begins, and remember its failure. */
  #watched(done: Done): Done {
    this.#underWay += 1;
    return (error) => {
      this.failed ??= error;
      this.#completed();
      done(error);
    };
  }

  /** Flush; a good flush after a failure, or beside one, says nothing about what failed. */
  #flushFile(done: Done): void {
    this.#file.flush((error) => {
      this.failed ??= error;
      done(this.failed);
    });
  }

  #shortRead(position: number): Error {
    const error = systemError({ errno: EIO, syscall: 'read', path: this.path });
    error.message = `EIO: the volume ends at ${position} of ${this.entry.sizeBytes} bytes: it was cut short while open, read '${this.path}'`;
    return error;
  }

  #checkRange(offset: number, lengthBytes: number): void {
    assert(!this.#closed, 'volume % is not used after close', this.entry.name);
    assert(
      Number.isSafeInteger(offset) && offset >= 0 && offset + lengthBytes <= this.entry.sizeBytes,
      'a request of volume % is inside it: % bytes at % of %',
      this.entry.name,
      lengthBytes,
      offset,
      this.entry.sizeBytes,
    );
  }
}
