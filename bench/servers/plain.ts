/** Servers without a copy: nbdkit over a file and over memory, and qemu-nbd over a file. */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Server, ServerOptions } from './server.ts';

const MIB = 1024 * 1024;

/** Make a file of holes; the fill through NBD makes them blocks. */
export function makeVolume(path: string, sizeMiB: number): void {
  const file = openSync(path, 'wx');
  ftruncateSync(file, sizeMiB * MIB);
  closeSync(file);
}

interface Program {
  readonly program: string;
  readonly arguments: (socket: string, volume: string, sizeMiB: number) => readonly string[];
  /** Whether a file is behind it. */
  readonly onFile: boolean;
}

export const NBDKIT_FILE: Program = {
  program: 'nbdkit',
  arguments: (socket, volume) => ['--foreground', '--unix', socket, 'file', volume],
  onFile: true,
};
export const NBDKIT_MEMORY: Program = {
  program: 'nbdkit',
  arguments: (socket, _volume, sizeMiB) => ['--foreground', '--unix', socket, 'memory', `${sizeMiB}M`],
  onFile: false,
};
export const QEMU_NBD: Program = {
  program: 'qemu-nbd',
  arguments: (socket, volume) => ['--persistent', '--shared=0', '--format=raw', `--socket=${socket}`, volume],
  onFile: true,
};

/** Start a server that serves one volume and copies nothing. @throws BenchError */
export async function startPlain(scope: BenchScope, program: Program, { sizeMiB, cgroup }: ServerOptions): Promise<Server> {
  const folder = scope.newFolder(program.program);
  const socket = join(folder, 'nbd.sock');
  const volume = join(folder, 'volume');
  if (program.onFile) makeVolume(volume, sizeMiB);
  const server = scope.start(program.program, program.program, program.arguments(socket, volume, sizeMiB), { cgroup });
  await scope.listens(socket, server);
  return {
    uri: `nbd+unix:///?socket=${socket}`,
    processes: new Map([['server', server]]),
    volumePath: program.onFile ? volume : null,
    copyPath: null,
    settle: async () => performance.now(),
    drain: async () => undefined,
    stallMs: async () => null,
    stop: async () => {
      await server.stop();
      scope.removeFolder(folder);
    },
  };
}
