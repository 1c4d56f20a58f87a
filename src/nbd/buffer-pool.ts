/**
 * Buffers by size class, because fresh memory costs 4-30 us per 4 KiB page (FACTS). Each has room in front of its data, so
 * that the header of a read's reply is packed right before the data and both leave as one piece.
 */
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';

/** Bytes in front of the data: enough for the header of any read reply. */
export const HEADROOM_BYTES = 32;

const SMALLEST_CLASS_LOG2 = 12;
const CLASSES = Math.log2(LIMITS.nbdPayloadBytesMax) - SMALLEST_CLASS_LOG2 + 1;

/** One buffer of a pool: `bytes` is headroom, then data. */
export class PooledBuffer {
  readonly bytes: Buffer;
  /** Kept for the buffer's life: a new DataView costs more than the header that it writes. */
  readonly view: DataView;
  readonly classIndex: number;
  free = false;
  #data: Buffer;

  constructor(classIndex: number) {
    this.classIndex = classIndex;
    this.bytes = Buffer.allocUnsafeSlow(HEADROOM_BYTES + 2 ** (SMALLEST_CLASS_LOG2 + classIndex));
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    this.#data = this.bytes.subarray(HEADROOM_BYTES);
  }

  /** The first `lengthBytes` of the data area; the same view as last time if the length is the same. */
  data(lengthBytes: number): Buffer {
    if (this.#data.length !== lengthBytes) this.#data = this.bytes.subarray(HEADROOM_BYTES, HEADROOM_BYTES + lengthBytes);
    return this.#data;
  }
}

/** A pool shared by the connections of one server. What is lent out is bounded by their limits, what is kept by its own. */
export class BufferPool {
  readonly #free: PooledBuffer[][] = Array.from({ length: CLASSES }, () => []);
  readonly #retainedBytesMax: number;
  /** Bytes that wait for their next use. */
  retainedBytes = 0;
  /** Buffers that are lent out now. */
  lent = 0;

  constructor(retainedBytesMax: number = LIMITS.nbdBytesInFlightMax) {
    this.#retainedBytesMax = retainedBytesMax;
  }

  /** Lend a buffer with at least `lengthBytes` of data; its old contents are still in it. */
  acquire(lengthBytes: number): PooledBuffer {
    assert(lengthBytes <= LIMITS.nbdPayloadBytesMax, 'a buffer of % bytes is beyond the largest payload', lengthBytes);
    const classIndex = lengthBytes <= 2 ** SMALLEST_CLASS_LOG2 ? 0 : 32 - Math.clz32(lengthBytes - 1) - SMALLEST_CLASS_LOG2;
    this.lent += 1;
    const buffer = this.#free[classIndex]?.pop();
    if (buffer === undefined) return new PooledBuffer(classIndex);
    buffer.free = false;
    this.retainedBytes -= buffer.bytes.length;
    return buffer;
  }

  /** Take a buffer back; nobody may look at it afterwards. */
  release(buffer: PooledBuffer): void {
    assert(!buffer.free, 'a buffer is released once');
    buffer.free = true;
    this.lent -= 1;
    if (this.retainedBytes + buffer.bytes.length > this.#retainedBytesMax) return;
    this.retainedBytes += buffer.bytes.length;
    this.#free[buffer.classIndex]?.push(buffer);
  }
}
