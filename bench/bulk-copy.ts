/** A filled volume copied as a whole: by nbdcopy, by rsync, by QEMU's mirror, and through Farshore until the far volume has it all. */
import { join } from 'node:path';
import { startFarshore } from './servers/farshore.ts';
import { startMirrorDaemons } from './servers/mirror.ts';
import { NBDKIT_FILE, startPlain } from './servers/plain.ts';
import { compare } from './side-by-side.ts';
import type { BenchScope } from './support/bench-scope.ts';
import type { Comparison, CopySample } from './support/results.ts';
import { rotated } from './support/statistics.ts';
import type { ToolName } from './support/tools.ts';

const MIB = 1024 * 1024;

export interface CopyWay {
  readonly name: string;
  readonly title: string;
  readonly tools: readonly ToolName[];
  /** Copy the file; return the seconds it took and whether the copy is equal. */
  readonly copy: (scope: BenchScope, source: string, sizeMiB: number) => Promise<CopyDone>;
}

interface CopyDone {
  readonly seconds: number;
  readonly comparison: { readonly equal: boolean; readonly difference: string | null };
}

export const COPY_WAYS: readonly CopyWay[] = [
  { name: 'farshore', title: 'nbdcopy into a Farshore primary, until its secondary is even', tools: ['nbdcopy'], copy: byFarshore },
  { name: 'nbdcopy', title: 'nbdcopy --flush into nbdkit file', tools: ['nbdcopy', 'nbdkit'], copy: byNbdcopy },
  { name: 'rsync', title: 'rsync --whole-file --fsync, file to file', tools: ['rsync'], copy: byRsync },
  { name: 'qemu-mirror', title: 'QEMU blockdev-mirror sync=full, until ready', tools: ['qemu-storage-daemon', 'qemu-nbd'], copy: byMirror },
];

/** Copy a volume of random data in every way, in every round, in an order that rotates. @throws BenchError */
export async function runCopies(
  scope: BenchScope,
  plan: { readonly rounds: number; readonly sizeMiB: number },
  { ways, say }: { readonly ways: readonly CopyWay[]; readonly say: (line: string) => void },
  { copies, comparisons }: { readonly copies: CopySample[]; readonly comparisons: Comparison[] },
): Promise<void> {
  const folder = scope.newFolder('source');
  const source = join(folder, 'source');
  await scope.succeed('dd', ['if=/dev/urandom', `of=${source}`, 'bs=1M', `count=${plan.sizeMiB}`, 'status=none']);
  await scope.succeed('sync', [source]);
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const way of rotated(ways, round)) {
      const { seconds, comparison } = await way.copy(scope, source, plan.sizeMiB);
      const megabytesPerSecond = (plan.sizeMiB * MIB) / 1e6 / seconds;
      copies.push({ round, way: way.name, megabytesPerSecond });
      comparisons.push({ round, server: way.name, state: 'copy', ...comparison });
      say(
        `round ${round + 1}/${plan.rounds} copy by ${way.name}: ${megabytesPerSecond.toFixed(0)} MB/s${comparison.equal ? '' : ': THE COPY DIFFERS'}`,
      );
    }
  }
  scope.removeFolder(folder);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function byFarshore(scope: BenchScope, source: string, sizeMiB: number): Promise<CopyDone> {
  const server = await startFarshore(scope, { sizeMiB, cgroup: null });
  try {
    const seconds = await timed(async () => {
      await scope.succeed('nbdcopy', ['--flush', source, server.uri]);
      await server.settle();
    });
    return { seconds, comparison: await compare(scope, source, server.copyPath ?? '') };
  } finally {
    await server.stop();
  }
}

async function byNbdcopy(scope: BenchScope, source: string, sizeMiB: number): Promise<CopyDone> {
  const server = await startPlain(scope, NBDKIT_FILE, { sizeMiB, cgroup: null });
  try {
    const seconds = await timed(() => scope.succeed('nbdcopy', ['--flush', source, server.uri]));
    return { seconds, comparison: await compare(scope, source, server.volumePath ?? '') };
  } finally {
    await server.stop();
  }
}

async function byRsync(scope: BenchScope, source: string): Promise<CopyDone> {
  const folder = scope.newFolder('rsync');
  const copy = join(folder, 'copy');
  const seconds = await timed(() => scope.succeed('rsync', ['--whole-file', '--inplace', '--fsync', source, copy]));
  const comparison = await compare(scope, source, copy);
  scope.removeFolder(folder);
  return { seconds, comparison };
}

async function byMirror(scope: BenchScope, source: string, sizeMiB: number): Promise<CopyDone> {
  const mirror = await startMirrorDaemons(scope, 'background', { sizeMiB, cgroup: null, volume: source });
  try {
    const seconds = await timed(async () => {
      // Nobody writes: ready is even.
      await mirror.begin();
      await scope.succeed('sync', [mirror.copyPath ?? '']);
    });
    await mirror.drain();
    return { seconds, comparison: await compare(scope, source, mirror.copyPath ?? '') };
  } finally {
    await mirror.stop();
  }
}
