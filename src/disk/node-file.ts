import {
  close,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  read,
  readSync,
  unlinkSync,
  write,
  writev,
} from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../model/assert.ts';
import { errnoOf } from '../model/errors.ts';
import { isAligned } from './alignment.ts';
import type { DiskFile, Done, FileMapping, OpenOptions } from './disk.ts';
import { DISK_ALIGNMENT_BYTES } from './disk.ts';
import { freeBytes } from './file-system.ts';
import { adviseFileRandom, deviceSizeBytes, fallocate, fallocateSync, namePath, pwriteSync, setStatusFlag, systemError } from './libc.ts';
import { MappedFile } from './mapped-file.ts';
import { writeZeroes, writeZeroesSync } from './zeroes.ts';

const ENOSPC = 28;
const ENOTBLK = 15;
const EIO = 5;
/**
 * What fallocate says where it cannot do what was asked; nothing is changed then. ENOTSUP: libuv's name of EOPNOTSUPP. EINVAL: a
 * device, and a range that is not whole sectors of it. EBUSY: a device whose pages in the range are dirty while another
 * descriptor claims it, which is what our lock of a device does.
 */
const UNSUPPORTED: ReadonlySet<string | undefined> = new Set(['ENOTSUP', 'ENOSYS', 'ENODEV', 'EINVAL', 'EBUSY']);

/**
 * Open file of Linux. Writes, flushes and the mapping use one descriptor (I10); where writes are direct, reads use a second
 * one, because O_DIRECT would ask alignment of them too.
 */
