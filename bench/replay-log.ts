/**
 * A list of requests for fio to replay (its iolog, version 2): random writes with a flush after every so many. fio's own `--fsync=N`
 * sends many more flushes than one per N writes when requests are in flight beside it (axboe/fio pull request 1754, in fio 3.33 as
 * Debian 12 has it): 8192 writes at depth 32 came with 6737 flushes instead of 256.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchScope } from './support/bench-scope.ts';

const BLOCK_BYTES = 4096;
const MIB = 1024 * 1024;
/** More than a server can do; one that could would end before its time, at the same rate. */
const WRITES_PER_SECOND = 60_000;

export interface ReplayOptions {
  readonly sizeMiB: number;
  readonly seconds: number;
  /** Writes between two flushes. */
  readonly flushEvery: number;
  readonly seed: number;
}

/** Write the list below the scope's folder if it is not there yet, and return its path. */
export function writeReplayLog(scope: BenchScope, options: ReplayOptions): string {
  const { sizeMiB, seconds, flushEvery, seed } = options;
  const path = join(scope.folder, `replay-${sizeMiB}-${seconds}-${flushEvery}-${seed}.log`);
  if (!existsSync(path)) writeFileSync(path, renderReplayLog(options));
  return path;
}

/** Render the list: 4 KiB writes at random places, the same for the same seed. */
export function renderReplayLog({ sizeMiB, seconds, flushEvery, seed }: ReplayOptions): string {
  const blocks = (sizeMiB * MIB) / BLOCK_BYTES;
  const writes = Math.ceil(seconds * WRITES_PER_SECOND);
  const lines = ['fio version 2 iolog', 'nbd add', 'nbd open'];
  let state = seed >>> 0;
  for (let index = 1; index <= writes; index += 1) {
    // A linear congruential generator (Numerical Recipes); its upper bits choose the block.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    lines.push(`nbd write ${Math.floor((state / 2 ** 32) * blocks) * BLOCK_BYTES} ${BLOCK_BYTES}`);
    if (index % flushEvery === 0) lines.push('nbd sync 0 0');
  }
  return `${[...lines, 'nbd close'].join('\n')}\n`;
}
