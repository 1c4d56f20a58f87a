import type { BrokenInvariant } from '../model/assert.ts';

/** Throw outside of every promise and handler, so that nothing on the way takes a broken invariant for an ordinary error. */
export function throwLater(error: BrokenInvariant): void {
  queueMicrotask(() => {
    throw error;
  });
}
