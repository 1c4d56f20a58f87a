import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PositionHistory } from '../../src/primary/position-history.ts';

const head = (bytes: number, timeMs: number): { dataSet: number; sequence: number; bytes: number; timeMs: number } => ({
  dataSet: 9,
  sequence: 99,
  bytes,
  timeMs,
});

test('nothing was written since: not behind', () => {
  assert.equal(new PositionHistory(500).behind(head(500, 9999)), { dataSets: 0, bytes: 0, seconds: 0 });
});

test('behind is what is not destaged: data sets, bytes, and the age of the oldest write', () => {
  const positions = new PositionHistory(500);
  positions.opened(3, 1_000);
  positions.closed({ dataSet: 3, finalSequence: 30, bytes: 700 });
  positions.opened(4, 2_500);
  assert.equal(positions.behind(head(900, 4_000)), { dataSets: 2, bytes: 400, seconds: 3 });
  positions.destaged(3);
  assert.equal([positions.destagedDataSet, positions.destagedSequence], [3, 30]);
  assert.equal(positions.behind(head(900, 4_000)), { dataSets: 1, bytes: 200, seconds: 1.5 });
});

test('an open data set is never destaged, whatever the far side says', () => {
  const positions = new PositionHistory(0);
  positions.opened(0, 1_000);
  positions.destaged(0);
  assert.is(positions.behind(head(10, 1_000)).dataSets, 1);
  positions.closed({ dataSet: 0, finalSequence: 4, bytes: 10 });
  positions.destaged(0);
  assert.equal(positions.behind(head(10, 1_000)), { dataSets: 0, bytes: 0, seconds: 0 });
});

test('several data sets are destaged at once; null and repetitions change nothing', () => {
  const positions = new PositionHistory(0);
  for (const dataSet of [0, 1, 2]) {
    positions.opened(dataSet, dataSet * 1000);
    positions.closed({ dataSet, finalSequence: dataSet * 10 + 9, bytes: (dataSet + 1) * 100 });
  }
  positions.destaged(null);
  assert.is(positions.behind(head(300, 5_000)).bytes, 300);
  positions.destaged(1);
  positions.destaged(1);
  assert.equal(positions.behind(head(300, 5_000)), { dataSets: 1, bytes: 100, seconds: 3 });
  assert.is(positions.destagedSequence, 19);
});

test('a clock that was set back never makes it negative', () => {
  const positions = new PositionHistory(0);
  positions.opened(0, 10_000);
  assert.is(positions.behind(head(10, 4_000)).seconds, 0);
});

test('the recovery point of each record: from the oldest write of its data set, and from the cut, until it is destaged', () => {
  let nowMs = 1_000_000;
  const positions = new PositionHistory(0, () => nowMs);
  const counts = (): unknown[] =>
    [positions.recoveryPoint, positions.recoveryPointFromCut].map((histogram) => {
      const report = histogram.report(nowMs);
      return report === null ? null : [report.count, Math.round(report.maxSeconds * 1e6) / 1e6];
    });
  positions.opened(0, nowMs);
  nowMs += 100;
  positions.closed({ dataSet: 0, finalSequence: 9, bytes: 100 });
  positions.opened(1, nowMs);
  nowMs += 20;
  positions.closed({ dataSet: 1, finalSequence: 109, bytes: 200 });
  positions.opened(2, nowMs);
  nowMs += 30;
  positions.destaged(null);
  assert.equal(counts(), [null, null]);
  positions.destaged(1);
  // The first data set counts once: its first number is not known here. The other one's 100 records took 50 ms, 30 ms from the cut.
  assert.equal(counts(), [
    [101, 0.15],
    [101, 0.05],
  ]);
  assert.is(Math.round((positions.recoveryPoint.report(nowMs)?.lastMinute?.p99Seconds ?? 0) * 100) / 100, 0.05);
  positions.destaged(1);
  positions.destaged(2);
  assert.is(positions.recoveryPoint.report(nowMs)?.count, 101, 'neither repeated nor open ones');
});

test('what a former run closed counts from its oldest write, and from no cut', () => {
  const positions = new PositionHistory(0, () => 70_000);
  positions.opened(4, 10_000);
  positions.closed({ dataSet: 4, finalSequence: 9, bytes: 100 });
  positions.destaged(4);
  assert.is(positions.recoveryPoint.report(70_000)?.maxSeconds, 60);
  assert.is(positions.recoveryPointFromCut.report(70_000), null);
});

test.run();
