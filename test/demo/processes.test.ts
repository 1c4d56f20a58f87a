/** The demo's processes: real commands, and an end to all of them. Hosts are tested by the demo itself, end to end. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DemoProcesses } from '../../src/demo/processes.ts';
import type { HostFiles } from '../../src/demo/scene.ts';
import { until, within } from '../../src/demo/waits.ts';
import { codeOf } from '../support/scratch.ts';

let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'farshore-test-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

function filesAt(name: string): HostFiles {
  const at = (suffix: string): string => join(folder, `${name}.${suffix}`);
  return {
    role: 'primary',
    config: at('yaml'),
    log: at('log'),
    nbdSocket: at('nbd'),
    target: { kind: 'socket', path: at('sock') },
    volumePaths: [],
  };
}

test('a command: its output and its exit code', async () => {
  const processes = new DemoProcesses({ detached: false });
  const { exitCode, stdout } = await processes.command(['config', 'sample', 'primary']);
  assert.is(exitCode, 0);
  assert.match(stdout, /^# The primary/);
  assert.is((await processes.command(['no-such-command'])).exitCode, 2);
});

test('a command that must succeed and does not says why', async () => {
  const processes = new DemoProcesses({ detached: false });
  const error = await processes.succeed(['init', '-c', join(folder, 'missing.yaml')]).then(
    () => null,
    (thrown: Error & { code: string }) => thrown,
  );
  assert.is(error?.code, 'ERR_DEMO_COMMAND');
  assert.match(error?.message ?? '', /^"farshore init -c .*missing\.yaml" ended with exit code 2: /);
});

test('a host that cannot start has ended, and its log is there', async () => {
  const processes = new DemoProcesses({ detached: false });
  const host = processes.host(filesAt('absent'));
  await host.endsWithin(30_000);
  assert.is(await codeOf(() => host.assertRuns()), 'ERR_DEMO_HOST_ENDED');
  assert.is(host.statusAddress(), null);
  assert.match(host.logTail(), /absent\.yaml/);
  assert.equal(processes.hosts, [host]);
});

test('after the end nothing runs, and nothing is started any more', async () => {
  const processes = new DemoProcesses({ detached: false });
  const host = processes.host(filesAt('short-lived'));
  await processes.stopAll();
  assert.is(host.hasEnded, true);
  assert.is(await codeOf(() => processes.host(filesAt('late'))), 'ERR_DEMO_INTERRUPTED');
  assert.is(await codeOf(() => processes.command(['config', 'sample', 'primary'])), 'ERR_DEMO_INTERRUPTED');
});

test('the status address comes from the log', async () => {
  const processes = new DemoProcesses({ detached: false });
  const files = filesAt('logged');
  const host = processes.host(files);
  await host.endsWithin(30_000);
  const { appendFileSync } = await import('node:fs');
  appendFileSync(files.log, '{"message":"farshore primary of group demo runs","status":["127.0.0.1:4711"]}\n{"half a li');
  assert.is(host.statusAddress(), '127.0.0.1:4711');
  assert.ok(readFileSync(files.log, 'utf8').length > 0);
});

test('every wait has an end, and says what was waited for', async () => {
  const never = new Promise<never>(() => {});
  assert.is(await codeOf(() => within(never, { what: 'nothing', limitMs: 20 })), 'ERR_DEMO_TIMEOUT');
  const error = await until(async () => null, { what: 'the moon', limitMs: 60 }).catch((thrown: Error) => thrown);
  assert.match((error as Error).message, /^waited 0\.06 s for the moon$/);
  const stuck = await until(() => never, { what: 'an answer', limitMs: 60 }).catch((thrown: Error) => thrown);
  assert.match(stuck.message, /^waited 0\.06 s for an answer$/);
  assert.is(await until(async () => 7, { what: 'seven', limitMs: 1000 }), 7);
});

test.run();
