/** Where an export goes: a new file, which gets its name when it is whole, or a stream that cannot be taken back. */
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { FarshoreError } from '../../model/errors.ts';
import { exportExists, exportWrite } from './portable-errors.ts';
import { LineOutput, ReaderGone } from '../show/show-output.ts';

export interface ExportSink {
  readonly path: string;
  /** How often one journal may be read until it stays the same. */
  readonly attemptsMax: number;
  /** Bytes that were written. */
  readonly position: number;
  /** The bytes may be overwritten when it is done. */
  write(bytes: Uint8Array): Promise<void> | null;
  /** Forget everything from here on; only where `attemptsMax` is above 1. */
  rewind(position: number): void;
  /** Everything was written. */
  finish(): void;
  /** What was written is no export: leave nothing behind. */
  abandon(): void;
}

const ATTEMPTS_MAX = 5;
const PIECE_BYTES = 256 * 1024;

/** A file beside its place, flushed and renamed when it is whole. */
export class FileSink implements ExportSink {
  readonly path: string;
  readonly attemptsMax = ATTEMPTS_MAX;
  readonly #disk: Disk;
  readonly #partial: string;
  #file: DiskFile;
  #position = 0;
  /** Bytes that the file has; behind `#position` they are of an earlier attempt. */
  #fileBytes = 0;

  /** @throws RefusedError ERR_EXPORT_EXISTS; FarshoreError ERR_EXPORT_WRITE */
  constructor(disk: Disk, path: string) {
    this.path = path;
    this.#disk = disk;
    this.#partial = `${path}.partial`;
    if (disk.exists(path)) throw exportExists(path);
    this.#file = this.#try(() => {
      if (disk.exists(this.#partial)) disk.unlink(this.#partial);
      return disk.open(this.#partial, { create: true });
    });
  }

  get position(): number {
    return this.#position;
  }

  write(bytes: Uint8Array): null {
    if (bytes.length > 0) this.#try(() => this.#file.writeSync(bytes, this.#position));
    this.#position += bytes.length;
    this.#fileBytes = Math.max(this.#fileBytes, this.#position);
    return null;
  }

  rewind(position: number): void {
    this.#position = position;
  }

  finish(): void {
    this.#try(() => {
      if (this.#fileBytes > this.#position) this.#shorten();
      this.#file.flushSync();
      this.#file.closeSync();
      this.#disk.rename(this.#partial, this.path);
      this.#disk.syncDirectory(dirname(this.path));
    });
  }

  abandon(): void {
    try {
      this.#disk.unlink(this.#partial);
      this.#file.closeSync();
    } catch {
      // What made it fail is told; a file that cannot be removed either is named like one that is not whole.
    }
  }

  /** A journal that was read again had become shorter, so the file is too long: its beginning goes into another one. */
  #shorten(): void {
    const long = this.#file;
    this.#disk.unlink(this.#partial);
    this.#file = this.#disk.open(this.#partial, { create: true });
    const piece = new Uint8Array(PIECE_BYTES);
    for (let from = 0; from < this.#position; from += PIECE_BYTES) {
      const bytes = piece.subarray(0, Math.min(PIECE_BYTES, this.#position - from));
      if (long.readSync(bytes, from) !== bytes.length) throw new Error(`${this.#partial} could not be read back`);
      this.#file.writeSync(bytes, from);
    }
    long.closeSync();
  }

  #try<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw error instanceof FarshoreError ? error : exportWrite(this.path, error);
    }
  }
}

/** Standard output: what a journal was when it was read first is what it must still be afterwards. */
export class StreamSink implements ExportSink {
  readonly path = 'standard output';
  readonly attemptsMax = 1;
  readonly #output: LineOutput;
  #position = 0;

  constructor(stream: Writable) {
    this.#output = new LineOutput(stream);
  }

  get position(): number {
    return this.#position;
  }

  /** @throws ReaderGone; FarshoreError ERR_EXPORT_WRITE */
  async write(bytes: Uint8Array): Promise<void> {
    this.#position += bytes.length;
    this.#output.raw(bytes);
    try {
      await this.#output.leave();
    } catch (error) {
      throw error instanceof ReaderGone ? error : exportWrite(this.path, error);
    }
  }

  rewind(): void {}

  finish(): void {}

  abandon(): void {}
}
