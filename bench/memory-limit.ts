/**
 * A volume larger than its page cache may be: the server that the application talks to runs in a control group (version 2) with a
 * memory limit below the volume's size. Needs root, and a machine whose root group hands the memory controller on, as systemd sets it.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/model/errors.ts';
import type { BenchScope } from './support/bench-scope.ts';

/** Of the volume: room for the buffers of a server beside its page cache. */
const LIMIT_SHARE = 0.75;
const MIB = 1024 * 1024;

export type MemoryLimit = { readonly kind: 'possible'; readonly root: string } | { readonly kind: 'impossible'; readonly why: string };

/** Say whether this machine can limit memory, and if not, why. */
export function findMemoryLimit(mounts = readFileSync('/proc/mounts', 'utf8')): MemoryLimit {
  const root = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type]) => type === 'cgroup2')?.[1];
  if (root === undefined) return { kind: 'impossible', why: 'no control groups of version 2 are mounted' };
  const handedOn = join(root, 'cgroup.subtree_control');
  if (!existsSync(handedOn) || !readFileSync(handedOn, 'utf8').split(/\s+/).includes('memory')) {
    return { kind: 'impossible', why: `${root} does not hand the memory controller on (cgroup.subtree_control)` };
  }
  try {
    accessSync(root, constants.W_OK);
  } catch (error) {
    return { kind: 'impossible', why: `${root} is not ours to write: ${messageOf(error)}` };
  }
  return { kind: 'possible', root };
}

/** Make a group with a limit below the volume's size, and return its folder; it is removed when the scope is closed. */
export function makeLimitedGroup(scope: BenchScope, root: string, sizeMiB: number): string {
  const folder = join(root, `farshore-bench-${process.pid}`);
  if (!existsSync(folder)) {
    mkdirSync(folder);
    scope.atEnd(() => rmdirSync(folder));
  }
  writeFileSync(join(folder, 'memory.max'), String(Math.floor(sizeMiB * LIMIT_SHARE) * MIB));
  return folder;
}
