import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Judgement } from '../../src/demo/check-copy.ts';
import type { History } from '../../src/demo/history.ts';
import { numberedWrites, reportOf, reportRows, type Evidence } from '../../src/demo/verdict.ts';
import { copyAfter, historyOf, judge, write } from './copy-fixture.ts';

/** Five writes, replied to at 0, 1, 2, 3 and never. */
function sample(): History {
  const history = historyOf([16, 8], [[write(0, 0, 4)], [write(1, 0, 4)], [write(0, 2, 4)], [write(1, 4, 4)]]);
  history.beginRound();
  history.issued({ ...write(0, 8, 4), issuedAtMs: 4 });
  return history;
}

/** Three writes in data sets 0 and 1, with their two sync records: numbers 0 to 4 were kept. */
function evidence(change: Partial<Evidence> = {}, kept: readonly number[] = [0, 1, 2]): Evidence {
  const history = sample();
  return {
    history,
    judgement: judge(history, copyAfter(history, kept)),
    promotion: { keptDataSet: '1', keptSequence: '4', discarded: [{ dataSet: '2', records: 1, bytes: 2176 }], lines: [] },
    acknowledgedDataSet: '1',
    inFlightAtKill: 1,
    killedAtMs: 1003,
    firstReadAtMs: 2501.4,
    servesAgain: true,
    oldPrimary: { exitCode: 5, code: 'ERR_UNCLEAN_STOP', message: 'the last stop was not clean' },
    ...change,
  };
}

test('a good run: the numbers', () => {
  const report = reportOf(evidence());
  assert.is(report.verdict, 'good');
  assert.equal(report.writes, { acknowledged: 4, acknowledgedBytes: 16 * 512, inFlightAtKill: 1, kept: 3, acknowledgedNotKept: 1 });
  assert.equal(report.dataSets, { acknowledgedBeforeKill: '1', complete: 2, keptThrough: '1' });
  assert.equal(report.discarded, { dataSets: 1, records: 1, bytes: 2176 });
  assert.equal([report.recoverySeconds, report.lossWindowSeconds, report.volumesEqual], [1.498, 1, true]);
  assert.match(report.summary, /exactly what the application had written at one moment, 1\.0 s before the kill/);
  assert.ok(reportRows(report).every(([name, value]) => name !== '' && value !== ''));
});

test('nothing acknowledged was lost: no loss window', () => {
  const promotion = { ...evidence().promotion, keptSequence: '6', keptDataSet: '1', discarded: [] };
  const report = reportOf(evidence({ promotion }, [0, 1, 2, 3, 4]));
  assert.is(report.verdict, 'good');
  assert.equal([report.writes.kept, report.writes.acknowledgedNotKept, report.lossWindowSeconds], [5, 0, 0]);
  assert.match(report.summary, /with every acknowledged write/);
});

const BAD: Readonly<Record<string, { change: Partial<Evidence>; kept?: readonly number[]; found: RegExp }>> = {
  'a copy that is mixed': {
    change: {},
    kept: [0, 2],
    found: /blocks of the copy fit no moment of the history, first: volume db2, block 0/,
  },
  'a copy that is right, but not the one that the promotion names': {
    change: {},
    kept: [0, 1],
    found: /3 writes by the promotion's numbers, 2 by the bytes/,
  },
  'a copy that is newer than the promotion says': {
    change: {},
    kept: [0, 1, 2, 3],
    found: /3 writes by the promotion's numbers, 4 by the bytes/,
  },
  'a copy that is older than what was acknowledged': {
    change: { acknowledgedDataSet: '2' },
    found: /data set 2 was acknowledged before the kill, data set 1 was kept/,
  },
  'an old primary that starts': { change: { oldPrimary: { exitCode: 0, code: '', message: '' } }, found: /exit code 0 instead of 5/ },
  'an old primary that fails otherwise': {
    change: { oldPrimary: { exitCode: 1, code: '', message: '' } },
    found: /exit code 1 instead of 5/,
  },
  'a promoted host that forgets': { change: { servesAgain: false }, found: /did not give back/ },
};

for (const [name, { change, kept, found }] of Object.entries(BAD)) {
  test(`the verdict is bad: ${name}`, () => {
    const report = reportOf(evidence(change, kept));
    assert.is(report.verdict, 'bad');
    assert.match(report.summary, found);
    assert.is(report.checks.filter(({ good }) => !good).length, name.includes('mixed') ? 2 : 1);
  });
}

test('nothing kept at all is below anything acknowledged', () => {
  const promotion = { keptDataSet: null, keptSequence: null, discarded: [], lines: [] };
  assert.is(reportOf(evidence({ promotion, acknowledgedDataSet: '0' }, [])).verdict, 'bad');
  assert.is(reportOf(evidence({ promotion, acknowledgedDataSet: null }, [])).verdict, 'good');
});

test('writes by the numbers: without the sync records', () => {
  assert.is(numberedWrites({ keptDataSet: '0', keptSequence: '1' }), 1);
  assert.is(numberedWrites({ keptDataSet: '302', keptSequence: '19850' }), 19_548);
  assert.is(numberedWrites({ keptDataSet: null, keptSequence: null }), 0);
});

test('what the bytes leave open is settled by the numbers', () => {
  const judgement: Judgement = { ...evidence().judgement, writesKept: 2, writesKeptMax: 4 };
  assert.equal(reportOf(evidence({ judgement })).writes.kept, 3);
  assert.is(reportOf(evidence({ judgement })).verdict, 'good');
});

test.run();
