/**
 * Make a new ring (init): every slot's file is written through with real zeroes, because later writes into a pre-written file are
 * several times faster and can never meet a full disk; then the watermark, which comes last and so proves that the ring is whole.
 * A failure removes everything that was made.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile, Done } from '../src/disk/disk.ts';
import { FarshoreError } from '../src/model/errors.ts';
import type { Geometry } from '../src/model/ids.ts';
import { createFailed, journalsExist } from './errors.ts';
import { isRingFile, journalPath, watermarkPath } from './files.ts';
import { BLOCK_BYTES, encodeHeader, UNBOUND_IDENTITY } from './format.ts';
import { allocateAligned } from './memory-buffer.ts';
import type { AlignedStart } from './memory-buffer.ts';
import { encodeFreshWatermark } from './watermark.ts';

const PIECE_BYTES = 4 * 1024 * 1024;

export interface CreateRingOptions {
  readonly disk: Disk;
  /** Made if it is not there; must not hold journals. */
  readonly directory: string;
  readonly geometry: Geometry;
  readonly alignedStart: AlignedStart;
}

interface FileToMake {
  readonly path: string;
  readonly sizeBytes: number;
  /** Fill in the first bytes; the rest is zeroes. */
  readonly encodeStart: (target: Uint8Array) => void;
  readonly startBytes: number;
}

/** Create a ring of free slots and a watermark that says nothing yet. Errors: ERR_JOURNALS_EXIST, ERR_JOURNAL_CREATE. */
export function createRing(options: CreateRingOptions, done: Done): void {
  const { disk, directory, geometry } = options;
  const made: string[] = [];
  let path = directory;
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (thrown) {
      fail(thrown);
    }
  };
  const fail = (thrown: unknown): void => {
    for (const file of made.splice(0)) disk.unlink(file);
    done(thrown instanceof FarshoreError ? thrown : createFailed(path, thrown));
  };
  attempt(() => {
    refuseExisting(disk, directory);
    const files = filesOf(geometry, directory);
    const piece = allocateAligned(Math.min(PIECE_BYTES, geometry.slotBytes), options.alignedStart);
    const makeNext = (error: Error | null): void => {
      const file = files.shift();
      if (error !== null) fail(error);
      else if (file === undefined) syncAndEnd();
      else
        attempt(() => {
          path = file.path;
          const opened = disk.open(path, { create: true, durableWrites: true });
          made.push(path);
          fillFile({ opened, file, piece }, makeNext);
        });
    };
    makeNext(null);
  });

  function syncAndEnd(): void {
    path = directory;
    try {
      disk.syncDirectory(directory);
    } catch (thrown) {
      return fail(thrown);
    }
    done(null);
  }
}

function refuseExisting(disk: Disk, directory: string): void {
  if (!disk.exists(directory)) {
    disk.makeDirectory(directory);
    disk.syncDirectory(dirname(directory));
    return;
  }
  const existing = disk.list(directory).find(isRingFile);
  if (existing !== undefined) throw journalsExist(directory, existing);
}

function filesOf(geometry: Geometry, directory: string): FileToMake[] {
  const { slots, slotBytes } = geometry;
  const files: FileToMake[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    const content = { ...UNBOUND_IDENTITY, slot, slots, slotBytes, dataSet: null, firstSequence: null };
    const encodeStart = (target: Uint8Array): void => encodeHeader(target, content);
    files.push({ path: journalPath(directory, slot), sizeBytes: slotBytes, encodeStart, startBytes: BLOCK_BYTES });
  }
  const watermarkBytes = 2 * BLOCK_BYTES;
  files.push({ path: watermarkPath(directory), sizeBytes: watermarkBytes, encodeStart: encodeFreshWatermark, startBytes: watermarkBytes });
  return files;
}

/** Allocate, write from front to back, flush, close. */
function fillFile(options: { opened: DiskFile; file: FileToMake; piece: Uint8Array }, done: Done): void {
  const { opened, file, piece } = options;
  const finish = (error: Error | null): void => opened.close((closeError) => done(error ?? closeError));
  let position = 0;
  const writeNext = (error: Error | null): void => {
    if (error !== null) return finish(error);
    if (position === file.sizeBytes) return opened.flush(finish);
    piece.fill(0, 0, file.startBytes);
    if (position === 0) file.encodeStart(piece.subarray(0, file.startBytes));
    const bytes = piece.subarray(0, Math.min(piece.length, file.sizeBytes - position));
    const at = position;
    position += bytes.length;
    opened.write([bytes], at, writeNext);
  };
  opened.allocate(file.sizeBytes, writeNext);
}
