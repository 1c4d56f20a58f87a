/**
 * All data sets that are numbered and not wholly acknowledged, ascending and without holes: what is to be sent next, what an
 * acknowledgement covers, and what may be released.
 *
 * Sequence numbers run on from one data set to the next, so a number or an ID finds its data set by arithmetic and bisection.
 */
import { assert } from '../model/assert.ts';
import type { HeldDataSet, UnacknowledgedDataSet } from '../model/handshake.ts';
import type { DataSetId, SequenceNumber, SequenceRange } from '../model/ids.ts';
import { OutgoingDataSet } from './outgoing-data-set.ts';
import type { RestoredOutgoing } from './primary-contract.ts';

/** Released data sets kept for reuse; each holds its offset and state tables. */
const POOL_MAX = 16;

/** Records of one data set that go to a link as one message, by index. */
export interface Run {
  readonly set: OutgoingDataSet;
  readonly start: number;
  readonly end: number;
  readonly again: boolean;
  readonly bytes: number;
}

export class OutgoingQueue {
  /** Encoded bytes numbered and not acknowledged. */
  unacknowledgedBytes = 0;
  #sets: OutgoingDataSet[] = [];
  #pool: OutgoingDataSet[] = [];
  /** Data sets below this ID have no unsent record; unsent records never come back. */
  #unsentFrom: DataSetId = 0;
  /** Data sets with records to send again. */
  #resendSets = 0;

  /** Begin with what a clean stop left; `nextDataSet` and `nextSequence` follow the last of it. */
  restore(restored: readonly RestoredOutgoing[], next: { readonly dataSet: DataSetId; readonly sequence: SequenceNumber }): void {
    this.#unsentFrom = restored[0]?.dataSet ?? next.dataSet;
    let expected = restored[0] === undefined ? next : { dataSet: restored[0].dataSet, sequence: restored[0].firstSequence };
    for (const { dataSet, firstSequence, recordBytes, acknowledged } of restored) {
      assert(
        dataSet === expected.dataSet && firstSequence === expected.sequence,
        `restored data set ${dataSet} does not follow the one before`,
      );
      assert(recordBytes.length >= 2, `restored data set ${dataSet} has no record before its sync`);
      const set = this.add({ dataSet, firstSequence });
      for (const bytes of recordBytes) this.append(set, bytes);
      set.closed = true;
      for (const range of acknowledged) {
        assert(
          range.from >= firstSequence && range.to <= set.lastSequence,
          `restored data set ${dataSet}: acknowledged numbers are not its own`,
        );
        this.unacknowledgedBytes -= set.acknowledge(range.from - firstSequence, range.to - firstSequence);
      }
      expected = { dataSet: dataSet + 1, sequence: set.lastSequence + 1 };
    }
    assert(expected.dataSet === next.dataSet && expected.sequence === next.sequence, 'numbering goes on directly after what was restored');
  }

  get isEmpty(): boolean {
    return this.#sets.length === 0;
  }

