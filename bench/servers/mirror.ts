/**
 * QEMU's own replication: a qemu-storage-daemon serves a file over NBD while its job `blockdev-mirror` copies it to a second NBD
 * server (qemu-nbd over a file). In copy mode `background` a write is answered when it is in the volume and marked dirty, and copied
 * later; in `write-blocking` it is answered when the copy has it too. Neither flushes the copy.
 */
import { join } from 'node:path';
import { BenchError } from '../support/bench-error.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import { until } from '../support/waits.ts';
import { makeVolume } from './plain.ts';
import { Qmp } from './qmp.ts';
import type { Server, ServerOptions } from './server.ts';

export type CopyMode = 'background' | 'write-blocking';

const JOB = 'mirror';
const VOLUME = 'v';
const JOB_MS = 300_000;
const EVEN_FOR_MS = 120;

interface BlockJob {
  readonly ready: boolean;
  readonly offset: number;
  readonly len: number;
  readonly error?: string;
}

/** A mirror whose job may be started later: on a volume that is full already, when its first copy is measured. */
export interface Mirror extends Server {
  /** Start the job, and wait until it says that it is ready. */
  begin(): Promise<void>;
}

/** Start both daemons with a blank volume, and the job. @throws BenchError */
export async function startMirror(scope: BenchScope, copyMode: CopyMode, options: ServerOptions): Promise<Server> {
  const mirror = await startMirrorDaemons(scope, copyMode, { ...options, volume: null });
  await mirror.begin();
  return mirror;
}

/** Start both daemons; `volume` is a file that is there already. @throws BenchError */
export async function startMirrorDaemons(
  scope: BenchScope,
  copyMode: CopyMode,
  { sizeMiB, cgroup, volume }: ServerOptions & { readonly volume: string | null },
): Promise<Mirror> {
  const folder = scope.newFolder('mirror');
  const socket = join(folder, 'nbd.sock');
  const copySocket = join(folder, 'copy.sock');
  const monitor = join(folder, 'qmp.sock');
  const volumePath = volume ?? join(folder, 'volume');
  const copyPath = join(folder, 'copy');
  if (volume === null) makeVolume(volumePath, sizeMiB);
  makeVolume(copyPath, sizeMiB);
  const copy = scope.start('qemu-nbd', 'qemu-nbd', [
    '--persistent',
    '--shared=0',
    '--format=raw',
    `--export-name=${VOLUME}`,
    `--socket=${copySocket}`,
    copyPath,
  ]);
  await scope.listens(copySocket, copy);
  const daemon = scope.start('qemu-storage-daemon', 'qemu-storage-daemon', daemonArguments({ volumePath, socket, copySocket, monitor }), {
    cgroup,
  });
  // The monitor takes one client: no connection is spent on looking whether it listens.
  await scope.listens(socket, daemon);
  const qmp = await Qmp.open(monitor);
  return {
    uri: `nbd+unix:///${VOLUME}?socket=${socket}`,
    processes: new Map([
      ['primary', daemon],
      ['secondary', copy],
    ]),
    volumePath,
    copyPath,
    begin: async () => {
      await qmp.execute('blockdev-mirror', { 'job-id': JOB, device: 'volume', target: 'copy', sync: 'full', 'copy-mode': copyMode });
      await qmp.event('BLOCK_JOB_READY', JOB_MS);
    },
    settle: () => evenOut(qmp),
    drain: async () => {
      await evenOut(qmp);
      // Of a job that is ready, without force: it ends with the copy as the volume is now.
      await qmp.execute('block-job-cancel', { device: JOB });
      const ended = (await qmp.event('BLOCK_JOB_COMPLETED', JOB_MS)) as { error?: string };
      if (ended.error !== undefined) throw new BenchError(`QEMU's mirror ended with ${ended.error}`);
    },
    stallMs: async () => null,
    stop: async () => {
      qmp.close();
      await daemon.stop();
      await copy.stop();
      scope.removeFolder(folder);
    },
  };
}

/**
 * Wait until the job has nothing left to copy, and return when that was. The job looks for dirty blocks every 100 ms when it has
 * none, and says so only then: it must have been even for longer.
 */
async function evenOut(qmp: Qmp): Promise<number> {
  let evenSinceMs: number | null = null;
  await until("QEMU's mirror to be even", JOB_MS, async () => {
    const [job] = (await qmp.execute('query-block-jobs')) as readonly BlockJob[];
    if (job === undefined) throw new BenchError("QEMU's mirror has ended by itself");
    if (!job.ready || job.offset !== job.len) evenSinceMs = null;
    else evenSinceMs ??= performance.now();
    return evenSinceMs !== null && performance.now() - evenSinceMs > EVEN_FOR_MS;
  });
  return evenSinceMs ?? performance.now();
}

function daemonArguments(paths: { volumePath: string; socket: string; copySocket: string; monitor: string }): string[] {
  return [
    '--blockdev',
    `driver=file,node-name=file,filename=${paths.volumePath}`,
    '--blockdev',
    'driver=raw,node-name=volume,file=file',
    '--blockdev',
    `driver=nbd,node-name=copy,server.type=unix,server.path=${paths.copySocket},export=${VOLUME}`,
    '--nbd-server',
    `addr.type=unix,addr.path=${paths.socket},max-connections=100`,
    '--export',
    `type=nbd,id=export,node-name=volume,name=${VOLUME},writable=on`,
    '--chardev',
    `socket,id=monitor,path=${paths.monitor},server=on,wait=off`,
    '--monitor',
    'chardev=monitor',
  ];
}
