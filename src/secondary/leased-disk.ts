/**
 * A disk whose writes wait for the lease: the journals and the watermark of a host that a peer may replace. To them a lease that has
 * expired is a disk that takes long; one that has ended is a disk that fails. Reads go on.
 */
import type { Disk, DiskFile, DiskLock, Done, FileMapping, OpenOptions } from '../disk/disk.ts';
import { LeaseEnded, type WriteLease } from './write-lease.ts';

export class LeasedDisk implements Disk {
  readonly #disk: Disk;
  readonly #lease: WriteLease;

  constructor(disk: Disk, lease: WriteLease) {
    this.#disk = disk;
    this.#lease = lease;
  }

  open(path: string, options: OpenOptions): DiskFile {
    if (options.create === true) this.#check(`create ${path}`);
    return new LeasedFile(this.#disk.open(path, options), this.#lease);
  }

  syncDirectory(path: string): void {
    this.#disk.syncDirectory(path);
  }

  rename(from: string, to: string): void {
    this.#check(`rename ${from}`);
    this.#disk.rename(from, to);
  }

  unlink(path: string): void {
    this.#check(`remove ${path}`);
    this.#disk.unlink(path);
  }

  makeDirectory(path: string): void {
    this.#check(`make ${path}`);
    this.#disk.makeDirectory(path);
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    this.#check(`replace ${path}`);
    this.#disk.replaceFile(path, bytes);
  }

  exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  readFile(path: string): Uint8Array | null {
    return this.#disk.readFile(path);
  }

  lock(path: string): DiskLock | null {
    return this.#disk.lock(path);
  }

  fileSystemOf(path: string): string {
    return this.#disk.fileSystemOf(path);
  }

  bootId(): string {
    return this.#disk.bootId();
  }

  /** What cannot wait fails: it belongs to the mending of a failed journal, and is rare. */
  #check(what: string): void {
    checkLease(this.#lease, what);
  }
}

class LeasedFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #lease: WriteLease;

  constructor(file: DiskFile, lease: WriteLease) {
    this.#file = file;
    this.#lease = lease;
  }

  get path(): string {
    return this.#file.path;
  }

  get aligned(): boolean {
    return this.#file.aligned;
  }

  sizeBytes(): number {
    return this.#file.sizeBytes();
  }

  write(buffers: readonly Uint8Array[], position: number, done: Done): void {
    this.#whenHeld(done, () => this.#file.write(buffers, position, done));
  }

  writeSync(bytes: Uint8Array, position: number): void {
    checkLease(this.#lease, `write to ${this.path}`);
    this.#file.writeSync(bytes, position);
  }

  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    this.#file.read(target, position, done);
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#file.readSync(target, position);
  }

  flush(done: Done): void {
    this.#whenHeld(done, () => this.#file.flush(done));
  }

  flushSync(): void {
    checkLease(this.#lease, `flush ${this.path}`);
    this.#file.flushSync();
  }

  allocate(sizeBytes: number, done: Done): void {
    this.#whenHeld(done, () => this.#file.allocate(sizeBytes, done));
  }

  allocateSync(sizeBytes: number): void {
    checkLease(this.#lease, `allocate ${this.path}`);
    this.#file.allocateSync(sizeBytes);
  }

  zeroSync(position: number, lengthBytes: number): boolean {
    checkLease(this.#lease, `zero ${this.path}`);
    return this.#file.zeroSync(position, lengthBytes);
  }

  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void {
    this.#whenHeld(
      (error) => done(error, true),
      () => this.#file.zero(position, lengthBytes, done),
    );
  }

  /** Stores through a mapping would pass by the lease. */
  map(): FileMapping | null {
    return null;
  }

  close(done: Done): void {
    this.#file.close(done);
  }

  closeSync(): void {
    this.#file.closeSync();
  }

  #whenHeld(done: Done, work: () => void): void {
    this.#lease.whenHeld((error) => (error === null ? work() : void setImmediate(done, error)));
  }
}

function checkLease(lease: WriteLease, what: string): void {
  if (!lease.mayWrite()) throw new LeaseEnded(`did not ${what}: the lease of the shared storage has ended`);
}
