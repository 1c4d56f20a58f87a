import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ageOf,
  CUT_TABLE,
  CUT_TRIGGERS,
  type CutSituation,
  DATA_SET_AGES,
  decideCut,
  matchesCutRow,
} from '../../src/protocol/cut-policy.ts';

function* situations(): Generator<CutSituation> {
  for (const trigger of CUT_TRIGGERS)
    for (const empty of [true, false])
      for (const age of DATA_SET_AGES)
        for (const nextInWindow of [true, false]) for (const due of [true, false]) yield { trigger, empty, age, nextInWindow, due };
}

test('every situation matches exactly one row', () => {
  let count = 0;
  for (const situation of situations()) {
    const rows = CUT_TABLE.filter((row) => matchesCutRow(row, situation)).map((row) => row.label);
    assert.is(rows.length, 1, `${JSON.stringify(situation)} matches ${rows.join(', ') || 'none'}`);
    count += 1;
  }
  assert.is(count, 6 * 2 * 3 * 2 * 2);
});

test('every row is reached, and every label is its own', () => {
  const reached = new Set([...situations()].map((situation) => decideCut(situation).label));
  assert.equal([...reached].sort(), CUT_TABLE.map((row) => row.label).sort());
});

const base: CutSituation = { trigger: 'flush', empty: false, age: 'ripe', nextInWindow: true, due: false };
const rows: readonly [string, Partial<CutSituation>, string][] = [
  ['nothing to close', { empty: true, trigger: 'request' }, 'keep'],
  ['asked for', { trigger: 'request', age: 'young', nextInWindow: false }, 'cut'],
  ['full', { trigger: 'full', age: 'young', nextInWindow: false }, 'cut'],
  ['flush of a young data set', { age: 'young' }, 'keep'],
  ['flush', {}, 'cut'],
  ['flush, window shut', { nextInWindow: false }, 'remember'],
  ['flush for the far side', { trigger: 'remoteFlush', age: 'young' }, 'cut'],
  ['flush for the far side, window shut', { trigger: 'remoteFlush', age: 'young', nextInWindow: false }, 'remember'],
  ['not old yet', { trigger: 'clock', age: 'ripe' }, 'keep'],
  ['old', { trigger: 'clock', age: 'old' }, 'cut'],
  ['old, window shut', { trigger: 'clock', age: 'old', nextInWindow: false }, 'keep'],
  ['window moved, still shut', { trigger: 'window', age: 'old', due: true, nextInWindow: false }, 'keep'],
  ['window moved, cut was due', { trigger: 'window', age: 'young', due: true }, 'cut'],
  ['window moved, old', { trigger: 'window', age: 'old' }, 'cut'],
  ['window moved, none due', { trigger: 'window', age: 'ripe' }, 'keep'],
];

for (const [label, situation, verdict] of rows) {
  test(`row "${label}": ${verdict}`, () => {
    const row = decideCut({ ...base, ...situation });
    assert.equal([row.label, row.verdict], [label, verdict]);
  });
}

test('ages: minAge and maxAge belong to the older class', () => {
  const policy = { minAgeMs: 10, maxAgeMs: 100, maxSizeBytes: 1, recordsMax: 2 };
  assert.equal(
    [0, 9, 10, 99, 100].map((ageMs) => ageOf(ageMs, policy)),
    ['young', 'young', 'ripe', 'ripe', 'old'],
  );
});

test.run();
