/**
 * The journal of one slot: its memory buffer, its file, and at most one write in flight (I2).
 *
 * Life of a slot: `retired` -> openDataSet -> `active` -> complete flag durable -> `finished` -> retire -> `retired`. At start every slot
 * is `held`: nothing is written to it until recovery has decided (restore, then makeDurable, discard or retire).
 *
 * Does not decide when to commit (commit-schedule.ts), nor what a failure means for the ring (ring.ts).
 */
import type { DiskFile, Done } from '../src/disk/disk.ts';
import { addressOf, copyIntoMemory } from '../src/disk/libc.ts';
import { assert } from '../src/model/assert.ts';
import type { DataSetId, HistoryPoint, SequenceNumber, StreamId } from '../src/model/ids.ts';
import type { JournalIdentity, MemoryBuffer, RebuiltHeader, ScannedJournal } from './contract.ts';
import { planCommit } from './commit-plan.ts';
import type { CommitPlan } from './commit-plan.ts';
import type { CommitCandidate } from './commit-schedule.ts';
import type { HeaderContent } from './format.ts';
import { BLOCK_BYTES, encodeHeader, encodeMark, HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET } from './format.ts';
import type { SlotMemory } from './memory-buffer.ts';

/** What became durable with one finished write. */
export type Written =
  | { readonly kind: 'records'; readonly dataSet: DataSetId; readonly records: number }
  | { readonly kind: 'complete-flag'; readonly dataSet: DataSetId };

/** V8 copies into shared memory word by word, at a fifth of memcpy's speed; a call of libc costs as much as copying 4 KiB so. */
const COPY_BY_LIBC_BYTES_MIN = 16 * 1024;

type SlotState = 'held' | 'retired' | 'active' | 'finished';

export interface SlotIdentity {
  readonly slot: number;
  readonly slots: number;
  readonly slotBytes: number;
}

export interface JournalWriterOptions {
  readonly slot: SlotIdentity;
  readonly path: string;
  readonly file: DiskFile;
  readonly memory: SlotMemory;
  /** One aligned block of this slot's own, and one of zeroes that all share. */
  readonly privateBlock: Uint8Array;
  readonly zeroBlock: Uint8Array;
}

export class JournalWriter implements CommitCandidate {
  readonly path: string;
  readonly image: Uint8Array;
  readonly buffer: MemoryBuffer;
  dataSet: DataSetId | null = null;
  busy = false;
  readonly #slot: SlotIdentity;
  readonly #offsets: Uint32Array;
  /** Of the image, once it is needed. Shared memory stays where it is for as long as `image` is held. */
  #address: number | null = null;
  readonly #privateBlock: Uint8Array;
  readonly #zeroBlock: Uint8Array;
  #file: DiskFile;
  #state: SlotState = 'held';
  #stream: StreamId = '';
  /** Whether the image's header names `dataSet`: not so when records won over an older or unreadable header. */
  #headerMatches = false;
  #markInImage = false;
  #waitingMark: HistoryPoint | null = null;
  #tail = RECORDS_OFFSET;
  #records = 0;
  #durableTail = 0;
  #durableRecords = 0;
  #whenIdle: (() => void) | null = null;

  constructor(options: JournalWriterOptions) {
    this.#slot = options.slot;
    this.path = options.path;
    this.#file = options.file;
    this.image = options.memory.image;
    this.buffer = options.memory.buffer;
    this.#offsets = options.memory.offsets;
    this.#privateBlock = options.privateBlock;
    this.#zeroBlock = options.zeroBlock;
  }

  get file(): DiskFile {
    return this.#file;
  }

  /** Nothing of this slot is ever committed by the schedule: it is finished, free, or recovery has not decided yet. */
  get finished(): boolean {
    return this.#state !== 'active';
  }

