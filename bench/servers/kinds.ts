/** All servers of the bench. */
import { startFarshore } from './farshore.ts';
import { startMirror } from './mirror.ts';
import { NBDKIT_FILE, NBDKIT_MEMORY, QEMU_NBD, startPlain } from './plain.ts';
import type { ServerKind } from './server.ts';

export const SERVER_KINDS: readonly ServerKind[] = [
  {
    name: 'farshore',
    title: 'Farshore, primary and secondary, write-through',
    replicates: true,
    tools: [],
    start: startFarshore,
  },
  {
    name: 'nbdkit-file',
    title: 'nbdkit file, no replica',
    replicates: false,
    tools: ['nbdkit'],
    start: (scope, sizeMiB) => startPlain(scope, NBDKIT_FILE, sizeMiB),
  },
  {
    name: 'nbdkit-memory',
    title: 'nbdkit memory, no replica, no disk',
    replicates: false,
    tools: ['nbdkit'],
    start: (scope, sizeMiB) => startPlain(scope, NBDKIT_MEMORY, sizeMiB),
  },
  {
    name: 'qemu-nbd',
    title: 'qemu-nbd on a file, no replica',
    replicates: false,
    tools: ['qemu-nbd'],
    start: (scope, sizeMiB) => startPlain(scope, QEMU_NBD, sizeMiB),
  },
  {
    name: 'mirror-background',
    title: 'QEMU mirror, copy mode background, to a second NBD server',
    replicates: true,
    tools: ['qemu-storage-daemon', 'qemu-nbd'],
    start: (scope, sizeMiB) => startMirror(scope, 'background', sizeMiB),
  },
  {
    name: 'mirror-write-blocking',
    title: 'QEMU mirror, copy mode write-blocking, to a second NBD server',
    replicates: true,
    tools: ['qemu-storage-daemon', 'qemu-nbd'],
    start: (scope, sizeMiB) => startMirror(scope, 'write-blocking', sizeMiB),
  },
];
