import { assert } from '../../src/model/assert.ts';
import { DISK_ALIGNMENT_BYTES } from '../../src/disk/disk.ts';
import type { DiskFile, Done, FileMapping, OpenOptions } from '../../src/disk/disk.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { Change, Flight, Inode } from './memory-inode.ts';

/** Make an error as the real disk reports it. */
export function diskError(code: string, operation: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, syscall: operation, path });
}

/** An open file of a memory disk. */
export class MemoryFile implements DiskFile {
  readonly path: string;
  readonly aligned: boolean;
  readonly #disk: MemoryDisk;
  readonly #inode: Inode;
  readonly #durable: boolean;
  readonly #readOnly: boolean;
  #closed = false;

  constructor(options: { disk: MemoryDisk; path: string; inode: Inode; openOptions: OpenOptions }) {
    this.path = options.path;
    this.#disk = options.disk;
    this.#inode = options.inode;
    this.#durable = options.openOptions.durableWrites === true;
    this.#readOnly = options.openOptions.readOnly === true;
    this.aligned = this.#durable && options.disk.options.aligned !== false;
  }

  sizeBytes(): number {
    return this.#inode.cached.sizeBytes;
  }

  write(buffers: readonly Uint8Array[], position: number, done: Done): void {
    const change = this.#changeOf(buffers, position);
    const error = this.#disk.askedLater({ operation: 'write', path: this.path, position, lengthBytes: change.lengthBytes });
    this.#fly(change, error, () => {
      assert(sameBytes(buffers, change.bytes), `the buffers of a write to ${this.path} stay as they are until it is done`);
      done(error);
    });
  }

  writeSync(bytes: Uint8Array, position: number): void {
    const change = this.#changeOf([bytes], position);
    this.#disk.asked({ operation: 'write', path: this.path, position, lengthBytes: bytes.length });
    this.#inode.put(change, this.#durable);
  }

  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    this.#checkOpen();
    const error = this.#disk.askedLater({ operation: 'read', path: this.path, position, lengthBytes: target.length });
    this.#disk.later(() => (error === null ? done(null, this.#copy(target, position)) : done(error, 0)));
  }

  readSync(target: Uint8Array, position: number): number {
    this.#checkOpen();
    this.#disk.asked({ operation: 'read', path: this.path, position, lengthBytes: target.length });
    return this.#copy(target, position);
  }

  flush(done: Done): void {
    this.#checkOpen();
    const error = this.#disk.askedLater({ operation: 'flush', path: this.path, position: 0, lengthBytes: 0 });
    const upTo = this.#inode.newest;
    this.#disk.later(() => {
      if (error === null) this.#inode.flush(upTo);
      else this.#inode.failFlush(upTo, this.#disk.random);
      done(error);
    });
  }

  flushSync(): void {
    this.#checkOpen();
    const error = this.#disk.askedLater({ operation: 'flush', path: this.path, position: 0, lengthBytes: 0 });
    if (error === null) return this.#inode.flush(this.#inode.newest);
    this.#inode.failFlush(this.#inode.newest, this.#disk.random);
    throw error;
  }

  allocate(sizeBytes: number, done: Done): void {
    this.#checkWritable();
    const error = this.#disk.askedLater({ operation: 'allocate', path: this.path, position: 0, lengthBytes: sizeBytes });
    this.#disk.later(() => {
      if (error === null) this.#inode.put({ position: sizeBytes, lengthBytes: 0, bytes: null }, false);
      done(error);
    });
  }

  allocateSync(sizeBytes: number): void {
    this.#checkWritable();
    this.#disk.asked({ operation: 'allocate', path: this.path, position: 0, lengthBytes: sizeBytes });
    this.#inode.put({ position: sizeBytes, lengthBytes: 0, bytes: null }, false);
  }

  zeroSync(position: number, lengthBytes: number): boolean {
    this.#checkWritable();
    this.#disk.asked({ operation: 'zero', path: this.path, position, lengthBytes });
    this.#inode.put({ position, lengthBytes, bytes: null }, false);
    return true;
  }

  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void {
    this.#checkWritable();
    const error = this.#disk.askedLater({ operation: 'zero', path: this.path, position, lengthBytes });
    // Zeroes by fallocate are not durable before a flush, not even in a file with durable writes.
    const flight: Flight = { change: { position, lengthBytes, bytes: null }, durable: false };
    this.#complete(flight, error, () => done(error, error === null));
  }

  map(): FileMapping | null {
    return null;
  }

  close(done: Done): void {
    this.closeSync();
    this.#disk.later(() => done(null));
  }

  closeSync(): void {
    this.#checkOpen();
    this.#disk.asked({ operation: 'close', path: this.path, position: 0, lengthBytes: 0 });
    this.#closed = true;
  }

  #fly(change: Change, error: Error | null, done: () => void): void {
    this.#complete({ change, durable: this.#durable }, error, done);
  }

  #complete(flight: Flight, error: Error | null, done: () => void): void {
    this.#inode.begin(flight);
    this.#disk.later(() => {
      this.#inode.end(flight, error === null ? null : this.#disk.random);
      done();
    });
  }

  #copy(target: Uint8Array, position: number): number {
    const bytes = this.#inode.cached.bytes().subarray(position, position + target.length);
    target.set(bytes);
    return bytes.length;
  }

  /** A private copy of what is to be written. */
  #changeOf(buffers: readonly Uint8Array[], position: number): Change {
    this.#checkWritable();
    if (this.aligned) {
      assert(position % DISK_ALIGNMENT_BYTES === 0, `a direct write to ${this.path} begins aligned, not at ${position}`);
      for (const buffer of buffers)
        assert(buffer.length % DISK_ALIGNMENT_BYTES === 0, `a direct write to ${this.path} has aligned lengths`);
    }
    const bytes = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
    let at = 0;
    for (const buffer of buffers) {
      bytes.set(buffer, at);
      at += buffer.length;
    }
    return { position, lengthBytes: bytes.length, bytes };
  }

  #checkWritable(): void {
    this.#checkOpen();
    assert(!this.#readOnly, `${this.path} is open for reading only`);
  }

  #checkOpen(): void {
    assert(!this.#closed, `${this.path} is not used after close`);
  }
}

function sameBytes(buffers: readonly Uint8Array[], bytes: Uint8Array | null): boolean {
  let at = 0;
  for (const buffer of buffers) {
    if (bytes === null || Buffer.compare(buffer, bytes.subarray(at, at + buffer.length)) !== 0) return false;
    at += buffer.length;
  }
  return true;
}
