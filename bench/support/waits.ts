/** Waiting, never for ever. */
import { BenchError } from './bench-error.ts';

const POLL_MS = 10;

export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Poll until it is so. @throws BenchError when the time is up, naming what was waited for */
export async function until(what: string, limitMs: number, isSo: () => boolean | Promise<boolean>, pollMs = POLL_MS): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new BenchError(`waited ${limitMs / 1000} s for ${what}`);
    await sleep(pollMs);
  }
}
