/**
 * The application's side of a host: turns NBD requests into loads, stores and flushes of the source volumes (Fig. 2, steps 1-3).
 *
 * One write: requested (the write order decides when it may go on) -> range lock -> stored -> the write order numbers it while
 * nothing that overlaps can be stored -> replied to. Reads and the mechanics of flushes are the same with and without
 * replication; what differs stands behind `WriteOrder`.
 *
 * After a failed store or flush every write gets EIO: what the kernel did with the bytes is unknown, and it says so only once (I10).
 */
import type { WriteType } from '../model/commands.ts';
import { NBD_ERRNO, type NbdBackend, type NbdErrno, type NbdExport, type NbdRequest } from '../nbd/contract.ts';
import { errnoOf } from '../model/errors.ts';
import type { Volume } from '../volume/contract.ts';
import { RangeLock } from './range-lock.ts';

/** One write command of the application, or one part of a write that is larger than a data set may be. */
export interface ApplicationWrite {
  readonly id: number;
  readonly request: NbdRequest;
  readonly volume: Volume;
  readonly type: WriteType;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly data: Uint8Array | null;
  /** This part is the request's last: its end is the request's end. */
  readonly last: boolean;
  /** Time of the write, microseconds since 1970. */
  readonly timeUs: number;
  /** `queued`: the write order lets it be stored, an overlapping store is still under way. */
  phase: 'waiting' | 'queued' | 'storing' | 'stored' | 'flushed';
}

export interface ApplicationFlush {
  readonly id: number;
  readonly request: NbdRequest;
  phase: 'waiting' | 'flushed';
}

/** What decides when a write may be stored and replied to. Calls `store` and `finish` of the application. */
export interface WriteOrder {
  /** Bytes of one write that fit into one data set. */
  readonly writeBytesMax: number;
  /** A write arrived; calls come in the application's order. */
  requested(write: ApplicationWrite): void;
  /** It is in the source volume, and its range is still locked. */
  stored(write: ApplicationWrite): void;
  /** The volume is durable for this FLUSH, or for this write with FUA. */
  flushed(done: ApplicationFlush | ApplicationWrite, kind: 'flush' | 'fua'): void;
  /** A store or flush failed; the application answers EIO from here on. */
  failed(error: Error): void;
  /** All requests of one turn were handed over. */
  turnEnded(): void;
}

export class Application implements NbdBackend {
  order: WriteOrder | null = null;
  failed = false;
  connections = 0;
  /** Called when the number of clients changes. */
  onConnections: (() => void) | null = null;
  readonly #volumes: readonly Volume[];
  readonly #exports: readonly NbdExport[];
  readonly #locks: readonly RangeLock<ApplicationWrite>[];
  /** Writes and flushes that are not answered yet, so that a failure can answer them. */
  readonly #open = new Set<ApplicationWrite | ApplicationFlush>();
  #nextId = 1;
  #shutDown = false;

