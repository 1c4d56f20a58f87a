import type { FileMapping } from '../disk/disk.ts';
import { assert } from '../model/assert.ts';
import { PAGE_BYTES, type Image } from './image.ts';

/** What a mapping needs of the file that it maps. */
export interface MappedPart {
  readonly path: string;
  /** What readers see: the page cache is the same for a mapping and for a descriptor. */
  readonly image: () => Image;
  /** Whether the pages that are asked for just now are in memory. The kernel may take a page away at any time. */
  readonly isResident: () => boolean;
  readonly store: (bytes: Uint8Array, position: number) => void;
}

/**
 * A mapping of a simulated file. A store through it is a change of the page cache like any other: not durable before a flush of
 * the file, and until then lost, kept or torn by a power cut. It cannot fail: its file is allocated (src/disk/mapped-file.ts).
 */
export class SimulatedMapping implements FileMapping {
  readonly #part: MappedPart;
  readonly #sizeBytes: number;
  #unmapped = false;

  constructor(part: MappedPart) {
    this.#part = part;
    this.#sizeBytes = part.image().sizeBytes;
  }

  isResident(position: number, lengthBytes: number): boolean {
    this.#check(position, lengthBytes);
    return this.#part.isResident();
  }

  readResident(target: Uint8Array, position: number): boolean {
    this.#check(position, target.length);
    if (!this.#part.isResident()) return false;
    this.#part.image().read(target, position);
    return true;
  }

  storeResident(bytes: Uint8Array, position: number): boolean {
    this.#check(position, bytes.length);
    if (position % PAGE_BYTES !== 0 || bytes.length % PAGE_BYTES !== 0) return false;
    if (!this.#part.isResident()) return false;
    this.#part.store(bytes, position);
    return true;
  }

  store(bytes: Uint8Array, position: number): void {
    this.#check(position, bytes.length);
    this.#part.store(bytes, position);
  }

  keepResident(): void {
    this.#check(0, this.#sizeBytes);
  }

  unmap(): void {
    this.#check(0, 0);
    this.#unmapped = true;
  }

  #check(position: number, lengthBytes: number): void {
    assert(!this.#unmapped, `a mapping of ${this.#part.path} is not used after unmap`);
    assert(
      Number.isSafeInteger(position) && position >= 0 && position + lengthBytes <= this.#sizeBytes,
      `a mapping of ${this.#part.path} is used inside its file`,
    );
  }
}