  /** Open the next data set. */
  add(identity: { readonly dataSet: DataSetId; readonly firstSequence: SequenceNumber }): OutgoingDataSet {
    const set = (this.#pool.pop() ?? new OutgoingDataSet()).reset(identity);
    this.#sets.push(set);
    return set;
  }

  /** Number one more record, always of the newest data set. */
  append(set: OutgoingDataSet, recordBytes: number): void {
    set.append(recordBytes);
    this.unacknowledgedBytes += recordBytes;
  }

  /** The data set with this ID, null when it was released or not opened yet. */
  get(dataSet: DataSetId): OutgoingDataSet | null {
    const lowest = this.#sets[0];
    return lowest === undefined ? null : (this.#sets[dataSet - lowest.dataSet] ?? null);
  }

  /** The data set to which this number belongs, null when it was released or never given. */
  find(sequence: SequenceNumber): OutgoingDataSet | null {
    const index = this.#indexOf(sequence);
    const set = this.#sets[index];
    return set !== undefined && sequence <= set.lastSequence ? set : null;
  }

  /** Index of the last data set that begins at or before this number, -1 when all begin after it. */
  #indexOf(sequence: SequenceNumber): number {
    let low = 0;
    let high = this.#sets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sets[middle]?.firstSequence ?? sequence) <= sequence) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Whether a record could go out now, if a link were ready. */
  hasSendable(windowHigh: DataSetId): boolean {
    return this.#resendSets > 0 || this.#lowestUnsent(windowHigh) !== null;
  }

  /** The run to send next, of at most so many bytes: what was lost first, lowest first; then unsent records inside the window. */
  nextRun(windowHigh: DataSetId, bytesMax: number): Run | null {
    const resending = this.#resendSets === 0 ? null : this.#lowestResend(windowHigh);
    const set = resending ?? this.#lowestUnsent(windowHigh);
    if (set === null) return null;
    const start = resending === null ? set.unsentFrom : set.firstToResend();
    const end = set.runEnd(start, bytesMax);
    return { set, start, end, again: resending !== null, bytes: set.endOf(end) - set.endOf(start - 1) };
  }

  /** Put a run into the hands of a link. */
  hand({ set, start, end }: Run, linkState: number): void {
    const before = set.resendCount;
    set.hand(start, end, linkState);
    this.#noteResend(set, before);
  }

  #lowestResend(windowHigh: DataSetId): OutgoingDataSet | null {
    for (const set of this.#sets) {
      if (set.dataSet > windowHigh) return null;
      if (set.resendCount > 0) return set;
    }
    return null;
  }

  #lowestUnsent(windowHigh: DataSetId): OutgoingDataSet | null {
    for (;;) {
      if (this.#unsentFrom > windowHigh) return null;
      const set = this.get(this.#unsentFrom);
      if (set === null) return null;
      if (set.unsentFrom < set.count) return set;
      if (!set.closed) return null;
      this.#unsentFrom += 1;
    }
  }

  /** The lowest data set that has records never sent, inside the window or not. */
  firstUnsent(): OutgoingDataSet | null {
    return this.#lowestUnsent(Number.POSITIVE_INFINITY);
  }

  #noteResend(set: OutgoingDataSet, before: number): void {
    if (before === 0 && set.resendCount > 0) this.#resendSets += 1;
    if (before > 0 && set.resendCount === 0) this.#resendSets -= 1;
  }

  /** Mark a range as acknowledged; what is wrong with it (then nothing is marked), or null. Released numbers are passed over. */
  acknowledge(range: SequenceRange): string | null {
    if (!(range.from <= range.to)) return `acknowledged the range ${range.from}-${range.to}, which is none`;
    if (this.#hasUnsent(range)) return `acknowledged numbers in ${range.from}-${range.to}, which were not sent`;
    let from = Math.max(range.from, this.#sets[0]?.firstSequence ?? Number.POSITIVE_INFINITY);
    for (let index = this.#indexOf(from); from <= range.to; index += 1) {
      const set = this.#sets[index];
      if (set === undefined) return null;
      const to = Math.min(range.to, set.lastSequence);
      const before = set.resendCount;
      this.unacknowledgedBytes -= set.acknowledge(from - set.firstSequence, to - set.firstSequence);
      this.#noteResend(set, before);
      from = to + 1;
    }
    return null;
  }

  #hasUnsent({ from, to }: SequenceRange): boolean {
    for (let index = this.#indexOf(to); index >= 0; index -= 1) {
      const set = this.#sets[index];
      if (set === undefined || set.dataSet < this.#unsentFrom || set.lastSequence < from) return false;
      const first = Math.max(from, set.firstSequence) - set.firstSequence;
      const last = Math.min(to, set.lastSequence) - set.firstSequence;
      if (set.hasUnsent(first, last)) return true;
    }
    return false;
  }

  /** Acknowledge whole data sets: everything through `destaged` is in the secondary's source volumes. */
  acknowledgeThrough(destaged: DataSetId | null): void {
    for (const set of this.#sets) {
      // An open data set has no sync yet, so nobody can have destaged it.
      if (destaged === null || set.dataSet > destaged || !set.closed) return;
      const before = set.resendCount;
      this.unacknowledgedBytes -= set.acknowledge(0, set.count - 1);
      this.#noteResend(set, before);
    }
  }

  /** Compare with what the secondary holds; `lost` tells by state which records are sent again unless it has them. */
  reconcile(held: readonly HeldDataSet[], lost: Uint8Array): void {
    const heldById = new Map(held.map((entry) => [entry.dataSet, entry]));
    for (const set of this.#sets) {
      const before = set.resendCount;
      this.unacknowledgedBytes -= set.reconcile(heldById.get(set.dataSet) ?? null, lost);
      this.#noteResend(set, before);
    }
  }

  /** Let one record be sent again. */
  sendAgain(set: OutgoingDataSet, index: number): void {
    const before = set.resendCount;
    set.sendAgain(index);
    this.#noteResend(set, before);
  }

  /** The lowest data set, when every record of it is acknowledged. */
  lowestAcknowledged(): OutgoingDataSet | null {
    const lowest = this.#sets[0];
    return lowest !== undefined && lowest.isAcknowledged ? lowest : null;
  }

  /** Drop the lowest data set; its object may be used again for another one. */
  release(): void {
    const released = this.#sets.shift();
    assert(released !== undefined && released.isAcknowledged, 'only a wholly acknowledged data set is released');
    this.#unsentFrom = Math.max(this.#unsentFrom, released.dataSet + 1);
    if (this.#pool.length < POOL_MAX) this.#pool.push(released);
  }

  /** What is not wholly acknowledged, ascending. */
  unacknowledged(): UnacknowledgedDataSet[] {
    return this.#sets.map((set) => ({
      dataSet: set.dataSet,
      firstSequence: set.firstSequence,
      finalSequence: set.closed ? set.lastSequence : null,
      acknowledged: set.acknowledgedBits(),
    }));
  }

  /** Largest data set in encoded bytes and in records, without and with its sync. */
  largest(syncRecordBytes: number): { bytes: number; records: number } {
    let bytes = 0;
    let records = 0;
    for (const set of this.#sets) {
      bytes = Math.max(bytes, set.bytes - (set.closed ? syncRecordBytes : 0));
      records = Math.max(records, set.count + (set.closed ? 0 : 1));
    }
    return { bytes, records };
  }
}
