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

test('records that came back to back in one message go out as one piece, without a copy', () => {
  const { queue, add } = queueOver([0]);
  const message = Uint8Array.from({ length: 64 }, (_, index) => index);
  add(0, message.subarray(8, 24));
  add(0, message.subarray(24, 48));
  const taken = queue.take(1000);
  assert.is(taken?.pieces.length, 1);
  assert.is(taken?.pieces[0]?.buffer, message.buffer);
  assert.equal(taken?.pieces[0], message.slice(8, 48));
  assert.is(taken?.records, 2);
  assert.equal(taken?.runs, [{ dataSet: 0, to: 2 }]);
  assert.is(queue.waitingBytes, 0);
});

test('a gap, another message or another data set begins another piece', () => {
  const { queue, add } = queueOver([0, 1]);
  const message = new Uint8Array(64);
  add(0, message.subarray(0, 8));
  add(0, message.subarray(16, 24));
  add(1, message.subarray(24, 32));
  add(1, new Uint8Array(8));
  const taken = queue.take(1000);
  assert.is(taken?.pieces.length, 4);
  assert.is(taken?.bytes, 32);
  assert.equal(taken?.runs, [
    { dataSet: 0, to: 1 },
    { dataSet: 0, to: 2 },
    { dataSet: 1, to: 1 },
    { dataSet: 1, to: 2 },
  ]);
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
