/** The runner of the tests, tested: each way in which uvu exits 0 although something is broken must be reported as failed. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FileResult } from './test-process.ts';
import { runTestFiles } from './test-runner.ts';

/** What each case must come to; `problem` is a part of what the runner says. */
const EXPECTED: Readonly<Record<string, { passed: number; failed: number; problem?: RegExp; output?: RegExp }>> = {
  passes: { passed: 3, failed: 0 },
  'fails-unshowably': { passed: 1, failed: 2, problem: /uvu ended a suite early: "error without a name" failed/ },
  fails: { passed: 1, failed: 1, output: /one is not two/ },
  'throws-in-before': { passed: 0, failed: 1, problem: /before hook failed: Error: before is broken/ },
  'throws-in-after': { passed: 0, failed: 1, problem: /after hook failed: Error: after is broken/ },
  'throws-in-before-each': { passed: 0, failed: 1, problem: /before\.each hook failed/ },
  'throws-in-after-each': { passed: 0, failed: 2, problem: /after\.each hook failed/ },
  'throws-non-error': { passed: 0, failed: 2, output: /just words[\s\S]*undefined/ },
  'forgotten-run': { passed: 0, failed: 1, problem: /1 tests are registered, but uvu was given 0/ },
  'forgotten-second-run': { passed: 1, failed: 1, problem: /2 tests are registered, but uvu was given 1/ },
  'late-registration': { passed: 1, failed: 1, problem: /2 tests are registered, but uvu was given 1/ },
  only: { passed: 1, failed: 1, problem: /"good" is registered with \.only/ },
  'only-passing': { passed: 1, failed: 1, problem: /\.only/ },
  'bare-skip': { passed: 1, failed: 1, problem: /"switched off" is skipped without a missing tool/ },
  'tool-skip': { passed: 1, failed: 0 },
  'no-tests': { passed: 0, failed: 1, problem: /no tests/ },
  'exits-early': { passed: 0, failed: 1, problem: /ended in the test "ends the process" \(exit code 0/ },
  'exits-while-loading': { passed: 0, failed: 1, problem: /before its first test/ },
  'never-settles': { passed: 0, failed: 1, problem: /ended in the test "waits for ever"/ },
  hangs: { passed: 0, failed: 1, problem: /did not end within its limit of 3 s/ },
  'left-handle': { passed: 1, failed: 1, problem: /still open: .*Timeout/ },
  'left-process': { passed: 1, failed: 1, problem: /left processes behind/ },
  'unhandled-rejection': { passed: 0, failed: 1, output: /nobody looked/ },
  'late-error': { passed: 1, failed: 1, output: /too late for uvu/ },
  'import-fails': { passed: 0, failed: 1, output: /loading is broken/ },
  'exit-code': { passed: 1, failed: 1, problem: /ended with exit code 3/ },
};

const folder = fileURLToPath(new URL('./runner-cases', import.meta.url));
const printed: string[] = [];
const results = new Map<string, FileResult>();
let exitCode = -1;

test.before(async () => {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.case.js'))
    .map((name) => join(folder, name));
  const run = await runTestFiles({ files, root: folder, atOnce: 3, print: (line) => printed.push(line), limitMs: 3000, graceMs: 200 });
  exitCode = run.exitCode;
  for (const result of run.results) results.set(/([^/]+)\.case\.js$/.exec(result.file)?.[1] ?? '', result);
});

test('every case is expected, and every expectation has its case', () => {
  assert.equal([...results.keys()].sort(), Object.keys(EXPECTED).sort());
});

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(`case ${name}: ${expected.passed} passed, ${expected.failed} failed`, () => {
    const result = results.get(name);
    assert.ok(result);
    assert.equal(
      { passed: result.passed, failed: result.failed },
      { passed: expected.passed, failed: expected.failed },
      result.problems.join('\n'),
    );
    if (expected.problem) assert.match(result.problems.join('\n'), expected.problem);
    if (expected.output) assert.match(result.output, expected.output);
  });
}

test('skips are named in the report', () => {
  assert.equal(results.get('tool-skip')?.skipped, ['drives the tool (needs no-such-tool-anywhere)']);
  assert.match(printed.join('\n'), /skipped:\n[\s\S]*tool-skip\.case\.ts: drives the tool \(needs no-such-tool-anywhere\)/);
});

test('the last line is the closing line, and failures make the exit code', () => {
  assert.match(printed.join('\n').split('\n').at(-1) ?? '', /^\d+ passed, [1-9]\d* failed, 2 skipped$/);
  assert.is(exitCode, 1);
});

test('good files alone give exit code 0', async () => {
  const lines: string[] = [];
  const run = await runTestFiles({ files: [join(folder, 'passes.case.js')], root: folder, atOnce: 1, print: (line) => lines.push(line) });
  assert.is(run.exitCode, 0);
  assert.is(lines.join('\n').split('\n').at(-1), '3 passed, 0 failed, 0 skipped');
});

test('nothing passed is a failure', async () => {
  const run = await runTestFiles({ files: [], root: folder, atOnce: 1, print: () => {} });
  assert.is(run.exitCode, 1);
});

test.run();
