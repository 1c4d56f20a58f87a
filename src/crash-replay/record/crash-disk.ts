/**
 * The disk of a host that is to die: everything goes to the real disk, and at the operation that the crash point names the process
 * kills itself. What it wrote until then is what a killed host leaves; nothing is simulated but the moment.
 *
 * `torn` writes the first part of what was to be written: of a commit, up to the last sector of its last record; of a block of the
 * watermark or a mark, half of its fields, which only a disk does that tears within a sector.
 *
 * Volumes are watched one level higher (crash-volume.ts), where one record is one store.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { isRingFile } from '../../../journals/files.ts';
import { HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET } from '../../../journals/format.ts';
import { scanJournal } from '../../../journals/scan.ts';
import type { Disk, DiskFile, DiskLock, Done, FileMapping, OpenOptions } from '../../disk/disk.ts';
import type { DataSetId } from '../../model/ids.ts';
import type { CrashOperation } from './crash-points.ts';
import type { CrashWatch } from './crash-watch.ts';

const SECTOR_BYTES = 512;
const TORN_BLOCK_BYTES = 40;
/** A record that is torn in its data, not only in its header. */
const LONG_WRITE_BYTES = 2048;

export class CrashDisk implements Disk {
  readonly #disk: Disk;
  readonly #watch: CrashWatch;
  readonly #load = { writes: 0, mayFail: true };

  constructor(disk: Disk, watch: CrashWatch) {
    this.#disk = disk;
    this.#watch = watch;
  }

  open(path: string, options: OpenOptions): DiskFile {
    const file = this.#disk.open(path, options);
    return isRingFile(basename(path)) ? new CrashFile(file, this.#watch, this.#load) : file;
  }

  syncDirectory(path: string): void {
    this.#disk.syncDirectory(path);
  }

  rename(from: string, to: string): void {
    const fate = this.#watch.begin(from.endsWith('.spare') ? ['spare-rename'] : []);
    this.#disk.rename(from, to);
    this.#watch.end(fate);
  }

  unlink(path: string): void {
    this.#disk.unlink(path);
  }

  exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  makeDirectory(path: string): void {
    this.#disk.makeDirectory(path);
  }

  readFile(path: string): Uint8Array | null {
    return this.#disk.readFile(path);
  }

  /** Torn: the new file is whole, and the old one still has its name. */
  replaceFile(path: string, bytes: Uint8Array): void {
    const fate = this.#watch.begin(basename(path) === 'host-state.json' ? ['host-state'] : []);
    if (fate === 'torn') {
      writePrefix(`${path}.new`, bytes, 0, 'w');
      this.#watch.die();
    }
    this.#disk.replaceFile(path, bytes);
    this.#watch.end(fate);
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
}

/** What one write of a ring's file does. */
interface RingWrite {
  readonly operations: readonly CrashOperation[];
  readonly dataSet: DataSetId | null;
  /** Bytes of it that a torn write leaves. */
  readonly tornBytes: number;
}

interface BegunWrite extends RingWrite {
  readonly bytes: Uint8Array;
  readonly buffers: readonly Uint8Array[];
  readonly position: number;
}

class CrashFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #watch: CrashWatch;
  readonly #load: { writes: number; mayFail: boolean };

  constructor(file: DiskFile, watch: CrashWatch, load: { writes: number; mayFail: boolean }) {
    this.#file = file;
    this.#watch = watch;
    this.#load = load;
  }

  get path(): string {
    return this.#file.path;
  }

  get aligned(): boolean {
    return this.#file.aligned;
  }

  write(buffers: readonly Uint8Array[], position: number, done: Done): void {
    const bytes = Buffer.concat(buffers);
    const write = describeWrite(this.path, bytes, position);
    const delayMs = this.#watch.delayMs(write.operations);
    if (delayMs === 0) this.#write({ ...write, bytes, buffers, position }, done);
    else setTimeout(() => this.#write({ ...write, bytes, buffers, position }, done), delayMs);
  }

  #write({ operations, dataSet, tornBytes, bytes, buffers, position }: BegunWrite, done: Done): void {
    const fate = this.#watch.begin(operations, { dataSet, busy: this.#load.writes > 0 });
    if (fate === 'torn') {
      writePrefix(this.path, bytes.subarray(0, tornBytes), position, 'r+');
      this.#watch.die();
    }
    if (this.#failsNow(operations)) return void setImmediate(done, new Error(`EIO: recorded failure, write ${this.path}`));
    this.#load.writes += 1;
    this.#file.write(buffers, position, (error) => {
      this.#load.writes -= 1;
      this.#watch.end(fate);
      done(error);
    });
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#file.writeSync(bytes, position);
  }

