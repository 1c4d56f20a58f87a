import { DISK_ALIGNMENT_BYTES } from '../disk/disk.ts';
import type { DiskFile, Done, FileMapping, OpenOptions } from '../disk/disk.ts';
import { assert } from '../model/assert.ts';
import { errnoOf } from '../model/errors.ts';
import type { Asked, Operation, SimulatedDisk } from './disk.ts';
import type { Change, Flight, Inode } from './inode.ts';
import { SimulatedMapping } from './mapping.ts';

type ChangingOperation = 'write' | 'store' | 'allocate' | 'zero';

const NO_BYTES = new Uint8Array(0);
/** What fallocate says where it cannot zero a range; nothing is changed then. */
const UNSUPPORTED = 'EOPNOTSUPP';

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
    this.#complete(this.#flight(change, this.#durable), 'write', (error) => {
      assert(sameBytes(buffers, change.bytes), `the buffers of a write to ${this.path} stay as they are until it is done`);
      done(error);
    });
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#completeSync(this.#flight(this.#changeOf([bytes], position), this.#durable), 'write');
  }

  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    this.#checkOpen();
    const error = this.#disk.askedLater(this.#asked('read', position, target.length));
    this.#disk.later('read', this.path, 0, () => (error === null ? done(null, this.#inode.cached.read(target, position)) : done(error, 0)));
  }

  readSync(target: Uint8Array, position: number): number {
    this.#checkOpen();
    this.#disk.asked(this.#asked('read', position, target.length));
    return this.#inode.cached.read(target, position);
  }

  flush(done: Done): void {
    this.#checkOpen();
    const error = this.#disk.askedLater(this.#asked('flush'));
    const upTo = this.#inode.newest;
    this.#disk.later('flushed', this.path, 0, () => {
      this.#flushed(error, upTo);
      done(error);
    });
  }

  flushSync(): void {
    this.#checkOpen();
    const error = this.#disk.askedLater(this.#asked('flush'));
    this.#flushed(error, this.#inode.newest);
    if (error !== null) throw error;
    if (!this.#disk.dead) this.#disk.watcher?.flushed(this.path);
  }

  allocate(sizeBytes: number, done: Done): void {
    this.#checkWritable();
    this.#complete(this.#flight({ position: sizeBytes, lengthBytes: 0, bytes: null }), 'allocate', done);
  }

  allocateSync(sizeBytes: number): void {
    this.#checkWritable();
    this.#completeSync(this.#flight({ position: sizeBytes, lengthBytes: 0, bytes: null }), 'allocate');
  }

  zeroSync(position: number, lengthBytes: number): boolean {
    this.#checkWritable();
    try {
      this.#completeSync(this.#flight({ position, lengthBytes, bytes: null }), 'zero');
      return true;
    } catch (error) {
      if (errnoOf(error) === UNSUPPORTED) return false;
      throw error;
    }
  }

  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void {
    this.#checkWritable();
    // Zeroes by fallocate are not durable before a flush, not even in a file with durable writes.
    this.#complete(this.#flight({ position, lengthBytes, bytes: null }), 'zero', (error) =>
      errnoOf(error) === UNSUPPORTED ? done(null, false) : done(error, error === null),
    );
  }

  map(): FileMapping | null {
    this.#checkOpen();
    const { random, residentChance = null } = this.#disk.options;
    if (residentChance === null || this.#readOnly || this.sizeBytes() === 0) return null;
    return new SimulatedMapping({
      path: this.path,
      image: () => this.#inode.cached,
      isResident: () => random.chance(residentChance),
      store: (bytes, position) => {
        const copy = this.#disk.options.arena.copyOf(bytes);
        this.#completeSync(this.#flight({ position, lengthBytes: bytes.length, bytes: copy }), 'store');
      },
    });
  }

  close(done: Done): void {
    const error = this.#close();
    this.#disk.later('closed', this.path, 0, () => done(error));
  }

  closeSync(): void {
    const error = this.#close();
    if (error !== null) throw error;
  }

  /** Also when close reports an error, the descriptor is gone. */
  #close(): Error | null {
    this.#checkOpen();
    this.#closed = true;
    return this.#disk.askedLater(this.#asked('close'));
  }

  #flushed(error: Error | null, upTo: number): void {
    if (this.#disk.dead) return;
    if (error === null) this.#inode.flush(upTo);
    else this.#inode.failFlush(upTo, this.#disk.random);
  }

  #flight(change: Change, durable = false): Flight {
    return { change, durable, owner: this.#disk };
  }

  /** What happens at once: only a crash in the moment in which it is asked leaves a part of it. */
  #completeSync(flight: Flight, operation: ChangingOperation): void {
    const error = this.#begin(flight, operation);
    this.#end(flight, operation, error);
    if (error !== null) throw error;
  }

  #complete(flight: Flight, operation: ChangingOperation, done: Done): void {
    const error = this.#begin(flight, operation);
    this.#disk.later(operation, this.path, flight.change.lengthBytes, () => {
      this.#end(flight, operation, error);
      // What was written first is not always reported first.
      if (this.#disk.options.reorders !== false && this.#disk.random.chance(0.3))
        this.#disk.later('reported', this.path, 0, () => done(error));
      else done(error);
    });
  }

  #begin(flight: Flight, operation: ChangingOperation): NodeJS.ErrnoException | null {
    // What code does in the event in which its process ended never happened, also to a file that another host has.
    if (this.#disk.dead) return null;
    const { change } = flight;
    const grows = change.position + change.lengthBytes > this.sizeBytes();
    // Nothing is under way of an allocation that was there already, nor of what a full disk refuses.
    if (grows ? !this.#disk.isFull : operation !== 'allocate') this.#inode.begin(flight);
    const asked =
      operation === 'allocate' ? this.#asked(operation, 0, change.position) : this.#asked(operation, change.position, change.lengthBytes);
    const error = this.#disk.askedLater(asked, grows);
    if (operation !== 'allocate') this.#watchWrite(change);
    return error;
  }

  #end(flight: Flight, operation: ChangingOperation, error: Error | null): void {
    // A failed allocation, and zeroes that are not supported, leave the file as it was; a failed write leaves any part of itself.
    if (error !== null && (operation === 'allocate' || errnoOf(error) === UNSUPPORTED)) this.#inode.cancel(flight);
    else this.#inode.end(flight, error === null ? null : this.#disk.random);
  }

  #asked(operation: Operation, position = 0, lengthBytes = 0): Asked {
    return { operation, path: this.path, position, lengthBytes };
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
