/**
 * The process of one test file: `node run-file.js FILE GRACE_MS`. Imports the file, runs the suites that it handed to uvu with
 * `.run()`, and writes the tally. The runner believes nothing else: no tally, no success.
 */
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { FileTally } from './test-report.ts';

/** What uvu queues for a suite: [errors as text, or true when there are none; passed; skipped; total]. */
type QueuedSuite = () => Promise<[string | true, number, number, number]>;
interface UvuGlobals {
  UVU_DEFER?: number;
  UVU_INDEX?: number;
  UVU_QUEUE?: QueuedSuite[][];
}

const [file = '', graceMs = '3000'] = process.argv.slice(2);
const globals = globalThis as UvuGlobals;
const queue: QueuedSuite[] = [];
globals.UVU_DEFER = 1;
globals.UVU_INDEX = 0;
globals.UVU_QUEUE = [queue];

register('./uvu-hook.js', import.meta.url);
const { noted, report } = await import('./uvu-counted.ts');
await import(pathToFileURL(file).href);
const tally = await runSuites();
report({ kind: 'tally', tally });
if (tally.problems.length > 0 || tally.passed !== tally.registered.length) process.exitCode = 1;
setTimeout(() => {
  report({ kind: 'alive', resources: process.getActiveResourcesInfo() });
  process.exit(1);
}, Number(graceMs)).unref();

async function runSuites(): Promise<FileTally> {
  let passed = 0;
  let total = 0;
  let lost = false;
  for (const runSuite of queue) {
    try {
      const [errors, suitePassed, , suiteTotal] = await runSuite();
      if (errors !== true) process.stdout.write(`\n${errors}\n`);
      else if (suitePassed < suiteTotal) noted.problem(`uvu ended a suite early: ${noted.lastFailure || 'a hook failed'}`);
      passed += suitePassed;
      total += suiteTotal;
    } catch (error) {
      lost = true;
      noted.problem(`a suite could not be run: ${String(error)}`);
    }
  }
  if (noted.registered.length + noted.skipped.length === 0) noted.problem('the file has no tests');
  else if (!lost && total !== noted.registered.length) {
    noted.problem(`${noted.registered.length} tests are registered, but uvu was given ${total}: a .run() is missing, or too early`);
  }
  return { registered: noted.registered, passed, skipped: noted.skipped, problems: noted.problems };
}
