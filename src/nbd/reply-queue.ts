/**
 * The replies of one connection that have not left yet. Short replies are packed one behind the other into pooled buffers;
 * a read's data already has its header packed in front of it. `take` gives everything as one batch for one socket write.
 */
import type { BufferPool, PooledBuffer } from './buffer-pool.ts';
import { HEADROOM_BYTES } from './buffer-pool.ts';
import type { NbdErrno } from './contract.ts';
import {
  encodeBlockStatus,
  encodeOffsetDataHeader,
  encodeSimpleReply,
  encodeStructuredError,
  REPLY_BYTES,
  REPLY_BYTES_MAX,
} from './replies.ts';
import type { Cookie } from './replies.ts';

/** What one socket write carries, and what becomes free when it has left. */
export interface ReplyBatch {
  /** Pieces in the order in which they leave. */
  readonly pieces: Buffer[];
  readonly buffers: PooledBuffer[];
  replies: number;
  /** Payload bytes of READ replies. */
  readBytes: number;
}

const PACK_BYTES = 4096;

export class ReplyQueue {
  readonly #pool: BufferPool;
  #batch: ReplyBatch = { pieces: [], buffers: [], replies: 0, readBytes: 0 };
  #pack: PooledBuffer | null = null;
  #packedBytes = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get empty(): boolean {
    return this.#batch.replies === 0;
  }

  pushSimple(cookie: Cookie, errno: NbdErrno): void {
    const pack = this.#packWithRoom();
    this.#packedBytes += encodeSimpleReply(pack.view, HEADROOM_BYTES + this.#packedBytes, cookie, errno);
  }

  pushStructuredError(cookie: Cookie, errno: NbdErrno): void {
    const pack = this.#packWithRoom();
    this.#packedBytes += encodeStructuredError(pack.view, HEADROOM_BYTES + this.#packedBytes, cookie, errno);
  }

  pushBlockStatus(request: Cookie & { lengthBytes: number }): void {
    const pack = this.#packWithRoom();
    this.#packedBytes += encodeBlockStatus(pack.view, HEADROOM_BYTES + this.#packedBytes, request);
  }

  /** Take over the filled buffer of a READ: its reply header goes into the headroom. */
  pushRead(request: Cookie & { offset: number; lengthBytes: number }, buffer: PooledBuffer, structured: boolean): void {
    const start = HEADROOM_BYTES - (structured ? REPLY_BYTES.offsetData : REPLY_BYTES.simple);
    if (structured) encodeOffsetDataHeader(buffer.view, start, request);
    else encodeSimpleReply(buffer.view, start, request, 0);
    this.#batch.pieces.push(buffer.bytes.subarray(start, HEADROOM_BYTES + request.lengthBytes));
    this.#batch.buffers.push(buffer);
    this.#batch.replies += 1;
    this.#batch.readBytes += request.lengthBytes;
  }

  /** Everything that was pushed since the last call. */
  take(): ReplyBatch {
    this.#closePack();
    const batch = this.#batch;
    this.#batch = { pieces: [], buffers: [], replies: 0, readBytes: 0 };
    return batch;
  }

  #packWithRoom(): PooledBuffer {
    if (this.#packedBytes + REPLY_BYTES_MAX > PACK_BYTES) this.#closePack();
    if (this.#pack === null) {
      this.#pack = this.#pool.acquire(PACK_BYTES);
      this.#batch.buffers.push(this.#pack);
    }
    this.#batch.replies += 1;
    return this.#pack;
  }

  #closePack(): void {
    if (this.#pack === null) return;
    this.#batch.pieces.push(this.#pack.bytes.subarray(HEADROOM_BYTES, HEADROOM_BYTES + this.#packedBytes));
    this.#pack = null;
    this.#packedBytes = 0;
  }
}
