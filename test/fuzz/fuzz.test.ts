/**
 * Every fuzz target, briefly: two seeds that are always the same and a fresh one. The number of inputs is fixed, so that a run is
 * the same on a slow machine; longer: `node dist/test/fuzz/run.js --seconds 600`. @timeLimit 240 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzz } from './engine.ts';
import { parseInput, showInput } from './hex.ts';
import { TARGETS } from './targets.ts';

const FIXED_SEEDS = [1, 2];
/** For a machine that is a hundred times slower; the numbers of inputs end a run. */
const FOR_MS = 60_000;

test('an input is read again as it was shown', () => {
  const input = [Uint8Array.of(1, 2, 3), new Uint8Array(4000), new Uint8Array(0), Uint8Array.of(255, ...new Uint8Array(9), 7)];
  assert.equal(
    parseInput(showInput(input)).map((part) => Uint8Array.from(part)),
    input,
  );
  assert.equal(parseInput(showInput([])), []);
});

for (const target of TARGETS) {
  test(`${target.name}: ${target.property}`, async () => {
    const reached = new Set<string>();
    const fresh = Date.now() % 2 ** 31;
    const inputs = Math.ceil(target.testInputs / 3);
    for (const seed of [...FIXED_SEEDS, fresh]) {
      const report = await fuzz({ target, seed, inputs, forMs: FOR_MS });
      assert.is(report.failure, null, report.failure ?? '');
      for (const outcome of report.outcomes.keys()) reached.add(outcome);
    }
    assert.equal(
      target.mustReach.filter((outcome) => !reached.has(outcome)),
      [],
      'outcomes that were not reached',
    );
  });
}

test.run();
