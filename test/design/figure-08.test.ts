/** Figure 8: the processing of write commands, each branch. Write-back (steps 62-66) comes with the peer. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { figure3History } from '../support/secondary-history.ts';

test('Fig. 8, steps 50-56, 76 yes, 82: a write of a new data set allocates its slot and stores the ID', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  const [open, append, ...rest] = harness.receiveNumbers(136);
  assert.equal(open, { effect: 'openJournal', dataSet: 0, slot: 0, firstSequence: 134 });
  assert.is(append?.effect, 'appendJournal');
  assert.equal(rest, []);
});

test('Fig. 8, step 56 no: a write of a known data set allocates nothing', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(136);
  assert.equal(
    harness.receiveNumbers(134).map(({ effect }) => effect),
    ['appendJournal'],
  );
});

test('Fig. 8, step 76 no, 78 and 80: without a free structure the write is rejected and discarded', () => {
  const harness = new SecondaryHarness({ history: figure3History(), slots: 2 });
  assert.equal(harness.receiveNumbers(143), [{ effect: 'reject', link: 1, reason: 'window', dataSet: 2, sequence: 143 }]);
  assert.equal(harness.machine.held(), [], 'nothing is remembered of it');
  assert.equal(harness.machine.positions().received, null);
  assert.is(harness.machine.counters.rejects, 1);
});

test('Fig. 8, steps 78-80 and 50: the rejected write is welcome when the window has moved', () => {
  const harness = new SecondaryHarness({ history: figure3History(), slots: 2, instant: true });
  harness.receiveNumbers(143);
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140);
  assert.is(harness.machine.windowHigh, 2);
  const effects = harness.receiveNumbers(143);
  assert.equal(
    effects.slice(0, 2).map(({ effect }) => effect),
    ['openJournal', 'appendJournal'],
  );
  assert.ok(harness.acknowledged.has(143));
});

test('Fig. 8, steps 58-60: the bit of the sequence number is set, and only this one', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(136);
  assert.equal([...(harness.machine.held()[0]?.received ?? [])], [0b100]);
});

test('Fig. 8, steps 68-70 before 74: the write is acknowledged after it is durable, not when it is appended', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  assert.not.ok(harness.receiveNumbers(134, 135).some(({ effect }) => effect === 'acknowledge'));
  assert.equal(harness.commit(0), [{ effect: 'acknowledge', ranges: [{ from: 134, to: 135 }] }]);
});

test('Fig. 8, steps 72 and 74: the data sets are managed before the acknowledgement', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(140, 139, 138, 137, 136, 135, 134);
  assert.equal(
    harness.commit(0).map(({ effect }) => effect),
    ['setCompleteFlag', 'acknowledge'],
  );
});

test.run();
