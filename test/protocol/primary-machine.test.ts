import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokenInvariant } from '../../src/model/assert.ts';
import { PrimaryHarness, SYNC_BYTES } from '../support/primary-harness.ts';

const isBroken = (error: unknown): boolean => error instanceof BrokenInvariant;

// --- Numbering and replies.

test('a write is stored, numbered, replied to, and sent in the same turn', () => {
  const host = new PrimaryHarness({ nextDataSet: 5, nextSequence: 70 });
  host.connect({ windowHigh: 20 });
  const write = host.request({ records: 3 });
  assert.equal(host.step(write), ['store 1']);
  assert.equal(host.step(host.stored(1)), ['append 1: 5/70', 'reply 1', 'send link 1: 5/70-72']);
  assert.equal(host.machine.head(42), { dataSet: 5, sequence: 72, bytes: 3000, timeMs: 42 });
});

test('numbers follow the order of writeStored, not of the requests', () => {
  const host = new PrimaryHarness();
  const [first, second] = [host.request(), host.request()];
  assert.equal(host.step(first, second), ['store 1', 'store 2']);
  assert.equal(host.step(host.stored(2), host.stored(1)), ['append 2: 0/0', 'reply 2', 'append 1: 0/1', 'reply 1']);
});

test('a write with FUA is replied to when it is durable', () => {
  const host = new PrimaryHarness();
  const write = host.request({ fua: true });
  assert.equal(host.step(write, host.stored(1)), ['store 1', 'append 1: 0/0']);
  assert.equal(host.step({ event: 'volumeFlushed', request: 1, kind: 'fua' }), ['reply 1']);
});

test('a store of another size than asked for is a broken invariant', () => {
  const host = new PrimaryHarness();
  host.step(host.request());
  assert.throws(() => host.step({ event: 'writeStored', request: 1, recordBytes: [999] }), isBroken);
  assert.throws(() => new PrimaryHarness().step({ event: 'writeStored', request: 1, recordBytes: [8] }), isBroken);
});

// --- Admission.

test('a full data set is closed for size, also while no window is known', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 2500 } });
  host.write();
  host.write();
  const third = host.request();
  assert.equal(host.step(third), ['close 0: 0-2 size', 'store 3']);
  assert.equal(host.step(host.stored(3)), ['append 3: 1/3', 'reply 3']);
});

test('records count like bytes, and one is kept for the sync', () => {
  const host = new PrimaryHarness({ cutPolicy: { recordsMax: 4 } });
  host.write({ records: 3, recordBytes: 8 });
  assert.equal(host.write({ recordBytes: 8 }), ['close 0: 0-3 size']);
});

test('a request is never in two data sets: a cut moves what is admitted but not numbered', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 5000 } });
  host.write();
  const [second, third] = [host.request({ records: 2 }), host.request({ records: 2 })];
  assert.equal(host.step(second, third), ['store 2', 'store 3']);
  assert.equal(host.step({ event: 'cutRequested', reason: 'bookmark' }), ['close 0: 0-1 bookmark']);
  assert.equal(host.step(host.stored(3)), ['append 3: 1/2', 'reply 3']);
  assert.equal(host.step(host.stored(2)), ['append 2: 1/4', 'reply 2']);
});

test('a write that fits only after reserved ones were numbered waits for them, and all later ones behind it', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 3000 } });
  host.step(host.request({ records: 2 }));
  assert.equal(host.step(host.request({ records: 2 }), host.request({ recordBytes: 8 })), [], 'the small one does not overtake');
  assert.is(host.machine.throttle, null, 'it waits for the store, not for the backlog');
  assert.equal(host.step(host.stored(1)), ['append 1: 0/0', 'reply 1', 'close 0: 0-2 size', 'store 2', 'store 3']);
});

test('I11: the backlog limit holds writes back in order, and acknowledgements let them go on', () => {
  const host = new PrimaryHarness({ backlogLimitBytes: 2000 });
  host.connect();
  host.write();
  host.write();
  assert.equal(host.step(host.request({ recordBytes: 1500 }), host.request({ recordBytes: 8 })), []);
  assert.is(host.machine.throttle, 'backlog');
  assert.equal(host.acknowledge([[0, 0]]), []);
  assert.equal(host.acknowledge([[1, 1]]), ['store 3', 'store 4']);
  assert.is(host.machine.throttle, null);
});

test('reserved bytes count towards the backlog', () => {
  const host = new PrimaryHarness({ backlogLimitBytes: 2000 });
  assert.equal(host.step(host.request(), host.request(), host.request()), ['store 1', 'store 2']);
});

