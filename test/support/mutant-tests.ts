/** The tests beside a source file, run against a patched copy of the compiled sources. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const TEST_TIMEOUT_MS = 60_000;

/** Folders of tests that judge a folder of sources, nearest first. */
const TESTS_OF: Readonly<Record<string, readonly string[]>> = {
  'src/protocol': ['protocol', 'design', 'secondary', 'primary'],
  'src/record': ['record', 'journals'],
  'src/primary': ['primary', 'design'],
  'src/secondary': ['secondary', 'design'],
  'src/application': ['application', 'primary'],
  'src/volume': ['volume', 'application'],
  'src/link': ['link', 'runtime'],
  journals: ['journals', 'secondary'],
};

/** Run the tests until one fails; its name, or null when all are content. @param root compiled files @param file that has the bug */
export async function failingTest(root: string, file: string): Promise<string | null> {
  const folder = Object.keys(TESTS_OF).find((known) => file.startsWith(`${known}/`)) ?? '';
  const own = file.slice(file.lastIndexOf('/') + 1).replace('.js', '.test.js');
  for (const name of TESTS_OF[folder] ?? []) {
    const tests = join(root, 'test', name);
    if (!existsSync(tests)) continue;
    const files = readdirSync(tests).filter((entry) => entry.endsWith('.test.js'));
    for (const test of files.toSorted((a, b) => Number(b === own) - Number(a === own)))
      if (!(await passes(join(tests, test)))) return `${name}/${test}`;
  }
  return null;
}

function passes(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), TEST_TIMEOUT_MS);
    child.on('exit', (code) => {
      clearTimeout(timer);
      resolve(code === 0);
    });
  });
}
