/** Figure 13: one sequential memory buffer and one journal per active data set. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { blockWriteOf, figure3History, SecondaryHistory, showImage } from '../support/secondary-history.ts';

test('Fig. 13: each data set has its own memory buffer, and arrivals of several data sets overlap', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(144, 146, 145, 134, 143);
  const inBuffer = (dataSet: number): number[] => harness.journalOf(dataSet).records.map(({ sequence }) => sequence);
  assert.equal([inBuffer(0), inBuffer(2), inBuffer(3)], [[134], [144, 145, 143], [146]]);
  assert.equal(harness.machine.activity(), { active: 3, partial: 3 });
});

test('Fig. 13: the buffer keeps the order of arrival, destage takes the order of sequence', () => {
  const history = new SecondaryHistory([
    [
      ['A', 'A0'],
      ['A', 'A1'],
      ['A', 'A2'],
    ],
  ]);
  const harness = new SecondaryHarness({ history, instant: true });
  const effects = harness.receiveNumbers(2, 0, 3, 1);
  assert.equal(harness.journals.get(0)?.records.slice(0, 2).map(blockWriteOf), [
    ['A', 'A2'],
    ['A', 'A0'],
  ]);
  assert.equal(
    effects.flatMap((effect) => (effect.effect === 'appendJournal' ? [effect.index] : [])),
    [2, 0, 3, 1],
    'the index tells the shell where each record stands in sequence order',
  );
  assert.ok(effects.some((effect) => effect.effect === 'destage' && effect.writes === 3));
  assert.is(harness.volume.get('A'), 'A2', 'the later write of the same block wins');
});

test('Fig. 13, write through: a block is acknowledged when the journal has made it persistent', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(139, 134, 136);
  assert.equal(harness.commit(0, 2), [
    {
      effect: 'acknowledge',
      ranges: [
        { from: 134, to: 134 },
        { from: 139, to: 139 },
      ],
    },
  ]);
  assert.equal(harness.commit(0, 3), [{ effect: 'acknowledge', ranges: [{ from: 136, to: 136 }] }]);
});

test('Fig. 13: several journals that become durable in one turn are acknowledged with one effect', () => {
  const harness = new SecondaryHarness({ history: figure3History() });
  harness.receiveNumbers(143, 141, 142, 134);
  for (const dataSet of [0, 1, 2]) harness.journalOf(dataSet).durableRecords = harness.journalOf(dataSet).records.length;
  const effects = harness.step([
    { event: 'journalDurable', dataSet: 2, records: 1 },
    { event: 'journalDurable', dataSet: 1, records: 2 },
    { event: 'journalDurable', dataSet: 0, records: 1 },
  ]);
  assert.equal(effects, [
    {
      effect: 'acknowledge',
      ranges: [
        { from: 134, to: 134 },
        { from: 141, to: 143 },
      ],
    },
  ]);
});

test('Fig. 13: the secondary writes data sets in ascending order', () => {
  const harness = new SecondaryHarness({ history: figure3History(), instant: true });
  harness.receive(figure3History().records.toReversed());
  assert.equal(harness.destageOrder, [0, 1, 2, 3]);
});

test('Fig. 13: the buffers are used again for later data sets and keep nothing', () => {
  const sets = Array.from(
    { length: 40 },
    (_, index) =>
      [
        ['A', `A${index}`],
        [`B${index % 3}`, `B${index}`],
      ] as const,
  );
  const history = new SecondaryHistory(sets);
  const harness = new SecondaryHarness({ history, slots: 2, instant: true });
  for (const set of history.dataSets) harness.receive(set.records.toReversed());
  assert.is(harness.destageOrder.length, 40);
  assert.equal(harness.machine.activity(), { active: 0, partial: 0 });
  assert.is(showImage(harness.volume), showImage(history.imageAfter(39)));
});

test.run();
