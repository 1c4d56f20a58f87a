import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LATENCY_BOUNDS_SECONDS, LatencyHistogram } from '../../src/model/latency-histogram.ts';
import type { LatencyReport, RecentLatency } from '../../src/model/status.ts';

function reportOf(histogram: LatencyHistogram, nowMs: number): LatencyReport & { readonly lastMinute: RecentLatency } {
  const report = histogram.report(nowMs);
  assert.ok(report !== null && report.lastMinute !== null, 'there is a sample');
  return report as LatencyReport & { readonly lastMinute: RecentLatency };
}

test('nothing was measured: there is no report', () => {
  assert.is(new LatencyHistogram().report(0), null);
});

test('a quantile is never too low, and at most a sixteenth or a microsecond too high', () => {
  const durations = fc.array(fc.double({ min: 0, max: 4e6, noNaN: true }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(durations, (durationsMs) => {
      const histogram = new LatencyHistogram();
      for (const durationMs of durationsMs) histogram.record(durationMs, 5);
      const sorted = durationsMs.toSorted((a, b) => a - b);
      const { lastMinute, count, sumSeconds } = reportOf(histogram, 5);
      assert.is(count, durationsMs.length);
      assert.ok(Math.abs(sumSeconds - durationsMs.reduce((total, ms) => total + ms, 0) / 1000) < 1e-3);
      const { p50Seconds, p99Seconds, p999Seconds, maxSeconds } = lastMinute;
      for (const [share, toldSeconds] of [
        [0.5, p50Seconds],
        [0.99, p99Seconds],
        [0.999, p999Seconds],
        [1, maxSeconds],
      ] as const) {
        const exactSeconds = (sorted[Math.ceil(share * sorted.length) - 1] as number) / 1000;
        assert.ok(toldSeconds >= exactSeconds * (1 - 1e-12), `${share}: ${toldSeconds} < ${exactSeconds}`);
        assert.ok(toldSeconds <= exactSeconds * (17 / 16) + 1e-6, `${share}: ${toldSeconds} > ${exactSeconds}`);
      }
    }),
  );
});

test('the bounds of a report are exact: up to and including', () => {
  LATENCY_BOUNDS_SECONDS.forEach((boundSeconds, index) => {
    const histogram = new LatencyHistogram();
    histogram.record((boundSeconds * 1e6 - 0.5) / 1000, 0);
    histogram.record((boundSeconds * 1e6) / 1000, 0);
    histogram.record((boundSeconds * 1e6 + 0.5) / 1000, 0);
    const { buckets } = reportOf(histogram, 0);
    assert.is(buckets[index], 2, `${boundSeconds} s`);
    assert.is(buckets[index - 1] ?? 0, 0);
    if (index + 1 < buckets.length) assert.is(buckets[index + 1], 3);
  });
  assert.is(LATENCY_BOUNDS_SECONDS[0], 64e-6);
  assert.is(LATENCY_BOUNDS_SECONDS.at(-1), 33.554432);
});

test('a weight counts as often; what is out of range counts at its end', () => {
  const histogram = new LatencyHistogram();
  histogram.record(1, 0, 999);
  histogram.record(100, 0);
  const { count, sumSeconds, lastMinute } = reportOf(histogram, 0);
  assert.is(count, 1000);
  assert.is(Math.round(sumSeconds * 1e6), 999_000 + 100_000);
  assert.ok(lastMinute.p999Seconds < 0.0011 && lastMinute.maxSeconds === 0.1, 'the 999th of 1000 is one of the short ones');
  const odd = new LatencyHistogram();
  odd.record(-5, 0);
  odd.record(1e12, 0);
  const { buckets, maxSeconds } = reportOf(odd, 0);
  assert.equal([buckets[0], buckets.at(-1), maxSeconds], [1, 1, 2 ** 32 / 1e6]);
});

test('the last minute forgets after 50 to 60 seconds, the rest never', () => {
  const histogram = new LatencyHistogram();
  histogram.record(500, 9_999);
  for (let nowMs = 10_000; nowMs < 60_000; nowMs += 10_000) histogram.record(1, nowMs);
  assert.is(reportOf(histogram, 59_999).lastMinute.maxSeconds, 0.5);
  const later = reportOf(histogram, 60_000);
  assert.is(later.lastMinute.maxSeconds, 0.001);
  assert.is(later.lastMinute.count, 5);
  assert.equal([later.count, later.maxSeconds], [6, 0.5]);
  const muchLater = histogram.report(1e9);
  assert.equal([muchLater?.count, muchLater?.lastMinute], [6, null]);
});

test('reading changes nothing for the next reader, and a clock that goes back loses nothing', () => {
  const histogram = new LatencyHistogram();
  histogram.record(7, 100_000);
  const first = histogram.report(100_001);
  assert.equal(histogram.report(100_001), first);
  histogram.record(9, 20_000);
  const { lastMinute } = reportOf(histogram, 100_002);
  assert.equal([lastMinute.count, lastMinute.maxSeconds], [2, 0.009]);
});

test.run();