test('a single write larger than the backlog limit is admitted when nothing else is under way', () => {
  const host = new PrimaryHarness({ backlogLimitBytes: 100 });
  host.connect();
  assert.equal(host.step(host.request(), host.request()), ['store 1']);
  host.step(host.stored(1));
  assert.equal(host.acknowledge([[0, 0]]), ['store 2']);
});

test('during an outage full data sets are closed beyond the window until the backlog is full, and sent when the window moves', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 1000 }, backlogLimitBytes: 4000 });
  host.connect({ windowHigh: 0 });
  assert.equal(host.write(), ['send link 1: 0/0-0']);
  assert.equal(host.write(), ['close 0: 0-1 size', 'send link 1: 0/1-1']);
  assert.equal(host.write(), ['close 1: 2-3 size']);
  assert.equal(host.step(host.request()), []);
  assert.is(host.machine.throttle, 'window', 'records wait for the window, and a link is there');
  assert.equal(host.acknowledge([[0, 1]], 1), ['release 0: 1', 'close 2: 4-5 size', 'store 4', 'send link 1: 1/2-3']);
});

test('a request that fits into no data set is a broken invariant', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 500, recordsMax: 10 } });
  assert.throws(() => host.step(host.request()), isBroken);
  assert.throws(() => host.step(host.request({ records: 10, recordBytes: 8 })), isBroken);
});

test('a smaller capacity agreed later holds from then on, also for writes that were being stored', () => {
  const host = new PrimaryHarness({ cutPolicy: { maxSizeBytes: 5000 } });
  host.write({ records: 2 });
  host.step(host.request({ records: 2 }));
  assert.equal(host.machine.capacityNeeded(), { bytes: 2000, records: 3 });
  host.step({ event: 'sessionEstablished', windowHigh: 9, dataSetBytesMax: 3000, recordsMax: 100, held: [], destaged: null });
  assert.equal(host.step(host.stored(2)), ['close 0: 0-2 size', 'append 2: 1/3', 'reply 2']);
});

// --- Cutting.

test('a flush closes a data set of at least minAge', () => {
  const host = new PrimaryHarness();
  host.connect();
  host.write();
  host.nowMs = 9;
  assert.equal(host.flush(50), ['reply 50']);
  host.nowMs = 10;
  assert.equal(host.flush(51), ['reply 51', 'close 0: 0-1 flush', 'send link 1: 0/1-1']);
  assert.equal(host.flush(52), ['reply 52'], 'an empty data set is not closed');
});

test('FUA closes like a flush, under its own reason', () => {
  const host = new PrimaryHarness();
  host.connect();
  const write = host.request({ fua: true });
  host.step(write, host.stored(1));
  host.nowMs = 10;
  assert.equal(host.step({ event: 'volumeFlushed', request: 1, kind: 'fua' }).slice(0, 2), ['reply 1', 'close 0: 0-1 fua']);
});

test('a data set closes by age without a flush, and nextTickMs tells when', () => {
  const host = new PrimaryHarness();
  host.connect();
  assert.is(host.machine.nextTickMs(0), null);
  host.nowMs = 5;
  host.write();
  assert.equal([host.machine.nextTickMs(5), host.machine.nextTickMs(200)], [100, 0]);
  assert.equal(host.tick(104), []);
  assert.equal(host.tick(105), ['close 0: 0-1 age', 'send link 1: 0/1-1']);
  assert.is(host.machine.nextTickMs(105), null);
});

test('without any session only size and a request close; what was due closes when the first session begins', () => {
  const host = new PrimaryHarness();
  host.write();
  host.nowMs = 50;
  host.flush();
  assert.equal(host.tick(500), []);
  assert.is(host.machine.nextTickMs(500), null, 'no timer while no cut can be due');
  assert.equal(host.connect(), ['close 0: 0-1 flush', 'send link 1: 0/0-1']);
});

test('while the next ID is outside the window the data set grows, and closes as soon as the window moves', () => {
  const host = new PrimaryHarness();
  host.connect({ windowHigh: 0 });
  host.write();
  host.nowMs = 20;
  assert.equal(host.flush(60), ['reply 60']);
  host.write();
  assert.equal(host.acknowledge([[0, 1]], 1), ['close 0: 0-2 flush', 'send link 1: 0/2-2']);
  host.write();
  host.tick(500);
  assert.equal(host.acknowledge([], 2), ['close 1: 3-4 age', 'send link 1: 1/4-4'], 'by age too');
});

test('a flush before minAge is not remembered', () => {
  const host = new PrimaryHarness();
  host.connect({ windowHigh: 0 });
  host.write();
  host.flush();
  host.nowMs = 20;
  assert.equal(host.acknowledge([], 5), []);
});

