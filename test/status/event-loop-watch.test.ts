import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EventLoopWatch, waitedForProcessorSeconds, type LoopDelay } from '../../src/status/event-loop-watch.ts';

const UNKNOWN = { waitedForProcessorSeconds: null, waitedForProcessorLastMinuteSeconds: null };

/** A native timer that sees what the test says. */
class Seen implements LoopDelay {
  max = 9.2e18;
  count = 0;
  see(ms: number): void {
    this.max = this.count === 0 ? ms * 1e6 : Math.max(this.max, ms * 1e6);
    this.count += 1;
  }
  reset(): void {
    this.max = 9.2e18;
    this.count = 0;
  }
}

test('the longest stall: since the start, and of the last 60 seconds', () => {
  const seen = new Seen();
  const watch = new EventLoopWatch(seen, () => null);
  assert.equal(watch.report(), { longestStallSeconds: 0, longestStallLastMinuteSeconds: 0, ...UNKNOWN }, 'nothing was seen yet');
  seen.see(80);
  assert.equal(watch.report(), { longestStallSeconds: 0.08, longestStallLastMinuteSeconds: 0.08, ...UNKNOWN }, 'not only once a second');
  assert.equal(watch.report(), watch.report(), 'reading changes nothing');
  watch.secondPassed();
  for (let second = 1; second < 60; second += 1) {
    seen.see(6);
    watch.secondPassed();
  }
  assert.is(watch.report().longestStallLastMinuteSeconds, 0.08, '60 seconds are kept');
  seen.see(7);
  watch.secondPassed();
  assert.equal(watch.report(), { longestStallSeconds: 0.08, longestStallLastMinuteSeconds: 0.007, ...UNKNOWN });
});

test('a second in which the timer saw nothing is no stall', () => {
  const seen = new Seen();
  const watch = new EventLoopWatch(seen, () => null);
  watch.secondPassed();
  assert.is(watch.report().longestStallSeconds, 0);
});

test('a loop that is kept busy is seen, and never as shorter than it was', async () => {
  const watch = EventLoopWatch.start();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const until = performance.now() + 60;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const { longestStallSeconds, longestStallLastMinuteSeconds } = watch.report();
  assert.ok(longestStallSeconds >= 0.06, `${longestStallSeconds} s`);
  assert.is(longestStallLastMinuteSeconds, longestStallSeconds);
});

test('the wait for a processor: since the start of the watch, and of the last 60 seconds', () => {
  let waited = 5;
  const watch = new EventLoopWatch(new Seen(), () => waited);
  const told = (): (number | null)[] => {
    const { waitedForProcessorSeconds: ever, waitedForProcessorLastMinuteSeconds: recent } = watch.report();
    return [ever, recent];
  };
  assert.equal(told(), [0, 0], 'what was before is not ours');
  waited += 0.5;
  assert.equal(told(), [0.5, 0.5]);
  watch.secondPassed();
  waited += 0.25;
  assert.equal(told(), [0.75, 0.75]);
  for (let second = 0; second < 60; second += 1) watch.secondPassed();
  assert.equal(told(), [0.75, 0.25], 'the first second is forgotten');
});

test('the kernel counts the wait, or nothing is told', () => {
  const waited = waitedForProcessorSeconds();
  if (process.platform !== 'linux') assert.is(waited, null);
  else assert.ok(waited === null || (waited >= 0 && waited < process.uptime() + 60), `${waited} s`);
});

test.run();
