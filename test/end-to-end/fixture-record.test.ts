/**
 * `farshore fixture record` as an operator calls it: two crash points recorded from real processes, and one of them packed again as a
 * bug report, with and without its data. Recovery itself, on these very files, must lead to what the recording says.
 * @timeLimit 240 s
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readExpected, readManifest } from '../../src/crash-replay/fixture-files.ts';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { replayFixture } from '../../src/crash-replay/replay/replay.ts';
import type { RecordReport } from '../../src/crash-replay/write-fixture.ts';
import { BIN } from '../../src/demo/processes.ts';
import { withFolder } from '../support/scratch.ts';

/** Another temporary folder than everybody's, so that what is left behind is seen. */
function environment(folder: string): NodeJS.ProcessEnv {
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  return { ...process.env, TMPDIR: temporary };
}

function farshore(folder: string, args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const options = { encoding: 'utf8', timeout: 120_000, env: environment(folder) } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], options);
  return { status, stdout, stderr };
}

function record(folder: string, args: readonly string[]): RecordReport {
  const { status, stdout, stderr } = farshore(folder, ['fixture', 'record', ...args, '--json']);
  assert.is(status, 0, stderr);
  return JSON.parse(stdout) as RecordReport;
}

function leftovers(folder: string): string[] {
  return readdirSync(join(folder, 'tmp'));
}

test('two crash points: the recording names what is left, and recovery leads where the history says', async () => {
  await withFolder(async (folder) => {
    const half = join(folder, 'half');
    const report = record(folder, ['--crash-point', 'two-volumes-half-destaged', '--seed', '5', '--out', half]);
    assert.is(report.outcome, 'recover');
    assert.is(report.through, (report.watermarkBefore ?? -2) + 1);
    assert.equal(
      report.journals.filter(({ action }) => action === 'replay').map(({ dataSet }) => dataSet),
      [report.through],
    );
    const manifest = readManifest(half);
    assert.is(manifest.madeBy.crashPoint, 'two-volumes-half-destaged');
    assert.not.match(JSON.stringify(manifest), folder);
    // What the destage had not reached yet is in the expected volumes only.
    assert.ok(manifest.volumes.some(({ name }) => existsSync(join(half, 'expected', `${name}.img.gz`))));
    assert.equal((await replayFixture(half)).differences, []);

    const promoted = join(folder, 'promoted');
    const interrupted = record(folder, [
      '--crash-point',
      'promotion-step-4',
      '--seed',
      '6',
      '--volumes',
      '1',
      '--slots',
      '3',
      '--out',
      promoted,
    ]);
    assert.is(interrupted.recover, 'start');
    assert.match(readFileSync(join(promoted, 'crash', 'host-state.json'), 'utf8'), '"condition": "promoting"');
    assert.ok(interrupted.journals.some(({ action }) => action === 'discard'));
    assert.is(readManifest(promoted).volumes.length, 1);
    assert.equal((await replayFixture(promoted)).differences, []);
    assert.equal(leftovers(folder), [], 'a recording leaves files behind');

    const refused = farshore(folder, ['fixture', 'record', '--crash-point', 'watermark-torn', '--out', half]);
    assert.is(refused.status, 2);
    assert.match(refused.stderr, 'ERR_FIXTURE_OUT');
  });
});

test('a crash in write-back: three hosts run, and the region of the peer adds what no journal has', async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out');
    const report = record(folder, ['--crash-point', 'nvram-only', '--seed', '4', '--out', out]);
    assert.is(report.recover, 'start');
    assert.is(report.through, report.watermarkBefore, 'the journals alone add nothing');
    const { records, added, through, error } = report.withRegion ?? { records: 0, added: 0, through: null, error: null };
    assert.is(error, null);
    assert.ok((added ?? 0) > 3 && (added ?? 0) <= records, `${added} of ${records} records`);
    assert.ok((through ?? -1) > (report.watermarkBefore ?? -1), `through data set ${through}`);
    assert.ok(existsSync(join(out, 'crash/nvram.gz')));
    assert.match(readFileSync(join(out, 'crash/host-state.json'), 'utf8'), /"peerMayHoldMore": "[0-9a-f]{32}"/);
    const replayed = await replayFixture(out);
    assert.equal(replayed.differences, []);
    assert.is(replayed.found?.withRegion?.added, added);
    assert.equal(leftovers(folder), [], 'a recording leaves files behind');
  });
});

test('a stopped host is packed as a report; without data its decisions are the same', async () => {
  await withFolder(async (folder) => {
    const fixture = join(folder, 'fixture');
    const recorded = record(folder, ['--at', '300ms', '--seed', '3', '--out', fixture]);
    assert.is(recorded.recover, 'start');
    assert.equal((await replayFixture(fixture)).differences, []);
    const host = await unpackCrash(fixture, join(folder, 'host'));
    for (const [name, more] of [
      ['whole', host.volumes.flatMap((volume) => ['--volumes', `${volume.name}=${volume.path}`])],
      ['bare', ['--without-data']],
    ] as const) {
      const out = join(folder, name);
      const report = record(folder, ['--from', host.stateDirectory, '--out', out, ...more]);
      assert.equal(report.journals, recorded.journals);
      assert.is(report.through, recorded.through);
      assert.equal(readExpected(out).journals, readExpected(fixture).journals);
      assert.equal((await replayFixture(out)).differences, []);
      const journal = gunzipSync(readFileSync(join(out, 'crash/journals/slot-0000.journal.gz')));
      assert.is(journal.includes('seed 3 write'), name === 'whole');
    }
  });
});

test('an interrupted recording leaves neither files nor processes', async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out');
    // A crash point that is far away: it is not met before the signal.
    const child = spawn(process.execPath, [BIN, 'fixture', 'record', '--at', '1h', '--out', out], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: environment(folder),
    });
    const ended = new Promise<number | null>((resolve) => void child.once('exit', (code) => resolve(code)));
    await new Promise((resolve) => void child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGINT');
    assert.is.not(await ended, 0);
    assert.equal(leftovers(folder), []);
    assert.equal(readdirSync(out), []);
  });
});

test('what is asked wrongly is told, and nothing is made', async () => {
  await withFolder((folder) => {
    const out = join(folder, 'out');
    for (const [args, words] of [
      [['--out', out], 'when to kill'],
      [['--crash-point', 'nowhere', '--out', out], 'no crash point'],
      [['--crash-point', 'watermark-torn'], 'where to'],
      [['--from', folder, '--out', out], 'no state folder'],
    ] as const) {
      const { status, stderr } = farshore(folder, ['fixture', 'record', ...args]);
      assert.is(status, 2, stderr);
      assert.match(stderr.replaceAll('\n', ' '), words);
    }
    const list = execFileSync(process.execPath, [BIN, 'fixture', 'record', '--list', '--json'], { encoding: 'utf8' });
    assert.ok((JSON.parse(list) as unknown[]).length > 40);
  });
});

test.run();
