/** Waiting, always with a limit. The limits are far above what a slow machine needs: they tell a hang from a delay, nothing else. */
import { FarshoreError } from '../model/errors.ts';

export interface WaitLimit {
  /** What is waited for, as it fits after "waited ... s for". */
  readonly what: string;
  readonly limitMs: number;
}

const LOOK_EVERY_MS = 25;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wait for a promise, for what is left of the limit. @throws FarshoreError ERR_DEMO_TIMEOUT, or what the promise rejects with */
export async function within<T>(promise: Promise<T>, limit: WaitLimit, restMs = limit.limitMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timeout(limit)), Math.max(1, restMs));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Look again and again until there is a value. @throws FarshoreError ERR_DEMO_TIMEOUT, or what `look` throws */
export async function until<T>(look: () => Promise<T | null>, limit: WaitLimit): Promise<T> {
  const deadline = performance.now() + limit.limitMs;
  for (;;) {
    const value = await within(look(), limit, deadline - performance.now());
    if (value !== null) return value;
    if (performance.now() > deadline) throw timeout(limit);
    await sleep(LOOK_EVERY_MS);
  }
}

function timeout({ what, limitMs }: WaitLimit): FarshoreError {
  return new FarshoreError('ERR_DEMO_TIMEOUT', `waited ${limitMs / 1000} s for ${what}`, {
    hint: 'is this machine very busy, or its disk very slow? then try again later, or set TMPDIR to a faster disk',
  });
}
