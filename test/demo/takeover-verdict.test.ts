import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { History } from '../../src/demo/history.ts';
import { takeoverReportOf, takeoverRows, type TakeoverEvidence } from '../../src/demo/takeover-verdict.ts';
import { copyAfter, historyOf, judge, write } from './copy-fixture.ts';

/** Four writes, replied to at 0, 1, 2 and 3. */
function sample(): History {
  return historyOf([16, 8], [[write(0, 0, 4)], [write(1, 0, 4)], [write(0, 2, 4)], [write(1, 4, 4)]]);
}

function evidence(change: Partial<TakeoverEvidence> = {}, kept: readonly number[] = [0, 1, 2, 3]): TakeoverEvidence {
  const history = sample();
  return {
    history,
    judgement: judge(history, copyAfter(history, kept)),
    takeover: { heldRecords: 12, addedRecords: 5, lines: [] },
    acknowledgedBeforeKill: 2,
    killedAtMs: 1.5,
    replicatingAtMs: 2501.9,
    requestsLost: 0,
    drained: true,
    oldSecondary: { exitCode: 5, code: 'ERR_HOST_SUPERSEDED', message: 'another host took its place' },
    ...change,
  };
}

test('a good run: the numbers', () => {
  const report = takeoverReportOf(evidence());
  assert.is(report.verdict, 'good', report.summary);
  assert.equal(report.writes, { acknowledged: 4, acknowledgedBytes: 16 * 512, acknowledgedBeforeKill: 2, kept: 4 });
  assert.equal(report.takeover, { heldRecords: 12, addedRecords: 5 });
  assert.equal([report.recoverySeconds, report.volumesEqual, report.folder], [2.5, true, null]);
  assert.match(report.summary, /^all 4 acknowledged writes are in the copy, .* replicated again 2\.5 s after the kill$/);
  assert.ok(takeoverRows(report).every(([name, value]) => name !== '' && value !== ''));
});

test('the slowest request is one that ended after the kill', () => {
  const at = evidence();
  const [before, , slow] = at.history.writes;
  before!.repliedAtMs = 1;
  slow!.repliedAtMs = slow!.issuedAtMs + 800;
  assert.is(takeoverReportOf(at).longestRequestSeconds, 0.8);
});

const BAD: Readonly<Record<string, { change: Partial<TakeoverEvidence>; kept?: readonly number[]; found: RegExp }>> = {
  'a copy that is mixed': { change: {}, kept: [0, 2, 3], found: /fit no moment of the history, first: volume db2, block 0/ },
  'a copy at an earlier moment': { change: {}, kept: [0, 1, 2], found: /the copy lacks the last 1 write$/ },
  'a copy that was compared too early': { change: { drained: false }, found: /compared before all was destaged/ },
  'a request that failed': { change: { requestsLost: 2 }, found: /^2 requests of the application failed$/ },
  'an old secondary that starts': {
    change: { oldSecondary: { exitCode: 0, code: '', message: '' } },
    found: /^the old secondary ended with exit code 0 \(\) instead of 5 \(ERR_HOST_SUPERSEDED\)$/,
  },
  'an old secondary that refuses for another reason': {
    change: { oldSecondary: { exitCode: 5, code: 'ERR_VOLUME_LOCKED', message: '' } },
    found: /exit code 5 \(ERR_VOLUME_LOCKED\) instead of/,
  },
};

for (const [what, { change, kept, found }] of Object.entries(BAD)) {
  test(`bad: ${what}`, () => {
    const report = takeoverReportOf(evidence(change, kept));
    assert.is(report.verdict, 'bad');
    assert.match(report.summary, found);
    assert.ok(report.checks.some(({ good }) => !good));
  });
}

test.run();
