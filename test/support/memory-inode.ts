/** One file of a memory disk: what readers see, what a power cut leaves, and the changes between the two. */
export type Random = () => number;

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

const SECTOR_BYTES = 512;

/** A growing array of bytes. */
export class Image {
  sizeBytes = 0;
  #memory = new Uint8Array(0);

  bytes(): Uint8Array {
    return this.#memory.subarray(0, this.sizeBytes);
  }

  apply(change: Change): void {
    const end = change.position + change.lengthBytes;
    if (end > this.#memory.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#memory.length));
      larger.set(this.#memory);
      this.#memory = larger;
    }
    this.sizeBytes = Math.max(this.sizeBytes, end);
    if (change.bytes === null) this.#memory.fill(0, change.position, end);
    else this.#memory.set(change.bytes, change.position);
  }

  copy(): Image {
    const copy = new Image();
    copy.#memory = Uint8Array.from(this.bytes());
    copy.sizeBytes = this.sizeBytes;
    return copy;
  }
}

/** A write that was asked and has not completed. */
export interface Flight {
  readonly change: Change;
  readonly durable: boolean;
}

export class Inode {
  cached = new Image();
  durable = new Image();
  #pending: PendingChange[] = [];
  #flights = new Set<Flight>();
  #order = 0;

  /** Number of the newest change: a flush that is asked now covers it and those before it. */
  get newest(): number {
    return this.#order;
  }

  get pendingBytes(): number {
    return this.#pending.reduce((sum, change) => sum + change.lengthBytes, 0);
  }

  begin(flight: Flight): void {
    this.#flights.add(flight);
  }

  /** Complete a write; a failed one leaves any part of itself. */
  end(flight: Flight, failed: Random | null): void {
    this.#flights.delete(flight);
    for (const change of failed === null ? [flight.change] : survivors(flight.change, failed)) this.put(change, flight.durable);
  }

  put(change: Change, durable: boolean): void {
    this.cached.apply(change);
    if (durable) {
      // What was pending below a durable write must not come back over it with the next flush.
      this.#pending = this.#pending.flatMap((older) => without(older, change));
      this.durable.apply(change);
    } else {
      this.#order += 1;
      this.#pending.push({ ...change, order: this.#order });
    }
  }

  /** Make all changes up to number `upTo` durable. */
  flush(upTo: number): void {
    for (const change of this.#takePending(upTo)) this.durable.apply(change);
  }

  /** Lose them, or parts, for good: the kernel marks the pages clean all the same. */
  failFlush(upTo: number, random: Random): void {
    for (const change of this.#takePending(upTo)) for (const part of survivors(change, random)) this.durable.apply(part);
  }

  afterPowerCut(random: Random): Inode {
    const next = new Inode();
    next.durable = this.durable.copy();
    const open = [...this.#pending, ...[...this.#flights].map((flight) => flight.change)];
    for (const change of open) for (const part of survivors(change, random)) next.durable.apply(part);
    next.cached = next.durable.copy();
    return next;
  }

  afterKill(random: Random): Inode {
    const next = new Inode();
    next.durable = this.durable.copy();
    next.cached = this.cached.copy();
    next.#pending = [...this.#pending];
    next.#order = this.#order;
    // A durable write that was interrupted may stand in the page cache only: nobody was told that it is durable.
    for (const flight of this.#flights)
      for (const part of survivors(flight.change, random)) next.put(part, flight.durable && random() < 0.5);
    return next;
  }

  #takePending(upTo: number): PendingChange[] {
    const count = this.#pending.findIndex((change) => change.order > upTo);
    return this.#pending.splice(0, count < 0 ? this.#pending.length : count);
  }
}

/** What is left of a change that was not durable: nothing, all, or any subset of its sectors. */
function survivors(change: Change, random: Random): Change[] {
  const fate = random();
  if (fate < 1 / 3) return [];
  if (fate < 2 / 3 || change.lengthBytes === 0) return [change];
  const end = change.position + change.lengthBytes;
  const parts: Change[] = [];
  for (let from = change.position; from < end;) {
    const to = Math.min(end, from - (from % SECTOR_BYTES) + SECTOR_BYTES);
    if (random() < 0.5) parts.push(cut(change, from, to));
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
