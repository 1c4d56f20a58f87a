/** The bench's figures: medians, ratios, fio's report, what becomes a row of the target table. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ratiosOf, targetsOf } from '../../bench/report/summary.ts';
import { renderReplayLog } from '../../bench/replay-log.ts';
import { parseFioReport } from '../../bench/support/fio.ts';
import { median, pairRatios, rotated, spreadOf } from '../../bench/support/statistics.ts';
import { judge, TARGETS } from '../../bench/support/targets.ts';
import { FIO_FSYNC, FIO_READ, FIO_READ_ERROR } from './fio-samples.ts';
import { sampleOf } from './samples.ts';

test('a median is the middle, or the mean of the two in the middle', () => {
  assert.is(median([3]), 3);
  assert.is(median([10, 1, 2]), 2);
  assert.is(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]), /no values/);
});

test('a spread leaves out what was not measured, and is null when nothing was', () => {
  assert.equal(spreadOf([5, null, 1, undefined, Number.NaN, 3]), { median: 3, min: 1, max: 5, count: 3 });
  assert.is(spreadOf([null, undefined]), null);
});

test('ratios are divided round by round, not median by median', () => {
  const ours = [100, 10, 50].map((value, round) => ({ round, value }));
  const theirs = [200, 10, 25].map((value, round) => ({ round, value }));
  // The median of ours over the median of theirs would be 2.
  assert.equal(pairRatios(ours, theirs), { median: 1, min: 0.5, max: 2, count: 3 });
  assert.equal(pairRatios(ours, theirs.slice(2)), { median: 2, min: 2, max: 2, count: 1 }, 'a round that the peer lacks is left out');
  assert.is(pairRatios(ours, [{ round: 9, value: 1 }]), null);
});

test('a list to replay has one flush for every so many writes, all inside the volume, the same for the same seed', () => {
  const options = { sizeMiB: 8, seconds: 0.01, flushEvery: 32, seed: 3 };
  const lines = renderReplayLog(options).trimEnd().split('\n');
  const offsets = lines.flatMap((line) => /^nbd write (\d+) 4096$/.exec(line)?.[1] ?? []).map(Number);
  assert.is(offsets.length, 600);
  assert.ok(offsets.every((offset) => offset % 4096 === 0 && offset + 4096 <= 8 * 1024 * 1024));
  assert.ok(new Set(offsets).size > 450, 'they are spread');
  assert.is(lines.filter((line) => line === 'nbd sync 0 0').length, Math.floor(600 / 32));
  assert.is(lines.indexOf('nbd sync 0 0'), 3 + 32, 'after the first 32 writes');
  assert.equal(lines, renderReplayLog(options).trimEnd().split('\n'));
  assert.ok(renderReplayLog({ ...options, seed: 4 }) !== renderReplayLog(options));
});

test('every server is first once, and each comes after another one', () => {
  const orders = [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''));
  assert.equal(orders, ['abc', 'bca', 'cab', 'abc']);
});

test("fio's report of a run with flushes becomes numbers", () => {
  const report = parseFioReport(FIO_FSYNC);
  assert.is(report.operations, 13_088);
  assert.is(report.flushes, 6366);
  assert.is(report.writtenBytes, 13_088 * 4096);
  assert.is(report.readBytes, 0);
  assert.is(Math.round(report.operationsPerSecond), 13_075);
  assert.is(report.megabytesPerSecond, 53.554893);
  assert.equal(report.completion, { p50Us: 593.92, p99Us: 7634.944, p999Us: 21_364.736 });
  assert.is(report.readCompletion, null);
  assert.equal(report.sync, { p50Us: 1810.432, p99Us: 23_199.744, p999Us: 85_458.944 });
  assert.is(Math.round(report.cpuSeconds * 1e6), 155_000);
});

test("fio's report of reads has their latency, and no flushes", () => {
  const report = parseFioReport(FIO_READ);
  assert.is(report.writtenBytes, 0);
  assert.ok(report.readBytes > 0 && report.operations * 4096 === report.readBytes);
  assert.ok(report.completion !== null && report.completion.p50Us > 0 && report.completion.p99Us >= report.completion.p50Us);
  assert.equal(report.readCompletion, report.completion);
  assert.is(report.sync, null);
});

test('a failed fio is no measurement', () => {
  assert.throws(() => parseFioReport('fio: pid=1, err=5'), /no report/);
  assert.throws(() => parseFioReport(FIO_READ_ERROR), /error 5/);
});

test('ratios and rows of the target table come of the samples in state large', () => {
  const samples = [0, 1, 2].flatMap((round) => [
    sampleOf({
      round,
      server: 'farshore',
      workload: 'write-4k-128',
      operationsPerSecond: 30 + round,
      cpuUsPerOperation: { primary: 9, secondary: 30 },
    }),
    sampleOf({ round, server: 'nbdkit-file', workload: 'write-4k-128', operationsPerSecond: 20 }),
    sampleOf({
      round,
      server: 'farshore',
      workload: 'write-4k-128',
      state: 'small',
      operationsPerSecond: 1,
      cpuUsPerOperation: { primary: 99 },
    }),
    sampleOf({ round, server: 'nbdkit-file', workload: 'write-4k-128', state: 'small', operationsPerSecond: 100 }),
  ]);
  const ratios = ratiosOf(samples);
  assert.is(ratios.length, 2);
  assert.equal(
    ratios.map(({ state, spread }) => [state, spread.median]),
    [
      ['large', 31 / 20],
      ['small', 0.01],
    ],
  );
  const results = targetsOf(samples, ratios);
  const verdicts = Object.fromEntries(
    TARGETS.map((target) => [
      target.id,
      judge(
        target,
        results.find(({ id }) => id === target.id),
      ),
    ]),
  );
  assert.is(verdicts['write-4k-128/nbdkit-file'], 'goal');
  assert.is(verdicts['cpu-primary'], 'must');
  assert.is(verdicts['cpu-secondary'], 'missed');
  assert.is(verdicts['recovery'], 'not measured');
});

test('the target table has every figure of issue 6, and no goal is weaker than its must', () => {
  const figures = TARGETS.map(({ must, goal }) => `${must}/${goal}`);
  const rates = '0.9/1.2 0.9/1.2 0.7/1 0.7/1 0.7/1 0.35/0.6 0.8/1.2 5/8 3/5 0.9/1.1 0.8/1 1/1.3 1/1.3';
  assert.is(figures.join(' '), `${rates} 12/8 22/15 0.5/1 0.5/0.1 0.8/0.95 250/150 250/150 50/10 50/10`);
  for (const { wanted, must, goal, id } of TARGETS) assert.ok(wanted === 'at least' ? goal > must : goal < must, id);
  assert.is(new Set(TARGETS.map(({ id }) => id)).size, TARGETS.length);
});

test.run();