test('I6: the window goes forward only within a session, and is set anew by the next', () => {
  const host = new PrimaryHarness();
  host.connect({ windowHigh: 7 });
  host.acknowledge([], 3);
  assert.is(host.machine.windowHigh, 7);
  host.step({ event: 'sessionLost' });
  assert.is(host.machine.windowHigh, 7, 'it stays in force for cutting');
  host.connect({ windowHigh: 3 });
  assert.is(host.machine.windowHigh, 3);
});

test('after sessionLost data sets still close inside the last window', () => {
  const host = new PrimaryHarness();
  host.connect({ windowHigh: 1 });
  host.step({ event: 'sessionLost' });
  host.write();
  assert.equal(host.tick(100), ['close 0: 0-1 age']);
  host.write();
  assert.equal(host.tick(300), [], 'data set 2 is outside');
});

test('head counts every encoded byte, the sync included', () => {
  const host = new PrimaryHarness({ bytesTaken: 500 });
  host.write();
  host.step({ event: 'cutRequested', reason: 'shutdown' });
  assert.equal(host.machine.head(7), { dataSet: 1, sequence: 1, bytes: 500 + 1000 + SYNC_BYTES, timeMs: 7 });
});

test('a requested cut closes at once whatever the window, and not an empty data set', () => {
  const host = new PrimaryHarness();
  assert.equal(host.step({ event: 'cutRequested', reason: 'shutdown' }), []);
  host.write();
  assert.equal(host.step({ event: 'cutRequested', reason: 'shutdown' }), ['close 0: 0-1 shutdown']);
  assert.equal(host.machine.counters.dataSetsClosed, 1);
});

test('closeDataSet comes after what was replied to before it in the same turn', () => {
  const host = new PrimaryHarness();
  host.connect();
  host.write();
  host.nowMs = 10;
  const [second, third] = [host.request(), host.request()];
  const lines = host.step(second, third, host.stored(2), { event: 'volumeFlushed', request: 50, kind: 'flush' }, host.stored(3));
  assert.equal(lines.slice(0, 8), [
    'store 2',
    'store 3',
    'append 2: 0/1',
    'reply 2',
    'reply 50',
    'close 0: 0-2 flush',
    'append 3: 1/3',
    'reply 3',
  ]);
});

// --- Replies when the far side is durable.

test('remote: a flush cuts at once and is replied to when everything through it is complete; waiting ones share the cut', () => {
  const host = new PrimaryHarness({ flushReply: 'remote' });
  host.connect();
  host.write();
  assert.equal(host.flush(50), ['close 0: 0-1 flush', 'send link 1: 0/1-1']);
  assert.equal(host.flush(51), []);
  assert.equal(host.acknowledge([[1, 1]]), []);
  assert.equal(host.acknowledge([[0, 0]]), ['release 0: 1', 'reply 50', 'reply 51']);
  assert.equal(host.flush(52), ['reply 52'], 'with nothing open and nothing unacknowledged at once');
});

test('remote: while the window is shut the flush waits for it, with all that came meanwhile', () => {
  const host = new PrimaryHarness({ flushReply: 'remote' });
  host.connect({ windowHigh: 0 });
  host.write();
  assert.equal(host.flush(50), []);
  host.write();
  assert.equal(host.flush(51), []);
  assert.equal(host.acknowledge([[0, 1]], 1), ['close 0: 0-2 flush', 'send link 1: 0/2-2']);
  assert.equal(host.acknowledge([[2, 2]], 1), ['release 0: 2', 'reply 50', 'reply 51']);
});

test('remote: a FUA write waits for its own data set only', () => {
  const host = new PrimaryHarness({ flushReply: 'remote' });
  host.connect();
  const write = host.request({ fua: true });
  host.step(write, host.stored(1), { event: 'cutRequested', reason: 'bookmark' });
  host.write();
  assert.equal(host.step({ event: 'volumeFlushed', request: 1, kind: 'fua' }), [], 'data set 1 stays open');
  assert.equal(host.acknowledge([[0, 1]]), ['release 0: 1', 'reply 1']);
});

// --- Failure.

test('I10: a failed volume stops everything; acknowledgements are still counted', () => {
  const host = new PrimaryHarness({ backlogLimitBytes: 1000, flushReply: 'remote' });
  host.connect({ budgetBytes: 1000 });
  host.write();
  host.flush(50);
  host.step(host.request());
  assert.equal(host.step({ event: 'volumeFailed' }, { event: 'volumeFlushed', request: 51, kind: 'flush' }), []);
  assert.equal(host.acknowledge([[0, 0]]), [], 'the sync is neither sent nor the waiting write admitted');
  assert.is(host.machine.unacknowledgedBytes, SYNC_BYTES);
  assert.equal([host.tick(1000), host.machine.nextTickMs(1000), host.machine.throttle], [[], null, null]);
});

test.run();
