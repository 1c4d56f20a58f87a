/** A broken invariant of Farshore itself: the process stops with exit 70, because going on could make the copy wrong. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
  readonly code = 'ERR_BROKEN_INVARIANT';
}

/** Stop the process (through `BrokenInvariant`) unless `condition` holds. Never used for bad input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BrokenInvariant(message);
}

/** Make the compiler prove that a switch is total. */
export function unreachable(value: never): never {
  throw new BrokenInvariant(`unreachable: ${String(value)}`);
}
