/** Places for tests that touch real disks; each is gone when the test is over. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Callback, Test } from 'uvu';
import { errnoOf, messageOf } from '../../src/model/errors.ts';
import { hasTool } from './tools.ts';

/** Run with an empty folder. */
export async function withFolder<Result>(work: (folder: string) => Result | Promise<Result>, parent = tmpdir()): Promise<Result> {
  const folder = mkdtempSync(join(parent, 'farshore-test-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Run with a file system in memory of this size: a disk that is soon full. */
export async function withSmallDisk<Result>(sizeBytes: number, work: (folder: string) => Result | Promise<Result>): Promise<Result> {
  return withFolder(async (folder) => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'farshore-test', folder]);
    try {
      return await work(folder);
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });
}

/** Run with a block device of this size over a file of 0xff bytes. */
export async function withLoopDevice<Result>(sizeBytes: number, work: (device: string) => Result | Promise<Result>): Promise<Result> {
  return withFolder(async (folder) => {
    const backing = join(folder, 'backing');
    writeFileSync(backing, Buffer.alloc(sizeBytes, 0xff));
    const device = execFileSync('losetup', ['--find', '--show', backing], { encoding: 'utf8' }).trim();
    try {
      return await work(device);
    } finally {
      execFileSync('losetup', ['--detach', device]);
    }
  });
}

/** Register a test that needs something this machine may not allow; skipped by name if trying it fails. */
export function needsTried<T>(test: Test<T>, need: 'mount' | 'losetup'): (name: string, handler: Callback<T>) => void {
  const allowed = process.getuid?.() === 0 && hasTool(need) && works(need);
  return (name, handler) => {
    if (allowed) {
      test(name, handler);
      return;
    }
    const shown = `${name} (needs root with ${need})`;
    process.stdout.write(`skipped: ${shown}\n`);
    test.skip(shown, handler);
  };
}

function works(need: 'mount' | 'losetup'): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-test-'));
  try {
    if (need === 'mount') {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'farshore-test', folder], { stdio: 'ignore' });
      execFileSync('umount', ['-l', folder]);
    } else {
      const backing = join(folder, 'backing');
      writeFileSync(backing, '');
      truncateSync(backing, 1024 * 1024);
      const device = execFileSync('losetup', ['--find', '--show', backing], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
      execFileSync('losetup', ['--detach', device]);
    }
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Turn one operation with a callback into a promise. */
export function finished(work: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    work((error) => (error === null ? resolve() : reject(error)));
  });
}

/** The message with which something fails; empty if it does not. */
export async function messageOfFailure(work: () => unknown): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    return messageOf(error);
  }
}

/** The errno or ERR_ code with which something fails; 'none' if it does not. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'none';
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

/** What some work throws; undefined if it does not. */
export async function thrownBy(work: () => unknown): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error;
  }
}
