/** Replay of one fixture: each expectation that is broken is found, and named; nothing is left behind, and nothing in the fixture changes. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readExpected, readManifest, writeExpected, writeManifest } from '../../src/crash-replay/fixture-files.ts';
import { findFixtures, fixtureNameOf, LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { describeDecision, describeDifferences, describeTotal, ReplayTable } from '../../src/crash-replay/replay/replay-table.ts';
import { replayFixture, type ReplayReport } from '../../src/crash-replay/replay/replay.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { thrownBy, withFolder } from '../support/scratch.ts';
import { sumsOf } from './frozen-files.ts';

const RECOVERS = 'killed-in-mid-load';
const REFUSES = 'bit-flip-in-payload';
const PROMOTES = 'killed-during-promotion-step-1';

/** Replay a copy of a fixture that was changed before. */
function replayChanged(name: string, change: (fixture: string) => void): Promise<ReplayReport> {
  return withFolder(async (folder) => {
    const fixture = join(folder, name);
    cpSync(join(LIBRARY, name), fixture, { recursive: true });
    change(fixture);
    return replayFixture(fixture);
  });
}

const namesOf = ({ differences }: ReplayReport): string[] => differences.map(({ what }) => what);

/** Change one byte of a packed file. */
function flipPacked(path: string, offset: number): void {
  const bytes = gunzipSync(readFileSync(path));
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  writeFileSync(path, gzipSync(bytes));
}

