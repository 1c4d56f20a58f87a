/** What the primary machine does with records once they are numbered: sending, acknowledgements, rejects, lost links, sessions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokenInvariant } from '../../src/model/assert.ts';
import { heldOf, PrimaryHarness, SYNC_BYTES } from '../support/primary-harness.ts';

const isBroken = (error: unknown): boolean => error instanceof BrokenInvariant;

// --- Sending.

test('records wait for a session, then go in batches as the budget allows, lowest first', () => {
  const host = new PrimaryHarness({ batchBytesMax: 2000, cutPolicy: { maxSizeBytes: 3000 } });
  for (let count = 0; count < 4; count += 1) host.write();
  assert.equal(host.connect({ budgetBytes: 2500 }), ['send link 1: 0/0-1', 'send link 1: 0/2-2']);
  assert.equal(host.step({ event: 'linkReady', link: 1, budgetBytes: 10_000 }), ['send link 1: 0/3-3', 'send link 1: 1/4-4']);
});

test('one record may exceed both the batch and the budget', () => {
  const host = new PrimaryHarness({ batchBytesMax: 10 });
  host.connect({ budgetBytes: 1 });
  assert.equal(host.write(), ['send link 1: 0/0-0']);
  assert.equal(host.write(), [], 'and then the link has none left');
});

test('all links carry traffic', () => {
  const host = new PrimaryHarness();
  host.connect({ links: [1, 2] });
  assert.equal([host.write(), host.write(), host.write()].flat(), ['send link 1: 0/0-0', 'send link 2: 0/1-1', 'send link 1: 0/2-2']);
});

test('I6: nothing above the window is sent', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 1000 } });
  for (let count = 0; count < 3; count += 1) host.write();
  assert.equal(host.connect({ windowHigh: 0 }), ['send link 1: 0/0-1']);
  assert.equal(host.acknowledge([], 1), ['send link 1: 1/2-3']);
});

test('positions: open, sent whole, acknowledged with all before', () => {
  const host = new PrimaryHarness({ nextDataSet: 3, nextSequence: 30, acknowledged: { dataSet: 2, finalSequence: 29 } });
  assert.equal(host.machine.positions(), { open: null, sent: 2, acknowledged: 2, sequence: { open: null, sent: 29, acknowledged: 29 } });
  host.write();
  host.step({ event: 'cutRequested', reason: 'bookmark' });
  host.write();
  assert.equal(host.machine.positions().sent, 2);
  host.connect();
  assert.equal(host.machine.positions(), { open: 4, sent: 3, acknowledged: 2, sequence: { open: 32, sent: 32, acknowledged: 29 } });
  host.acknowledge([[30, 31]]);
  assert.equal(host.machine.positions().sequence, { open: 32, sent: 32, acknowledged: 31 });
});

// --- Acknowledgements.

test('data sets are released in ascending order, wholly acknowledged, and the bytes are exact', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 1000 } });
  host.connect();
  for (let count = 0; count < 3; count += 1) host.write();
  assert.is(host.machine.unacknowledgedBytes, 3000 + 2 * SYNC_BYTES);
  assert.equal(host.acknowledge([[2, 4]]), []);
  assert.is(host.machine.unacknowledgedBytes, 1000 + SYNC_BYTES);
  assert.equal(host.acknowledge([[0, 1]]), ['release 0: 1', 'release 1: 3']);
  assert.is(host.machine.unacknowledgedBytes, 0);
  assert.equal(host.acknowledge([[0, 4]]), [], 'numbers that were released are passed over');
  assert.equal(host.machine.unacknowledged(), [{ dataSet: 2, firstSequence: 4, finalSequence: null, acknowledged: Uint8Array.of(1) }]);
});

test('an acknowledgement of a number never given, or never sent, closes its link', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 1000 } });
  host.connect({ windowHigh: 0, links: [1, 2] });
  host.write();
  host.write();
  assert.equal(host.acknowledge([[0, 9]], 0, 2), ['close link 2: acknowledged number 9, which was never given']);
  assert.equal(host.acknowledge([[0, 2]], 0, 1), ['close link 1: acknowledged numbers in 0-2, which were not sent']);
  assert.equal(host.acknowledge([[2, 2]], 0, 1), [], 'it is closed once');
  assert.is(host.machine.unacknowledgedBytes, 2000 + SYNC_BYTES, 'nothing of a wrong range is believed');
  assert.equal(
    host.step({ event: 'linkReady', link: 1, budgetBytes: 1e6 }, { event: 'acknowledged', link: 9, ranges: [], windowHigh: 5 }),
    [],
  );
});

// --- Rejects.

test('I6: a record refused by an older window is sent again at once when a newer one admits it', () => {
  const host = new PrimaryHarness();
  host.connect({ windowHigh: 5 });
  host.write();
  assert.equal(host.step({ event: 'rejected', link: 1, reason: 'window', dataSet: 0, sequence: 0, windowHigh: 4 }), [
    'resend link 1: 0/0-0',
  ]);
  assert.equal(host.machine.counters, { recordsSent: 1, recordsResent: 1, rejects: 1, dataSetsClosed: 0 });
});

test('a refused record above the window waits for it', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 1000 } });
  host.connect({ windowHigh: 1 });
  host.write();
  host.write();
  host.step({ event: 'sessionLost' });
  host.connect({ windowHigh: 0, links: [2] });
  assert.equal(host.acknowledge([], 1, 2), ['resend link 2: 1/2-2']);
});

test('a refused record that was acknowledged meanwhile, or is with another link, is let be', () => {
  const host = new PrimaryHarness();
  host.connect({ links: [1, 2] });
  host.write();
  host.write();
  assert.equal(host.step({ event: 'rejected', link: 1, reason: 'checksum', dataSet: 0, sequence: 1, windowHigh: 5 }), []);
  host.acknowledge([[0, 0]]);
  assert.equal(host.step({ event: 'rejected', link: 1, reason: 'checksum', dataSet: 0, sequence: 0, windowHigh: 5 }), []);
  const wrong = host.step({ event: 'rejected', link: 1, reason: 'checksum', dataSet: 3, sequence: 1, windowHigh: 5 });
  assert.equal(wrong, ['close link 1: rejected number 1 of data set 3, which was never given']);
});

test('I9: the third wrong checksum has the send buffer checked; intact: it is sent again, and counted anew', () => {
  const host = new PrimaryHarness();
  host.connect();
  host.write();
  const reject = (): string[] => host.step({ event: 'rejected', link: 1, reason: 'checksum', dataSet: 0, sequence: 0, windowHigh: 5 });
  for (let round = 0; round < 2; round += 1) {
    assert.equal([reject(), reject(), reject()], [['resend link 1: 0/0-0'], ['resend link 1: 0/0-0'], ['verify 0/0']]);
    assert.equal(host.step({ event: 'recordVerified', dataSet: 0, sequence: 0, intact: true }), ['resend link 1: 0/0-0']);
  }
});

test('I9: a damaged send buffer fails the group: nothing more is admitted, numbered, cut or sent', () => {
  const host = new PrimaryHarness();
  host.connect();
  host.write();
  host.step(host.request());
  for (let count = 0; count < 3; count += 1) {
    host.step({ event: 'rejected', link: 1, reason: 'checksum', dataSet: 0, sequence: 0, windowHigh: 5 });
  }
  assert.equal(host.step({ event: 'recordVerified', dataSet: 0, sequence: 0, intact: false }), ['fail ERR_SEND_BUFFER_CORRUPT']);
  assert.equal(host.step(host.stored(2), host.request(), { event: 'cutRequested', reason: 'shutdown' }), []);
  assert.equal(host.connect({ links: [2] }), []);
});

// --- Lost links and sessions.

test('what a lost link held is sent again only as far as the secondary did not receive it', () => {
  const host = new PrimaryHarness();
  host.connect({ links: [1, 2] });
  for (let count = 0; count < 6; count += 1) host.write();
  assert.equal(host.step({ event: 'linkClosed', link: 1 }), ['ask link 2: 1']);
  assert.equal(host.write(), ['send link 2: 0/6-6'], 'sending goes on meanwhile');
  const held = [heldOf(0, 0, [2], [0])];
  assert.equal(host.step({ event: 'progressReported', closedLinks: [1], held, destaged: null, windowHigh: 15 }), ['resend link 2: 0/4-4']);
  assert.equal(host.acknowledge([[1, 6]], 15, 2), []);
  assert.is(host.machine.unacknowledgedBytes, 0);
});

test('a link lost before the answer is named with the others in the next question', () => {
  const host = new PrimaryHarness();
  host.connect({ links: [1, 2, 3] });
  for (let count = 0; count < 3; count += 1) host.write();
  assert.equal(host.step({ event: 'linkClosed', link: 1 }), ['ask link 2: 1']);
  assert.equal(host.step({ event: 'linkClosed', link: 2 }), ['ask link 3: 1,2']);
  assert.equal(host.step({ event: 'progressReported', closedLinks: [1], held: [], destaged: null, windowHigh: 15 }), [
    'resend link 3: 0/0-0',
  ]);
  assert.equal(host.step({ event: 'progressReported', closedLinks: [1, 2], held: [], destaged: null, windowHigh: 15 }), [
    'resend link 3: 0/1-1',
  ]);
});

test('an idle link that closes is asked about too: acknowledgements may have been lost with it', () => {
  const host = new PrimaryHarness();
  host.connect({ links: [1, 2] });
  host.write();
  assert.equal(host.step({ event: 'linkClosed', link: 2 }), ['ask link 1: 2']);
  const held = [heldOf(0, 0, [], [0])];
  host.step({ event: 'progressReported', closedLinks: [2], held, destaged: null, windowHigh: 15 });
  assert.is(host.machine.unacknowledgedBytes, 0);
});

test('with no link left records wait for the next session, which tells what not to send again', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 3000 } });
  host.connect();
  for (let count = 0; count < 5; count += 1) host.write();
  assert.equal(host.step({ event: 'linkClosed', link: 1 }, { event: 'sessionLost' }), []);
  host.write();
  const held = [heldOf(1, 4, [4], [])];
  assert.equal(host.connect({ links: [2], held, destaged: 0 }), ['release 0: 3', 'resend link 2: 1/5-5', 'send link 2: 1/6-6']);
  assert.equal(host.acknowledge([[4, 6]], 15, 2), []);
  assert.is(host.machine.unacknowledgedBytes, 0);
});

test('a restarted secondary that lost what was not durable gets it again', () => {
  const host = new PrimaryHarness();
  host.connect();
  for (let count = 0; count < 3; count += 1) host.write();
  host.step({ event: 'sessionLost' });
  host.connect({ links: [2], held: [heldOf(0, 0, [1, 2], [0])] });
  host.step({ event: 'sessionLost' });
  assert.equal(host.connect({ links: [3], held: [heldOf(0, 0, [], [0, 2])] }), ['resend link 3: 0/1-1']);
});

// --- A clean stop's backlog.

const restored = [
  { dataSet: 4, firstSequence: 40, recordBytes: [100, 100, SYNC_BYTES], acknowledged: [{ from: 41, to: 41 }] },
  { dataSet: 5, firstSequence: 43, recordBytes: [100, SYNC_BYTES], acknowledged: [] },
];

test('what a clean stop left is sent, without what was acknowledged or is held', () => {
  const host = new PrimaryHarness({ restored, nextDataSet: 6, nextSequence: 45, acknowledged: { dataSet: 3, finalSequence: 39 } });
  assert.is(host.machine.unacknowledgedBytes, 200 + 2 * SYNC_BYTES);
  assert.equal(host.machine.positions().sent, 3);
  assert.equal(host.connect({ held: [heldOf(4, 40, [], [40, 41]), heldOf(5, 43, [43], [])] }), [
    'send link 1: 4/42-42',
    'send link 1: 5/44-44',
  ]);
  assert.equal(host.acknowledge([[42, 44]]), ['release 4: 42', 'release 5: 44']);
});

test('numbering must go on directly after what was restored', () => {
  assert.throws(() => new PrimaryHarness({ restored, nextDataSet: 6, nextSequence: 46 }), isBroken);
  assert.throws(() => new PrimaryHarness({ restored, nextDataSet: 7, nextSequence: 45 }), isBroken);
});

test.run();
