/** The programs of others: which are here, in which version. */
import { spawnSync } from 'node:child_process';
import { BenchError } from './bench-error.ts';

export const TOOLS = ['fio', 'nbdkit', 'qemu-nbd', 'qemu-storage-daemon', 'nbdcopy', 'rsync', 'cmp', 'dd', 'sync', 'fincore'] as const;
export type ToolName = (typeof TOOLS)[number];

/** Version as the tool says it in its first line; null: not here. */
export type ToolVersions = Readonly<Record<ToolName, string | null>>;

/** Ask every tool for its version. */
export function findTools(): ToolVersions {
  return Object.fromEntries(TOOLS.map((name) => [name, versionOf(name)])) as Record<ToolName, string | null>;
}

/** Return the tools of a list that are not here. */
export function missingTools(versions: ToolVersions, needed: readonly ToolName[]): ToolName[] {
  return needed.filter((name) => versions[name] === null);
}

function versionOf(name: ToolName): string | null {
  const { error, stdout, stderr } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  if (error !== undefined) {
    if ('code' in error && error.code === 'ENOENT') return null;
    throw new BenchError(`${name} --version: ${error.message}`, { cause: error });
  }
  return `${stdout}${stderr}`.split('\n', 1)[0]?.trim() ?? '';
}
