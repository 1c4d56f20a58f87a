/**
 * A failed journal is moved whole into a new file, because the kernel reports a failed write once, and what the old file holds
 * is unknown from then on (I10):
 *
 * 1. **Create** the spare file beside the slot's, and **allocate** it.
 * 2. **Write** the whole memory buffer through the tail with its terminator, then zeroes to the end.
 * 3. **Flush** it, **rename** it over the slot's file, and **flush the directory**.
 *
 * A crash before the rename leaves the old file and a spare that the next move removes. Any failure here is final.
 */
import type { Disk, DiskFile } from '../src/disk/disk.ts';
import type { CommitPlan } from './commit-plan.ts';
import { sparePath } from './files.ts';

export interface SpareOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Path of the slot's file. */
  readonly path: string;
  readonly slotBytes: number;
  /** The commit of everything, from offset 0. */
  readonly plan: CommitPlan;
  /** Aligned zeroes, any number of whole blocks. */
  readonly zeroes: Uint8Array;
}

/** Run steps 1-3; reports the open new file. */
export function moveIntoSpare(options: SpareOptions, done: (error: Error | null, file: DiskFile | null) => void): void {
  const { disk, directory, path, slotBytes, plan, zeroes } = options;
  const spare = sparePath(path);
  let file: DiskFile | null = null;
  let renamed = false;
  const fail = (error: unknown): void => {
    file?.close(() => {});
    done(error instanceof Error ? error : new Error(String(error)), null);
  };
  const run =
    (step: (opened: DiskFile) => void) =>
    (error: Error | null): void => {
      if (error !== null || file === null) return fail(error);
      try {
        step(file);
      } catch (thrown) {
        fail(thrown);
      }
    };
  const rename = (error: Error | null): void => {
    run(() => {
      disk.rename(spare, path);
      disk.syncDirectory(directory);
      renamed = true;
    })(error);
    if (renamed) done(null, file);
  };
  const writeZeroesFrom = (position: number): ((error: Error | null) => void) =>
    run((opened) => {
      if (position >= slotBytes) return opened.flush(rename);
      const piece = zeroes.subarray(0, Math.min(zeroes.length, slotBytes - position));
      opened.write([piece], position, writeZeroesFrom(position + piece.length));
    });
  try {
    if (disk.exists(spare)) disk.unlink(spare);
    file = disk.open(spare, { create: true, durableWrites: true });
    file.allocate(
      slotBytes,
      run((opened) => opened.write(plan.buffers, plan.position, writeZeroesFrom(plan.position + plan.lengthBytes))),
    );
  } catch (thrown) {
    fail(thrown);
  }
}
