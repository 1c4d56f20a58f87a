/** The machine that a result is of. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTools, type ToolVersions } from './tools.ts';

export interface Machine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  /** Type, device and options of the file system that holds the volumes. */
  readonly fileSystem: string;
  readonly node: string;
  readonly tools: ToolVersions;
  /** Commit of the sources, with `+` behind it when files differ from it; null outside a checkout. */
  readonly revision: string | null;
  /** Load average over 1, 5 and 15 minutes when the run began: others that used the machine. */
  readonly loadAverage: readonly number[];
  readonly time: string;
}

/** Describe the machine, and the file system of a folder. */
export function describeMachine(folder: string): Machine {
  return {
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    fileSystem: fileSystemOf(folder),
    node: process.version,
    tools: findTools(),
    revision: revision(),
    loadAverage: loadavg(),
    time: new Date().toISOString(),
  };
}

/** The mount whose path is the longest that the folder begins with. */
function fileSystemOf(folder: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, path = '']) => path !== '' && (folder === path || folder.startsWith(path.endsWith('/') ? path : `${path}/`)))
    .sort(([, a = ''], [, b = '']) => a.length - b.length);
  const [device, path, type, options] = mounts.at(-1) ?? [];
  return type === undefined ? 'unknown' : `${type} (${device} on ${path}, ${options})`;
}

function revision(): string | null {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', args, { cwd: dirname(fileURLToPath(import.meta.url)), encoding: 'utf8' });
    return status === 0 ? stdout.trim() : null;
  };
  const commit = git('rev-parse', '--short=12', 'HEAD');
  if (commit === null) return null;
  return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`;
}
