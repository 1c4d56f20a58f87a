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
    onFile: true,
    tools: [],
    start: startFarshore,
  },
  {
    name: 'nbdkit-file',
    title: 'nbdkit file, no replica',
    replicates: false,
    onFile: true,
    tools: ['nbdkit'],
    start: (scope, options) => startPlain(scope, NBDKIT_FILE, options),
  },
  {
    name: 'nbdkit-memory',
    title: 'nbdkit memory, no replica, no disk',
    replicates: false,
    onFile: false,
    tools: ['nbdkit'],
    start: (scope, options) => startPlain(scope, NBDKIT_MEMORY, options),
  },
  {
    name: 'qemu-nbd',
    title: 'qemu-nbd on a file, no replica',
    replicates: false,
    onFile: true,
    tools: ['qemu-nbd'],
    start: (scope, options) => startPlain(scope, QEMU_NBD, options),
  },
  {
    name: 'mirror-background',
    title: 'QEMU mirror, copy mode background, to a second NBD server',
    replicates: true,
    onFile: true,
    tools: ['qemu-storage-daemon', 'qemu-nbd'],
    start: (scope, options) => startMirror(scope, 'background', options),
  },
  {
    name: 'mirror-write-blocking',
    title: 'QEMU mirror, copy mode write-blocking, to a second NBD server',
    replicates: true,
    onFile: true,
    tools: ['qemu-storage-daemon', 'qemu-nbd'],
    start: (scope, options) => startMirror(scope, 'write-blocking', options),
  },
];
