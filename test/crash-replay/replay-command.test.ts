/** `farshore fixture replay` as a process: its exit code, its JSON, and nothing left behind when it is interrupted. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readExpected, writeExpected } from '../../src/crash-replay/fixture-files.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { BIN } from '../../src/demo/processes.ts';
import { withFolder } from '../support/scratch.ts';

const RECOVERS = 'killed-in-mid-load';
const REFUSES = 'bit-flip-in-payload';

function replay(args: readonly string[], folder: string): { code: number | null; stdout: string } {
  const { status, stdout } = spawnSync(process.execPath, [BIN, 'fixture', 'replay', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
  });
  return { code: status, stdout };
}

test('exit code 0 when all agree, 1 when one does not, and that one is named with what was expected and found', () =>
  withFolder((folder) => {
    const fixtures = join(folder, 'fixtures');
    for (const name of [RECOVERS, REFUSES]) cpSync(join(LIBRARY, name), join(fixtures, name), { recursive: true });
    const good = replay([fixtures], folder);
    assert.is(good.code, 0);
    assert.match(good.stdout, /^2 fixtures: all as expected$/m);
    writeExpected(join(fixtures, RECOVERS), { ...readExpected(join(fixtures, RECOVERS)), watermarkBefore: 0 });
    const bad = replay([fixtures], folder);
    assert.is(bad.code, 1);
    assert.match(bad.stdout, /^killed-in-mid-load does not agree:\n {2}data set of the watermark:\n {4}expected 0\n {4}found {4}1$/m);
    assert.match(bad.stdout, /^bit-flip-in-payload .* ok$/m);
    assert.ok(bad.stdout.split('\n').every((line) => line.length <= 80));
    const json = JSON.parse(replay([fixtures, '--json'], folder).stdout) as {
      passed: boolean;
      fixtures: { fixture: string; passed: boolean }[];
    };
    assert.is(json.passed, false);
    assert.equal(
      json.fixtures.map(({ fixture, passed }) => [fixture, passed]),
      [
        [REFUSES, true],
        [RECOVERS, false],
      ],
    );
    assert.equal(readdirSync(folder), ['fixtures']);
  }));

test('interrupted, it ends by the signal and leaves no copy', () =>
  withFolder(async (folder) => {
    const copies = join(folder, 'copies');
    mkdirSync(copies);
    const child = spawn(process.execPath, [BIN, 'fixture', 'replay', LIBRARY], {
      env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: copies },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'exit');
    // The second row is there: it is in the middle of a later one.
    for await (const piece of child.stdout) if (String(piece).includes('ok')) break;
    child.kill('SIGINT');
    const [code, signal] = (await ended) as [number | null, string | null];
    assert.equal([code, signal], [null, 'SIGINT']);
    assert.equal(readdirSync(copies), []);
  }));

test.run();
