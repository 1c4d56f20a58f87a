/**
 * What one commit writes: the image from the block of the durable tail through the tail, as ONE write, with a terminator.
 *
 * - Blocks wholly before the tail never change again and go straight from the memory buffer.
 * - The tail block may be appended to while the device reads it, so a private copy is written, its rest zeroes. It repeats the
 *   identical prefix of what an earlier commit wrote there: never zeroes between records.
 * - The header position after the last record is zeroes, so old bytes of a reused slot never count. Where the block has no room for
 *   it, one block of zeroes more is written; the geometry keeps a block free for that.
 * - The first commit of a data set begins at offset 0: its header and an empty mark are durable no later than its first ack.
 */
import { assert } from '../src/model/assert.ts';
import { RECORD_HEADER_BYTES } from '../src/record/record.ts';
import { BLOCK_BYTES, RECORDS_OFFSET } from './format.ts';

export interface CommitPlan {
  /** Byte offset in the file, a multiple of 4096. */
  readonly position: number;
  /** Whole blocks, each at an aligned address. */
  readonly buffers: readonly Uint8Array[];
  readonly lengthBytes: number;
}

export interface CommitPlanOptions {
  readonly image: Uint8Array;
  /** Bytes of the image that are durable; 0: not even the header. */
  readonly durableTail: number;
  readonly tail: number;
  /** One private aligned block, free until the write is done. */
  readonly tailCopy: Uint8Array;
  /** One aligned block of zeroes that nobody changes. */
  readonly zeroBlock: Uint8Array;
}

export function alignDown(bytes: number): number {
  return bytes - (bytes % BLOCK_BYTES);
}

export function alignUp(bytes: number): number {
  return alignDown(bytes + BLOCK_BYTES - 1);
}

/** Plan the write that makes everything before `tail` durable; fills `tailCopy`. */
export function planCommit({ image, durableTail, tail, tailCopy, zeroBlock }: CommitPlanOptions): CommitPlan {
  assert(durableTail <= tail && tail >= RECORDS_OFFSET, `commit of journal bytes ${durableTail}..${tail}`);
  const position = alignDown(durableTail);
  const wholeEnd = alignDown(tail);
  const buffers: Uint8Array[] = [];
  if (wholeEnd > position) buffers.push(image.subarray(position, wholeEnd));
  if (tail > wholeEnd) {
    tailCopy.set(image.subarray(wholeEnd, tail));
    tailCopy.fill(0, tail - wholeEnd);
    buffers.push(tailCopy);
  }
  const blockEnd = alignUp(tail);
  const extra = blockEnd - tail < RECORD_HEADER_BYTES ? BLOCK_BYTES : 0;
  if (extra > 0) buffers.push(zeroBlock);
  assert(blockEnd + extra <= image.length, `journal tail ${tail} leaves no room for its terminator`);
  return { position, buffers, lengthBytes: blockEnd + extra - position };
}
