import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for any machine that is at all usable: only a wait that would never end comes to it. */
const LIMIT_MS = 60_000;
/** So many turns of the event loop are watched one by one; a longer wait leaves the processor to others. */
const TURNS = 1_000;

/** Wait until `condition` holds. A shorter limit is for what is promised to come within a time. */
export async function until(what: string, condition: () => boolean, limitMs: number = LIMIT_MS): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (let turns = 0; !condition(); turns += 1) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    if (turns < TURNS) await new Promise((resolve) => setImmediate(resolve));
    else await sleep(1);
  }
}
