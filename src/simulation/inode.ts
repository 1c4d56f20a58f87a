/** One file of a simulated disk: what readers see, what a power cut leaves, and the changes between the two (docs/simulation.md). */
import { Image } from './image.ts';
import type { Memory } from './memory.ts';
import type { Random } from './random.ts';

/** Bytes that were put into a file; null bytes are zeroes. A change also makes the file at least as long as its end. */
export interface Change {
  readonly position: number;
  readonly lengthBytes: number;
  readonly bytes: Uint8Array | null;
}

interface PendingChange extends Change {
  /** Ascending with time; the pieces of a change keep its number. */
  readonly order: number;
}

/** A write that was asked and has not completed; also a synchronous one, while a crash may still interrupt it. */
export interface Flight {
  readonly change: Change;
  readonly durable: boolean;
  /** The disk of the host that asked, where several hosts have one file. */
  readonly owner?: object;
}

const SECTOR_BYTES = 512;

export class Inode {
  cached: Image;
  durable: Image;
  /** It lies on storage that two hosts reach: a crash of one leaves it to the other. */
  isShared = false;
  #pending: PendingChange[] = [];
  readonly #flights = new Set<Flight>();
  #order = 0;

  constructor(arena: Memory) {
    this.cached = new Image(arena);
    this.durable = new Image(arena);
  }

  /** Number of the newest change: a flush that is asked now covers it and those before it. */
  get newest(): number {
    return this.#order;
  }

  get isClean(): boolean {
    return this.#pending.length === 0 && this.#flights.size === 0;
  }

  /** What a power cut may lose, oldest first: changes that were not flushed, then writes under way. */
  undecided(): { readonly pending: readonly Change[]; readonly flights: readonly Flight[] } {
    return { pending: this.#pending, flights: [...this.#flights] };
  }

  begin(flight: Flight): void {
    this.#flights.add(flight);
  }

  /** End a change that was refused before anything of it happened. */
  cancel(flight: Flight): void {
    this.#flights.delete(flight);
  }

  /** Complete what was begun; what failed leaves any part of itself. */
  end(flight: Flight, failed: Random | null): void {
    if (!this.#flights.delete(flight)) return;
    if (failed === null) this.put(flight.change, flight.durable);
    else for (const change of survivors(flight.change, failed)) this.put(change, flight.durable);
  }

  put(change: Change, durable: boolean): void {
    this.cached.put(change.position, change.lengthBytes, change.bytes);
    if (durable) {
      // What was pending below a durable write must not come back over it with the next flush.
      if (this.#pending.length > 0) this.#pending = this.#pending.flatMap((older) => without(older, change));
      this.#apply(change);
    } else {
      this.#order += 1;
      this.#pending.push({ ...change, order: this.#order });
    }
  }

  /** Make all changes up to number `upTo` durable. */
  flush(upTo: number): void {
    for (const change of this.#takePending(upTo)) this.#apply(change);
  }

  /** Lose them, or parts, for good: the kernel marks the pages clean all the same, and says so once. */
  failFlush(upTo: number, random: Random): void {
    for (const change of this.#takePending(upTo)) for (const part of survivors(change, random)) this.#apply(part);
  }

  /** One of the hosts that have this file crashed: what that leaves is there for the other, whose own writes go on. */
  crashOf(owner: object, next: Inode): void {
    this.cached = next.cached;
    this.durable = next.durable;
    this.#pending = next.#pending;
    this.#order = Math.max(this.#order, next.#order);
    for (const flight of this.#flights) if (flight.owner === owner) this.#flights.delete(flight);
  }

  /** Let the kernel end what a stopped process had asked of it. */
  endFlights(owner: object): void {
    for (const flight of Array.from(this.#flights)) if (flight.owner === owner) this.end(flight, null);
  }

  afterPowerCut(arena: Memory, random: Random): Inode {
    const next = new Inode(arena);
    next.durable = this.durable.fork(arena);
    for (const change of this.#pending) for (const part of survivors(change, random)) next.#apply(part);
    for (const flight of this.#flights) for (const part of survivors(flight.change, random)) next.#apply(part);
    next.cached = next.durable.fork(arena);
    return next;
  }

  afterKill(arena: Memory, random: Random): Inode {
    const next = new Inode(arena);
    next.durable = this.durable.fork(arena);
    next.cached = this.cached.fork(arena);
    next.#pending = [...this.#pending];
    next.#order = this.#order;
    // A durable write that was interrupted may stand in the page cache only: nobody was told that it is durable.
    for (const flight of this.#flights)
      for (const part of survivors(flight.change, random)) next.put(part, flight.durable && random.chance(0.5));
    return next;
  }

  #apply(change: Change): void {
    this.durable.put(change.position, change.lengthBytes, change.bytes);
  }

  #takePending(upTo: number): PendingChange[] {
    const count = this.#pending.findIndex((change) => change.order > upTo);
    return this.#pending.splice(0, count < 0 ? this.#pending.length : count);
  }
}

/** What is left of a change that was not durable: nothing, all, or any subset of its sectors. */
function survivors(change: Change, random: Random): Change[] {
  const fate = random.int(3);
  if (fate === 0) return [];
  if (fate === 1 || change.lengthBytes === 0) return [change];
  const end = change.position + change.lengthBytes;
  const parts: Change[] = [];
  for (let from = change.position; from < end;) {
    const to = Math.min(end, from - (from % SECTOR_BYTES) + SECTOR_BYTES);
    if (random.chance(0.5)) parts.push(cut(change, from, to));
    from = to;
  }
  return parts;
}

function cut<Kind extends Change>(change: Kind, from: number, to: number): Kind {
  const bytes = change.bytes?.subarray(from - change.position, to - change.position) ?? null;
  return { ...change, position: from, lengthBytes: to - from, bytes };
}

/** The parts of a change that lie outside another. */
function without(change: PendingChange, other: Change): PendingChange[] {
  const [end, otherEnd] = [change.position + change.lengthBytes, other.position + other.lengthBytes];
  if (other.position >= end || otherEnd <= change.position) return [change];
  const parts: PendingChange[] = [];
  if (change.position < other.position) parts.push(cut(change, change.position, other.position));
  if (otherEnd < end) parts.push(cut(change, otherEnd, end));
  return parts;
}