  read(target: Uint8Array, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    this.#file.read(target, position, done);
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#file.readSync(target, position);
  }

  sizeBytes(): number {
    return this.#file.sizeBytes();
  }

  flush(done: Done): void {
    this.#file.flush(done);
  }

  flushSync(): void {
    this.#file.flushSync();
  }

  allocate(sizeBytes: number, done: Done): void {
    this.#file.allocate(sizeBytes, done);
  }

  allocateSync(sizeBytes: number): void {
    this.#file.allocateSync(sizeBytes);
  }

  zeroSync(position: number, lengthBytes: number): boolean {
    return this.#file.zeroSync(position, lengthBytes);
  }

  zero(position: number, lengthBytes: number, done: (error: Error | null, supported: boolean) => void): void {
    this.#file.zero(position, lengthBytes, done);
  }

  map(options?: { readonly forStores?: boolean }): FileMapping | null {
    return this.#file.map(options);
  }

  close(done: Done): void {
    this.#file.close(done);
  }

  closeSync(): void {
    this.#file.closeSync();
  }

  #failsNow(operations: readonly CrashOperation[]): boolean {
    const { point, destaged } = this.#watch;
    const fails =
      point.failCommit === true && this.#load.mayFail && destaged >= (point.destaged ?? 0) && operations.includes('journal-later-commit');
    if (fails) this.#load.mayFail = false;
    return fails;
  }
}

/** Tell what a write of a ring's file is, from where it goes and what the journal is with it. */
export function describeWrite(path: string, bytes: Uint8Array, position: number): RingWrite {
  const name = basename(path);
  const block = (operation: CrashOperation): RingWrite => ({ operations: [operation], dataSet: null, tornBytes: TORN_BLOCK_BYTES });
  if (name === 'watermark') return block('watermark');
  if (!name.endsWith('.journal')) return { operations: [], dataSet: null, tornBytes: 0 };
  const isZero = bytes.every((byte) => byte === 0);
  if (position === MARK_OFFSET) return block(isZero ? 'discard-mark' : 'complete-flag');
  if (position === RECORDS_OFFSET && isZero) return block('discard-records');
  if (position === HEADER_OFFSET && bytes.length <= MARK_OFFSET) return block('discard-header');
  return describeCommit(path, bytes, position);
}

function describeCommit(path: string, bytes: Uint8Array, position: number): RingWrite {
  const image = readFileSync(path);
  image.set(bytes, position);
  const { records } = scanJournal(image, { slot: 0, path });
  const last = records.at(-1);
  const end = position + bytes.length;
  const operations: CrashOperation[] = [position === HEADER_OFFSET ? 'journal-first-commit' : 'journal-later-commit'];
  if (last === undefined) return { operations, dataSet: null, tornBytes: 0 };
  if (records.some(({ type, offset }) => type === 'sync' && offset >= position && offset < end)) operations.push('journal-sync-commit');
  if (position > HEADER_OFFSET && last.type === 'write' && last.lengthBytes >= LONG_WRITE_BYTES) operations.push('journal-write-commit');
  const lastByte = last.offset + last.encodedBytes - 1;
  return { operations, dataSet: last.dataSet, tornBytes: lastByte - (lastByte % SECTOR_BYTES) - position };
}

/** Write through a descriptor of its own, at once: the file's own may be waiting for the disk. */
function writePrefix(path: string, bytes: Uint8Array, position: number, flags: 'r+' | 'w'): void {
  const fd = openSync(path, flags, 0o600);
  writeSync(fd, bytes, 0, bytes.length, position);
  closeSync(fd);
}
