/**
 * One active data set on the secondary: what arrived, what is durable, and what may still come. The structure belongs to a
 * slot and is used again for the data set that takes the slot next; nothing is allocated per record.
 *
 * Data sets follow one another without holes in the numbers, so the neighbours bound what a data set may hold: `finalMax`
 * and `finalExact` are kept up to date by the ring (data-set-ring.ts) as neighbours open.
 */
import { assert } from '../model/assert.ts';
import type { Chain, DataSetId, Geometry, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import { IdentifierBitmap } from './identifier-bitmap.ts';
import type { RangeCollector } from './ranges.ts';
import type { RestoredRecord, SyncContent } from './secondary-contract.ts';

const FREE = -1;
const UNKNOWN = -1;

export class DataSet {
  readonly slot: number;
  readonly received: IdentifierBitmap;
  readonly durable: IdentifierBitmap;
  /** Held by the current session of the peer; says nothing about what is durable as well. */
  readonly held: IdentifierBitmap;
  /** The complete flag is durable in the journal. */
  flagDurable = false;
  /** Sync commands that contradicted what is durable. */
  syncContradictions = 0;
  readonly #geometry: Geometry;
  /** Indices in the order in which the journal has them. */
  readonly #appended: Uint32Array;
  readonly #headerChecksums: Uint32Array;
  #dataSet: DataSetId = FREE;
  #firstSequence: SequenceNumber = 0;
  #finalSequence: SequenceNumber = UNKNOWN;
  /** Highest number that the sync can have, and the only one, when a neighbour tells. */
  #finalMax: SequenceNumber = 0;
  #finalExact: SequenceNumber = UNKNOWN;
  #sync: SyncContent | null = null;
  /** Encoded bytes without the sync, for which room is always set aside (I6). */
  #writeBytes = 0;
  #durableRecords = 0;
  /** The same of what the peer's current session holds; never less than what was durable when it was told. */
  #heldRecords = 0;
  /** The first so many records were acknowledged, on the journal's word or on a session's. */
  #acknowledgedRecords = 0;
  /** Of these, the first so many need not be acknowledged again. */
  #toldRecords = 0;

  constructor(options: { readonly slot: number; readonly geometry: Geometry }) {
    this.slot = options.slot;
    this.#geometry = options.geometry;
    const recordsMax = options.geometry.recordsMax;
    this.received = new IdentifierBitmap(recordsMax);
    this.durable = new IdentifierBitmap(recordsMax);
    this.held = new IdentifierBitmap(recordsMax);
    this.#appended = new Uint32Array(recordsMax);
    this.#headerChecksums = new Uint32Array(recordsMax);
  }

  get isFree(): boolean {
    return this.#dataSet === FREE;
  }

  get dataSet(): DataSetId {
    return this.#dataSet;
  }

  get firstSequence(): SequenceNumber {
    return this.#firstSequence;
  }

  /** Known when the sync command was received. */
  get finalSequence(): SequenceNumber | null {
    return this.#finalSequence === UNKNOWN ? null : this.#finalSequence;
  }

  get sync(): SyncContent | null {
    return this.#sync;
  }

  /** Lowest number that the final one can be, by what was received. */
  get finalMin(): SequenceNumber {
    if (this.#finalSequence !== UNKNOWN) return this.#finalSequence;
    return this.#firstSequence + this.received.highest + 1;
  }

  /** Every number from the first to the sync is durable. @design Fig. 9, step 300 */
  get isWhole(): boolean {
    return this.#finalSequence !== UNKNOWN && this.durable.allSetThrough(this.#finalSequence - this.#firstSequence);
  }

  /** Every number from the first to the sync was received; not all of it is durable yet. */
  get isReceivedWhole(): boolean {
    return this.#finalSequence !== UNKNOWN && this.received.allSetThrough(this.#finalSequence - this.#firstSequence);
  }

  /** Records before the sync. */
  get writes(): number {
    assert(this.#finalSequence !== UNKNOWN, 'the number of writes is known when the sync is');
    return this.#finalSequence - this.#firstSequence;
  }

  /** Take the slot for a new data set. @design Fig. 8, step 82; Fig. 10, step 102 */
  open(options: { readonly dataSet: DataSetId; readonly firstSequence: SequenceNumber }): void {
    assert(this.isFree, 'a slot is taken only after it was retired');
    this.#dataSet = options.dataSet;
    this.#firstSequence = options.firstSequence;
    this.#finalMax = options.firstSequence + this.#geometry.recordsMax - 1;
  }

  /** Tell that the data set `distance` IDs further begins at this number. */
  boundByLater(options: { readonly distance: number; readonly firstSequence: SequenceNumber }): void {
    if (this.#finalSequence !== UNKNOWN) return;
    this.#finalMax = Math.min(this.#finalMax, options.firstSequence - options.distance);
    if (options.distance === 1) this.#finalExact = options.firstSequence - 1;
  }

  /** Say why this record cannot belong to the data set; null when it can. A duplicate can. */
  judge(record: RestoredRecord): string | null {
    const { sequence } = record;
    if (record.firstSequence !== this.#firstSequence) {
      return `data set ${this.#dataSet} begins at ${this.#firstSequence}; record ${sequence} says ${record.firstSequence}`;
    }
    if (sequence < this.#firstSequence) {
      return `record ${sequence} lies before the first number ${this.#firstSequence} of data set ${this.#dataSet}`;
    }
    const violation = record.type === 'sync' ? this.#judgeSync(record) : this.#judgeWrite(record);
    if (violation !== null) return violation;
    const index = sequence - this.#firstSequence;
    if (!this.received.has(index)) return null;
    const known = this.#headerChecksums[index] ?? 0;
    if (known === record.headerChecksum) return null;
    return `record ${sequence} of data set ${this.#dataSet} came before with header checksum ${known}, now with ${record.headerChecksum}`;
  }

  #judgeWrite(record: RestoredRecord): string | null {
    // The sync has the final number, so a write lies below the highest number that the sync can have.
    if (record.sequence >= this.#finalMax) {
      const bound = this.#finalSequence === UNKNOWN ? 'can be at most' : 'is';
      return `${record.type} ${record.sequence} of data set ${this.#dataSet} is not below its final number, which ${bound} ${this.#finalMax}`;
    }
    const capacityBytes = this.#geometry.capacityBytes;
    if (this.#writeBytes + record.encodedBytes > capacityBytes && !this.received.has(record.sequence - this.#firstSequence)) {
      return `data set ${this.#dataSet} has ${this.#writeBytes} bytes and record ${record.sequence} adds ${record.encodedBytes}; the capacity is ${capacityBytes}`;
    }
    return null;
  }

  #judgeSync(record: RestoredRecord): string | null {
    const { sequence } = record;
    const name = `sync ${sequence} of data set ${this.#dataSet}`;
    if (record.sync === null) return `${name} has no content`;
    if (this.#finalSequence !== UNKNOWN) {
      return sequence === this.#finalSequence ? null : `${name} contradicts its sync ${this.#finalSequence}`;
    }
    if (sequence < this.finalMin) return `${name} is not above write ${this.finalMin - 1}, which belongs to the data set`;
    if (this.#finalExact !== UNKNOWN && sequence !== this.#finalExact)
      return `${name} contradicts the next data set, which begins at ${this.#finalExact + 1}`;
    if (sequence > this.#finalMax) return `${name} is above the highest number ${this.#finalMax} that the data set can have`;
    return null;
  }

  /** Take in a record that was judged and is not a duplicate; returns its index. @design Fig. 8, step 60; Fig. 10, step 87 */
  accept(record: RestoredRecord): number {
    const index = record.sequence - this.#firstSequence;
    this.#appended[this.received.count] = index;
    this.received.set(index);
    this.#headerChecksums[index] = record.headerChecksum;
    if (record.type === 'sync') {
      this.#finalSequence = record.sequence;
      this.#finalMax = record.sequence;
      this.#sync = record.sync;
    } else {
      this.#writeBytes += record.encodedBytes;
    }
    return index;
  }

  /** Mark the first `records` appended records durable and gather the numbers that were not acknowledged yet. @invariant I2 */
  markDurable(records: number, gathered: RangeCollector): void {
    assert(records <= this.received.count, 'a journal is durable only as far as it was appended');
    for (let position = this.#durableRecords; position < records; position += 1) this.durable.set(this.#appended[position] ?? 0);
    this.#durableRecords = Math.max(this.#durableRecords, records);
    this.#acknowledge(records, gathered);
  }

  /** Mark the first `records` appended records held by the peer, or durable, and gather those that were not acknowledged yet. @invariant I2 */
  markHeld(records: number, gathered: RangeCollector): void {
    assert(records <= this.received.count, 'a peer holds only what was appended');
    for (let position = this.#heldRecords; position < records; position += 1) this.held.set(this.#appended[position] ?? 0);
    this.#heldRecords = Math.max(this.#heldRecords, records);
    this.#acknowledge(records, gathered);
  }

  /**
   * The peer's session is gone, and what it said with it. What only its word had acknowledged is acknowledged once more when the journal
   * has it: the first time may have gone the way of the session, and meanwhile nobody is told that it is safe. @invariant I2, I7
   */
  forgetHeld(): void {
    this.held.reset();
    this.#heldRecords = 0;
    this.#toldRecords = Math.min(this.#toldRecords, this.#durableRecords);
  }

  #acknowledge(records: number, gathered: RangeCollector): void {
    for (let position = this.#toldRecords; position < records; position += 1)
      gathered.add(this.#firstSequence + (this.#appended[position] ?? 0));
    this.#toldRecords = Math.max(this.#toldRecords, records);
    this.#acknowledgedRecords = Math.max(this.#acknowledgedRecords, records);
  }

  /** Acknowledged records that neither the journal nor the current session of the peer has. */
  get exposed(): number {
    return Math.max(0, this.#acknowledgedRecords - Math.max(this.#durableRecords, this.#heldRecords));
  }

  /** Whether a number may be acknowledged now: durable, or held by the current session of the peer. @invariant I2 */
  isSafe(index: number): boolean {
    return this.durable.has(index) || this.held.has(index);
  }

  /** Header checksums of the writes in sequence order: a view, valid until the slot is retired. */
  writeChecksums(): Uint32Array {
    return this.#headerChecksums.subarray(0, this.writes);
  }

  /** Header checksums by index, also of numbers that are missing: only those of received ones mean something. */
  get headerChecksums(): Uint32Array {
    return this.#headerChecksums;
  }

  /** The point in the history that this whole data set leads to. */
  get point(): HistoryPoint {
    assert(this.#sync !== null, 'a point in the history needs the sync');
    const chain: Chain = this.#sync.chain;
    return { dataSet: this.#dataSet, finalSequence: this.#finalSequence, chain };
  }

  /** Bits of a bitmap export: through the final number when it is known, else through the highest received. */
  get heldBits(): number {
    return this.#finalSequence === UNKNOWN ? this.received.highest + 1 : this.#finalSequence - this.#firstSequence + 1;
  }

  /** Give the slot back. @design Fig. 9, steps 305-306 */
  reset(): void {
    this.received.reset();
    this.durable.reset();
    this.forgetHeld();
    this.flagDurable = false;
    this.syncContradictions = 0;
    this.#dataSet = FREE;
    this.#finalSequence = UNKNOWN;
    this.#finalExact = UNKNOWN;
    this.#sync = null;
    this.#writeBytes = 0;
    this.#durableRecords = 0;
    this.#acknowledgedRecords = 0;
    this.#toldRecords = 0;
  }
}
