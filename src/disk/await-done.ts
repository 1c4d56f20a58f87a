import type { Done } from './disk.ts';

/** Await an operation of callback style; for start, stop and recovery, never on the path of a write. */
export function awaitDone(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error === null ? resolve() : reject(error))));
}
