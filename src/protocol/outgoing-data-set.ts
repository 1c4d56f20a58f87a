/**
 * One data set that the primary has numbered and whose records are not all acknowledged: where each record ends in the send
 * buffer, and one state byte per record.
 *
 * A record has exactly one state, so no list of segments in the hands of links has to be kept in step with the acknowledgements:
 * unsent -> in the hands of link k -> acknowledged; from link k, when it was lost or refused the record, back to `resend`, or to
 * `received` when the secondary said that it has it. `verifying` waits for the check of the send buffer (I9).
 *
 * Records are named by their index, sequence number - firstSequence. Objects are pooled: `reset` makes a used one new.
 */
import { assert } from '../model/assert.ts';
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import type { HeldDataSet } from '../model/handshake.ts';

/** States of a record; `firstLink` + k means: in the hands of link number k of the schedule. */
export const RECORD_STATE = { unsent: 0, resend: 1, received: 2, verifying: 3, acknowledged: 4, firstLink: 16 } as const;

const { unsent, resend, received, verifying, acknowledged, firstLink } = RECORD_STATE;
const RECORDS_AT_FIRST = 256;

export class OutgoingDataSet {
  dataSet: DataSetId = 0;
  firstSequence: SequenceNumber = 0;
  /** The sync command has its number: it is the last record. */
  closed = false;
  count = 0;
  acknowledgedCount = 0;
  resendCount = 0;
  /** Lowest unsent record; equal to `count` when there is none. */
  unsentFrom = 0;
  /** No record below this index waits to be sent again. */
  #resendFrom = 0;
  #ends = new Uint32Array(RECORDS_AT_FIRST);
  #states = new Uint8Array(RECORDS_AT_FIRST);
  /** Rejections for the checksum by index; null while there are none. */
  #checksumRejects: Map<number, number> | null = null;

  /** Make this object an empty, open data set. */
  reset(identity: { readonly dataSet: DataSetId; readonly firstSequence: SequenceNumber }): this {
    this.dataSet = identity.dataSet;
    this.firstSequence = identity.firstSequence;
    this.closed = false;
    this.count = 0;
    this.acknowledgedCount = 0;
    this.resendCount = 0;
    this.unsentFrom = 0;
    this.#resendFrom = 0;
    this.#checksumRejects = null;
    return this;
  }

  /** Encoded bytes of all records. */
  get bytes(): number {
    return this.endOf(this.count - 1);
  }

  /** Newest sequence number given; the final one when the data set is closed. */
  get lastSequence(): SequenceNumber {
    return this.firstSequence + this.count - 1;
  }

  get isAcknowledged(): boolean {
    return this.closed && this.acknowledgedCount === this.count;
  }

  /** Offset in the send buffer behind this record; 0 for index -1. */
  endOf(index: number): number {
    return this.#ends[index] ?? 0;
  }

  bytesOf(index: number): number {
    return this.endOf(index) - this.endOf(index - 1);
  }

  stateOf(index: number): number {
    return this.#states[index] ?? unsent;
  }

