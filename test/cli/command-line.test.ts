/** The command line as a process: exit codes, JSON, suggestions, the thread pool. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sampleConfig } from '../../src/cli/config/sample.ts';

const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const RUN = join(compiledRoot, 'src/cli/run.cjs');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function node(args: readonly string[], environment: Record<string, string> = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: tmpdir(), ...environment },
  });
  return { code: status, stdout, stderr };
}

function farshore(args: readonly string[], environment: Record<string, string> = {}): Ended {
  return node([RUN, ...args], environment);
}

const folder = mkdtempSync(join(tmpdir(), 'farshore-cli-'));
const right = join(folder, 'primary.yaml');
const wrong = join(folder, 'wrong.yaml');
writeFileSync(right, sampleConfig('primary'));
writeFileSync(wrong, sampleConfig('primary').replace('group: demo', 'gruop: demo').replace('maxAge', 'maxage'));
test.after(() => rmSync(folder, { recursive: true }));

test('a stdout that takes nothing ends a command with its failure on stderr, also where failures are told as JSON', () => {
  for (const json of [[], ['--json']]) {
    const full = openSync('/dev/full', 'w');
    try {
      const { status, stderr } = spawnSync(process.execPath, [RUN, 'config', 'sample', 'primary', ...json], {
        encoding: 'utf8',
        stdio: ['ignore', full, 'pipe'],
        timeout: 30_000,
      });
      assert.is(status, 1, stderr);
      assert.match(stderr, /^Error ERR_SYSTEM_CALL: ENOSPC/);
    } finally {
      closeSync(full);
    }
  }
});

test('config check is silent when the file is right', () => {
  assert.equal(farshore(['config', 'check', '-c', right]), { code: 0, stdout: '', stderr: '' });
});

test('config check lists every mistake, and exits 2', () => {
  const { code, stdout, stderr } = farshore(['config', 'check', '-c', wrong]);
  assert.is(code, 2);
  assert.is(stdout, '');
  assert.ok(stderr.includes(`${wrong}:3:1: unknown key "gruop": did you mean "group"?\n`), stderr);
  assert.ok(stderr.includes('unknown key "maxage" in "dataSets": did you mean "maxAge"?\n'), stderr);
  assert.match(stderr, /^Error ERR_CONFIG_INVALID:\n/);
});

test('FARSHORE_CONFIG stands for -c, and the flag beats it', () => {
  assert.is(farshore(['config', 'check'], { FARSHORE_CONFIG: right }).code, 0);
  assert.is(farshore(['config', 'check'], { FARSHORE_CONFIG: wrong }).code, 2);
  assert.is(farshore(['config', 'check', '-c', right], { FARSHORE_CONFIG: wrong }).code, 0);
});

test('--json: the result is the output', () => {
  const { code, stdout } = farshore(['config', 'check', '-c', right, '--json']);
  assert.is(code, 0);
  assert.equal(JSON.parse(stdout), { file: right, role: 'primary', group: 'demo' });
});

test('--json: errors are {error: {code, message, hint, exitCode}} on stdout', () => {
  const { code, stdout, stderr } = farshore(['config', 'check', '-c', wrong, '--json']);
  assert.is(code, 2);
  assert.is(stderr, '');
  const { error } = JSON.parse(stdout);
  assert.is(error.code, 'ERR_CONFIG_INVALID');
  assert.is(error.exitCode, 2);
  assert.type(error.hint, 'string');
  const message = 'unknown key "gruop": did you mean "group"?';
  assert.equal(error.details.mistakes[1], { file: wrong, line: 3, column: 1, message, code: 'ERR_CONFIG_INVALID' });
});

/** [command line, what the message must contain]: all are usage errors, as text and as JSON. */
const USAGE_ERRORS: readonly (readonly [string, string])[] = [
  ['config check', 'Missing required flag config'],
  ['config check --cofnig x', 'did you mean --config?'],
  ['config check -c x surplus', 'Unexpected argument: surplus'],
  ['config sample', 'Missing 1 required arg'],
  ['config sample primry', 'did you mean "primary"?'],
  ['config smaple primary', 'did you mean "config sample"?'],
  ['cnofig', 'did you mean "config"?'],
  ['xyzzy', '"xyzzy" is not a command'],
];

for (const [line, expected] of USAGE_ERRORS) {
  test(`usage: farshore ${line}`, () => {
    const text = farshore(line.split(' '));
    assert.is(text.code, 2);
    assert.ok(text.stderr.includes(expected), text.stderr);
    assert.not.match(text.stderr, /\n\s+at /, 'no stack');
    const json = farshore([...line.split(' '), '--json']);
    assert.is(json.code, 2);
    const { error } = JSON.parse(json.stdout);
    assert.ok(error.message.includes(expected), error.message);
    assert.is(error.exitCode, 2);
    assert.match(error.code, /^ERR_(USAGE|COMMAND_UNKNOWN)$/);
  });
}

test('--help of a command has examples', () => {
  for (const flag of ['--help', '-h']) {
    const { code, stdout } = farshore(['config', 'check', flag]);
    assert.is(code, 0);
    assert.match(stdout, /EXAMPLES\n\s+\$ farshore config check -c primary\.yaml/);
  }
});

test('the samples pass the check when they come from the command', () => {
  const { code, stdout } = farshore(['config', 'sample', 'secondary']);
  assert.is(code, 0);
  const file = join(folder, 'secondary.yaml');
  writeFileSync(file, stdout);
  assert.equal(farshore(['config', 'check', '-c', file]), { code: 0, stdout: '', stderr: '' });
});

test('a broken invariant in a callback ends the process with 70, its stack, and a log that is written out', () => {
  const url = (path: string): string => JSON.stringify(pathToFileURL(join(compiledRoot, path)).href);
  const program = `
    const { main } = await import(${url('src/cli/main.js')});
    const { assert } = await import(${url('src/model/assert.js')});
    const { openLog } = await import(${url('src/status/log.js')});
    const log = await openLog({ level: 'info', format: 'text' });
    await main(['config', 'check', '-c', ${JSON.stringify(right)}]);
    setTimeout(() => { log.write('info', 'the last line'); assert(false, 'two heads'); }, 10);
    setTimeout(() => process.exit(0), 5000);`;
  const { code, stderr } = node(['--input-type=module', '-e', program]);
  assert.is(code, 70);
  assert.match(stderr, /ERR_BROKEN_INVARIANT: two heads/);
  assert.match(stderr, /\n\s+at /);
  assert.match(stderr, /the last line/);
});

test('the thread pool has 16 threads, unless UV_THREADPOOL_SIZE says otherwise', () => {
  const probe = join(folder, 'probe.cjs');
  writeFileSync(
    probe,
    `process.on('exit', () => require('fs').writeSync(2, 'threads ' + require('fs').readdirSync('/proc/self/task').length));`,
  );
  const threads = (environment: Record<string, string>): number =>
    Number(/threads (\d+)/.exec(node(['-r', probe, RUN, 'config', 'check', '-c', right], environment).stderr)?.[1]);
  assert.is(threads({}) - threads({ UV_THREADPOOL_SIZE: '4' }), 12);
});

test.run();
