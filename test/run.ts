/**
 * The test runner: `node dist/test/run.js [PATTERN ...]` runs the test files whose path contains a pattern. uvu alone exits 0 in
 * many broken cases; test/support/runner.test.ts shows each of them failing here.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stopAll } from './support/test-process.ts';
import { runTestFiles } from './support/test-runner.ts';

const compiledRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const projectRoot = dirname(compiledRoot);
const FILES_AT_ONCE = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(patterns: readonly string[]): Promise<number> {
  const compiled = testFiles(join(compiledRoot, 'test'), '.test.js');
  const sources = testFiles(join(projectRoot, 'test'), '.test.ts').map((name) => name.replace(/\.ts$/, '.js'));
  const lost = sources.filter((name) => !compiled.includes(name));
  if (lost.length > 0) {
    process.stderr.write(`not compiled, so not tested: ${lost.join(', ')}; run "npm run build"\n`);
    return 1;
  }
  const chosen = sources.filter((name) => {
    const shown = `test/${name.replace(/\.js$/, '.ts')}`;
    return patterns.length === 0 || patterns.some((pattern) => shown.includes(pattern));
  });
  if (chosen.length === 0) {
    process.stderr.write(`no test file has "${patterns.join('" or "')}" in its path\n`);
    return 1;
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopAll();
      process.exit(1);
    });
  }
  const { exitCode } = await runTestFiles({
    files: chosen.map((name) => join(compiledRoot, 'test', name)),
    root: compiledRoot,
    atOnce: FILES_AT_ONCE,
    print: (line) => void process.stdout.write(`${line}\n`),
  });
  return exitCode;
}

/** Paths below a folder, relative to it, sorted. */
function testFiles(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort();
}
