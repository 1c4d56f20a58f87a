import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HeadHistory, type Cut } from '../../src/secondary/head-history.ts';
import { LIMITS } from '../../src/model/limits.ts';

const cut = (dataSet: number, timeMs = dataSet * 1000): Cut => ({
  dataSet,
  finalSequence: dataSet * 10,
  reason: 'flush',
  timeMs,
  headBytes: dataSet * 100,
});
const head = (dataSet: number, sequence: number, timeMs: number): { dataSet: number; sequence: number; bytes: number; timeMs: number } => ({
  dataSet,
  sequence,
  bytes: sequence * 10,
  timeMs,
});

test('the destaged cut is the newest one at or below what is destaged, in whatever order the syncs came', () => {
  const heads = new HeadHistory();
  for (const dataSet of [3, 1, 2, 0]) heads.cutReceived(cut(dataSet));
  heads.destaged(2);
  assert.equal(heads.destagedCut, cut(2));
  assert.equal(heads.cutOf(2), cut(2));
  assert.equal(heads.cutOf(3), cut(3));
  assert.is(heads.cutOf(1), null);
});

test('a sync that comes again after its data set was destaged does not set the copy back', () => {
  const heads = new HeadHistory();
  for (const dataSet of [0, 1, 2]) heads.cutReceived(cut(dataSet));
  heads.destaged(2);
  heads.cutReceived(cut(1));
  heads.destaged(2);
  assert.equal(heads.destagedCut, cut(2));
});

test('a sync that comes again before is noted once', () => {
  const heads = new HeadHistory();
  heads.cutReceived(cut(0));
  heads.cutReceived({ ...cut(0), timeMs: 7 });
  assert.equal(heads.cutOf(0), cut(0));
});

test('what is noted is bounded, and the lowest are kept', () => {
  const heads = new HeadHistory();
  for (let dataSet = LIMITS.slotsMax + 50; dataSet >= 0; dataSet -= 1) heads.cutReceived(cut(dataSet));
  assert.equal(heads.cutOf(0), cut(0));
  assert.equal(heads.cutOf(LIMITS.slotsMax - 1), cut(LIMITS.slotsMax - 1));
  assert.is(heads.cutOf(LIMITS.slotsMax + 1), null);
});

test('without any head nothing is known to be behind', () => {
  assert.equal(new HeadHistory().behind({ dataSet: null, sequence: null }, true, 5), { dataSets: 0, bytes: 0, seconds: 0 });
});

test('behind is the head minus what is destaged, by the clock of the primary', () => {
  const heads = new HeadHistory();
  heads.cutReceived(cut(1, 10_000));
  heads.destaged(1);
  heads.headReceived(head(4, 40, 13_500), 10, 999);
  // The clock of this host does not matter while a link is up.
  assert.equal(heads.behind({ dataSet: 1, sequence: 10 }, true, 77_777), { dataSets: 3, bytes: 300, seconds: 3.5 });
});

test('while no link is up the seconds grow with the age of the head', () => {
  const heads = new HeadHistory();
  heads.cutReceived(cut(1, 10_000));
  heads.destaged(1);
  heads.headReceived(head(4, 40, 13_500), 10, 1_000);
  assert.is(heads.behind({ dataSet: 1, sequence: 10 }, false, 3_000).seconds, 5.5);
  // Also when the copy was level with the head: nobody knows what came after.
  assert.equal(heads.behind({ dataSet: 4, sequence: 40 }, false, 3_000), { dataSets: 0, bytes: 0, seconds: 2 });
});

test('after an idle time the seconds count from the last moment at which the copy was level', () => {
  const heads = new HeadHistory();
  heads.cutReceived(cut(1, 10_000));
  heads.destaged(1);
  heads.headReceived(head(2, 10, 60_000), 10, 1);
  heads.headReceived(head(2, 12, 61_000), 10, 2);
  const behind = heads.behind({ dataSet: 1, sequence: 10 }, true, 3);
  assert.equal(behind, { dataSets: 1, bytes: 20, seconds: 1 });
});

test.run();
