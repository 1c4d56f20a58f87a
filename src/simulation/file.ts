import { DISK_ALIGNMENT_BYTES } from '../disk/disk.ts';
import type { DiskFile, Done, FileMapping, OpenOptions } from '../disk/disk.ts';
import { assert } from '../model/assert.ts';
import type { SimulatedDisk } from './disk.ts';
import type { Change, Flight, Inode } from './inode.ts';

const NO_BYTES = new Uint8Array(0);

/** Make an error as the real disk reports it. */
export function diskError(code: string, operation: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, syscall: operation, path });
}

/** An open file of a simulated disk. */
export class SimulatedFile implements DiskFile {
  readonly path: string;
  readonly aligned: boolean;
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;
  readonly #durable: boolean;
  readonly #readOnly: boolean;
  #closed = false;

  constructor(options: { disk: SimulatedDisk; path: string; inode: Inode; openOptions: OpenOptions }) {
    this.path = options.path;
    this.#disk = options.disk;
    this.#inode = options.inode;
    this.#durable = options.openOptions.durableWrites === true;
    this.#readOnly = options.openOptions.readOnly === true;
    this.aligned = this.#durable && options.disk.options.aligned;
  }

  sizeBytes(): number {
    return this.#inode.cached.sizeBytes;
  }

  write(buffers: readonly Uint8Array[], position: number, done: Done): void {
    const change = this.#changeOf(buffers, position);
    const error = this.#disk.askedLater('write', this.path);
    this.#watchWrite(change);
    this.#complete({ change, durable: this.#durable }, error, 'written', () => {
      assert(sameBytes(buffers, change.bytes), `the buffers of a write to ${this.path} stay as they are until it is done`);
      done(error);
    });
  }

  writeSync(bytes: Uint8Array, position: number): void {
    const change = this.#changeOf([bytes], position);
    this.#disk.asked('write', this.path);
    this.#watchWrite(change);
    this.#inode.put(change, this.#durable);
  }

  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    this.#checkOpen();
    const error = this.#disk.askedLater('read', this.path);
    this.#disk.later('read', this.path, 0, () => (error === null ? done(null, this.#inode.cached.read(target, position)) : done(error, 0)));
  }

  readSync(target: Uint8Array, position: number): number {
    this.#checkOpen();
    this.#disk.asked('read', this.path);
    return this.#inode.cached.read(target, position);
  }

  flush(done: Done): void {
    this.#checkOpen();
    const error = this.#disk.askedLater('flush', this.path);
    const upTo = this.#inode.newest;
    this.#disk.later('flushed', this.path, 0, () => {
      this.#flushed(error, upTo);
      done(error);
    });
  }

  flushSync(): void {
    this.#checkOpen();
    const error = this.#disk.askedLater('flush', this.path);
    this.#flushed(error, this.#inode.newest);
    if (error !== null) throw error;
    if (!this.#disk.dead) this.#disk.watcher?.flushed(this.path);
  }

  allocate(sizeBytes: number, done: Done): void {
    this.#checkWritable();
    const error = this.#disk.askedLater('allocate', this.path);
    this.#disk.later('allocated', this.path, 0, () => {
      if (error === null) this.#inode.put({ position: sizeBytes, lengthBytes: 0, bytes: null }, false);
      done(error);
    });
  }

  allocateSync(sizeBytes: number): void {
    this.#checkWritable();
    this.#disk.asked('allocate', this.path);
    if (this.#inode.cached.sizeBytes < sizeBytes) this.#inode.put({ position: sizeBytes, lengthBytes: 0, bytes: null }, false);
  }

  zeroSync(position: number, lengthBytes: number): boolean {
    this.#checkWritable();
    this.#disk.asked('zero', this.path);
    const change = { position, lengthBytes, bytes: null };
    this.#watchWrite(change);
    this.#inode.put(change, false);
    return true;
  }

  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void {
    this.#checkWritable();
    const error = this.#disk.askedLater('zero', this.path);
    // Zeroes by fallocate are not durable before a flush, not even in a file with durable writes.
    this.#complete({ change: { position, lengthBytes, bytes: null }, durable: false }, error, 'zeroed', () => done(error, error === null));
  }

  map(): FileMapping | null {
    return null;
  }

  close(done: Done): void {
    this.closeSync();
    this.#disk.later('closed', this.path, 0, () => done(null));
  }

  closeSync(): void {
    this.#checkOpen();
    this.#disk.asked('close', this.path);
    this.#closed = true;
  }

  #flushed(error: Error | null, upTo: number): void {
    if (this.#disk.dead) return;
    if (error === null) this.#inode.flush(upTo);
    else this.#inode.failFlush(upTo, this.#disk.random);
  }

  #complete(flight: Flight, error: Error | null, label: string, done: () => void): void {
    this.#inode.begin(flight);
    this.#disk.later(label, this.path, flight.change.lengthBytes, () => {
      this.#inode.end(flight, error === null ? null : this.#disk.random);
      // What was written first is not always reported first.
      if (this.#disk.random.chance(0.3)) this.#disk.later('reported', this.path, 0, done);
      else done();
    });
  }

  #watchWrite(change: Change): void {
    if (!this.#disk.dead) this.#disk.watcher?.writing(this.path, change.position, change.bytes ?? NO_BYTES);
  }

  /** A private copy of what is to be written. */
  #changeOf(buffers: readonly Uint8Array[], position: number): Change {
    this.#checkWritable();
    if (this.aligned) {
      assert(position % DISK_ALIGNMENT_BYTES === 0, `a direct write to ${this.path} begins aligned, not at ${position}`);
      for (const buffer of buffers)
        assert(buffer.length % DISK_ALIGNMENT_BYTES === 0, `a direct write to ${this.path} has aligned lengths`);
    }
    const bytes = this.#disk.options.arena.take(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
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
