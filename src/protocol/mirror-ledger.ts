/**
 * What the secondary knows of the records that it mirrors to its peer (DESIGN section 8; Figure 7, steps 2-4): which were sent on the
 * active link, which are held, which are needed no more. Pure.
 *
 * Records of one data set are counted in the order of append, as the journal's are. On a link they are counted by `Ordinal`.
 * - A **claim** says of a data set: each of its first n records is held by this session, or journaled. Records that were never sent on
 *   this link (they came before it, or too much waited) lie below the data set's `base`: nothing is claimed until the journal has them.
 * - A record may be **released** when its journal is durable; not when it was written, and not when it is held (I3).
 *
 * @design section 8 @invariant I2, I3, I11
 */
import { assert } from '../model/assert.ts';
import type { DataSetId } from '../model/ids.ts';
import type { Ordinal } from '../model/peer.ts';

/** Records of one data set, up to and without position `to` in the order of append. */
export interface MirrorRun {
  readonly dataSet: DataSetId;
  readonly to: number;
}

export interface MirrorClaim {
  readonly dataSet: DataSetId;
  readonly records: number;
}

interface MirroredDataSet {
  appended: number;
  journaled: number;
  /** Records below this position were not sent on this link. */
  base: number;
  held: number;
  claimed: number;
}

/** One message on the active link, or everything that the region held before it. */
interface Sent {
  readonly through: Ordinal;
  readonly runs: readonly MirrorRun[];
  readonly bytes: number;
}

export class MirrorLedger {
  readonly #sets = new Map<DataSetId, MirroredDataSet>();
  /** Not held yet, and held but not released, oldest first. */
  readonly #unheld: Sent[] = [];
  readonly #unreleased: Sent[] = [];
  #isJoined = false;
  #sentThrough: Ordinal = 0;
  /** Journaled, and not told to be released yet. */
  #releasableThrough: Ordinal = 0;
  #releasableBytes = 0;
  #releasedThrough: Ordinal = 0;
  #heldThrough: Ordinal = 0;
  #heldBytes = 0;

  /** Records that the peer holds and that are not released. */
  get heldRecords(): number {
    return this.#heldThrough - this.#releasedThrough;
  }

  /** Their encoded bytes; what the region held before this link is not known in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether something was sent that is not held yet. */
  get awaitsPeer(): boolean {
    return this.#unheld.length > 0;
  }

  /** A data set took its slot; `journaled`: with so many records that recovery has made durable. */
  opened(dataSet: DataSetId, journaled = 0): void {
    this.#sets.set(dataSet, { appended: journaled, journaled, base: journaled, held: 0, claimed: 0 });
  }

  /** Count one more record; returns its position behind, which is the `to` of a run that ends with it. */
  appended(dataSet: DataSetId): number {
    const set = this.#set(dataSet);
    set.appended += 1;
    return set.appended;
  }

  /** The first `records` of the data set are durable in its journal. */
  journaled(dataSet: DataSetId, records: number): void {
    const set = this.#sets.get(dataSet);
    if (set !== undefined) set.journaled = Math.max(set.journaled, records);
  }

  retired(dataSet: DataSetId): void {
    this.#sets.delete(dataSet);
  }

  /** Whether the journal has all of a run: then mirroring it is of no use. */
  isJournaled({ dataSet, to }: MirrorRun): boolean {
    const set = this.#sets.get(dataSet);
    return set === undefined || set.journaled >= to;
  }

  /** A link begins to carry records; the region holds everything below `head` from before. */
  joined(options: { readonly tail: Ordinal; readonly head: Ordinal }): void {
    assert(!this.#isJoined, 'one link at a time mirrors');
    const runs: MirrorRun[] = [];
    for (const [dataSet, set] of this.#sets) {
      set.base = set.appended;
      runs.push({ dataSet, to: set.appended });
    }
    this.#isJoined = true;
    this.#sentThrough = options.head;
    this.#heldThrough = options.head;
    this.#releasedThrough = options.tail;
    this.#releasableThrough = options.tail;
    // Whatever the region held before is needed until the journals have everything that was there at this moment.
    if (options.head > options.tail) this.#unreleased.push({ through: options.head, runs, bytes: 0 });
  }

  /** The link is gone; what it said counts no more. */
  left(): void {
    this.#isJoined = false;
    this.#unheld.length = 0;
    this.#unreleased.length = 0;
    this.#heldBytes = 0;
    this.#heldThrough = 0;
    this.#releasedThrough = 0;
    this.#releasableThrough = 0;
    this.#releasableBytes = 0;
    this.#sentThrough = 0;
    for (const set of this.#sets.values()) {
      set.held = 0;
      set.claimed = 0;
    }
  }

  /** Records will not be sent on this link: nothing of their data sets is claimed until the journals have all that is appended now. */
  skipped(dataSets: Iterable<DataSetId>): void {
    for (const dataSet of dataSets) {
      const set = this.#sets.get(dataSet);
      if (set !== undefined) set.base = set.appended;
    }
  }

  /** A message with these records went out. */
  sent(message: { readonly records: number; readonly runs: readonly MirrorRun[]; readonly bytes: number }): void {
    this.#sentThrough += message.records;
    this.#unheld.push({ through: this.#sentThrough, runs: message.runs, bytes: message.bytes });
  }

  /** The peer says how far it holds what was sent; a text says why it cannot. */
  held(through: Ordinal): string | null {
    if (through > this.#sentThrough) return `the peer holds records through ${through}; sent are those through ${this.#sentThrough}`;
    while (this.#unheld.length > 0 && (this.#unheld[0]?.through ?? 0) <= through) {
      const message = this.#unheld.shift();
      if (message === undefined) break;
      for (const { dataSet, to } of message.runs) {
        const set = this.#sets.get(dataSet);
        if (set !== undefined) set.held = Math.max(set.held, to);
      }
      this.#heldThrough = message.through;
      this.#heldBytes += message.bytes;
      this.#unreleased.push(message);
    }
    return null;
  }

  /** New claims since the last call. */
  claims(): MirrorClaim[] {
    const claims: MirrorClaim[] = [];
    if (!this.#isJoined) return claims;
    for (const [dataSet, set] of this.#sets) {
      if (set.held <= set.claimed || set.journaled < set.base) continue;
      set.claimed = set.held;
      claims.push({ dataSet, records: set.held });
    }
    return claims;
  }

  /** Encoded bytes that a release would give up now. */
  get releasableBytes(): number {
    while (this.#unreleased.length > 0) {
      const [oldest] = this.#unreleased;
      if (oldest === undefined || !oldest.runs.every((run) => this.isJournaled(run))) break;
      this.#unreleased.shift();
      this.#releasableThrough = oldest.through;
      this.#releasableBytes += oldest.bytes;
    }
    return this.#releasableBytes;
  }

  /** Everything below this ordinal may be released now; null: nothing new. */
  release(): Ordinal | null {
    this.#heldBytes -= this.releasableBytes;
    this.#releasableBytes = 0;
    if (this.#releasableThrough <= this.#releasedThrough) return null;
    this.#releasedThrough = this.#releasableThrough;
    return this.#releasedThrough;
  }

  /** What the newest release said, for keep-alives. */
  get releasedThrough(): Ordinal {
    return this.#releasedThrough;
  }

  #set(dataSet: DataSetId): MirroredDataSet {
    const set = this.#sets.get(dataSet);
    assert(set !== undefined, `data set ${dataSet} is mirrored before it was opened`);
    return set;
  }
}
