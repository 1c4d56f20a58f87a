/** Records that wait to be mirrored: what goes out as one piece, what is not worth sending, and what is given up. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { MirrorLedger } from '../../src/protocol/mirror-ledger.ts';
import { MirrorQueue } from '../../src/secondary/mirror/mirror-queue.ts';

function queueOver(dataSets: readonly number[]): {
  ledger: MirrorLedger;
  queue: MirrorQueue;
  add: (dataSet: number, bytes: Uint8Array) => void;
} {
  const ledger = new MirrorLedger();
  for (const dataSet of dataSets) ledger.opened(dataSet);
  ledger.joined({ tail: 0, head: 0 });
  const queue = new MirrorQueue(ledger);
  return { ledger, queue, add: (dataSet, bytes) => queue.add(dataSet, ledger.appended(dataSet), bytes) };
}

test('records go out back to back as one run of bytes, which nobody else can change', () => {
  const { queue, add } = queueOver([0, 1]);
  const message = Uint8Array.from({ length: 64 }, (_, index) => index);
  add(0, message.subarray(8, 24));
  add(0, message.subarray(32, 48));
  add(1, message.subarray(0, 8));
  add(0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const expected = Buffer.concat([message.slice(8, 24), message.slice(32, 48), message.slice(0, 8), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)]);
  message.fill(255);
  const taken = queue.take(1000);
  assert.ok(taken !== null && expected.equals(taken.encoded));
  assert.is(taken?.records, 4);
  assert.is(taken?.bytes, 48);
  assert.equal(taken?.runs, [
    { dataSet: 0, to: 2 },
    { dataSet: 1, to: 1 },
    { dataSet: 0, to: 3 },
  ]);
  assert.is(queue.waitingBytes, 0);
});

test('what is being sent stays as it is until the socket has taken it, and then its memory is used again', () => {
  const { queue, add } = queueOver([0]);
  add(0, new Uint8Array(1024).fill(1));
  const first = queue.take(10_000);
  add(0, new Uint8Array(1024).fill(2));
  const second = queue.take(10_000);
  assert.ok(first?.encoded.every((byte) => byte === 1) && second?.encoded.every((byte) => byte === 2));
  assert.is(second?.encoded.byteOffset, (first?.encoded.byteOffset ?? 0) + 1024);
  first?.done();
  second?.done();
  add(0, new Uint8Array(1024).fill(3));
  const third = queue.take(10_000);
  assert.is(third?.encoded.byteOffset, first?.encoded.byteOffset);
  assert.is(third?.encoded.buffer, first?.encoded.buffer);
  // A chunk that is full and still being sent is left alone.
  for (let count = 0; count < 8; count += 1) {
    add(0, new Uint8Array(LIMITS.batchBytesMax).fill(count));
    queue.take(10_000_000);
  }
  assert.ok(third?.encoded.every((byte) => byte === 3));
});

test('a message takes what fits into the credit, and at most a batch unless one record is larger', () => {
  const { queue, add } = queueOver([0]);
  add(0, new Uint8Array(LIMITS.batchBytesMax - 8));
  add(0, new Uint8Array(16));
  add(0, new Uint8Array(4 * LIMITS.batchBytesMax));
  assert.is(queue.take(8), null, 'no credit');
  assert.is(queue.take(10_000_000)?.bytes, LIMITS.batchBytesMax - 8);
  assert.is(queue.take(10_000_000)?.bytes, 16);
  assert.is(queue.take(LIMITS.batchBytesMax), null);
  assert.is(queue.take(10_000_000)?.bytes, 4 * LIMITS.batchBytesMax);
  assert.is(queue.take(10_000_000), null);
});

test('what its journal has meanwhile is not sent', () => {
  const { ledger, queue, add } = queueOver([0, 1]);
  add(0, new Uint8Array(8));
  add(0, new Uint8Array(8));
  add(1, new Uint8Array(8));
  ledger.journaled(0, 1);
  assert.equal(queue.take(1000)?.runs, [
    { dataSet: 0, to: 2 },
    { dataSet: 1, to: 1 },
  ]);
  add(0, new Uint8Array(8));
  ledger.retired(0);
  assert.is(queue.take(1000), null);
  assert.is(queue.waitingBytes, 0);
});

test('I11: when too much waits all of it is given up, and nothing of it is claimed before its journal has it', () => {
  const { ledger, queue, add } = queueOver([0]);
  const piece = new Uint8Array(1024 * 1024);
  const pieces = LIMITS.mirrorWaitingBytesMax / piece.length;
  for (let count = 0; count < pieces; count += 1) add(0, piece);
  assert.is(queue.waitingBytes, LIMITS.mirrorWaitingBytesMax);
  add(0, piece);
  assert.is(queue.waitingBytes, 0);
  add(0, new Uint8Array(8));
  const message = queue.take(1000);
  assert.is(message?.records, 1);
  ledger.sent({ records: 1, runs: message?.runs ?? [], bytes: 8 });
  ledger.held(1);
  assert.equal(ledger.claims(), []);
  ledger.journaled(0, pieces + 1);
  assert.equal(ledger.claims(), [{ dataSet: 0, records: pieces + 2 }]);
});

test.run();
