/**
 * The simulator itself: some hundred seeds over the production code of all hosts without a broken promise (I1-I11), the same run
 * from the same seed, and a story of every kind. A long run is `farshore simulate --seeds 1..1000000`.
 *
 * @timeLimit 120 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runSeeds, traceSeed } from '../../src/simulation/runner.ts';
import { parseSeedRange } from '../../src/simulation/seed-range.ts';
import { summaryText } from '../../src/simulation/summary-text.ts';

const SEEDS = 300;

test(`${SEEDS} seeds break no promise, and meet every kind of fault`, async () => {
  const summary = await runSeeds({ from: 1, to: SEEDS, threads: 2, failuresMax: 3, onProgress: () => {} });
  assert.is(summary.failures.length, 0, summaryText(summary));
  assert.is(summary.seeds, SEEDS);
  const { counters, stories } = summary;
  const unmet = Object.entries(counters).filter(([, count]) => count === 0);
  assert.equal(unmet, [], 'nothing that is counted stays at zero');
  assert.ok(counters.statesJudged > 10 * SEEDS, `${counters.statesJudged} states were judged`);
  for (const plot of ['replicate', 'fail over', 'takeover']) assert.ok((stories[`${plot} with a peer`] ?? 0) > 0, plot);
  assert.ok(Object.keys(stories).length > 6, `stories: ${Object.keys(stories).join(', ')}`);
});

test('a seed gives the same run, event by event', async () => {
  for (const seed of [1, 7, 45, 11]) {
    const first = await traceSeed(seed);
    const second = await traceSeed(seed);
    assert.ok(first.lines.length > 100, `${first.lines.length} lines`);
    assert.is(first.report.traceSha256, second.report.traceSha256);
    assert.equal(first.lines, second.lines);
    assert.equal(first.report.counters, second.report.counters);
  }
});

test('seeds do not depend on what was simulated before in the same thread', async () => {
  const alone = await traceSeed(12);
  const after = await runSeeds({ from: 3, to: 12, threads: 1, failuresMax: 1, onProgress: () => {} });
  const before = await runSeeds({ from: 3, to: 11, threads: 1, failuresMax: 1, onProgress: () => {} });
  assert.is(after.counters.steps - before.counters.steps, alone.report.counters.steps);
});

test('a failure names the one command that shows it again', () => {
  const failure = {
    seed: 9,
    story: 'replicate',
    rule: 'I2 ack',
    message: 'I2 ack: number 3',
    stack: '',
    step: 5,
    command: 'farshore simulate --seed 9 --trace seed-9.txt',
  };
  const empty = { seeds: 1, seconds: 0, seedsPerSecond: 0, stories: {}, failures: [failure] };
  const counters = new Proxy({}, { get: () => 0 }) as Parameters<typeof summaryText>[0]['counters'];
  const text = summaryText({ ...empty, counters });
  assert.match(text, 'broke a promise');
  assert.match(text, 'farshore simulate --seed 9 --trace seed-9.txt');
});

test('ranges of seeds', () => {
  assert.equal(parseSeedRange('5..9'), { from: 5, to: 9 });
  assert.equal(parseSeedRange('300'), { from: 1, to: 300 });
  for (const text of ['', 'a', '9..5', '1..', '-1..4', '1..2147483648']) assert.throws(() => parseSeedRange(text), /range of seeds/);
});

test.run();
