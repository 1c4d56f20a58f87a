import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Window } from '../../src/protocol/window.ts';

test('I6: (destaged, destaged + slots] is inside', () => {
  const window = new Window({ slots: 4, lowest: 10 });
  assert.equal(
    [9, 10, 13, 14].map((dataSet) => window.placeOf(dataSet)),
    ['below', 'inside', 'inside', 'above'],
  );
  assert.is(window.highest, 13);
});

test('I6: each data set inside the window has a slot of its own', () => {
  const window = new Window({ slots: 4, lowest: 10 });
  assert.equal(
    [10, 11, 12, 13].map((dataSet) => window.slotOf(dataSet)),
    [2, 3, 0, 1],
  );
  assert.is(window.slotOf(Number.MAX_SAFE_INTEGER - 1), (Number.MAX_SAFE_INTEGER - 1) % 4);
});

test('the window moves up only, and not beyond what was admitted', () => {
  const window = new Window({ slots: 4, lowest: 0 });
  window.moveTo(2);
  assert.is(window.highest, 5);
  window.moveTo(6);
  assert.is(window.lowest, 6);
  assert.throws(() => window.moveTo(6), /moves up/);
  assert.throws(() => window.moveTo(11), /beyond/);
});

test.run();
