import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokenInvariant } from '../../src/model/assert.ts';
import { Admission, REQUESTS_MAX, type WriteRequested } from '../../src/protocol/admission.ts';

const isBroken = (error: unknown): boolean => error instanceof BrokenInvariant;

function makeAdmission(numbered = { openBytes: 0, openRecords: 0, unacknowledgedBytes: 0 }): Admission {
  return new Admission({ room: { bytes: 100, records: 10 }, backlogLimitBytes: 250, numbered });
}

function write(request: number, encodedBytes = 10, records = 1): WriteRequested {
  return { event: 'writeRequested', request, records, encodedBytes, fua: false };
}

test('verdicts by what is open, reserved and unacknowledged', () => {
  const rows: readonly [
    openBytes: number,
    openRecords: number,
    unacknowledgedBytes: number,
    encodedBytes: number,
    records: number,
    verdict: string,
  ][] = [
    [0, 0, 0, 100, 1, 'admit'],
    [90, 1, 90, 10, 1, 'admit'],
    [91, 1, 91, 10, 1, 'cut'],
    [10, 9, 10, 10, 1, 'admit'],
    [10, 10, 10, 10, 1, 'cut'],
    [10, 9, 10, 10, 2, 'cut'],
    [0, 0, 240, 10, 1, 'admit'],
    [0, 0, 241, 10, 1, 'backlog'],
    [95, 1, 245, 10, 1, 'backlog'],
  ];
  for (const [openBytes, openRecords, unacknowledgedBytes, encodedBytes, records, verdict] of rows) {
    const admission = makeAdmission({ openBytes, openRecords, unacknowledgedBytes });
    assert.is(admission.judge(write(1, encodedBytes, records)), verdict, `${openBytes} ${openRecords} ${unacknowledgedBytes}`);
  }
});

test('reserved requests take room; a cut is asked for only where it helps', () => {
  const admission = makeAdmission({ openBytes: 30, openRecords: 1, unacknowledgedBytes: 30 });
  admission.request(write(1, 60));
  admission.admit();
  assert.is(admission.judge(write(2, 40)), 'cut', '60 + 40 fit into a new data set');
  assert.is(admission.judge(write(2, 41)), 'stored', 'a cut would not make room');
  admission.stored(1);
  assert.is(admission.judge(write(2, 41)), 'admit');
});

test('the line keeps its order over many requests', () => {
  const admission = makeAdmission();
  const order: number[] = [];
  for (let request = 0; request < 5000; request += 1) {
    admission.request(write(request, 1));
    if (request % 2 === 0) {
      order.push(admission.admit().request);
      admission.stored(order.at(-1) ?? -1);
    }
  }
  while (admission.head !== null) {
    order.push(admission.admit().request);
    admission.stored(order.at(-1) ?? -1);
  }
  assert.equal(
    order,
    Array.from({ length: 5000 }, (_, request) => request),
  );
  assert.is(admission.waiting, 0);
});

test('I11: more requests than all connections may have under way are a broken invariant', () => {
  const admission = makeAdmission();
  for (let request = 0; request < REQUESTS_MAX; request += 1) admission.request(write(request, 1));
  assert.throws(() => admission.request(write(REQUESTS_MAX, 1)), isBroken);
});

test('a request is stored once, and under its own number', () => {
  const admission = makeAdmission();
  admission.request(write(1));
  admission.request(write(1));
  admission.admit();
  assert.throws(() => admission.admit(), isBroken);
  admission.stored(1);
  assert.throws(() => admission.stored(1), isBroken);
});

test('the largest request counts while it waits and while it is being stored', () => {
  const admission = makeAdmission();
  admission.request(write(1, 50, 2));
  admission.admit();
  admission.request(write(2, 20, 3));
  assert.equal(admission.largest(), { bytes: 50, records: 3 });
  admission.stored(1);
  assert.equal(admission.largest(), { bytes: 20, records: 3 });
  admission.clear();
  assert.equal([admission.largest(), admission.head], [{ bytes: 0, records: 0 }, null]);
});

test.run();
