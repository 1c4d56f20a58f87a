/** A broken invariant of Farshore itself: the process stops with exit 70, because going on could make the copy wrong. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
  readonly code = 'ERR_BROKEN_INVARIANT';
}

/**
 * Stop the process (through `BrokenInvariant`) unless `condition` holds. Never used for bad input. Each `%` of `message` stands for the
 * next value: what is checked for every write must not build a text for it.
 */
export function assert(condition: boolean, message: string, a?: unknown, b?: unknown, c?: unknown, d?: unknown): asserts condition {
  if (condition) return;
  const values = [a, b, c, d];
  throw new BrokenInvariant(message.replace(/%/g, () => String(values.shift())));
}

/** Make the compiler prove that a switch is total. */
export function unreachable(value: never): never {
  throw new BrokenInvariant(`unreachable: ${String(value)}`);
}
