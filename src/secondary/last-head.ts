/**
 * The primary's last head, kept on disk so that a promotion of a host that does not run can say what is lost at least. Written about
 * once a second and never flushed: it is a hint for people: one that is torn is ignored, and so is a disk that
 * does not give or take it.
 */
import { join } from 'node:path';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { decodeChecked, encodeChecked } from '../state/host-state.ts';
import type { KnownHead } from './head-history.ts';

const FILE_BYTES = 512;

export class LastHeadFile {
  readonly #disk: Disk;
  readonly #path: string;
  #file: DiskFile | null = null;
  #busy = false;
  #closed = false;

  constructor(disk: Disk, stateDirectory: string) {
    this.#disk = disk;
    this.#path = join(stateDirectory, 'last-head');
  }

  read(): KnownHead | null {
    try {
      const bytes = this.#disk.readFile(this.#path);
      if (bytes === null) return null;
      return decodeChecked(Buffer.from(Buffer.from(bytes).toString('utf8').trimEnd() + '\n'), this.#path) as KnownHead;
    } catch {
      return null;
    }
  }

  write(known: KnownHead | null): void {
    if (known === null || this.#busy || this.#closed) return;
    const bytes = Buffer.alloc(FILE_BYTES, ' ');
    bytes.set(encodeChecked(known));
    try {
      this.#file ??= this.#disk.open(this.#path, { create: !this.#disk.exists(this.#path) });
    } catch {
      // The copy does not depend on a hint; the next head tries again.
      return;
    }
    this.#busy = true;
    this.#file.write([bytes], 0, () => {
      this.#busy = false;
      if (this.#closed) this.close();
    });
  }

  /** Closed when the write in flight has ended. */
  close(): void {
    this.#closed = true;
    if (this.#busy) return;
    this.#file?.closeSync();
    this.#file = null;
  }
}
