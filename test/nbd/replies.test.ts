import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BufferPool, HEADROOM_BYTES } from '../../src/nbd/buffer-pool.ts';
import { ReplyQueue } from '../../src/nbd/reply-queue.ts';

const COOKIE = { cookieHigh: 0x01020304, cookieLow: 0xa5a6a7a8 };
const COOKIE_HEX = '01020304a5a6a7a8';

function bytesOf(push: (queue: ReplyQueue, pool: BufferPool) => void): string {
  const pool = new BufferPool();
  const queue = new ReplyQueue(pool);
  push(queue, pool);
  return Buffer.concat(queue.take().pieces).toString('hex');
}

test('golden bytes of every reply', () => {
  assert.is(
    bytesOf((queue) => queue.pushSimple(COOKIE, 0)),
    `6744669800000000${COOKIE_HEX}`,
  );
  assert.is(
    bytesOf((queue) => queue.pushSimple(COOKIE, 28)),
    `674466980000001c${COOKIE_HEX}`,
  );
  assert.is(
    bytesOf((queue) => queue.pushStructuredError(COOKIE, 5)),
    `668e33ef00018001${COOKIE_HEX}00000006000000050000`,
  );
  assert.is(
    bytesOf((queue) => queue.pushBlockStatus({ ...COOKIE, lengthBytes: 0x00100000 })),
    `668e33ef00010005${COOKIE_HEX}0000000c000000010010000000000000`,
  );
});

test('golden bytes of a read, simple and structured, with its header in front of the data', () => {
  const read = { ...COOKIE, offset: 0x1_2345_6000, lengthBytes: 512 };
  for (const [structured, header] of [
    [false, `6744669800000000${COOKIE_HEX}`],
    [true, `668e33ef00010001${COOKIE_HEX}000002080000000123456000`],
  ] as const) {
    const bytes = bytesOf((queue, pool) => {
      const buffer = pool.acquire(512);
      buffer.data(512).fill(0xee);
      queue.pushRead(read, buffer, structured);
    });
    assert.is(bytes, header + 'ee'.repeat(512));
  }
});

test('a thousand short replies are packed into few pieces, in order', () => {
  const pool = new BufferPool();
  const queue = new ReplyQueue(pool);
  for (let index = 0; index < 1000; index += 1) queue.pushSimple({ cookieHigh: 0, cookieLow: index }, 0);
  const batch = queue.take();
  assert.is(batch.replies, 1000);
  assert.is(batch.pieces.length, 4);
  const bytes = Buffer.concat(batch.pieces);
  assert.is(bytes.length, 16_000);
  for (let index = 0; index < 1000; index += 1) assert.is(bytes.readUInt32BE(index * 16 + 12), index);
  for (const buffer of batch.buffers) pool.release(buffer);
  assert.is(pool.lent, 0);
  assert.ok(queue.empty);
  assert.is(queue.take().pieces.length, 0);
});

test('the pool gives buffers that are long enough, uses them again, and keeps no more than its limit', () => {
  const pool = new BufferPool(100_000);
  for (const lengthBytes of [1, 4096, 4097, 65_536, 65_537, 32 * 1024 * 1024]) {
    const buffer = pool.acquire(lengthBytes);
    assert.is(buffer.data(lengthBytes).length, lengthBytes);
    assert.ok(buffer.bytes.length < HEADROOM_BYTES + Math.max(4097, 2 * lengthBytes));
    pool.release(buffer);
  }
  assert.ok(pool.retainedBytes <= 100_000);
  const first = pool.acquire(4096);
  pool.release(first);
  assert.is(pool.acquire(100), first);
  pool.release(first);
  assert.throws(() => pool.release(first), /released once/);
});

test.run();
