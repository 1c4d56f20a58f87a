/**
 * Figures 5 and 6: the sync and the writes of data set 2, mapped to the Figure 13 variant: memory buffer and journal stand for
 * cache lines and target VLUN, the place in the buffer for bitmap and log file.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { blockWriteOf, figure3History } from '../support/secondary-history.ts';

/** Data sets 0 and 1 are in the source volume, A1 (144) of data set 2 is durable: the state in which Figure 5 begins. */
function beforeFigure5(): SecondaryHarness {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 136, 139, 135, 137, 138, 140, 142, 141);
  harness.settle();
  harness.receiveNumbers(144);
  harness.settle();
  return harness;
}

function identifierBitmap2(harness: SecondaryHarness): { received: number; durable: number } {
  const held = harness.machine.held().find(({ dataSet }) => dataSet === 2);
  assert.ok(held !== undefined);
  return { received: held.received[0] ?? -1, durable: held.durable[0] ?? -1 };
}

test('Fig. 5, steps 1-2: the sync 2/145 arrives first and sets its bit', () => {
  const harness = beforeFigure5();
  assert.equal(identifierBitmap2(harness), { received: 0b010, durable: 0b010 });
  const effects = harness.receiveNumbers(145);
  assert.equal(
    effects.map(({ effect }) => effect),
    ['appendJournal'],
  );
  assert.equal(identifierBitmap2(harness), { received: 0b110, durable: 0b010 });
  assert.is(harness.machine.held()[0]?.finalSequence, 145);
});

test('Fig. 5, steps 3-5: E1 2/143 goes into the memory buffer and sets its bit', () => {
  const harness = beforeFigure5();
  harness.receiveNumbers(145);
  const effects = harness.receiveNumbers(143);
  assert.equal(
    effects.map(({ effect }) => effect),
    ['appendJournal'],
    'nothing is acknowledged or flagged yet',
  );
  assert.equal(identifierBitmap2(harness), { received: 0b111, durable: 0b010 });
});

test('Fig. 5, steps 6-8: the journal has E1 behind what came before, and the index says which record it is', () => {
  const harness = beforeFigure5();
  harness.receiveNumbers(145);
  const [append] = harness.receiveNumbers(143);
  assert.ok(append?.effect === 'appendJournal');
  assert.equal([append.dataSet, append.slot, append.index, append.record.sequence], [2, 2, 0, 143]);
  assert.equal(
    harness.journalOf(2).records.map(({ sequence }) => sequence),
    [144, 145, 143],
  );
});

test('Fig. 5, step 9: E1 is acknowledged when it is durable, and not before', () => {
  const harness = beforeFigure5();
  harness.receiveNumbers(145, 143);
  assert.equal(
    [...harness.acknowledged].filter((sequence) => sequence > 142),
    [144],
  );
  const sync = harness.commit(2, 2);
  assert.equal(sync, [{ effect: 'acknowledge', ranges: [{ from: 145, to: 145 }] }]);
  const write = harness.commit(2, 3);
  assert.equal(write.at(-1), { effect: 'acknowledge', ranges: [{ from: 143, to: 143 }] });
});

test('Fig. 6, step 1: identifier bitmap 2 is full, so data set 2 is complete', () => {
  const harness = beforeFigure5();
  harness.receiveNumbers(145, 143);
  const effects = harness.commit(2);
  assert.equal(
    effects.map(({ effect }) => effect),
    ['setCompleteFlag', 'acknowledge'],
  );
  assert.is(harness.machine.complete().at(-1)?.dataSet, 2);
});

test('Fig. 6, steps 2 and 5: E1 and A1 are written to the source VLUN, in sequence order', () => {
  const harness = beforeFigure5();
  harness.receiveNumbers(145, 143);
  harness.commit(2);
  assert.equal(harness.makeFlagDurable(2), [{ effect: 'destage', dataSet: 2, slot: 2, writes: 2 }]);
  harness.store(2, 1);
  assert.is(harness.volume.get('E'), 'E1', 'index 0 is 143');
  assert.is(harness.volume.get('A'), 'A0');
  harness.finishDestage(2);
  assert.is(harness.volume.get('A'), 'A1');
  assert.equal(harness.journalOf(2).records.slice(0, 1).map(blockWriteOf), [['A', 'A1']], 'the buffer keeps the order of arrival');
});

test('Fig. 6, steps 3-4 and 6-9: bits, pointers and space are given back when the watermark is durable', () => {
  const harness = beforeFigure5();
  harness.receiveNumbers(145, 143);
  harness.commit(2);
  harness.makeFlagDurable(2);
  assert.equal(
    harness.finishDestage(2).map(({ effect }) => effect),
    ['writeWatermark'],
  );
  assert.equal(harness.machine.activity(), { active: 1, partial: 0 }, 'the slot is still taken');
  assert.equal(harness.finishWatermark(), [{ effect: 'retireJournal', dataSet: 2, slot: 2 }, { effect: 'announceWindow' }]);
  assert.equal(harness.machine.activity(), { active: 0, partial: 0 });
  assert.equal(harness.machine.held(), []);
});

test.run();
