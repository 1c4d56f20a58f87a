/** `farshore demo` as people and scripts run it. @timeLimit 300 s */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askStatus } from '../../src/cli/control-client.ts';
import type { KeepReport } from '../../src/demo/keep.ts';
import type { TakeoverDemoReport } from '../../src/demo/takeover-verdict.ts';
import type { DemoReport } from '../../src/demo/verdict.ts';

const BIN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'src/cli/run.cjs');

let parent = '';
test.before.each(() => {
  parent = mkdtempSync(join(tmpdir(), 'farshore-test-'));
});
test.after.each(() => rmSync(parent, { recursive: true, force: true }));

/** Run the demo with a TMPDIR of its own, so that what it leaves behind can be seen; end it when its output matches. */
function demo(args: readonly string[], interruptAt?: RegExp): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [BIN, 'demo', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: parent },
  });
  const output = { stdout: '', stderr: '' };
  let interrupted = false;
  const look = (): void => {
    if (interrupted || interruptAt?.test(output.stdout) !== true) return;
    interrupted = true;
    child.kill('SIGINT');
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return new Promise((resolve) => void child.once('close', (exitCode) => resolve({ exitCode, ...output })));
}

/** Regions in memory of the demo that had this folder. */
function regionsOf(folder: string): string[] {
  return existsSync('/dev/shm') ? readdirSync('/dev/shm').filter((name) => name.startsWith(folder)) : [];
}

/** Processes whose command line names this folder. */
function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    })
    .map(Number);
}

test('the verdict is good, the numbers agree, and nothing is left behind', async () => {
  const { exitCode, stdout, stderr } = await demo(['--json', '--seed', '20261122']);
  assert.is(exitCode, 0, stderr);
  const report = JSON.parse(stdout) as DemoReport;
  assert.is(report.verdict, 'good', report.summary);
  assert.is(report.volumesEqual, true);
  assert.is(report.seed, 20_261_122);
  assert.is(report.wrongBlocks, 0);
  assert.ok(report.checks.length >= 5 && report.checks.every(({ good }) => good));
  const { acknowledged, kept, acknowledgedNotKept, inFlightAtKill } = report.writes;
  assert.ok(acknowledged > 100, `${acknowledged} writes`);
  assert.ok(kept >= acknowledged - acknowledgedNotKept && kept <= acknowledged - acknowledgedNotKept + inFlightAtKill);
  assert.is(report.dataSets.complete, Number(report.dataSets.keptThrough) + 1);
  assert.ok(Number(report.dataSets.keptThrough) >= Number(report.dataSets.acknowledgedBeforeKill));
  assert.ok(report.recoverySeconds > 0 && report.lossWindowSeconds >= 0);
  assert.equal([report.oldPrimary.exitCode, report.oldPrimary.code, report.folder], [5, 'ERR_UNCLEAN_STOP', null]);
  assert.match(stderr, /^Farshore demo, seed 20261122$/m);
  assert.match(stderr, /mode write-back \(peer [^ ]+ up\)/);
  assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', /^VERDICT: GOOD - /);
  assertNothingLeft(stderr);
});

test('--kill secondary: the peer takes its place, the application goes on, and nothing acknowledged is lost', async () => {
  const { exitCode, stdout, stderr } = await demo(['--kill', 'secondary', '--json']);
  assert.is(exitCode, 0, stderr);
  const report = JSON.parse(stdout) as TakeoverDemoReport;
  assert.is(report.verdict, 'good', report.summary);
  assert.equal([report.volumesEqual, report.wrongBlocks, report.folder], [true, 0, null]);
  assert.ok(report.checks.length >= 4 && report.checks.every(({ good }) => good));
  const { acknowledged, acknowledgedBeforeKill, kept } = report.writes;
  assert.ok(
    acknowledgedBeforeKill > 100 && acknowledged > acknowledgedBeforeKill,
    `${acknowledgedBeforeKill} of ${acknowledged} before the kill`,
  );
  assert.is(kept, acknowledged);
  assert.ok(report.takeover.heldRecords >= Number(report.takeover.addedRecords));
  assert.ok(report.recoverySeconds > 0 && report.longestRequestSeconds > 0);
  assert.equal([report.oldSecondary.exitCode, report.oldSecondary.code], [5, 'ERR_HOST_SUPERSEDED']);
  assertNothingLeft(stderr);
});

function assertNothingLeft(output: string): void {
  assert.equal(readdirSync(parent), []);
  assert.equal(processesIn(parent), []);
  const [folder = ''] = /farshore-demo-\w{6}/.exec(output) ?? [];
  assert.is.not(folder, '', 'the demo says where everything is');
  assert.equal(regionsOf(folder), []);
}

test('interrupted while it writes: it ends with an error, and nothing is left behind', async () => {
  const { exitCode, stdout, stderr } = await demo([], /\[2\/6\]/);
  assert.is(exitCode, 1, stdout);
  assert.match(stderr, /^Error ERR_DEMO_INTERRUPTED: SIGINT/);
  assertNothingLeft(stdout);
});

test('--keep leaves all three hosts running, and its own command stops them', async () => {
  let report: KeepReport | null = null;
  try {
    const { exitCode, stdout, stderr } = await demo(['--keep', '--json']);
    assert.is(exitCode, 0, stderr);
    report = JSON.parse(stdout) as KeepReport;
    assert.is(report.verdict, 'good', report.summary);
    assert.is(report.writes.kept, report.writes.acknowledged);
    assert.equal(processesIn(parent).sort(), report.hosts.map(({ pid }) => pid).sort());
    for (const { role, status, pid } of report.hosts) {
      const answer = await askStatus({ kind: 'url', url: status });
      assert.equal([answer.role, answer.pid, answer.state], [role, pid, 'replicating']);
    }
    assert.equal(
      report.hosts.map(({ role }) => role),
      ['primary', 'secondary', 'peer'],
    );
    assert.is(await shell(report.commands['stopAll'] ?? 'false'), 0);
    for (let look = 0; look < 100 && processesIn(parent).length > 0; look += 1) await sleep(100);
    assert.equal(processesIn(parent), []);
    assertNothingLeft(stderr);
  } finally {
    for (const { pid } of report?.hosts ?? []) {
      if (processesIn(parent).includes(pid)) process.kill(pid, 'SIGKILL');
    }
  }
});

function shell(line: string): Promise<number | null> {
  const child = spawn('sh', ['-c', line], { stdio: 'inherit' });
  return new Promise((resolve) => void child.once('close', resolve));
}

test.run();
