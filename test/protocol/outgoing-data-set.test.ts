import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokenInvariant } from '../../src/model/assert.ts';
import { OutgoingDataSet, RECORD_STATE } from '../../src/protocol/outgoing-data-set.ts';
import { heldOf } from '../support/primary-harness.ts';

const LINK = RECORD_STATE.firstLink;

function setOf(recordBytes: readonly number[], firstSequence = 100): OutgoingDataSet {
  const set = new OutgoingDataSet().reset({ dataSet: 7, firstSequence });
  for (const bytes of recordBytes) set.append(bytes);
  return set;
}

function statesOf(set: OutgoingDataSet): number[] {
  return Array.from({ length: set.count }, (_, index) => set.stateOf(index));
}

test('offsets and numbers follow the records', () => {
  const set = setOf([10, 20, 30]);
  assert.equal([set.bytes, set.endOf(0), set.endOf(1), set.bytesOf(2), set.lastSequence], [60, 10, 30, 30, 102]);
});

test('tables grow beyond their first size and keep what they hold', () => {
  const set = setOf(Array.from({ length: 3000 }, () => 8));
  set.hand(0, 2999, LINK);
  set.append(8);
  assert.equal([set.bytes, set.stateOf(2999), set.stateOf(3000), set.unsentFrom], [3001 * 8, LINK, RECORD_STATE.unsent, 3000]);
});

test('a run ends at the batch size, at another state, and is never empty', () => {
  const set = setOf([10, 10, 10, 10]);
  assert.equal([set.runEnd(0, 5), set.runEnd(0, 29), set.runEnd(0, 30), set.runEnd(1, 1000)], [0, 1, 2, 3]);
  set.hand(0, 1, LINK);
  set.sendAgain(0);
  assert.is(set.runEnd(0, 1000), 0);
});

test('acknowledged bytes count once', () => {
  const set = setOf([10, 20, 30]);
  set.hand(0, 2, LINK);
  assert.equal([set.acknowledge(0, 1), set.acknowledge(0, 2), set.acknowledge(0, 2)], [30, 30, 0]);
  assert.is(set.acknowledgedCount, 3);
  assert.not(set.isAcknowledged, 'an open data set is never done');
  set.closed = true;
  assert.ok(set.isAcknowledged);
});

test('records to send again come lowest first, and an acknowledgement takes them out', () => {
  const set = setOf([8, 8, 8, 8, 8]);
  set.hand(0, 4, LINK);
  for (const index of [3, 1, 4]) set.sendAgain(index);
  assert.equal([set.resendCount, set.firstToResend()], [3, 1]);
  set.acknowledge(1, 1);
  assert.equal([set.resendCount, set.firstToResend()], [2, 3]);
  set.hand(3, 4, LINK + 1);
  assert.equal([set.resendCount, set.firstToResend()], [0, -1]);
  set.sendAgain(0);
  assert.is(set.firstToResend(), 0, 'also below records that were sent again before');
});

test('only sent records are sent again', () => {
  const set = setOf([8, 8]);
  assert.throws(
    () => set.sendAgain(0),
    (error: unknown) => error instanceof BrokenInvariant,
  );
  set.hand(0, 1, LINK);
  set.acknowledge(0, 0);
  assert.throws(
    () => set.sendAgain(0),
    (error: unknown) => error instanceof BrokenInvariant,
  );
});

test('reconcile: durable is acknowledged, received stays with the secondary, lost is sent again, other links keep theirs', () => {
  const set = setOf([8, 8, 8, 8, 8, 8]);
  set.hand(0, 2, LINK);
  set.hand(3, 4, LINK + 1);
  const lost = new Uint8Array(256);
  lost[LINK] = 1;
  const bytes = set.reconcile(heldOf(7, 100, [101, 103], [100]), lost);
  const { acknowledged, received, resend, unsent } = RECORD_STATE;
  assert.is(bytes, 8);
  assert.equal(statesOf(set), [acknowledged, received, resend, LINK + 1, LINK + 1, unsent]);
  assert.is(set.resendCount, 1);
});

test('reconcile passes over records that the secondary holds although this process never sent them', () => {
  const set = setOf([8, 8, 8, 8]);
  set.reconcile(heldOf(7, 100, [101], [100]), new Uint8Array(256));
  assert.is(set.unsentFrom, 2);
});

test('what another first number claims to hold is not believed', () => {
  const set = setOf([8, 8]);
  set.hand(0, 1, LINK);
  const lost = new Uint8Array(256).fill(1, LINK);
  assert.is(set.reconcile(heldOf(7, 99, [], [99, 100, 101]), lost), 0);
  assert.is(set.resendCount, 2);
});

test('bits beyond the records are passed over', () => {
  const set = setOf([8, 8, 8]);
  assert.is(set.reconcile(heldOf(7, 100, [], [100, 101, 102, 150]), new Uint8Array(256)), 24);
  assert.equal([...set.acknowledgedBits()], [0b111]);
});

test('numbers that were not sent are seen as such', () => {
  const set = setOf([8, 8, 8]);
  set.hand(0, 1, LINK);
  assert.equal([set.hasUnsent(0, 1), set.hasUnsent(1, 2), set.hasUnsent(2, 2)], [false, true, true]);
});

test('the third rejection for a checksum is the third', () => {
  const set = setOf([8]);
  assert.equal([set.countChecksumReject(0), set.countChecksumReject(0), set.countChecksumReject(0)], [1, 2, 3]);
  set.forgetChecksumRejects(0);
  assert.is(set.countChecksumReject(0), 1);
});

test('a pooled object begins anew', () => {
  const set = setOf([8, 8, 8]);
  set.hand(0, 2, LINK);
  set.sendAgain(1);
  set.countChecksumReject(0);
  set.closed = true;
  set.reset({ dataSet: 8, firstSequence: 103 });
  set.append(16);
  assert.equal(
    [set.bytes, set.count, set.resendCount, set.unsentFrom, set.acknowledgedCount, set.closed, set.stateOf(0), set.countChecksumReject(0)],
    [16, 1, 0, 0, 0, false, RECORD_STATE.unsent, 1],
  );
});

test.run();
