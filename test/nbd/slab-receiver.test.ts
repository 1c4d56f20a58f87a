/** Memory that clients are read into: payloads stay whole until they are answered, and slabs are used again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SlabPool, SlabReceiver, type Slab, type SlabSink } from '../../src/nbd/slab-receiver.ts';

const SLAB_BYTES = 256 * 1024;

class Taker implements SlabSink {
  rest: Uint8Array | null = null;
  restBytes = 0;
  readonly chunks: { chunk: Buffer; slab: Slab }[] = [];
  /** Keep a payload of each chunk. */
  keeps = false;

  payloadRest(): Uint8Array | null {
    return this.rest;
  }

  payloadReceived(lengthBytes: number): void {
    this.restBytes += lengthBytes;
  }

  chunkReceived(chunk: Buffer, slab: Slab): void {
    this.chunks.push({ chunk, slab });
    if (this.keeps) slab.uses += 1;
  }
}

function receive(receiver: SlabReceiver, bytes: Buffer): void {
  let done = 0;
  while (done < bytes.length) {
    const buffer = receiver.nextBuffer();
    const taken = Math.min(buffer.length, bytes.length - done);
    buffer.set(bytes.subarray(done, done + taken));
    done += taken;
    receiver.received(taken);
  }
}

function fixture(): { receiver: SlabReceiver; taker: Taker } {
  const receiver = new SlabReceiver(new SlabPool(4));
  const taker = new Taker();
  receiver.sink = taker;
  return { receiver, taker };
}

test('a slab that nobody looks at is used from its start again', () => {
  const { receiver, taker } = fixture();
  for (let index = 0; index < 100; index += 1) receive(receiver, Buffer.alloc(10_000, index));
  assert.is(new Set(taker.chunks.map(({ slab }) => slab)).size, 1);
  assert.ok(taker.chunks.every(({ chunk, slab }) => chunk.byteOffset === slab.bytes.byteOffset));
});

test('what is looked at is not written over, however much comes; given back, its memory serves again', () => {
  const { receiver, taker } = fixture();
  taker.keeps = true;
  for (let index = 0; index < 100; index += 1) receive(receiver, Buffer.alloc(10_000, index + 1));
  let at = 0;
  for (const { chunk } of taker.chunks) {
    for (const byte of chunk) {
      const expected = Math.floor(at / 10_000) + 1;
      if (byte !== expected) assert.unreachable(`byte ${at} is ${byte}, expected ${expected}`);
      at += 1;
    }
  }
  assert.is(at, 1_000_000);
  assert.ok(new Set(taker.chunks.map(({ slab }) => slab)).size >= 4);
  const slabs = new Set(taker.chunks.map(({ slab }) => slab));
  for (const { slab } of taker.chunks.splice(0)) receiver.release(slab);
  for (let index = 0; index < 50; index += 1) receive(receiver, Buffer.alloc(50_000, index));
  assert.ok(
    taker.chunks.slice(0, 8).every(({ slab }) => slabs.has(slab)),
    'no new memory',
  );
});

test('a client whose answers are late is told to be copied out of its slabs', () => {
  const { receiver, taker } = fixture();
  taker.keeps = true;
  assert.is(receiver.mustCopy, false);
  for (let index = 0; index < 6; index += 1) receive(receiver, Buffer.alloc(SLAB_BYTES));
  assert.is(receiver.mustCopy, true);
  for (const { slab } of taker.chunks.splice(0)) receiver.release(slab);
  assert.is(receiver.mustCopy, false);
});

test('the rest of a long payload is read to where it belongs', () => {
  const { receiver, taker } = fixture();
  taker.rest = new Uint8Array(100_000);
  const buffer = receiver.nextBuffer();
  assert.is(buffer, taker.rest);
  receiver.received(70_000);
  assert.is(taker.restBytes, 70_000);
  taker.rest = null;
  receive(receiver, Buffer.alloc(100, 7));
  assert.is(taker.chunks.length, 1);
});

test('a payload outlives its connection', () => {
  const pool = new SlabPool(4);
  const receiver = new SlabReceiver(pool);
  const taker = new Taker();
  receiver.sink = taker;
  taker.keeps = true;
  receive(receiver, Buffer.alloc(4096, 9));
  receiver.close();
  const [kept] = taker.chunks;
  const other = new SlabReceiver(pool);
  other.sink = new Taker();
  receive(other, Buffer.alloc(8192, 1));
  assert.ok(kept?.chunk.every((byte) => byte === 9));
  if (kept !== undefined) receiver.release(kept.slab);
  assert.is(pool.acquire(), kept?.slab, 'given back when it was answered');
});

test.run();
