/** The bytes of one file, in pages that copies share until one of them writes. */
import type { Memory } from './memory.ts';

export const PAGE_BYTES = 4096;

interface Page {
  readonly bytes: Uint8Array;
  /** Another image may hold this page too: whoever writes takes a copy first. */
  shared: boolean;
}

export class Image {
  sizeBytes = 0;
  readonly #arena: Memory;
  /** A missing page reads as zeroes. */
  #pages: (Page | null)[] = [];

  constructor(arena: Memory) {
    this.#arena = arena;
  }

  /** Put bytes, or zeroes, and make the file at least as long as their end. */
  put(position: number, lengthBytes: number, bytes: Uint8Array | null): void {
    const end = position + lengthBytes;
    this.sizeBytes = Math.max(this.sizeBytes, end);
    for (let at = position; at < end;) {
      const index = Math.floor(at / PAGE_BYTES);
      const begin = at - index * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - begin, end - at);
      if (bytes === null && count === PAGE_BYTES) this.#pages[index] = null;
      else if (bytes !== null || (this.#pages[index] ?? null) !== null) {
        const page = this.#own(index, count === PAGE_BYTES);
        if (bytes === null) page.fill(0, begin, begin + count);
        else page.set(bytes.subarray(at - position, at - position + count), begin);
      }
      at += count;
    }
  }

  /** Copy into `target`; returns how many bytes there were. */
  read(target: Uint8Array, position: number): number {
    const end = Math.min(position + target.length, this.sizeBytes);
    for (let at = position; at < end;) {
      const index = Math.floor(at / PAGE_BYTES);
      const begin = at - index * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - begin, end - at);
      const page = this.#pages[index] ?? null;
      if (page === null) target.fill(0, at - position, at - position + count);
      else target.set(page.bytes.subarray(begin, begin + count), at - position);
      at += count;
    }
    return Math.max(0, end - position);
  }

  /** Whether these bytes stand at this position. */
  holds(position: number, bytes: Uint8Array): boolean {
    const end = position + bytes.length;
    if (end > this.sizeBytes) return false;
    for (let at = position; at < end;) {
      const index = Math.floor(at / PAGE_BYTES);
      const begin = at - index * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - begin, end - at);
      const page = (this.#pages[index] ?? null)?.bytes ?? ZEROES;
      if (Buffer.compare(page.subarray(begin, begin + count), bytes.subarray(at - position, at - position + count)) !== 0) return false;
      at += count;
    }
    return true;
  }

  /** Whether both hold the same. */
  equals(other: Image): boolean {
    if (this.sizeBytes !== other.sizeBytes) return false;
    const count = Math.ceil(this.sizeBytes / PAGE_BYTES);
    for (let index = 0; index < count; index += 1) {
      const mine = this.#pages[index] ?? null;
      const others = other.#pages[index] ?? null;
      if (mine === others || mine?.bytes === others?.bytes) continue;
      if (Buffer.compare(mine?.bytes ?? ZEROES, others?.bytes ?? ZEROES) !== 0) return false;
    }
    return true;
  }

  /** Show every page that is not blank; the bytes of a fork never change as long as the fork is only read. */
  forEachPage(visit: (position: number, bytes: Uint8Array) => void): void {
    for (const [index, page] of this.#pages.entries()) if (page !== null && page !== undefined) visit(index * PAGE_BYTES, page.bytes);
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.sizeBytes);
    this.read(bytes, 0);
    return bytes;
  }

  /** A copy that shares all pages. @param arena where the copy takes its own pages from */
  fork(arena: Memory = this.#arena): Image {
    const copy = new Image(arena);
    copy.sizeBytes = this.sizeBytes;
    for (const page of this.#pages) if (page !== null && page !== undefined) page.shared = true;
    copy.#pages = this.#pages.slice();
    return copy;
  }

  #own(index: number, whole: boolean): Uint8Array {
    const page = this.#pages[index] ?? null;
    if (page !== null && !page.shared) return page.bytes;
    const bytes = this.#arena.take(PAGE_BYTES);
    if (!whole) {
      if (page === null) bytes.fill(0);
      else bytes.set(page.bytes);
    }
    this.#pages[index] = { bytes, shared: false };
    return bytes;
  }
}

const ZEROES = new Uint8Array(PAGE_BYTES);
