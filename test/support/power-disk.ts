/**
 * A disk that can lose its power: before each write into a journal or the watermark, what stands there is noted in a file beside; when the
 * write is durable the note goes. A process that was killed leaves the notes of what was under way, and `losePower` puts back, for each of
 * them, everything, nothing, or some sectors of what was overwritten. Commits can be held back besides, as behind a slow disk.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { isRingFile } from '../../journals/files.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { watchDisk } from '../../src/disk/watched-disk.ts';
import type { Random } from '../../src/simulation/random.ts';

export interface PowerOptions {
  /** Each write of a journal begins so much later. */
  readonly commitDelayMs?: number;
  /** While this file exists no write of a journal begins. As soon as one waits and none is under way, `ALL_HELD` stands beside it. */
  readonly heldWhile?: string;
  /** Where the notes go: a folder that outlives the process. */
  readonly notes?: string;
}

/** Added to the name of `heldWhile`. */
export const ALL_HELD = '.all-held';

const LOOK_MS = 5;
const SECTOR_BYTES = 512;
const POSITION_BYTES = 8;

export function powerDisk(disk: Disk, { commitDelayMs = 0, heldWhile, notes }: PowerOptions): Disk {
  let underWay = 0;
  return watchDisk(disk, {
    watches: (path) => isRingFile(basename(path)),
    write: ({ path, buffers, position }, carryOut, done) => {
      const isJournal = path.endsWith('.journal');
      const ended = (error: Error | null): void => {
        if (isJournal) underWay -= 1;
        done(error);
      };
      const write = (): void => {
        if (isJournal && heldWhile !== undefined && existsSync(heldWhile)) {
          if (underWay === 0) writeFileSync(heldWhile + ALL_HELD, '');
          return void setTimeout(write, LOOK_MS);
        }
        if (isJournal) underWay += 1;
        if (notes === undefined) return carryOut(ended);
        const note = join(notes, basename(path));
        const length = buffers.reduce((sum, { length: bytes }) => sum + bytes, 0);
        writeNote(note, bytesOf(path, { position, length }), position);
        carryOut((error) => {
          unlinkSync(note);
          ended(error);
        });
      };
      if (commitDelayMs === 0 || !isJournal) write();
      else setTimeout(write, commitDelayMs);
    },
  });
}

/** The name is the note's end: a torn one has another. */
function writeNote(note: string, bytes: Uint8Array, position: number): void {
  const head = Buffer.alloc(POSITION_BYTES);
  head.writeBigUInt64LE(BigInt(position));
  writeFileSync(`${note}.new`, Buffer.concat([head, bytes]));
  renameSync(`${note}.new`, note);
}

function bytesOf(path: string, { position, length }: { position: number; length: number }): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, position));
  } finally {
    closeSync(file);
  }
}

/** The power went when the process was killed. Returns, for each write that was under way, how much of it was lost. */
export function losePower(directory: string, notes: string, random: Random): string[] {
  return readdirSync(notes)
    .filter(isRingFile)
    .toSorted()
    .map((name) => {
      const note = readFileSync(join(notes, name));
      const position = Number(note.readBigUInt64LE());
      const old = note.subarray(POSITION_BYTES);
      const share = random.next() < 0.4 ? 1 : random.next();
      let lost = 0;
      const file = openSync(join(directory, name), 'r+');
      for (let at = 0; at < old.length; at += SECTOR_BYTES) {
        if (random.next() >= share) continue;
        lost += 1;
        writeSync(file, old, at, Math.min(SECTOR_BYTES, old.length - at), position + at);
      }
      closeSync(file);
      unlinkSync(join(notes, name));
      return `${name} ${lost} of ${Math.ceil(old.length / SECTOR_BYTES)} sectors`;
    });
}
