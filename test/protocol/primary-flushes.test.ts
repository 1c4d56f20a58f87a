import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PrimaryFlushes } from '../../src/protocol/primary-flushes.ts';

test('those that wait for a data set or an earlier one are taken once, in their order', () => {
  const flushes = new PrimaryFlushes();
  flushes.wait(1, 5);
  flushes.wait(2, 4);
  flushes.wait(3, 6);
  assert.equal(flushes.takeThrough(3), []);
  assert.equal(flushes.takeThrough(5), [1, 2]);
  assert.equal(flushes.takeThrough(6), [3]);
  assert.equal(flushes.takeThrough(9), []);
});

test('the data set of a FUA write is known until it is taken', () => {
  const flushes = new PrimaryFlushes();
  flushes.noteFua(7, 0);
  assert.equal([flushes.takeFua(7), flushes.takeFua(7)], [0, undefined]);
});

test('clear forgets both', () => {
  const flushes = new PrimaryFlushes();
  flushes.wait(1, 5);
  flushes.noteFua(7, 0);
  flushes.clear();
  assert.equal([flushes.takeThrough(9), flushes.takeFua(7)], [[], undefined]);
});

test.run();
