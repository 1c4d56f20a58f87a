/**
 * Read an export, and check it whole before anything is done with it: magic, sizes against limits, every checksum, and that nothing is
 * missing or follows. Sizes are believed only after the checksum over them, and no memory is taken by their word.
 */
import { crc32 } from 'node:zlib';
import type { ScannedFile } from '../../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { FarshoreError, messageOf } from '../../model/errors.ts';
import { showU32 } from '../../record/fields.ts';
import { exportDamaged, exportVersion } from './portable-errors.ts';
import type { PortableEntry, PortableFault, PortableHeader } from './portable-format.ts';
import {
  checkEntryTrailer,
  decodeEntryHeader,
  decodePortableHeader,
  ENTRY_HEADER_BYTES,
  ENTRY_TRAILER_BYTES,
  PORTABLE_HEADER_BYTES,
} from './portable-format.ts';

const PIECE_BYTES = 256 * 1024;

/** An entry, and where its journal's bytes stand in the export. */
export interface PlacedEntry extends PortableEntry {
  readonly contentOffset: number;
  /** CRC-32 of its header in the export and of its bytes. */
  readonly checksum: number;
}

export interface PortableContents {
  readonly path: string;
  readonly header: PortableHeader;
  /** In ascending slots. */
  readonly entries: readonly PlacedEntry[];
  readonly bytes: number;
}

/** Open an export that is whole. The caller closes the file. @throws CorruptionError ERR_IMPORT_DAMAGED; RefusedError ERR_IMPORT_VERSION; FarshoreError ERR_IMPORT_READ */
export function openPortable(disk: Disk, path: string): { file: DiskFile; contents: PortableContents } {
  const file = reading(path, () => disk.open(path, { readOnly: true }));
  try {
    return { file, contents: new PortableReader(file).read() };
  } catch (error) {
    file.closeSync();
    throw error;
  }
}

/** Hand out a journal's bytes piece by piece, and check them once more at the end: the file may have changed since it was opened. */
export function copyContent(file: DiskFile, entry: PlacedEntry, take: (bytes: Uint8Array, position: number) => void): void {
  const reader = new PortableReader(file);
  const header = reader.bytes(entry.contentOffset - ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES);
  const checksum = reader.content(entry, crc32(header), take);
  const trailer = entry.contentOffset + entry.contentBytes;
  reader.check(trailer, checkEntryTrailer(reader.bytes(trailer, ENTRY_TRAILER_BYTES), checksum));
  if (checksum !== entry.checksum) reader.fail(trailer, `checksum 0x${showU32(entry.checksum)}, as before`, `0x${showU32(checksum)}`);
}

/** A journal inside an export as a file of its own, as it is when it is imported: zeroes behind its bytes. */
export function entryAsFile(file: DiskFile, entry: PlacedEntry): ScannedFile {
  return {
    path: `${file.path}, slot ${entry.slot}`,
    sizeBytes: () => entry.fileBytes,
    readSync: (target, position) => {
      const wantedBytes = Math.max(0, Math.min(target.length, entry.fileBytes - position));
      const storedBytes = Math.max(0, Math.min(wantedBytes, entry.contentBytes - position));
      if (storedBytes > 0) file.readSync(target.subarray(0, storedBytes), entry.contentOffset + position);
      target.fill(0, storedBytes, wantedBytes);
      return wantedBytes;
    },
  };
}

class PortableReader {
  readonly #file: DiskFile;
  readonly #fileBytes: number;
  readonly #piece = new Uint8Array(PIECE_BYTES);

  constructor(file: DiskFile) {
    this.#file = file;
    this.#fileBytes = reading(file.path, () => file.sizeBytes());
  }

