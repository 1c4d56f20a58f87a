import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mergeRanges, RangeCollector } from '../../src/protocol/ranges.ts';

test('numbers that follow one another become one range', () => {
  const collector = new RangeCollector();
  for (const sequence of [7, 8, 9, 20, 21]) collector.add(sequence);
  assert.equal(collector.take(), [
    { from: 7, to: 9 },
    { from: 20, to: 21 },
  ]);
  assert.is(collector.isEmpty, true);
  assert.equal(collector.take(), []);
});

test('any order comes out ascending and merged', () => {
  const collector = new RangeCollector();
  for (const sequence of [5, 3, 4, 4, 1, 9, 3]) collector.add(sequence);
  assert.equal(collector.take(), [
    { from: 1, to: 1 },
    { from: 3, to: 5 },
    { from: 9, to: 9 },
  ]);
  collector.add(2);
  assert.equal(collector.take(), [{ from: 2, to: 2 }], 'nothing is left from before');
});

test('ranges that overlap, touch or contain one another are merged', () => {
  assert.equal(
    mergeRanges([
      { from: 5, to: 9 },
      { from: 1, to: 4 },
      { from: 6, to: 7 },
      { from: 11, to: 12 },
    ]),
    [
      { from: 1, to: 9 },
      { from: 11, to: 12 },
    ],
  );
});

test('the ranges hold exactly the numbers that were added', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 })), (sequences) => {
      const collector = new RangeCollector();
      for (const sequence of sequences) collector.add(sequence);
      const ranges = collector.take();
      const held = ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
      assert.equal(
        held,
        [...new Set(sequences)].toSorted((left, right) => left - right),
      );
      for (let index = 1; index < ranges.length; index += 1) {
        assert.ok((ranges[index]?.from ?? 0) > (ranges[index - 1]?.to ?? 0) + 1, 'neighbours are merged');
      }
    }),
  );
});

test.run();
