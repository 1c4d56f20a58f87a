/** Figure 9: the managing of data sets, each branch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryEffect } from '../../src/protocol/secondary-contract.ts';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { figure3History } from '../support/secondary-history.ts';

const names = (effects: readonly SecondaryEffect[]): string[] =>
  effects.map((effect) => ('dataSet' in effect ? `${effect.effect} ${effect.dataSet}` : effect.effect));

test('Fig. 9, step 300 no: a data set of which a number is missing is not managed further', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 135, 136, 138, 139, 140);
  assert.equal(names(harness.commit(0)), ['acknowledge']);
  assert.equal(harness.machine.activity(), { active: 1, partial: 1 });
});

test('Fig. 9, step 300 no: without its sync a data set is incomplete, whatever else is there', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 141, 142);
  harness.commit(1);
  assert.equal(names(harness.commit(0)), ['acknowledge']);
});

test('Fig. 9, step 300 no: received is not enough, every number must be durable', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  assert.not.ok(names(harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140)).includes('setCompleteFlag 0'));
  assert.equal(names(harness.commit(0, 6)), ['acknowledge']);
  assert.equal(names(harness.commit(0, 7)), ['setCompleteFlag 0', 'acknowledge']);
});

test('Fig. 9, step 302 no: a complete data set waits for the earlier ones', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 141, 142);
  harness.commit(0);
  assert.equal(names(harness.commit(1)), ['acknowledge'], 'data set 1 has all its numbers, data set 0 has not');
  assert.equal(harness.machine.complete(), []);
  assert.equal(harness.machine.activity(), { active: 2, partial: 1 });
});

test('Fig. 9, step 302 no: an earlier data set of which nothing came yet counts as incomplete', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(141, 142);
  assert.equal(names(harness.commit(1)), ['acknowledge']);
});

test('Fig. 9, steps 303-304: first the flag, durably, then the source volumes', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140);
  assert.equal(names(harness.commit(0)), ['setCompleteFlag 0', 'acknowledge']);
  assert.equal(names(harness.step([])), [], 'not before the flag is durable');
  assert.equal(names(harness.makeFlagDurable(0)), ['destage 0']);
});

test('Fig. 9, steps 305-306: the slot is free after source volumes and watermark are durable', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140);
  harness.commit(0);
  harness.makeFlagDurable(0);
  assert.is(harness.machine.windowHigh, 3);
  assert.equal(names(harness.finishDestage(0)), ['writeWatermark']);
  assert.is(harness.machine.windowHigh, 3, 'the window waits for the watermark');
  assert.equal(names(harness.finishWatermark()), ['retireJournal 0', 'announceWindow']);
  assert.is(harness.machine.windowHigh, 4);
  assert.equal([harness.machine.origin.dataSet, harness.machine.origin.firstSequence], [1, 141]);
});

test('Fig. 9, step 308 no: the next data set is incomplete, so the method is done', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(142, 143, 144, 145);
  harness.commit(1);
  harness.commit(2);
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140);
  assert.equal(names(harness.commit(0)), ['setCompleteFlag 0', 'acknowledge']);
});

test('Fig. 9, steps 308 yes and 310: the next complete data sets follow in the same step, until one is not', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(142, 141, 145, 144, 143, 146, 135, 136, 137, 138, 139, 140);
  for (const dataSet of [0, 1, 2, 3]) harness.commit(dataSet);
  assert.equal(harness.machine.complete(), []);
  harness.receiveNumbers(134);
  assert.equal(names(harness.commit(0)), ['setCompleteFlag 0', 'setCompleteFlag 1', 'setCompleteFlag 2', 'acknowledge']);
});

test('Fig. 9, steps 304 and 310: destage ascends, whichever flag is durable first', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receive(figure3History().records);
  for (const dataSet of [3, 2, 1, 0]) harness.commit(dataSet);
  assert.equal(names(harness.makeFlagDurable(2)), []);
  assert.equal(names(harness.makeFlagDurable(1)), []);
  assert.equal(
    names(harness.makeFlagDurable(0)),
    ['destage 0', 'destage 1', 'destage 2'],
    'all that are flagged are told; the shell stores one at a time',
  );
  assert.equal(names(harness.makeFlagDurable(3)), ['destage 3']);
});

test('Fig. 9, step 305: one watermark at a time, and the newest covers all before it', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receive(figure3History().records);
  for (const dataSet of [0, 1, 2, 3]) harness.commit(dataSet);
  for (const dataSet of [0, 1, 2, 3]) harness.makeFlagDurable(dataSet);
  const first = harness.finishDestage(0);
  assert.equal(names(first), ['writeWatermark']);
  assert.equal(names(harness.finishDestage(1)), []);
  assert.equal(names(harness.finishDestage(3)), []);
  const second = harness.finishWatermark();
  assert.equal(names(second), ['retireJournal 0', 'writeWatermark', 'announceWindow']);
  assert.is(harness.pendingWatermark?.dataSet, 3);
  assert.equal(names(harness.finishWatermark()), ['retireJournal 1', 'retireJournal 2', 'retireJournal 3', 'announceWindow']);
});

test.run();
