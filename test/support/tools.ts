/**
 * Tests that drive a program of the system: run when it is there, skipped by name when it is not.
 *
 *     const fioTest = needsTools(test, 'fio', 'qemu-io');
 *     fioTest('4k random writes arrive', async () => { ... });
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Callback, Test } from 'uvu';

/** Needs that are not programs. */
const OTHER_NEEDS: Readonly<Record<string, () => boolean>> = {
  root: () => process.getuid?.() === 0,
  '/dev/fuse': () => existsSync('/dev/fuse'),
  '/dev/loop-control': () => existsSync('/dev/loop-control'),
};

/** Whether a program is on the PATH (or where Debian keeps root's), or another need is met. */
export function hasTool(name: string): boolean {
  const other = OTHER_NEEDS[name];
  if (other !== undefined) return other();
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => isProgram(join(folder, name)));
}

/** Register tests that need tools: `root`, `/dev/fuse` and `/dev/loop-control` may stand among them. */
export function needsTools<T>(test: Test<T>, ...tools: readonly string[]): (name: string, handler: Callback<T>) => void {
  const missing = tools.filter((tool) => !hasTool(tool));
  return (name, handler) => {
    if (missing.length === 0) {
      test(name, handler);
      return;
    }
    const shown = `${name} (needs ${missing.join(', ')})`;
    process.stdout.write(`skipped: ${shown}\n`);
    test.skip(shown, handler);
  };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
