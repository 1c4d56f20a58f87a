import type { Disk, DiskFile } from '../disk/disk.ts';
import { BLOCK_BYTES } from '../model/ids.ts';

const PIECE_BYTES = 1024 * 1024;

/** Where two volumes differ first. */
export type VolumeDifference =
  | { readonly kind: 'size'; readonly aBytes: number; readonly bBytes: number }
  | { readonly kind: 'block'; readonly lba: number };

/** Find the first block in which two volumes (files or devices) differ; null: they are identical. Reads piece by piece. @throws errno of open */
export function compareVolumes(
  options: { readonly disk: Disk; readonly a: string; readonly b: string },
  done: (error: Error | null, difference: VolumeDifference | null) => void,
): void {
  const a = options.disk.open(options.a, { readOnly: true });
  let b: DiskFile;
  try {
    b = options.disk.open(options.b, { readOnly: true });
  } catch (error) {
    a.closeSync();
    throw error;
  }
  const finish = (error: Error | null, difference: VolumeDifference | null): void => {
    a.close(() => b.close(() => done(error, difference)));
  };
  const aBytes = a.sizeBytes();
  const bBytes = b.sizeBytes();
  if (aBytes !== bBytes) return finish(null, { kind: 'size', aBytes, bBytes });
  const pieces = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)] as const;
  const next = (position: number): void => {
    if (position >= aBytes) return finish(null, null);
    readBoth({ a, b, pieces, position }, (error, lengthBytes) => {
      if (error !== null) return finish(error, null);
      const at = differsAt(pieces[0], pieces[1], lengthBytes);
      if (at !== null) return finish(null, { kind: 'block', lba: Math.floor((position + at) / BLOCK_BYTES) });
      next(position + lengthBytes);
    });
  };
  next(0);
}

type Pieces = readonly [Buffer, Buffer];

function readBoth(
  options: { a: DiskFile; b: DiskFile; pieces: Pieces; position: number },
  done: (error: Error | null, lengthBytes: number) => void,
): void {
  let left = 2;
  let failure: Error | null = null;
  let otherBytes = -1;
  const readOne = (error: Error | null, bytesRead: number): void => {
    failure ??= error;
    left -= 1;
    if (left > 0) {
      otherBytes = bytesRead;
      return;
    }
    if (failure === null && (otherBytes !== bytesRead || bytesRead === 0)) {
      failure = new Error(`a volume changed its size while it was compared, at byte ${options.position}`);
    }
    done(failure, bytesRead);
  };
  options.a.read(options.pieces[0], options.position, readOne);
  options.b.read(options.pieces[1], options.position, readOne);
}

function differsAt(a: Buffer, b: Buffer, lengthBytes: number): number | null {
  if (a.compare(b, 0, lengthBytes, 0, lengthBytes) === 0) return null;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  return at;
}
