/** Zeroes by writing them, in bounded pieces of one shared buffer, where a file system cannot make them by itself. */
import type { DiskFile, Done } from './disk.ts';
import { DISK_ALIGNMENT_BYTES } from './disk.ts';
import { allocateAligned } from './alignment.ts';

const PIECE_BYTES = 1024 * 1024;
let shared: Uint8Array | null = null;

/** At most `PIECE_BYTES` of zeroes up to `end`; pieces end at aligned positions, so that direct writes take them. */
function pieceAt(position: number, end: number): Uint8Array {
  shared ??= allocateAligned(PIECE_BYTES);
  const lengthBytes = Math.min(PIECE_BYTES - (position % DISK_ALIGNMENT_BYTES), end - position);
  return shared.subarray(0, lengthBytes);
}

/** Write zeroes over a range. */
export function writeZeroes(options: { file: DiskFile; position: number; lengthBytes: number }, done: Done): void {
  const end = options.position + options.lengthBytes;
  let position = options.position;
  const next = (error: Error | null): void => {
    if (error !== null || position >= end) return done(error);
    const piece = pieceAt(position, end);
    const at = position;
    position += piece.length;
    options.file.write([piece], at, next);
  };
  next(null);
}

/** The same, waiting. */
export function writeZeroesSync(options: { file: DiskFile; position: number; lengthBytes: number }): void {
  const end = options.position + options.lengthBytes;
  for (let position = options.position; position < end;) {
    const piece = pieceAt(position, end);
    options.file.writeSync(piece, position);
    position += piece.length;
  }
}
