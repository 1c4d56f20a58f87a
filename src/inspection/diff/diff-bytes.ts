/** The bytes of two journals side by side: of records whose checksums agree, and of what cannot be read as anything. */
import { journalRead } from '../../../journals/errors.ts';
import type { ScannedFile } from '../../../journals/file-scan.ts';
import { LIMITS } from '../../model/limits.ts';
import { RECORD_HEADER_BYTES } from '../../record/record.ts';
import type { TableRow } from './diff-table.ts';

const RECORD_BYTES_MAX = RECORD_HEADER_BYTES + LIMITS.recordDataBytesMax;
const AHEAD_BYTES = 64 * 1024;

/** The bytes of two records, read again where checksums alone would have to be believed. */
export class PairedBytes {
  readonly #sides: readonly [AheadReader, AheadReader];
  #bytes: readonly [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  #at = 0;

  constructor(a: ScannedFile, b: ScannedFile) {
    this.#sides = [new AheadReader(a), new AheadReader(b)];
  }

  /** The first byte in which two records of one length differ; null: none. */
  firstDifference(a: TableRow, b: TableRow): number | null {
    const inA = this.#sides[0].read(a.offset, a.encodedBytes);
    const inB = this.#sides[1].read(b.offset, b.encodedBytes);
    if (Buffer.compare(inA, inB) === 0) return null;
    this.#bytes = [inA, inB];
    this.#at = inA.findIndex((byte, index) => byte !== inB[index]);
    return this.#at;
  }

  /** The first byte of a range of both files in which they differ; null: none. What only one file has differs. */
  firstInRange(from: number, to: number): number | null {
    for (let at = from; at < to; at += AHEAD_BYTES) {
      const [inA, inB] = this.#sides.map((side) => side.read(at, Math.max(0, Math.min(AHEAD_BYTES, to - at, side.fileBytes - at)))) as [
        Uint8Array,
        Uint8Array,
      ];
      if (Buffer.compare(inA, inB) === 0) continue;
      const index = inA.findIndex((byte, place) => byte !== inB[place]);
      this.#bytes = [inA, inB];
      this.#at = index === -1 ? inA.length : index;
      return at + this.#at;
    }
    return null;
  }

  /** That byte of one side. */
  shown(side: 0 | 1): string {
    const byte = this.#bytes[side][this.#at];
    return byte === undefined ? 'the end of the file' : `0x${byte.toString(16).padStart(2, '0')}`;
  }
}

/** Reads ahead where records stand in the order of their numbers, as they mostly do, and no more than asked where they do not. */
class AheadReader {
  readonly #file: ScannedFile;
  readonly #memory = new Uint8Array(AHEAD_BYTES + RECORD_BYTES_MAX);
  #from = 0;
  #end = 0;

  constructor(file: ScannedFile) {
    this.#file = file;
  }

  get fileBytes(): number {
    return this.#file.sizeBytes();
  }

  /** @returns bytes that are valid until the next read */
  read(offset: number, lengthBytes: number): Uint8Array {
    if (offset < this.#from || offset + lengthBytes > this.#end) {
      const near = offset >= this.#from && offset <= this.#end + AHEAD_BYTES;
      const wantedBytes = near ? Math.min(AHEAD_BYTES + lengthBytes, this.#file.sizeBytes() - offset) : lengthBytes;
      readAgain(this.#file, this.#memory.subarray(0, Math.max(wantedBytes, lengthBytes)), offset);
      this.#from = offset;
      this.#end = offset + wantedBytes;
    }
    return this.#memory.subarray(offset - this.#from, offset - this.#from + lengthBytes);
  }
}

/** @throws FarshoreError ERR_JOURNAL_READ */
function readAgain(file: ScannedFile, target: Uint8Array, offset: number): void {
  let bytesRead: number;
  try {
    bytesRead = file.readSync(target, offset);
  } catch (error) {
    throw journalRead(file.path, error);
  }
  if (bytesRead !== target.length) throw journalRead(file.path, `${bytesRead} bytes at byte ${offset}, expected ${target.length}`);
}
