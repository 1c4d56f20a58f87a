/** A process that a test lets die takes its timers with it; what the test's own process set for it since then goes too. */
export function timersOfTheDead(): { readonly end: () => void } {
  const original = globalThis.setTimeout;
  const timers: NodeJS.Timeout[] = [];
  const noting = (...args: Parameters<typeof original>): NodeJS.Timeout => {
    const timer = original(...args);
    timers.push(timer);
    return timer;
  };
  globalThis.setTimeout = Object.assign(noting, original);
  return {
    end: () => {
      globalThis.setTimeout = original;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
