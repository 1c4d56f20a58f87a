/** The state folder of one host: locked while a process uses it, so that a second instance is refused. */
import { join } from 'node:path';
import type { Disk, DiskLock } from '../disk/disk.ts';
import { RefusedError } from '../model/errors.ts';

export interface StateFolder {
  readonly path: string;
  /** Unix socket for commands of this host (mode 0600). */
  readonly controlSocket: string;
  release(): void;
}

/** Path of the control socket inside a state folder. */
export function controlSocketPath(stateDirectory: string): string {
  return join(stateDirectory, 'control.sock');
}

/** Lock the state folder. @throws RefusedError ERR_NOT_INITIALISED, ERR_STATE_LOCKED */
export function lockStateFolder(disk: Disk, path: string): StateFolder {
  if (!disk.exists(path)) {
    throw new RefusedError('ERR_NOT_INITIALISED', `the state folder ${path} does not exist: this host was never initialised`, {
      hint: 'run "farshore init -c FILE" once on a new host',
    });
  }
  const lock: DiskLock | null = disk.lock(join(path, 'lock'));
  if (lock === null) {
    throw new RefusedError('ERR_STATE_LOCKED', `another farshore process uses ${path}`, {
      hint: 'ask it with "farshore status -c FILE"; two processes on one state would destroy the copy',
    });
  }
  try {
    // A killed process may leave a state whose rename is in memory only: nothing is done on its word before that is durable.
    disk.syncDirectory(path);
  } catch (error) {
    lock.release();
    throw error;
  }
  return { path, controlSocket: controlSocketPath(path), release: () => lock.release() };
}
