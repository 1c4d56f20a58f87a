import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planCommit } from '../../journals/commit-plan.ts';
import { BLOCK_BYTES, RECORDS_OFFSET } from '../../journals/format.ts';
import { RECORD_HEADER_BYTES } from '../../src/record/record.ts';

const IMAGE_BYTES = 16 * BLOCK_BYTES;

function plan(durableTail: number, tail: number) {
  const image = new Uint8Array(IMAGE_BYTES);
  for (let at = 0; at < tail; at += 1) image[at] = 1 + (at % 250);
  image.fill(0xee, tail);
  const tailCopy = new Uint8Array(BLOCK_BYTES).fill(0xdd);
  const zeroBlock = new Uint8Array(BLOCK_BYTES);
  return { ...planCommit({ image, durableTail, tail, tailCopy, zeroBlock }), image, tailCopy, zeroBlock };
}

test('for any tail: whole blocks, the bytes of the image through the tail, then zeroes through the next header position', () => {
  const tails: number[] = [];
  for (const block of [2, 3, 7]) for (let within = 0; within < BLOCK_BYTES; within += 8) tails.push(block * BLOCK_BYTES + within);
  for (const tail of tails) {
    for (const durableTail of [0, RECORDS_OFFSET, Math.max(RECORDS_OFFSET, tail - 600), tail]) {
      const { position, buffers, lengthBytes, image } = plan(durableTail, tail);
      const bytes = Buffer.concat(buffers);
      assert.is(bytes.length, lengthBytes);
      assert.is(position % BLOCK_BYTES, 0);
      assert.ok(buffers.every((buffer) => buffer.length % BLOCK_BYTES === 0));
      assert.ok(position <= durableTail && durableTail - position < BLOCK_BYTES, 'begins in the block of the durable tail');
      assert.is(Buffer.compare(bytes.subarray(0, tail - position), image.subarray(position, tail)), 0);
      assert.ok(
        bytes.subarray(tail - position).every((byte) => byte === 0),
        'no byte behind the tail comes from the image',
      );
      const behind = position + lengthBytes - tail;
      assert.ok(behind >= RECORD_HEADER_BYTES && behind < BLOCK_BYTES + RECORD_HEADER_BYTES, `${behind} zeroes behind ${tail}`);
    }
  }
});

test("a tail exactly at a block's end gets one block of zeroes and no copy", () => {
  const { buffers, zeroBlock } = plan(RECORDS_OFFSET, RECORDS_OFFSET + 2 * BLOCK_BYTES);
  assert.is(buffers.length, 2);
  assert.is(buffers[0]?.length, 2 * BLOCK_BYTES);
  assert.is(buffers[1], zeroBlock);
});

test('a block with room for exactly one header needs no further one; eight bytes less and it does', () => {
  assert.is(plan(RECORDS_OFFSET, RECORDS_OFFSET + BLOCK_BYTES - RECORD_HEADER_BYTES).lengthBytes, BLOCK_BYTES);
  assert.is(plan(RECORDS_OFFSET, RECORDS_OFFSET + BLOCK_BYTES - RECORD_HEADER_BYTES + 8).lengthBytes, 2 * BLOCK_BYTES);
});

test('the first commit of a data set begins with header and mark', () => {
  const { position, buffers } = plan(0, RECORDS_OFFSET + 600);
  assert.is(position, 0);
  assert.is(buffers[0]?.length, RECORDS_OFFSET);
});

test('a tail without room for its terminator is a broken invariant', () => {
  assert.throws(() => plan(RECORDS_OFFSET, IMAGE_BYTES), /no room for its terminator/);
});

test.run();
