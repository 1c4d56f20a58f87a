/**
 * Memory for what a client sends: reads go one behind the other into slabs that are used again and again, and payloads of writes stay
 * where they were received until they are answered. The rest of a long payload goes straight into its own buffer.
 *
 * A slab is used anew from its start when nobody looks at it any more. A client whose answers are late holds at most
 * `LIMITS.nbdSlabsHeldMax` slabs; beyond that its payloads are copied out of them (`mustCopy`), because a few bytes would hold a whole slab.
 */
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';
import type { ReadInto } from '../runtime/adopt-socket.ts';

const SLAB_BYTES = 256 * 1024;
/** A slab with less room than this is left for the next one. */
const READ_BYTES_MIN = 32 * 1024;

/** One piece of memory that the socket is read into. */
export class Slab {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  filledBytes = 0;
  /** Payloads in it that were not answered yet. */
  uses = 0;
}

/** Slabs that wait for their next use, shared by the connections of one server. */
export class SlabPool {
  readonly #free: Slab[] = [];
  readonly #keptMax: number;

  constructor(keptMax: number) {
    this.#keptMax = keptMax;
  }

  acquire(): Slab {
    return this.#free.pop() ?? new Slab();
  }

  release(slab: Slab): void {
    assert(slab.uses === 0, 'a slab that is looked at is not given back');
    slab.filledBytes = 0;
    if (this.#free.length < this.#keptMax) this.#free.push(slab);
  }
}

/** Who takes what was received. */
export interface SlabSink {
  /** The rest of a payload that the next bytes may go into directly; null: into a slab. */
  payloadRest(): Uint8Array | null;
  /** So many bytes of that rest were received. */
  payloadReceived(lengthBytes: number): void;
  /** Bytes were received into `slab`; only payloads that count as its uses may be looked at after this call. */
  chunkReceived(chunk: Buffer, slab: Slab): void;
}

export class SlabReceiver implements ReadInto {
  sink: SlabSink | null = null;
  readonly #pool: SlabPool;
  #slab: Slab;
  /** The next read goes into the rest of a payload. */
  #direct = false;
  /** Slabs that were left with payloads in them. */
  #left = 0;
  #closed = false;

  constructor(pool: SlabPool) {
    this.#pool = pool;
    this.#slab = pool.acquire();
  }

  /** Whether a payload should be copied out of its slab instead of holding it. */
  get mustCopy(): boolean {
    return this.#left >= LIMITS.nbdSlabsHeldMax;
  }

  nextBuffer(): Uint8Array {
    const rest = this.sink?.payloadRest() ?? null;
    this.#direct = rest !== null;
    if (rest !== null) return rest;
    if (this.#slab.uses === 0) this.#slab.filledBytes = 0;
    else if (this.#slab.filledBytes + READ_BYTES_MIN > SLAB_BYTES) {
      this.#left += 1;
      this.#slab = this.#pool.acquire();
    }
    const { bytes, filledBytes } = this.#slab;
    return filledBytes === 0 ? bytes : bytes.subarray(filledBytes);
  }

  received(lengthBytes: number): void {
    const { sink } = this;
    assert(sink !== null, 'what is received has a taker');
    if (this.#direct) return sink.payloadReceived(lengthBytes);
    const slab = this.#slab;
    const from = slab.filledBytes;
    slab.filledBytes += lengthBytes;
    sink.chunkReceived(slab.bytes.subarray(from, slab.filledBytes), slab);
  }

  /** A payload in `slab` is not looked at any more. */
  release(slab: Slab): void {
    slab.uses -= 1;
    assert(slab.uses >= 0, 'a payload is answered once');
    if (slab.uses > 0 || (slab === this.#slab && !this.#closed)) return;
    if (slab !== this.#slab) this.#left -= 1;
    this.#pool.release(slab);
  }

  /** The connection is closed: nothing more is received. */
  close(): void {
    this.#closed = true;
    if (this.#slab.uses === 0) this.#pool.release(this.#slab);
  }
}
