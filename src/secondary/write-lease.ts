/** The right to write to storage that another host may take over: what the writers see of it, in this thread and in others. */

/** Why a write was not made: the lease ended before it, and never comes back. */
export class LeaseEnded extends Error {
  override readonly name = 'LeaseEnded';
}

export interface WriteLease {
  /** For other threads: until when it holds, nanoseconds of `process.hrtime`. */
  readonly cell: SharedArrayBuffer;
  /** Asked directly before each system call that writes. */
  mayWrite(): boolean;
  /** Call back when it holds: at once, or after its renewal; with an error when it never will again. */
  whenHeld(work: (error: Error | null) => void): void;
}

/** Whether the lease of this cell holds at this time. */
export function leaseHolds(cell: BigInt64Array, nowNs: bigint): boolean {
  return nowNs < Atomics.load(cell, 0);
}

/** The question of a worker thread before each store; always yes where there is no lease. */
export function mayStoreBy(cell: SharedArrayBuffer | null): () => boolean {
  if (cell === null) return () => true;
  const until = new BigInt64Array(cell);
  return () => leaseHolds(until, process.hrtime.bigint());
}