  get backlogBytes(): number {
    if (this.#state !== 'active') return 0;
    const recordBytes = this.#records > this.#durableRecords ? this.#tail - this.#durableTail : 0;
    return recordBytes + (this.#waitingMark === null ? 0 : BLOCK_BYTES);
  }

  /** All records are durable, and the complete flag is what the next write brings. */
  get flagIsDue(): boolean {
    return this.#waitingMark !== null && this.#records === this.#durableRecords;
  }

  openDataSet(identity: JournalIdentity, options: { dataSet: DataSetId; firstSequence: SequenceNumber }): void {
    assert(this.#state === 'retired' && !this.busy, `slot ${this.#slot.slot} is not retired and cannot take data set ${options.dataSet}`);
    this.#encodeHeader(identity, options);
    this.image.fill(0, MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES);
    this.#reset('active', options.dataSet, identity.stream);
    this.#headerMatches = true;
  }

  append(index: number, bytes: Uint8Array): void {
    const tail = this.#tail;
    const end = tail + bytes.length;
    assert(
      this.#state === 'active' && this.#waitingMark === null && !this.#markInImage,
      'record for slot %, which is not open',
      this.#slot.slot,
    );
    assert(
      bytes.length % 8 === 0 && end <= this.image.length - BLOCK_BYTES,
      "record of % bytes at %: beyond the slot's capacity",
      bytes.length,
      tail,
    );
    assert(index >= 0 && index < this.#offsets.length, 'record index % is outside the data set', index);
    if (bytes.length < COPY_BY_LIBC_BYTES_MIN) this.image.set(bytes, tail);
    else copyIntoMemory((this.#address ??= addressOf(this.image)) + tail, bytes);
    this.#offsets[index] = tail;
    this.#tail = end;
    this.#records += 1;
  }

  setCompleteFlag(point: HistoryPoint): void {
    assert(
      this.#state === 'active' && this.dataSet === point.dataSet,
      `complete flag for data set ${point.dataSet}, which slot ${this.#slot.slot} does not hold`,
    );
    assert(this.#waitingMark === null && !this.#markInImage, `the complete flag of data set ${point.dataSet} is set already`);
    this.#waitingMark = point;
  }

  /** Start the write that is due: records first, because the flag promises them (I3). Reports what became durable. */
  startCommit(done: (error: Error | null, written: Written) => void): void {
    assert(this.#state === 'active' && !this.busy && this.dataSet !== null, `commit of slot ${this.#slot.slot} out of turn`);
    const point = this.#waitingMark;
    const markIsDue = point !== null && this.flagIsDue;
    if (markIsDue) this.#putMark(point);
    const written = markIsDue ? ({ kind: 'complete-flag', dataSet: this.dataSet } as const) : this.#recordsWritten(this.dataSet);
    const plan = markIsDue ? { position: MARK_OFFSET, buffers: [this.#privateBlock] } : this.#plan(this.#durableTail);
    const tail = this.#tail;
    this.#write(plan, (error) => {
      if (error === null) this.#settle(written, tail);
      done(error, written);
    });
  }

  /** The commit of the whole image, for a spare file; nothing else is written until `useSpare`. */
  planWhole(): { plan: CommitPlan; settle: (file: DiskFile) => Written[] } {
    assert(!this.busy && this.dataSet !== null, `move of slot ${this.#slot.slot} out of turn`);
    this.busy = true;
    const tail = this.#tail;
    const written: Written[] = this.#records > 0 ? [this.#recordsWritten(this.dataSet)] : [];
    if (this.#markInImage) written.push({ kind: 'complete-flag', dataSet: this.dataSet });
    const settle = (file: DiskFile): Written[] => {
      this.#file.close(() => {});
      this.#file = file;
      this.busy = false;
      for (const part of written) this.#settle(part, tail);
      return written;
    };
    return { plan: this.#plan(0), settle };
  }

  /** Retired: recovery or the watermark proves that the data set is in the source volumes (I5). */
  retire(): void {
    assert(!this.busy && this.#waitingMark === null, `slot ${this.#slot.slot} is retired while it is written`);
    this.#reset('retired', null, '');
  }

  /** Take what the scan found in the image: records may be appended behind it once it was made durable. @param readEnd bytes that were read */
  restore(scanned: ScannedJournal, readEnd: number): void {
    assert(!this.busy && (this.#state === 'held' || this.#state === 'retired'), `slot ${this.#slot.slot} is scanned while it is in use`);
    const header = scanned.header;
    const first = scanned.records.find((record) => record.type !== 'pad');
    const dataSet = first?.dataSet ?? (header.verdict === 'readable' ? header.dataSet : null);
    const stream = first?.stream ?? (header.verdict === 'readable' ? header.stream : '');
    const isFree = header.verdict === 'readable' && dataSet === null && scanned.tail.verdict === 'clean-end';
    this.#reset(isFree ? 'retired' : 'held', dataSet, stream);
    this.#headerMatches = header.verdict === 'readable' && header.dataSet === dataSet && header.stream === stream;
    this.#tail = scanned.tail.offset;
    // A torn commit over old bytes of the same data set can leave a record twice: recovery counts it once, and so must this count.
    const seen = new Set<SequenceNumber>();
    for (const record of scanned.records) {
      const index = record.sequence - record.firstSequence;
      if (record.type === 'pad' || seen.has(record.sequence)) continue;
      seen.add(record.sequence);
      this.#records += 1;
      if (index < this.#offsets.length) this.#offsets[index] = record.offset;
    }
    const mark = scanned.completeMark;
    this.#markInImage = mark.verdict === 'set' && mark.point.dataSet === dataSet && mark.stream === stream;
    if (!this.#markInImage) this.image.fill(0, MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES);
    this.image.fill(0, this.#tail, readEnd);
  }

  /** Write header, mark and records through the tail again: what was read may stand in the page cache only. */
  makeDurable(header: RebuiltHeader | null, done: Done): void {
    assert(this.#state === 'held' && !this.busy, `slot ${this.#slot.slot} is made durable out of turn`);
    if (header !== null) {
      assert(
        this.dataSet === null || this.dataSet === header.dataSet,
        `header for data set ${header.dataSet} over records of ${this.dataSet}`,
      );
      this.#encodeHeader(header.identity, header);
      this.dataSet = header.dataSet;
      this.#stream = header.identity.stream;
      this.#headerMatches = true;
    }
    assert(this.#headerMatches && this.dataSet !== null, `slot ${this.#slot.slot} has no header for what it holds`);
    const written = this.#recordsWritten(this.dataSet);
    const tail = this.#tail;
    this.#write(this.#plan(0), (error) => {
      if (error === null) {
        this.#state = this.#markInImage ? 'finished' : 'active';
        this.#settle(written, tail);
      }
      done(error);
    });
  }

  /**
   * Make the slot free, durably, in three writes, so that a crash between them leaves a partial data set and never a flagged one
   * without its records: the mark, then the first record's block, then the header.
   */
  discard(identity: JournalIdentity, done: Done): void {
    if (this.busy) {
      assert(this.#whenIdle === null, `slot ${this.#slot.slot} is discarded twice`);
      this.#whenIdle = () => this.discard(identity, done);
      return;
    }
    this.#reset('held', null, '');
    this.image.fill(0, MARK_OFFSET, RECORDS_OFFSET + BLOCK_BYTES);
    this.#encodeHeader(identity, { dataSet: null, firstSequence: null });
    this.#privateBlock.set(this.image.subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES));
    const writes = [
      { position: MARK_OFFSET, buffers: [this.#zeroBlock] },
      { position: RECORDS_OFFSET, buffers: [this.#zeroBlock] },
      { position: HEADER_OFFSET, buffers: [this.#privateBlock] },
    ];
    const next = (error: Error | null): void => {
      const write = writes.shift();
      if (error === null && write !== undefined) return this.#write(write, next);
      if (error === null) this.#state = 'retired';
      done(error);
    };
    next(null);
  }

  #plan(durableTail: number): CommitPlan {
    return planCommit({ image: this.image, durableTail, tail: this.#tail, tailCopy: this.#privateBlock, zeroBlock: this.#zeroBlock });
  }

  #write(plan: Pick<CommitPlan, 'position' | 'buffers'>, done: Done): void {
    this.busy = true;
    this.#file.write(plan.buffers, plan.position, (error) => {
      this.busy = false;
      done(error);
    });
  }

  /** Let a discard begin that waited for the write in flight; call when the write's outcome was told. */
  resumeWaiting(): void {
    const waiting = this.#whenIdle;
    if (waiting === null || this.busy) return;
    this.#whenIdle = null;
    waiting();
  }

  #putMark(point: HistoryPoint): void {
    encodeMark(this.#privateBlock, { stream: this.#stream, point });
    this.image.set(this.#privateBlock, MARK_OFFSET);
    this.#waitingMark = null;
    this.#markInImage = true;
  }

  #recordsWritten(dataSet: DataSetId): Written {
    return { kind: 'records', dataSet, records: this.#records };
  }

  #settle(written: Written, tail: number): void {
    if (written.kind === 'complete-flag') {
      this.#state = 'finished';
      return;
    }
    this.#durableTail = tail;
    this.#durableRecords = written.records;
  }

  #encodeHeader(identity: JournalIdentity, of: Pick<HeaderContent, 'dataSet' | 'firstSequence'>): void {
    const { dataSet, firstSequence } = of;
    encodeHeader(this.image.subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES), { ...identity, ...this.#slot, dataSet, firstSequence });
  }

  #reset(state: SlotState, dataSet: DataSetId | null, stream: StreamId): void {
    this.#state = state;
    this.dataSet = dataSet;
    this.#stream = stream;
    this.#headerMatches = false;
    this.#markInImage = false;
    this.#waitingMark = null;
    this.#tail = RECORDS_OFFSET;
    this.#records = 0;
    this.#durableTail = 0;
    this.#durableRecords = 0;
  }
}
