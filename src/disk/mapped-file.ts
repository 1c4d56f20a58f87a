/**
 * A file mapped shared, whole, whatever its size. Bytes are copied in and out by address, so there is no view that could
 * outlive the mapping (a use after munmap would be a SIGSEGV), no 4 GiB limit of a view, and no gigabytes that the garbage
 * collector takes for garbage to come (docs/decisions/0001).
 *
 * A page that cannot be read or allocated is a SIGBUS, which kills the process. So: the file is fully allocated and locked
 * before it is mapped, its size is checked, and only resident pages are touched. What remains is a page that the kernel
 * drops in the microsecond between the look and the copy: then the copy waits for the disk, and a read error there is fatal.
 * `store` does not look: it is for a file that `keepResident` has brought into memory.
 */
import { assert } from '../model/assert.ts';
import type { FileMapping } from './disk.ts';
import {
  adviseMappingRandom,
  copyFromMemory,
  copyIntoMemory,
  holdInMemory,
  isResident,
  mapShared,
  pageSizeBytes,
  unmapShared,
} from './libc.ts';

export class MappedFile implements FileMapping {
  readonly #path: string;
  readonly #sizeBytes: number;
  readonly #pageBytes: number;
  #address: number;

  constructor(options: { fd: number; path: string; sizeBytes: number }) {
    this.#path = options.path;
    this.#sizeBytes = options.sizeBytes;
    this.#pageBytes = pageSizeBytes();
    this.#address = mapShared({ fd: options.fd, lengthBytes: options.sizeBytes, path: options.path });
    adviseMappingRandom(this.#address, options.sizeBytes);
  }

  isResident(position: number, lengthBytes: number): boolean {
    return isResident(this.#checked(position, lengthBytes), lengthBytes, this.#pageBytes);
  }

  readResident(target: Uint8Array, position: number): boolean {
    const address = this.#checked(position, target.length);
    if (!isResident(address, target.length, this.#pageBytes)) return false;
    copyFromMemory(target, address);
    return true;
  }

  storeResident(bytes: Uint8Array, position: number): boolean {
    const address = this.#checked(position, bytes.length);
    if (position % this.#pageBytes !== 0 || bytes.length % this.#pageBytes !== 0) return false;
    if (!isResident(address, bytes.length, this.#pageBytes)) return false;
    copyIntoMemory(address, bytes);
    return true;
  }

  store(bytes: Uint8Array, position: number): void {
    copyIntoMemory(this.#checked(position, bytes.length), bytes);
  }

  keepResident(): void {
    holdInMemory(this.#checked(0, this.#sizeBytes), this.#sizeBytes);
  }

  unmap(): void {
    const address = this.#checked(0, 0);
    this.#address = 0;
    unmapShared({ address, lengthBytes: this.#sizeBytes, path: this.#path });
  }

  /** Address of a position; a range outside the file, or a use after unmap, would kill the process by signal. */
  #checked(position: number, lengthBytes: number): number {
    assert(this.#address !== 0, 'a mapping is not used after unmap');
    assert(
      Number.isSafeInteger(position) && position >= 0 && position + lengthBytes <= this.#sizeBytes,
      'a mapping is used inside its file',
    );
    return this.#address + position;
  }
}
