import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OutgoingQueue, type Run } from '../../src/protocol/outgoing-queue.ts';
import { RECORD_STATE } from '../../src/protocol/outgoing-data-set.ts';
import { heldOf } from '../support/primary-harness.ts';

const LINK = RECORD_STATE.firstLink;
const ANY = 1e9;

/** Data sets from 5 on with so many records of 10 bytes each; all closed but the last. First number 50. */
function queueOf(...counts: readonly number[]): OutgoingQueue {
  const queue = new OutgoingQueue();
  queue.restore([], { dataSet: 5, sequence: 50 });
  let firstSequence = 50;
  for (const [index, count] of counts.entries()) {
    const set = queue.add({ dataSet: 5 + index, firstSequence });
    for (let record = 0; record < count; record += 1) queue.append(set, 10);
    set.closed = index < counts.length - 1;
    firstSequence += count;
  }
  return queue;
}

function describeRun(run: Run | null): string | null {
  return run === null
    ? null
    : `${run.again ? 'again ' : ''}${run.set.dataSet}/${run.set.firstSequence + run.start}-${run.set.firstSequence + run.end}`;
}

/** Hand out everything inside the window; the runs as text. */
function sendAll(queue: OutgoingQueue, windowHigh = 100, linkState = LINK): string[] {
  const runs: string[] = [];
  for (let run = queue.nextRun(windowHigh, ANY); run !== null; run = queue.nextRun(windowHigh, ANY)) {
    runs.push(describeRun(run) ?? '');
    queue.hand(run, linkState);
  }
  return runs;
}

test('runs come lowest first, one data set at a time, inside the window', () => {
  const queue = queueOf(3, 2, 2);
  assert.equal(sendAll(queue, 5), ['5/50-52']);
  assert.not(queue.hasSendable(5));
  assert.is(queue.firstUnsent()?.dataSet, 6);
  assert.equal(sendAll(queue, 7), ['6/53-54', '7/55-56']);
  assert.is(queue.firstUnsent(), null);
});

test('what is to be sent again goes before what was never sent', () => {
  const queue = queueOf(3, 2, 2);
  sendAll(queue, 6);
  const [lower, upper] = [queue.get(5), queue.get(6)];
  assert.ok(lower !== null && upper !== null);
  queue.sendAgain(upper, 1);
  queue.sendAgain(lower, 2);
  assert.equal(sendAll(queue, 7), ['again 5/52-52', 'again 6/54-54', '7/55-56']);
});

test('a number finds its data set, and none when it was released or not given', () => {
  const queue = queueOf(3, 2, 2);
  assert.equal(
    [49, 50, 52, 53, 56, 57].map((sequence) => queue.find(sequence)?.dataSet ?? null),
    [null, 5, 5, 6, 7, null],
  );
  assert.equal([queue.get(4), queue.get(8)], [null, null]);
});

test('one range acknowledges over several data sets, and released numbers are passed over', () => {
  const queue = queueOf(3, 2, 2);
  sendAll(queue);
  assert.is(queue.acknowledge({ from: 0, to: 53 }), null);
  assert.is(queue.unacknowledgedBytes, 30);
  assert.is(queue.lowestAcknowledged()?.dataSet, 5);
  queue.release();
  assert.is(queue.lowestAcknowledged(), null);
  assert.is(queue.acknowledge({ from: 0, to: 56 }), null);
  assert.is(queue.unacknowledgedBytes, 0);
  assert.is(queue.lowestAcknowledged()?.dataSet, 6);
  queue.release();
  assert.is(queue.lowestAcknowledged(), null, 'the open one is not done');
});

test('a wrong range marks nothing', () => {
  const queue = queueOf(3, 2, 2);
  sendAll(queue, 6);
  assert.match(queue.acknowledge({ from: 50, to: 55 }) ?? '', /not sent/);
  assert.match(queue.acknowledge({ from: 52, to: 51 }) ?? '', /none/);
  assert.match(queue.acknowledge({ from: Number.NaN, to: 51 }) ?? '', /none/);
  assert.is(queue.unacknowledgedBytes, 70);
});

test('what is destaged is acknowledged whole, but an open data set never is', () => {
  const queue = queueOf(3, 2);
  sendAll(queue);
  queue.acknowledgeThrough(null);
  assert.is(queue.unacknowledgedBytes, 50);
  queue.acknowledgeThrough(6);
  assert.is(queue.unacknowledgedBytes, 20);
});

test('an acknowledgement takes a record out of those to send again', () => {
  const queue = queueOf(3);
  sendAll(queue);
  const set = queue.get(5);
  assert.ok(set !== null);
  queue.sendAgain(set, 1);
  queue.acknowledge({ from: 51, to: 51 });
  assert.not(queue.hasSendable(100));
});

test('data sets of which nothing is held are sent again whole', () => {
  const queue = queueOf(3, 2);
  sendAll(queue);
  const lost = new Uint8Array(256).fill(1, LINK);
  queue.reconcile([heldOf(5, 50, [], [51])], lost);
  assert.equal(sendAll(queue), ['again 5/50-50', 'again 5/52-52', 'again 6/53-54']);
});

test('a released object is used again without its past', () => {
  const queue = queueOf(1, 1);
  sendAll(queue);
  const used = queue.get(5);
  queue.acknowledge({ from: 50, to: 50 });
  queue.release();
  const next = queue.add({ dataSet: 7, firstSequence: 52 });
  assert.is(next, used);
  assert.equal([next.count, next.bytes, next.closed], [0, 0, false]);
});

test('the largest data set counts bytes without its sync and records with it', () => {
  const queue = queueOf(3, 5);
  assert.equal(queue.largest(10), { bytes: 50, records: 6 });
  assert.equal(queueOf(4, 1).largest(10), { bytes: 30, records: 4 });
});

test.run();
