import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import {
  appendGeneration,
  compareGenerations,
  firstFork,
  firstGenerations,
  originAfter,
  pointBefore,
  validateGenerations,
} from '../../src/protocol/generations.ts';

const first = firstGenerations('a'.repeat(16));
const at = (dataSet: number, finalSequence: number): HistoryPoint => ({ dataSet, finalSequence, chain: String(dataSet % 10).repeat(32) });
const promote = (list: typeof first, id: string, kept: HistoryPoint | null, seen = { dataSet: 12, sequence: 150 }) =>
  appendGeneration(list, { id: id.repeat(16), kept, seen });

test('two promotions that made the same number are told apart', () => {
  const left = promote(first, 'b', at(9, 99));
  const right = promote(first, 'c', at(9, 99));
  assert.is(compareGenerations(first, first), 'same');
  assert.is(compareGenerations(first, left), 'prefix');
  assert.is(compareGenerations(left, first), 'extension');
  assert.is(compareGenerations(left, right), 'forked');
  assert.is(firstFork(left, right)?.b.id, 'c'.repeat(16));
  assert.is(compareGenerations(left, promote(first, 'b', at(9, 100))), 'forked', 'the same ID with another beginning');
  assert.is(compareGenerations(promote(left, 'd', at(20, 200)), right), 'forked');
});

test('a new generation numbers above everything that was ever seen', () => {
  const list = promote(first, 'b', at(9, 99));
  assert.equal(list.at(-1), {
    number: 2,
    id: 'b'.repeat(16),
    afterDataSet: 9,
    afterSequence: 99,
    chain: '9'.repeat(32),
    firstDataSet: 13,
    firstSequence: 151,
  });
  assert.is(validateGenerations(list), null);
  const again = promote(list, 'd', null, { dataSet: -1, sequence: -1 });
  assert.equal(again.at(-1)?.afterDataSet, 9, 'a promotion that kept nothing new follows the same data set');
  assert.is(again.at(-1)?.firstDataSet, 13);
  assert.is(validateGenerations(again), null);
});

test('numbering goes on behind the watermark, or where a generation began', () => {
  const list = promote(first, 'b', at(9, 99));
  assert.equal(originAfter(null, first), { dataSet: 0, firstSequence: 0, chain: '0'.repeat(32) });
  assert.equal(originAfter(at(8, 80), list), { dataSet: 9, firstSequence: 81, chain: '8'.repeat(32) });
  assert.equal(originAfter(at(9, 99), list), { dataSet: 13, firstSequence: 151, chain: '9'.repeat(32) });
  assert.equal(originAfter(at(13, 160), list).dataSet, 14);
  const empty = promote(first, 'b', null);
  assert.equal(originAfter(null, empty), { dataSet: 13, firstSequence: 151, chain: '0'.repeat(32) });
  assert.equal(empty.slice(1).map(pointBefore), [null]);
  assert.equal(list.slice(1).map(pointBefore), [at(9, 99)]);
});

test('a wrong list is named', () => {
  const list = promote(first, 'b', at(9, 99));
  const [one, second] = list;
  assert.ok(one !== undefined && second !== undefined);
  if (one === undefined || second === undefined) return;
  assert.match(validateGenerations([]) ?? '', 'empty');
  assert.match(validateGenerations([second]) ?? '', 'follows data set 9');
  assert.match(validateGenerations([one, { ...second, number: 3 }]) ?? '', 'generation 3 follows generation 1');
  assert.match(validateGenerations([one, { ...second, firstDataSet: 9 }]) ?? '', 'begins before');
  assert.match(validateGenerations([one, { ...second, id: one.id }]) ?? '', 'one ID');
  assert.match(
    validateGenerations([
      ...list,
      { ...second, number: 3, id: 'x', afterDataSet: 20, afterSequence: 200, firstDataSet: 21, firstSequence: 150 },
    ]) ?? '',
    'begins before',
  );
  assert.match(
    validateGenerations([...list, { ...second, number: 3, id: 'x', afterDataSet: 8, afterSequence: 90 }]) ?? '',
    'before generation 2',
  );
  assert.match(validateGenerations([{ ...one, firstSequence: 0.5 }]) ?? '', 'whole');
});

test('generations are bounded', () => {
  let list = first;
  for (let i = 1; i < LIMITS.generationsMax; i += 1)
    list = appendGeneration(list, { id: i.toString(16).padStart(16, '0'), kept: null, seen: { dataSet: i, sequence: i } });
  assert.is(validateGenerations(list), null);
  assert.throws(
    () => promote(list, 'e', null),
    (error: { code: string; exitCode: number }) => error.code === 'ERR_GENERATIONS_FULL' && error.exitCode === 5,
  );
});

test.run();
