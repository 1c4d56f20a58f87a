/** Memory that is used again for every seed: fresh pages are expensive, and a simulation needs many small pieces for a short time. */

const PIECE_BYTES = 1024 * 1024;

/** Where a disk's bytes live. */
export interface Memory {
  /** Take bytes of undefined content. */
  take(lengthBytes: number): Uint8Array;
  copyOf(bytes: Uint8Array): Uint8Array;
}

/** Memory that the garbage collector takes back, for disks of which few are made. */
export const HEAP: Memory = {
  take: (lengthBytes) => new Uint8Array(lengthBytes),
  copyOf: (bytes) => Uint8Array.from(bytes),
};

/** Hands out pieces of a few large buffers; all of them are free again at once. */
export class Arena implements Memory {
  readonly #buffers: Uint8Array[] = [];
  #buffer = 0;
  #usedBytes = 0;

  take(lengthBytes: number): Uint8Array {
    if (lengthBytes > PIECE_BYTES) return new Uint8Array(lengthBytes);
    if (this.#buffers.length === 0) this.#buffers.push(new Uint8Array(PIECE_BYTES));
    if (this.#usedBytes + lengthBytes > PIECE_BYTES) {
      this.#buffer += 1;
      this.#usedBytes = 0;
      if (this.#buffer === this.#buffers.length) this.#buffers.push(new Uint8Array(PIECE_BYTES));
    }
    const bytes = (this.#buffers[this.#buffer] as Uint8Array).subarray(this.#usedBytes, this.#usedBytes + lengthBytes);
    this.#usedBytes += lengthBytes;
    return bytes;
  }

  copyOf(bytes: Uint8Array): Uint8Array {
    const copy = this.take(bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** Everything that was taken is given back. */
  reset(): void {
    this.#buffer = 0;
    this.#usedBytes = 0;
  }
}

/** Shared buffers by length; a buffer that was used before is zeroed when it is taken again. */
export class SharedMemoryPool {
  readonly #real = SharedArrayBuffer;
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  readonly #taken: SharedArrayBuffer[] = [];
  readonly #buffers = new Map<number, { readonly all: Buffer<ArrayBuffer>[]; used: number }>();

  take(lengthBytes: number): SharedArrayBuffer {
    const found = this.#free.get(lengthBytes)?.pop();
    const buffer = found ?? new this.#real(lengthBytes);
    if (found !== undefined) new Uint8Array(found).fill(0);
    this.#taken.push(buffer);
    return buffer;
  }

  /** A large buffer of undefined content. */
  buffer(lengthBytes: number): Buffer<ArrayBuffer> {
    const known = this.#buffers.get(lengthBytes) ?? { all: [], used: 0 };
    this.#buffers.set(lengthBytes, known);
    const buffer = known.all[known.used] ?? Buffer.from(new ArrayBuffer(lengthBytes));
    known.all[known.used] = buffer;
    known.used += 1;
    return buffer;
  }

  /** A constructor in the place of SharedArrayBuffer. */
  constructorOf(): typeof SharedArrayBuffer {
    const take = (lengthBytes: number): SharedArrayBuffer => this.take(lengthBytes);
    const constructor = function (lengthBytes: number): SharedArrayBuffer {
      return take(lengthBytes);
    } as unknown as typeof SharedArrayBuffer;
    Object.defineProperty(constructor, 'prototype', { value: this.#real.prototype });
    return constructor;
  }

  /** Everything that was taken is given back. */
  reset(): void {
    for (const known of this.#buffers.values()) known.used = 0;
    for (const buffer of this.#taken.splice(0)) {
      const free = this.#free.get(buffer.byteLength);
      if (free === undefined) this.#free.set(buffer.byteLength, [buffer]);
      else free.push(buffer);
    }
  }
}