export class NodeFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  readonly #readFd: number;
  readonly #readOnly: boolean;
  readonly #isDevice: boolean;
  #direct: boolean;
  /** Reads are direct, too. */
  #uncached: boolean;
  #inFlight = 0;
  #closed = false;
  #whenIdle: (() => void) | null = null;

  /** @throws the errno of open(2); ENOTBLK for what is neither a file nor a block device */
  constructor(path: string, options: OpenOptions) {
    this.path = path;
    this.#readOnly = options.readOnly === true;
    // Without O_NONBLOCK opening a FIFO to read would wait for a writer, for ever; files and block devices do not heed it.
    let flags = this.#readOnly ? constants.O_RDONLY | constants.O_NONBLOCK : constants.O_RDWR;
    if (options.create === true) flags |= constants.O_CREAT | constants.O_EXCL;
    if (options.durableWrites === true) flags |= constants.O_DSYNC;
    this.#fd = openSync(path, flags, 0o600);
    try {
      const kind = fstatSync(this.#fd);
      this.#isDevice = kind.isBlockDevice();
      if (!kind.isFile() && !this.#isDevice) throw systemError({ errno: ENOTBLK, syscall: 'open', path });
      // O_DIRECT is set afterwards: a refusal at open(2) would come after O_CREAT has already made the file.
      this.#direct = options.durableWrites === true && setStatusFlag({ fd: this.#fd, flag: constants.O_DIRECT, on: true });
      this.#readFd = this.#direct ? openSync(path, constants.O_RDONLY) : this.#fd;
      this.#uncached = options.uncachedReads === true && setStatusFlag({ fd: this.#fd, flag: constants.O_DIRECT, on: true });
    } catch (error) {
      closeSync(this.#fd);
      // Whoever is told that it could not be created looks for nothing to remove.
      if (options.create === true) unlinkSync(path);
      throw error;
    }
  }

  get aligned(): boolean {
    return this.#direct;
  }

  sizeBytes(): number {
    return this.#isDevice ? deviceSizeBytes(this.#fd, this.path) : fstatSync(this.#fd).size;
  }

  write(buffers: readonly Uint8Array[], position: number, done: Done): void {
    this.#checkWrite(buffers, position);
    let lengthBytes = 0;
    for (const buffer of buffers) lengthBytes += buffer.length;
    this.#begin();
    const finish = (error: Error | null, bytesWritten: number): void => {
      this.#end();
      if (error !== null && this.#fallBack(error)) return this.write(buffers, position, done);
      done(this.#named(error) ?? this.#shortWrite(bytesWritten, lengthBytes, position));
    };
    const [only] = buffers;
    if (buffers.length === 1 && only !== undefined) write(this.#fd, only, 0, lengthBytes, position, finish);
    else writev(this.#fd, buffers, position, finish);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#checkWrite([bytes], position);
    let written = 0;
    try {
      written = pwriteSync({ fd: this.#fd, path: this.path }, bytes, position);
    } catch (error) {
      if (!this.#fallBack(error)) throw error;
      written = pwriteSync({ fd: this.#fd, path: this.path }, bytes, position);
    }
    const short = this.#shortWrite(written, bytes.length, position);
    if (short !== null) throw short;
  }

  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    let total = 0;
    this.#begin();
    const next = (error: Error | null, bytesRead: number): void => {
      if (error !== null && this.#readsCached(error)) {
        read(this.#readFd, target, total, target.length - total, position + total, next);
        return;
      }
      total += bytesRead;
      if (error === null && bytesRead > 0 && total < target.length) {
        read(this.#readFd, target, total, target.length - total, position + total, next);
        return;
      }
      this.#end();
      done(this.#named(error), total);
    };
    read(this.#readFd, target, 0, target.length, position, next);
  }

  readSync(target: Uint8Array, position: number): number {
    let total = 0;
    while (total < target.length) {
      const bytesRead = this.#naming(() => readSync(this.#readFd, target, total, target.length - total, position + total));
      if (bytesRead === 0) break;
      total += bytesRead;
    }
    return total;
  }

  flush(done: Done): void {
    this.#begin();
    fdatasync(this.#fd, (error) => {
      this.#end();
      done(this.#named(error));
    });
  }

  flushSync(): void {
    this.#naming(() => fdatasyncSync(this.#fd));
  }

  allocate(sizeBytes: number, done: Done): void {
    const before = this.#sizeToAllocate(sizeBytes);
    if (before instanceof Error || before === null) return void setImmediate(done, before);
    this.#begin();
    fallocate({ fd: this.#fd, path: this.path, offset: 0, lengthBytes: sizeBytes, mode: 'allocate' }, (error) => {
      const finish: Done = (failed) => {
        this.#end();
        if (failed !== null) ftruncateSync(this.#fd, before);
        done(failed);
      };
      if (error === null || !UNSUPPORTED.has(errnoOf(error))) return finish(error);
      writeZeroes({ file: this, position: before, lengthBytes: sizeBytes - before }, finish);
    });
  }

  allocateSync(sizeBytes: number): void {
    const before = this.#sizeToAllocate(sizeBytes);
    if (before instanceof Error) throw before;
    if (before === null) return;
    try {
      try {
        fallocateSync({ fd: this.#fd, path: this.path, offset: 0, lengthBytes: sizeBytes, mode: 'allocate' });
      } catch (error) {
        if (!UNSUPPORTED.has(errnoOf(error))) throw error;
        writeZeroesSync({ file: this, position: before, lengthBytes: sizeBytes - before });
      }
    } catch (error) {
      ftruncateSync(this.#fd, before);
      throw error;
    }
  }

  zeroSync(position: number, lengthBytes: number): boolean {
    try {
      fallocateSync({ fd: this.#fd, path: this.path, offset: position, lengthBytes, mode: 'zero' });
      return true;
    } catch (error) {
      if (UNSUPPORTED.has(errnoOf(error))) return false;
      throw error;
    }
  }

  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void {
    this.#begin();
    fallocate({ fd: this.#fd, path: this.path, offset: position, lengthBytes, mode: 'zero' }, (error) => {
      this.#end();
      if (error !== null && UNSUPPORTED.has(errnoOf(error))) done(null, false);
      else done(error, error === null);
    });
  }

  map(options: { readonly forStores?: boolean } = {}): FileMapping | null {
    // Of a file that this process may not write, mincore says that everything is resident.
    const sizeBytes = this.sizeBytes();
    if (this.#readOnly || sizeBytes === 0) return null;
    if (options.forStores === true) adviseFileRandom(this.#fd);
    return new MappedFile({ fd: this.#fd, path: this.path, sizeBytes });
  }

  /** Close as soon as nothing is under way: a descriptor closed under a write could by then be another file's. */
  close(done: Done): void {
    const finish = (): void => {
      if (this.#readFd !== this.#fd) closeSync(this.#readFd);
      close(this.#fd, done);
    };
    this.#close();
    if (this.#inFlight === 0) finish();
    else this.#whenIdle = finish;
  }

  closeSync(): void {
    assert(this.#inFlight === 0, `nothing is under way on ${this.path} when it is closed`);
    this.#close();
    if (this.#readFd !== this.#fd) closeSync(this.#readFd);
    closeSync(this.#fd);
  }

  #named(error: Error | null): Error | null {
    return error === null ? null : namePath(error, this.path);
  }

  #naming<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw namePath(error, this.path);
    }
  }

  #close(): void {
    assert(!this.#closed, `${this.path} is closed once`);
    this.#closed = true;
  }

  #begin(): void {
    assert(!this.#closed, '% is not used after close', this.path);
    this.#inFlight += 1;
  }

  #end(): void {
    this.#inFlight -= 1;
    if (this.#inFlight > 0 || this.#whenIdle === null) return;
    const finish = this.#whenIdle;
    this.#whenIdle = null;
    finish();
  }

  #checkWrite(buffers: readonly Uint8Array[], position: number): void {
    assert(!this.#closed, '% is not used after close', this.path);
    if (!this.#direct) return;
    assert(position % DISK_ALIGNMENT_BYTES === 0, 'a direct write to % begins aligned, not at %', this.path, position);
    for (const buffer of buffers) assert(isAligned(buffer), 'a direct write to % is from aligned memory of aligned length', this.path);
  }

  /** Some file systems take O_DIRECT and refuse the first read with EINVAL: then they are asked without it. True: read again. */
  #readsCached(error: unknown): boolean {
    if (!this.#uncached || errnoOf(error) !== 'EINVAL') return false;
    this.#uncached = false;
    return setStatusFlag({ fd: this.#fd, flag: constants.O_DIRECT, on: false });
  }

  /** Some file systems take O_DIRECT and refuse the first write with EINVAL: O_DSYNC alone makes it durable too. True: write again. */
  #fallBack(error: unknown): boolean {
    if (!this.#direct || errnoOf(error) !== 'EINVAL') return false;
    this.#direct = false;
    return setStatusFlag({ fd: this.#fd, flag: constants.O_DIRECT, on: false });
  }

  /** libuv writes the rest of a short write itself; if that fails, the count is all that Node reports. */
  #shortWrite(bytesWritten: number, lengthBytes: number, position: number): Error | null {
    if (bytesWritten === lengthBytes) return null;
    const errno = this.#isFull(lengthBytes - bytesWritten) ? ENOSPC : EIO;
    const error = systemError({ errno, syscall: 'write', path: this.path });
    error.message = `${error.code}: short write, ${bytesWritten} of ${lengthBytes} bytes at ${position}, write '${this.path}'`;
    return error;
  }

  /** Whether there is less room than this. The file may have another name by now (a spare that was renamed), the folder is the same. */
  #isFull(lengthBytes: number): boolean {
    if (this.#isDevice) return false;
    try {
      return freeBytes(dirname(this.path)) < lengthBytes;
    } catch {
      return false;
    }
  }

  /** Size before allocation; null if there is nothing to do; an error if it cannot succeed (without filling the disk to find out). */
  #sizeToAllocate(sizeBytes: number): number | Error | null {
    assert(!this.#closed, '% is not used after close', this.path);
    const error = systemError({ errno: ENOSPC, syscall: 'fallocate', path: this.path });
    if (this.#isDevice) return sizeBytes <= this.sizeBytes() ? null : error;
    const { size, blocks } = fstatSync(this.#fd);
    if (size >= sizeBytes && blocks * 512 >= size) return null;
    return sizeBytes - blocks * 512 > freeBytes(this.path) ? error : size;
  }
}