  read(): PortableContents {
    const decoded = this.sound(0, decodePortableHeader(this.bytes(0, PORTABLE_HEADER_BYTES)));
    const { watermarkBytes, watermarkChecksum, ...header } = decoded;
    const watermark = this.bytes(PORTABLE_HEADER_BYTES, watermarkBytes);
    const computed = crc32(watermark);
    if (computed !== watermarkChecksum)
      this.fail(PORTABLE_HEADER_BYTES, `a watermark with checksum 0x${showU32(watermarkChecksum)}`, `0x${showU32(computed)}`);
    const entries: PlacedEntry[] = [];
    let offset = PORTABLE_HEADER_BYTES + watermarkBytes;
    while (entries.length < header.entries) {
      const entry = this.#entry(offset, header, entries.at(-1)?.slot ?? -1);
      entries.push(entry);
      offset = entry.contentOffset + entry.contentBytes + ENTRY_TRAILER_BYTES;
    }
    if (offset !== this.#fileBytes) this.fail(offset, 'the end of the file', `${this.#fileBytes - offset} bytes more`);
    return { path: this.#file.path, header: { ...header, watermark }, entries, bytes: this.#fileBytes };
  }

  #entry(offset: number, { geometry }: Pick<PortableHeader, 'geometry'>, slotBefore: number): PlacedEntry {
    const header = this.bytes(offset, ENTRY_HEADER_BYTES);
    const entry = this.sound(offset, decodeEntryHeader(header));
    if (entry.slot <= slotBefore || entry.slot >= geometry.slots)
      this.fail(offset, `a slot of ${slotBefore + 1} to ${geometry.slots - 1}`, `slot ${entry.slot}`);
    const contentOffset = offset + ENTRY_HEADER_BYTES;
    const checksum = this.content({ ...entry, contentOffset }, crc32(header), () => {});
    const trailer = contentOffset + entry.contentBytes;
    this.check(trailer, checkEntryTrailer(this.bytes(trailer, ENTRY_TRAILER_BYTES), checksum));
    return { ...entry, contentOffset, checksum };
  }

  /** Checksum a journal's bytes on from `checksum`. */
  content(
    entry: Pick<PlacedEntry, 'contentOffset' | 'contentBytes'>,
    checksum: number,
    take: (bytes: Uint8Array, position: number) => void,
  ): number {
    const { contentOffset, contentBytes } = entry;
    let computed = checksum;
    for (let from = 0; from < contentBytes; from += PIECE_BYTES) {
      const bytes = this.#piece.subarray(0, Math.min(PIECE_BYTES, contentBytes - from));
      this.#fill(bytes, contentOffset + from);
      computed = crc32(bytes, computed);
      take(bytes, from);
    }
    return computed;
  }

  /** A few bytes: no more than the file has are ever allocated. */
  bytes(offset: number, lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    this.#fill(bytes, offset);
    return bytes;
  }

  check(offset: number, fault: PortableFault | null): void {
    if (fault === null) return;
    if (fault.version !== undefined) throw exportVersion(this.#file.path, fault.version);
    this.fail(offset + fault.offset, fault.expected, fault.found);
  }

  sound<Piece extends object>(offset: number, decoded: Piece | PortableFault): Piece {
    if (!('kind' in decoded)) return decoded;
    this.check(offset, decoded);
    return this.fail(offset, 'a whole piece', 'a fault');
  }

  fail(offset: number, expected: string, found: string): never {
    throw exportDamaged(this.#file.path, { offset, expected, found });
  }

  #fill(target: Uint8Array, offset: number): void {
    const leftBytes = Math.max(0, this.#fileBytes - offset);
    const bytesRead = leftBytes < target.length ? leftBytes : reading(this.#file.path, () => this.#file.readSync(target, offset));
    if (bytesRead !== target.length) this.fail(offset + bytesRead, `${target.length - bytesRead} bytes more`, 'the end of the file');
  }
}

function reading<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw new FarshoreError('ERR_IMPORT_READ', `the export ${path} could not be read: ${messageOf(error)}`, {
      cause: error,
      hint: 'check the path and its disk; it must be a file, and no pipe, because it is checked whole before it is used. Nothing was written',
      details: { path },
    });
  }
}