test('a fixture that agrees passes; nothing of it changes, and no copy stays behind', () =>
  withFolder(async (folder) => {
    const before = sumsOf(LIBRARY);
    const temporary = process.env['TMPDIR'];
    // Other processes replay below the usual one.
    process.env['TMPDIR'] = folder;
    try {
      for (const name of [RECOVERS, REFUSES, PROMOTES]) {
        const report = await replayFixture(join(LIBRARY, name));
        assert.equal(report.differences, [], name);
        assert.ok(report.passed, name);
        assert.equal(readdirSync(folder), [], name);
      }
    } finally {
      if (temporary === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = temporary;
    }
    assert.ok(sumsOf(LIBRARY) === before);
  }));

test('a decision that is expected otherwise is a difference, with the slot', async () => {
  const report = await replayChanged(RECOVERS, (fixture) => {
    const expected = readExpected(fixture);
    const journals = expected.journals.map((journal) =>
      journal.label === 'keep partial' ? { ...journal, label: 'replay', action: 'replay' as const } : journal,
    );
    writeExpected(fixture, { ...expected, journals });
  });
  assert.not(report.passed);
  assert.equal(namesOf(report), ['slot 0']);
  assert.match(report.differences[0]?.expected ?? '', /replay/);
  assert.match(report.differences[0]?.found ?? '', /keep partial/);
});

test('a data set, a watermark or an outcome that is expected otherwise is a difference', async () => {
  const report = await replayChanged(RECOVERS, (fixture) =>
    writeExpected(fixture, { ...readExpected(fixture), through: 2, watermarkBefore: 0 }),
  );
  assert.equal(namesOf(report).slice(0, 2), ['data set of the watermark', 'data set that the copy would be at']);
  assert.ok(namesOf(report).includes('the recovery: data set of the copy'));
  const refused = await replayChanged(REFUSES, (fixture) =>
    writeExpected(fixture, { ...readExpected(fixture), outcome: 'recover', error: null }),
  );
  assert.equal(namesOf(refused), ['outcome', 'error', 'the recovery', 'the second recovery']);
});

test('volumes that should be others are a difference: the history decides, not the recovery', async () => {
  const report = await replayChanged(RECOVERS, (fixture) => {
    const expected = readExpected(fixture);
    writeExpected(fixture, { ...expected, volumes: { ...expected.volumes, vol2: { sha256: '0'.repeat(64) } } });
  });
  assert.equal(namesOf(report), ['volume vol2, SHA-256']);
  assert.is(report.volumes, 'wrong');
});

test('a volume whose crash differs where the replay does not write is found', async () => {
  const report = await replayChanged(RECOVERS, (fixture) => flipPacked(join(fixture, 'crash/volumes/vol1.img.gz'), 128 * 1024 - 1));
  assert.equal(namesOf(report), ['volume vol1, SHA-256']);
});

test('a journal that is damaged further is found before any volume', async () => {
  const report = await replayChanged(RECOVERS, (fixture) => flipPacked(join(fixture, 'crash/journals/slot-0002.journal.gz'), 8192 + 200));
  assert.ok(namesOf(report).includes('slot 2'));
  assert.ok(namesOf(report).includes('error'));
});

test('without volumes only the decisions are compared, and no volume is opened', async () => {
  const report = await replayChanged(RECOVERS, (fixture) => {
    const manifest = readManifest(fixture);
    const expected = readExpected(fixture);
    writeManifest(fixture, {
      ...manifest,
      volumes: manifest.volumes.map(({ name, vlun, sizeBytes }) => ({ name, vlun, sizeBytes, content: 'none' as const })),
    });
    writeExpected(fixture, { ...expected, volumes: { vol1: null, vol2: null } });
    rmSync(join(fixture, 'crash/volumes'), { recursive: true });
  });
  assert.equal(report.differences, []);
  assert.is(report.volumes, 'not there');
  assert.match(describeTotal([report])[0] ?? '', /^-  the volumes are not wholly in the folder/);
});

test('a report of a real host is recovered, although nobody knows what its volumes should be', async () => {
  const report = await replayChanged(RECOVERS, (fixture) => {
    writeExpected(fixture, { ...readExpected(fixture), volumes: { vol1: null, vol2: null } });
    rmSync(join(fixture, 'expected'), { recursive: true });
  });
  assert.equal(report.differences, []);
  assert.is(report.volumes, 'unknown');
  const other = await replayChanged(RECOVERS, (fixture) => writeExpected(fixture, { ...readExpected(fixture), volumes: {}, through: 2 }));
  assert.ok(namesOf(other).includes('the second recovery: data set of the copy'));
});

test('a folder that is damaged is told, and the others are replayed', async () => {
  const torn = await replayChanged(RECOVERS, (fixture) => {
    const path = join(fixture, 'crash/journals/slot-0001.journal.gz');
    writeFileSync(path, readFileSync(path).subarray(0, 100));
  });
  assert.match(torn.differences[0]?.found ?? '', /ERR_FIXTURE_INVALID.*slot-0001/s);
  const unnamed = await replayChanged(RECOVERS, (fixture) => rmSync(join(fixture, 'expected.json')));
  assert.match(unnamed.differences[0]?.found ?? '', /ERR_FIXTURE_MISSING.*expected\.json/s);
  assert.is(describeDecision(unnamed.found), 'cannot be replayed');
});

test('fixtures are found in a folder, in a folder of folders, and in the library', async () => {
  assert.equal(findFixtures(join(LIBRARY, RECOVERS)), [join(LIBRARY, RECOVERS)]);
  assert.equal(findFixtures(LIBRARY), findFixtures(null));
  assert.equal(findFixtures(join(LIBRARY, '..')), findFixtures(null));
  await withFolder(async (folder) => {
    mkdirSync(join(folder, 'empty'));
    cpSync(join(LIBRARY, RECOVERS), join(folder, 'sent-by-a-user', 'report'), { recursive: true });
    assert.is(fixtureNameOf(join(folder, 'sent-by-a-user', 'report')), RECOVERS, 'it is called by its own name');
    assert.is(fixtureNameOf(join(folder, 'empty')), 'empty');
    rmSync(join(folder, 'sent-by-a-user'), { recursive: true });
    const thrown = await thrownBy(() => findFixtures(folder));
    assert.is(thrown instanceof FarshoreError ? thrown.code : thrown, 'ERR_FIXTURE_NONE');
    const absent = await thrownBy(() => findFixtures(join(folder, 'nowhere')));
    assert.is(absent instanceof FarshoreError ? absent.code : absent, 'ERR_FIXTURE_NONE');
  });
});

test('no line of table and differences is wider than 80 columns, whatever the names are', async () => {
  const passed = await replayFixture(join(LIBRARY, REFUSES));
  const failed: ReplayReport = {
    ...passed,
    fixture: `a-${'very-'.repeat(30)}long-name`,
    passed: false,
    differences: [{ what: 'the files after the refusal', expected: 'not one byte changed', found: `changed: ${'x'.repeat(200)}, b` }],
  };
  for (const names of [[passed.fixture], [failed.fixture, passed.fixture], ['x']]) {
    const table = new ReplayTable(names);
    const lines = [table.head(), ...[passed, failed].flatMap((report) => [...table.row(report), ...describeDifferences(report)])];
    assert.equal(
      lines.filter((line) => line.length > 80),
      [],
    );
    assert.ok(lines.some((line) => line.endsWith('FAILED')));
  }
  assert.equal(describeTotal([failed, passed]), ['1 of 2 fixtures does not agree with what is expected']);
  assert.ok(describeDifferences(failed).join('').includes('not one byte changed'));
});

test.run();
