/** Figure 12: data sets hold whole file system transactions; the copy shows only the states between them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { SecondaryHistory, showImage } from '../support/secondary-history.ts';

/** Transactions 1 and 2 share the first data set; a sync stands between transactions 2 and 3. */
function figure12History(): SecondaryHistory {
  return new SecondaryHistory(
    [
      [
        ['A', 'A0'],
        ['B', 'B0'],
        ['C', 'C0'],
        ['A', 'A1'],
        ['D', 'D0'],
        ['E', 'E0'],
      ],
      [
        ['B', 'B1'],
        ['C', 'C1'],
        ['F', 'F0'],
      ],
      [
        ['A', 'A2'],
        ['D', 'D1'],
      ],
      [
        ['E', 'E1'],
        ['F', 'F1'],
        ['B', 'B2'],
        ['C', 'C2'],
      ],
    ],
    { firstSequence: 264 },
  );
}

const RANGES = [
  [264, 270],
  [271, 274],
  [275, 277],
  [278, 282],
] as const;

test('Fig. 12: the sequence numbers 264-270, 271-274, 275-277 and 278-282 are bounded by the sync commands', () => {
  const history = figure12History();
  assert.equal(
    history.dataSets.map((set) => [set.firstSequence, set.finalSequence]),
    RANGES,
  );
  for (const [, final] of RANGES) assert.is(history.at(final).type, 'sync');
});

test('Fig. 12: at every receipt the source VLUN is at the end of a whole data set', () => {
  const history = figure12History();
  const harness = new SecondaryHarness({ history, instant: true });
  const images = ['', ...history.dataSets.map((set) => showImage(set.image))];
  let sequence = 264;
  for (const [index, [, final]] of RANGES.entries()) {
    for (; sequence <= final; sequence += 1) {
      assert.is(showImage(harness.volume), images[index], `before ${sequence}`);
      harness.receiveNumbers(sequence);
    }
    assert.is(showImage(harness.volume), images[index + 1], `after the sync ${final}`);
  }
});

test('Fig. 12: received backwards, everything appears at once with the first number', () => {
  const harness = new SecondaryHarness({ history: figure12History(), instant: true });
  for (let sequence = 282; sequence > 264; sequence -= 1) {
    harness.receiveNumbers(sequence);
    assert.is(harness.volume.size, 0, `after ${sequence}`);
  }
  harness.receiveNumbers(264);
  assert.equal(harness.destageOrder, [0, 1, 2, 3]);
  assert.equal(Object.fromEntries(harness.volume), { A: 'A2', B: 'B2', C: 'C2', D: 'D1', E: 'E1', F: 'F1' });
});

test('Fig. 12: a transaction that did not arrive whole is not applied at all', () => {
  const harness = new SecondaryHarness({ history: figure12History(), instant: true });
  for (let sequence = 264; sequence <= 282; sequence += 1) if (sequence !== 272) harness.receiveNumbers(sequence);
  assert.equal(Object.fromEntries(harness.volume), { A: 'A1', B: 'B0', C: 'C0', D: 'D0', E: 'E0' });
});

test.run();
