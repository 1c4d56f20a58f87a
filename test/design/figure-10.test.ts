/** Figure 10: the processing of sync commands, each branch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { figure3History } from '../support/secondary-history.ts';

test('Fig. 10, steps 84-86, 98 yes, 102: a sync of a new data set allocates its slot and stores the ID', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  const [open, append] = harness.receiveNumbers(142);
  assert.equal(open, { effect: 'openJournal', dataSet: 1, slot: 1, firstSequence: 141 });
  assert.ok(append?.effect === 'appendJournal');
  assert.equal([append.dataSet, append.index, append.record.type], [1, 1, 'sync']);
});

test('Fig. 10, step 86 no: a sync of a known data set allocates nothing', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(141);
  assert.equal(
    harness.receiveNumbers(142).map(({ effect }) => effect),
    ['appendJournal'],
  );
});

test('Fig. 10, step 98 no, 104 and 106: without a free structure the sync is rejected and discarded', () => {
  const harness = new SecondaryHarness({ history: figure3History(), slots: 2 });
  assert.equal(harness.receiveNumbers(145), [{ effect: 'reject', link: 1, reason: 'window', dataSet: 2, sequence: 145 }]);
  assert.equal(harness.machine.held(), []);
});

test('Fig. 10, steps 85-87: the bit of the sync is set and the final number is known', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(145);
  const [held] = harness.machine.held();
  assert.equal([held?.dataSet, held?.firstSequence, held?.finalSequence, ...(held?.received ?? [])], [2, 143, 145, 0b100]);
});

test('Fig. 10, steps 72 and 73: the last missing sync completes the data set, then it is acknowledged', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 135, 136, 137, 138, 139);
  harness.commit(0);
  harness.receiveNumbers(140);
  const effects = harness.commit(0);
  assert.equal(
    effects.map(({ effect }) => effect),
    ['setCompleteFlag', 'acknowledge'],
  );
  assert.equal(effects[1], { effect: 'acknowledge', ranges: [{ from: 140, to: 140 }] });
});

test('Fig. 10, step 73: a sync that completes nothing is acknowledged too, when it is durable', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  assert.not.ok(harness.receiveNumbers(145).some(({ effect }) => effect === 'acknowledge'));
  assert.equal(harness.commit(2), [{ effect: 'acknowledge', ranges: [{ from: 145, to: 145 }] }]);
});

test.run();
