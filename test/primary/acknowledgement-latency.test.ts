import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AcknowledgementLatency } from '../../src/primary/acknowledgement-latency.ts';

/** A primary that numbers and is acknowledged as the test says. */
class Bench {
  readonly latency = new AcknowledgementLatency();
  acknowledged: { finalSequence: number } | null = null;
  #sequence = 99;
  readonly machine = { head: () => ({ sequence: this.#sequence }) };

  constructor() {
    this.latency.turnEnded(this, 0);
  }

  /** One turn in which so many records were numbered. */
  turn(records: number, nowMs: number): number {
    this.#sequence += records;
    this.latency.turnEnded(this, nowMs);
    return this.#sequence;
  }

  get told(): { count: number; p50Ms: number; p99Ms: number; maxMs: number } {
    const recent = this.latency.histogram.report(0)?.lastMinute;
    const ms = (seconds = 0): number => Math.round(seconds * 1000);
    return { count: recent?.count ?? 0, p50Ms: ms(recent?.p50Seconds), p99Ms: ms(recent?.p99Seconds), maxMs: ms(recent?.maxSeconds) };
  }
}

test('what was numbered before the first turn is not counted; then every record is, by the probe that stands for it', () => {
  const bench = new Bench();
  const first = bench.turn(10, 1);
  const second = bench.turn(5, 3);
  bench.latency.acknowledged([{ from: 100, to: first }], 9);
  assert.equal(bench.told, { count: 10, p50Ms: 8, p99Ms: 8, maxMs: 8 });
  bench.latency.acknowledged([{ from: first + 1, to: second }], 13);
  assert.equal(bench.told, { count: 15, p50Ms: 8, p99Ms: 10, maxMs: 10 });
});

test('turns within a millisecond share one probe; a turn without records sets none', () => {
  const bench = new Bench();
  bench.turn(1, 10);
  bench.turn(1, 10.3);
  bench.turn(1, 10.6);
  const last = bench.turn(1, 11.2);
  bench.turn(0, 20);
  bench.latency.acknowledged([{ from: 100, to: last - 1 }], 30);
  assert.is(bench.told.count, 1, 'only the first probe was in the range');
  bench.latency.acknowledged([{ from: last, to: last }], 31.2);
  assert.equal(bench.told, { count: 4, p50Ms: 20, p99Ms: 20, maxMs: 20 });
});

test('acknowledgements that overtake each other, and repeated ones', () => {
  const bench = new Bench();
  const numbers = [2, 4, 6].map((nowMs) => bench.turn(1, nowMs));
  bench.latency.acknowledged([{ from: numbers[2] as number, to: numbers[2] as number }], 8);
  bench.latency.acknowledged([{ from: numbers[0] as number, to: numbers[0] as number }], 10);
  bench.latency.acknowledged([{ from: 100, to: numbers[0] as number }], 50);
  assert.equal([bench.told.count, bench.told.maxMs], [2, 8]);
  bench.latency.acknowledged([{ from: 100, to: 200 }], 20);
  assert.equal([bench.told.count, bench.told.maxMs], [3, 16]);
});

test('what a new session says it holds counts too, with the data set that it completes', () => {
  const bench = new Bench();
  const held = bench.turn(3, 1);
  bench.turn(3, 5);
  bench.acknowledged = { finalSequence: held };
  bench.turn(0, 1_001);
  assert.equal(bench.told, { count: 3, p50Ms: 1000, p99Ms: 1000, maxMs: 1000 });
});

test('an outage weighs what was written in it, however long: no memory grows and nothing is left out', () => {
  const bench = new Bench();
  let newest = 0;
  // 1000 s with one record in each millisecond, then everything is acknowledged at once.
  for (let nowMs = 1; nowMs <= 1_000_000; nowMs += 1) newest = bench.turn(1, nowMs);
  bench.latency.acknowledged([{ from: 100, to: newest }], 1_000_000);
  const report = bench.latency.histogram.report(1_000_000);
  const { count = 0, p50Seconds = 0, maxSeconds = 0 } = report?.lastMinute ?? {};
  assert.ok(count > 960_000 && count <= 1_000_000, `${count} of 1000000; the newest have no probe yet`);
  assert.ok(p50Seconds > 440 && p50Seconds < 560, `${p50Seconds} s`);
  assert.ok(maxSeconds > 960 && maxSeconds <= 1_000, `${maxSeconds} s`);
  // Then it is as fine as before: one probe in each millisecond.
  const before = count;
  newest = bench.turn(1, 1_000_002);
  newest = bench.turn(1, 1_000_003.1);
  bench.latency.acknowledged([{ from: newest, to: newest }], 1_000_004);
  const after = bench.latency.histogram.report(1_000_004)?.lastMinute?.count ?? 0;
  assert.is(after - before, 1, 'the newest record has a probe of its own');
});

test.run();