  constructor(volumes: readonly Volume[], describe: string) {
    this.#volumes = volumes;
    this.#locks = volumes.map(() => new RangeLock<ApplicationWrite>());
    this.#exports = volumes.map((volume) => ({
      name: volume.entry.name,
      description: describe,
      sizeBytes: volume.entry.sizeBytes,
      readOnly: false,
    }));
  }

  exports(): readonly NbdExport[] {
    return this.#exports;
  }

  connectionsChanged(count: number): void {
    this.connections = count;
    this.onConnections?.();
  }

  submit(requests: readonly NbdRequest[]): void {
    const timeUs = Math.round((performance.timeOrigin + performance.now()) * 1000);
    for (const request of requests) this.#begin(request, timeUs);
    this.order?.turnEnded();
  }

  /** Store a write now, or as soon as no overlapping store is under way. Called by the write order. */
  store(write: ApplicationWrite): void {
    if (!this.#open.has(write)) return;
    write.phase = 'queued';
    if (this.#lock(write).acquire(write)) this.#performAll([write]);
  }

  /** Answer a write or flush; of a write in parts, go on with the next part. Called by the write order. */
  finish(done: ApplicationWrite | ApplicationFlush): void {
    // After a failure it was answered already.
    if (!this.#open.delete(done)) return;
    if ('last' in done && !done.last) {
      this.#requestPart(done.request, done.type, done.offset + done.lengthBytes, done.timeUs);
      return;
    }
    done.request.complete(NBD_ERRNO.ok);
  }

  /** Go on under another order (`detach`): what the old one made wait goes on under the new one, nothing is stored twice. */
  replaceOrder(order: WriteOrder): void {
    this.order = order;
    for (const open of Array.from(this.#open)) {
      if (open.phase === 'waiting' && 'last' in open) order.requested(open);
      else if (open.phase === 'flushed' || (open.phase === 'stored' && !awaitsFlush(open))) this.finish(open);
    }
    order.turnEnded();
  }

  /** Stores that are under way; a clean stop waits for them, because each of them will be numbered. */
  get storesUnderWay(): number {
    let count = 0;
    for (const open of this.#open) if (open.phase === 'queued' || open.phase === 'storing') count += 1;
    return count;
  }

  /** Answer writes that were not stored yet, and all later ones, with ESHUTDOWN. */
  shutDown(): void {
    this.#shutDown = true;
    for (const open of this.#open) {
      if (open.phase !== 'waiting' || !('last' in open)) continue;
      this.#open.delete(open);
      open.request.complete(NBD_ERRNO.ESHUTDOWN);
    }
  }

  /** Answer everything that waits, and every later write and flush, with EIO (I10); what is being stored, when that has ended. */
  fail(): void {
    this.failed = true;
    for (const open of this.#open) {
      // Its payload is being read by the disk, and the answer would give it back.
      if (open.phase === 'storing') continue;
      this.#open.delete(open);
      open.request.complete(NBD_ERRNO.EIO);
    }
  }

  #begin(request: NbdRequest, timeUs: number): void {
    const volume = this.#volumeOf(request);
    switch (request.command) {
      case 'read':
        this.#read(request, volume);
        return;
      case 'cache':
        request.complete(NBD_ERRNO.ok);
        return;
      case 'flush':
        this.#flush(request, volume);
        return;
      case 'write':
        this.#requestPart(request, 'write', request.offset, timeUs);
        return;
      case 'trim':
        this.#requestPart(request, 'trim', request.offset, timeUs);
        return;
      case 'writeZeroes':
        if (request.fastZero && !volume.fastZero) request.complete(NBD_ERRNO.ENOTSUP);
        else this.#requestPart(request, 'zero', request.offset, timeUs);
        return;
    }
  }

  #read(request: NbdRequest, volume: Volume): void {
    const target = request.data;
    if (target === null || volume.readNow(target, request.offset)) {
      request.complete(NBD_ERRNO.ok);
      return;
    }
    volume.read(target, request.offset, (error) => request.complete(errnoFor(error)));
  }

  #flush(request: NbdRequest, volume: Volume): void {
    if (this.failed) {
      request.complete(NBD_ERRNO.EIO);
      return;
    }
    const flush: ApplicationFlush = { id: this.#nextId++, request, phase: 'waiting' };
    this.#open.add(flush);
    volume.flush((error) => {
      if (!this.#open.has(flush)) return;
      flush.phase = 'flushed';
      if (error === null) this.order?.flushed(flush, 'flush');
      else this.#fail(error);
    });
  }

  #requestPart(request: NbdRequest, type: WriteType, offset: number, timeUs: number): void {
    const order = this.order;
    if (this.failed || order === null || this.#shutDown) {
      request.complete(this.#shutDown ? NBD_ERRNO.ESHUTDOWN : NBD_ERRNO.EIO);
      return;
    }
    const rest = request.offset + request.lengthBytes - offset;
    // A zero or trim has no payload, so it always fits into one record.
    const lengthBytes = type === 'write' ? Math.min(rest, order.writeBytesMax) : rest;
    const begin = offset - request.offset;
    const data =
      type === 'write' && request.data !== null
        ? lengthBytes === request.lengthBytes
          ? request.data
          : request.data.subarray(begin, begin + lengthBytes)
        : null;
    const write: ApplicationWrite = {
      id: this.#nextId++,
      request,
      volume: this.#volumeOf(request),
      type,
      offset,
      lengthBytes,
      data,
      last: lengthBytes === rest,
      timeUs,
      phase: 'waiting',
    };
    this.#open.add(write);
    order.requested(write);
  }

  /** Store these writes, and those that waited for their ranges: a loop, because many may wait for one block. */
  #performAll(granted: ApplicationWrite[]): void {
    for (let write = granted.pop(); write !== undefined; write = granted.pop()) {
      if (this.failed || !this.#storeNow(write)) continue;
      granted.push(...this.#stored(write));
    }
  }

  /** True: it is stored. False: it will end in `#storeEnded`, or it failed. */
  #storeNow(write: ApplicationWrite): boolean {
    const { volume, data, offset, lengthBytes } = write;
    write.phase = 'storing';
    const ended = (error: Error | null): void => this.#storeEnded(write, error);
    if (data === null) {
      volume.zero(offset, lengthBytes, ended);
      return false;
    }
    try {
      if (volume.storeNow(data, offset)) return true;
    } catch (error) {
      write.phase = 'queued';
      this.#fail(error as Error);
      return false;
    }
    volume.store(data, offset, ended);
    return false;
  }

  #storeEnded(write: ApplicationWrite, error: Error | null): void {
    if (error === null && !this.failed) {
      this.#performAll(this.#stored(write));
    } else {
      write.phase = 'queued';
      if (!this.failed) this.#fail(error as Error);
      else if (this.#open.delete(write)) write.request.complete(NBD_ERRNO.EIO);
    }
    this.order?.turnEnded();
  }

  /** Returns the writes that waited for its range, the next one last. */
  #stored(write: ApplicationWrite): ApplicationWrite[] {
    write.phase = 'stored';
    // The order queues the write's numbering before the range is given back, so an overlapping write is numbered after it.
    this.order?.stored(write);
    if (awaitsFlush(write)) this.#flushForUnitAccess(write);
    return this.#lock(write).release(write).toReversed();
  }

  #flushForUnitAccess(write: ApplicationWrite): void {
    write.volume.flush((error) => {
      if (!this.#open.has(write)) return;
      write.phase = 'flushed';
      if (error === null) this.order?.flushed(write, 'fua');
      else this.#fail(error);
    });
  }

  #fail(error: Error): void {
    if (this.failed) return;
    this.order?.failed(error);
    this.fail();
  }

  #lock(write: ApplicationWrite): RangeLock<ApplicationWrite> {
    return this.#locks[write.request.exportIndex] as RangeLock<ApplicationWrite>;
  }

  #volumeOf(request: NbdRequest): Volume {
    return this.#volumes[request.exportIndex] as Volume;
  }
}

/** A write with FUA is answered when the volume is durable; of one in parts that is the last part's matter. */
export function awaitsFlush(open: ApplicationWrite | ApplicationFlush): boolean {
  return !('last' in open) || (open.request.fua && open.last);
}

function errnoFor(error: Error | null): NbdErrno {
  if (error === null) return NBD_ERRNO.ok;
  return errnoOf(error) === 'ENOSPC' ? NBD_ERRNO.ENOSPC : NBD_ERRNO.EIO;
}
