/** Figure 11: recovery of the secondary: the lowest data set with a complete flag first, until there is none. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryEffect } from '../../src/protocol/secondary-contract.ts';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { figure3History } from '../support/secondary-history.ts';

const names = (effects: readonly SecondaryEffect[]): string[] =>
  effects.map((effect) => ('dataSet' in effect ? `${effect.effect} ${effect.dataSet}` : effect.effect));

/** Data sets 0-2 complete and flagged, of data set 3 only 146; nothing is destaged. */
function beforeCrash(): SecondaryHarness {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(145, 144, 143, 146, 142, 141, 140, 139, 138, 137, 136, 135, 134);
  for (const dataSet of [0, 1, 2, 3]) harness.commit(dataSet);
  for (const dataSet of [0, 1, 2]) harness.makeFlagDurable(dataSet);
  return harness;
}

test('Fig. 11, steps 400-410 no, 420: without a complete flag recovery has nothing to do', () => {
  const before = new SecondaryHarness({ history: figure3History() });
  before.receiveNumbers(134, 146);
  before.commit(0);
  before.commit(3);
  const after = new SecondaryHarness({ history: figure3History(), from: before.crash() });
  assert.equal(after.resume(), []);
  assert.equal(
    after.machine.held().map(({ dataSet }) => dataSet),
    [0, 3],
    'what is partial is kept',
  );
});

test('Fig. 11, steps 410-450: the lowest ID first, again and again until none is left', () => {
  const after = new SecondaryHarness({ history: figure3History(), from: beforeCrash().crash() });
  assert.equal(names(after.resume()), ['destage 0', 'destage 1', 'destage 2']);
  assert.equal(names(after.finishDestage(0)), ['writeWatermark']);
  assert.equal(names(after.finishDestage(2)), []);
  assert.equal(names(after.finishWatermark()), ['retireJournal 0', 'writeWatermark', 'announceWindow']);
  assert.equal(names(after.finishWatermark()), ['retireJournal 1', 'retireJournal 2', 'announceWindow']);
  assert.equal(Object.fromEntries(after.volume), { A: 'A1', B: 'B0', C: 'C0', D: 'D1', E: 'E1', F: 'F0' });
  assert.equal(after.actions().length, 0);
});

test('Fig. 11, step 440: a destage that the crash tore is done again, whole', () => {
  const before = beforeCrash();
  before.store(0);
  before.store(1, 0);
  before.store(2, 1);
  const after = new SecondaryHarness({ history: figure3History(), from: before.crash() });
  assert.is(after.volume.get('E'), 'E1', 'mixed: a block of data set 2 is there, data set 1 is not');
  after.resume();
  after.settle();
  assert.equal(Object.fromEntries(after.volume), Object.fromEntries(figure3History().imageAfter(2)));
});

test('Fig. 11, step 450: what the watermark covers is not found again', () => {
  const before = beforeCrash();
  before.finishDestage(1);
  before.finishWatermark();
  const after = new SecondaryHarness({ history: figure3History(), from: before.crash() });
  assert.equal(names(after.resume()), ['destage 2']);
  assert.equal([after.machine.origin.dataSet, after.machine.windowHigh], [2, 5]);
});

test('Fig. 11 with Fig. 9, step 303: a data set that became complete just before the crash gets its flag now', () => {
  const before = new SecondaryHarness({ history: figure3History() });
  before.receiveNumbers(134, 135, 136, 137, 138, 139, 140, 142, 141);
  before.commit(0);
  before.commit(1);
  const after = new SecondaryHarness({ history: figure3History(), from: before.crash() });
  assert.equal(names(after.resume()), ['setCompleteFlag 0', 'setCompleteFlag 1']);
  assert.equal(names(after.makeFlagDurable(0)), ['destage 0']);
});

test('Fig. 11: recovery may crash at any point and begin again', () => {
  let harness = beforeCrash();
  for (let crashAfter = 0; crashAfter < 12; crashAfter += 1) {
    harness = new SecondaryHarness({ history: figure3History(), from: harness.crash() });
    harness.resume();
    for (let count = 0; count < crashAfter % 4; count += 1) harness.actions()[0]?.();
  }
  harness.settle();
  assert.equal(Object.fromEntries(harness.volume), Object.fromEntries(figure3History().imageAfter(2)));
});

test('after recovery the stream goes on where it was', () => {
  const after = new SecondaryHarness({ history: figure3History(), from: beforeCrash().crash(), instant: true });
  after.resume();
  after.receiveNumbers(147);
  after.receiveNumbers(148);
  assert.equal(after.destageOrder, [0, 1, 2, 3]);
  assert.equal(
    after.journals.get(3)?.records.map(({ sequence }) => sequence),
    [146, 147, 148],
  );
  assert.equal(Object.fromEntries(after.volume), Object.fromEntries(figure3History().imageAfter(3)));
});

test.run();
