/**
 * The library of crash-replay fixtures: frozen for its format version, whole, and every one of them recovers as it says.
 *
 * @timeLimit 240 s
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readExpected, readManifest } from '../../src/crash-replay/fixture-files.ts';
import { findFixtures, LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { replayFixtures } from '../../src/crash-replay/replay/replay.ts';
import { PROMOTION_STEPS } from '../../src/protocol/promotion-plan.ts';
import { FATE_TABLE, OWNER_TABLE } from '../../src/protocol/recovery-tables.ts';
import { filesIn, SUMS_FILE, sumsOf } from './frozen-files.ts';
import { RECIPES } from './recipes.ts';

const LIBRARY_BYTES_MAX = 600 * 1024;
const REQUIRED = [
  'complete-not-destaged',
  'torn-last-record',
  'zero-tail-after-valid-header',
  'bit-flip-in-payload',
  'bit-flip-in-header',
  'sync-command-missing',
  'gap-in-sequence-numbers',
  'earlier-data-set-partial',
  'crash-during-destage',
  'crash-during-recovery',
  'crash-between-volume-flush-and-watermark',
  'stale-journal-reused',
  'two-journals-one-data-set',
  'later-format-version',
  'foreign-group',
  'old-generation',
  'two-volumes-half-destaged',
  'acknowledged-partial-set',
  'complete-flag-with-unreadable-record',
  'older-header-over-newer-records',
  'older-stream-partial',
  'both-watermark-sectors-bad',
  'padded-commits',
  'nvram-only-record',
  'nvram-and-journal-differ',
  ...PROMOTION_STEPS.map(({ step }) => `killed-during-promotion-step-${step}`),
];

/** Rows that no journal of a host of this version can show: opening the ring refuses another geometry before the tables are asked, or the name of an active row is its fate's. */
const NEVER_A_LABEL: ReadonlySet<string> = new Set([
  'other geometry',
  'retired, other geometry',
  'data set above the watermark',
  'records newer than the header',
  'flag newer than the header',
]);

const names = findFixtures(null).map((directory) => basename(directory));

test('not a byte of the library has changed since it was frozen', () => {
  const frozen = readFileSync(join(LIBRARY, SUMS_FILE), 'utf8').split('\n');
  const found = sumsOf(LIBRARY).split('\n');
  const differing = [...frozen.filter((line) => !found.includes(line)), ...found.filter((line) => !frozen.includes(line))];
  assert.equal(differing, [], 'fixtures are frozen for their format version: a change of the format gets a folder of its own');
});

test('every fault that was asked for is there, each with its recipe, its story and its row', () => {
  const table = readFileSync(join(dirname(LIBRARY), 'README.md'), 'utf8');
  assert.equal(
    REQUIRED.filter((name) => !names.includes(name)),
    [],
  );
  assert.equal(names, RECIPES.map(({ name }) => name).toSorted());
  for (const name of names) {
    assert.is(readManifest(join(LIBRARY, name)).name, name);
    assert.ok(table.includes(`[${name}](v1/${name}/README.md)`), `${name} has a row in fixtures/crash-replay/README.md`);
    const story = readFileSync(join(LIBRARY, name, 'README.md'), 'utf8');
    for (const line of [1, 2, 3, 4, 5]) assert.match(story, new RegExp(`^${line}\\. \\*\\*.+$`, 'm'), `${name}: line ${line} of its story`);
    assert.ok(existsSync(join(LIBRARY, name, 'crash')), name);
  }
});

test('the library stays small', () => {
  const bytes = filesIn(LIBRARY).reduce((sum, path) => sum + readFileSync(join(LIBRARY, path)).length, 0);
  assert.ok(bytes <= LIBRARY_BYTES_MAX, `${bytes} bytes, at most ${LIBRARY_BYTES_MAX}`);
});

test("every row of recovery's tables that a journal can show has a fixture", () => {
  const shown = new Set(names.flatMap((name) => readExpected(join(LIBRARY, name)).journals.map(({ label }) => label)));
  const rows = [...OWNER_TABLE.rows, ...FATE_TABLE.rows].map(({ label }) => label).filter((label) => !NEVER_A_LABEL.has(label));
  assert.equal(
    rows.filter((label) => !shown.has(label)),
    [],
  );
});

test('every fixture recovers as it says, twice, and journal ls predicts it', async () => {
  const reports = await replayFixtures(findFixtures(null), () => {});
  const failed = reports.filter(({ passed }) => !passed);
  assert.equal(
    failed.map(({ fixture, differences }) => ({ fixture, differences })),
    [],
  );
  assert.is(reports.length, names.length);
  assert.ok(reports.every(({ volumes }) => volumes === 'equal' || volumes === 'unchanged'));
});

test.run();
