/** Bring a volume into the state in which it is measured, through NBD and by the same client for every server. */
import type { Server } from './servers/server.ts';
import { runFio } from './support/fio.ts';
import type { BenchScope } from './support/bench-scope.ts';
import { findTools, missingTools } from './support/tools.ts';
import type { VolumeState } from './workloads.ts';

const WARM_UP_SECONDS = 1;

/** Fill the volume with random data, warm the server up, and wait until its copy is even and its files are on the disk. */
export async function prepareVolume(
  scope: BenchScope,
  server: Server,
  { state, sizeMiB }: { state: VolumeState; sizeMiB: number },
): Promise<void> {
  const blockSize = state === 'small' ? '4k' : '1M';
  const depth = state === 'small' ? 32 : 8;
  const fill = ['--rw=write', `--bs=${blockSize}`, `--iodepth=${depth}`, `--size=${sizeMiB}M`, '--refill_buffers=1', '--end_fsync=1'];
  await runFio(scope, { uri: server.uri, options: fill, seconds: null });
  await server.settle();
  // Node compiles what it runs often: nobody's first second is measured.
  const warmUp = ['--rw=randwrite', '--bs=4k', '--iodepth=32', `--size=${sizeMiB}M`];
  await runFio(scope, { uri: server.uri, options: warmUp, seconds: WARM_UP_SECONDS });
  await server.settle();
  await syncFiles(scope, server);
}

/** Files of a server: volume and copy. */
export function filesOf(server: Server): string[] {
  return [server.volumePath, server.copyPath].filter((path) => path !== null);
}

/** Have volume and copy written to the disk. */
export async function syncFiles(scope: BenchScope, server: Server): Promise<void> {
  const files = filesOf(server);
  if (files.length > 0) await scope.succeed('sync', files);
}

/**
 * Drop a server's files from the page cache (POSIX_FADV_DONTNEED), and return how much of them stays in it, 0 to 1; null without
 * `fincore`, which can tell.
 */
export async function dropFromPageCache(scope: BenchScope, server: Server): Promise<number | null> {
  await syncFiles(scope, server);
  for (const file of filesOf(server)) await scope.succeed('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
  if (missingTools(findTools(), ['fincore']).length > 0) return null;
  const shown = await scope.succeed('fincore', ['--bytes', '--noheadings', '--raw', '--output', 'RES,SIZE', ...filesOf(server)]);
  const files = shown
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const sum = (column: number): number => files.reduce((total, numbers) => total + (numbers[column] ?? 0), 0);
  return sum(0) / sum(1);
}
