/** Long enough for any machine that is at all usable: only a wait that would never end comes to it. */
const LIMIT_MS = 60_000;

/** Wait until `condition` holds, looking at every turn of the event loop. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (; !condition(); await new Promise((resolve) => setImmediate(resolve))) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
  }
}