  /** Number one more record of so many encoded bytes. */
  append(recordBytes: number): void {
    assert(!this.closed, 'a closed data set takes no record');
    if (this.count === this.#ends.length) this.#grow();
    this.#ends[this.count] = this.endOf(this.count - 1) + recordBytes;
    this.#states[this.count] = unsent;
    this.count += 1;
  }

  #grow(): void {
    const ends = new Uint32Array(this.count * 2);
    const states = new Uint8Array(this.count * 2);
    ends.set(this.#ends);
    states.set(this.#states);
    this.#ends = ends;
    this.#states = states;
  }

  /** Lowest record to send again, -1 when there is none. */
  firstToResend(): number {
    return this.resendCount === 0 ? -1 : this.#states.indexOf(resend, this.#resendFrom);
  }

  /** Last record of the run of equal state that starts here and has at most so many bytes; at least the first record itself. */
  runEnd(start: number, bytesMax: number): number {
    const state = this.#states[start];
    const endMax = this.endOf(start - 1) + bytesMax;
    let end = start;
    while (end + 1 < this.count && this.#states[end + 1] === state && this.endOf(end + 1) <= endMax) end += 1;
    return end;
  }

  /** Put a run of equal state into the hands of a link. */
  hand(start: number, end: number, linkState: number): void {
    if (this.#states[start] === resend) {
      this.resendCount -= end - start + 1;
      this.#resendFrom = end + 1;
    }
    this.#states.fill(linkState, start, end + 1);
    this.#advanceUnsent();
  }

  /** Tell whether one of these records was never sent: nobody can have acknowledged it. */
  hasUnsent(from: number, to: number): boolean {
    for (let index = Math.max(from, this.unsentFrom); index <= to; index += 1) {
      if (this.#states[index] === unsent) return true;
    }
    return false;
  }

  /** Mark records as acknowledged; the encoded bytes of those that were not before. */
  acknowledge(from: number, to: number): number {
    const states = this.#states;
    let bytes = 0;
    for (let index = from; index <= to; index += 1) {
      const state = states[index];
      if (state === acknowledged) continue;
      if (state === resend) this.resendCount -= 1;
      states[index] = acknowledged;
      this.acknowledgedCount += 1;
      bytes += this.bytesOf(index);
    }
    this.#advanceUnsent();
    return bytes;
  }

  /** Let a record be sent again. */
  sendAgain(index: number): void {
    assert(this.#states[index] !== acknowledged && this.#states[index] !== unsent, 'only a sent, unacknowledged record is sent again');
    if (this.#states[index] === resend) return;
    this.#states[index] = resend;
    this.resendCount += 1;
    this.#resendFrom = Math.min(this.#resendFrom, index);
  }

  /** Keep a record from being sent until its send buffer was checked. */
  holdForVerification(index: number): void {
    assert(this.stateOf(index) >= firstLink, 'only a record in the hands of a link is refused');
    this.#states[index] = verifying;
  }

  /** Count a rejection of this record for its checksum; rejections so far. */
  countChecksumReject(index: number): number {
    this.#checksumRejects ??= new Map();
    const rejects = (this.#checksumRejects.get(index) ?? 0) + 1;
    this.#checksumRejects.set(index, rejects);
    return rejects;
  }

  forgetChecksumRejects(index: number): void {
    this.#checksumRejects?.delete(index);
  }

  /**
   * Compare with what the secondary holds of this data set (null: nothing): durable records are acknowledged, received ones are
   * not sent again, and of the others those whose state is `lost` are. Encoded bytes acknowledged.
   */
  reconcile(held: HeldDataSet | null, lost: Uint8Array): number {
    const usable = held !== null && held.firstSequence === this.firstSequence ? held : null;
    let bytes = 0;
    for (let index = 0; index < this.count; index += 1) {
      const state = this.stateOf(index);
      if (state === acknowledged) continue;
      if (usable !== null && hasBit(usable.durable, index)) bytes += this.acknowledge(index, index);
      else if (usable !== null && hasBit(usable.received, index)) this.#markReceived(index, lost);
      else if (lost[state] === 1) this.sendAgain(index);
    }
    this.#advanceUnsent();
    return bytes;
  }

  /** A received record in the hands of an open link stays there: its acknowledgement is on its way. */
  #markReceived(index: number, lost: Uint8Array): void {
    const state = this.stateOf(index);
    if (state >= firstLink && lost[state] !== 1) return;
    if (state === resend) this.resendCount -= 1;
    this.#states[index] = received;
  }

  #advanceUnsent(): void {
    while (this.unsentFrom < this.count && this.#states[this.unsentFrom] !== unsent) this.unsentFrom += 1;
  }

  /** Acknowledged numbers as bytes of 8 bits, bit 0 first. */
  acknowledgedBits(): Uint8Array {
    const bits = new Uint8Array(Math.ceil(this.count / 8));
    for (let index = 0; index < this.count; index += 1) {
      if (this.#states[index] === acknowledged) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
    }
    return bits;
  }
}

function hasBit(bits: Uint8Array, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}
