/**
 * An open NVRAM region (FORMAT.md). Records are held as `hold` promises:
 * - `memory`: as soon as they are stored. The file is mapped; stores survive this process, and with it the other host's loss.
 * - `durable`: when a flush that began after the store has ended. One flush at a time; what came meanwhile shares the next one.
 *
 * **Space.** A released segment's bytes may still be needed to find the first held one, because reading begins at an anchor's tail.
 * So they are free only behind an *effective* anchor: one that is stored (`memory`) or flushed (`durable`). Anchors are written rarely:
 * when less than half of the ring is free and a new one frees a sixteenth, and at bind and close.
 *
 * **Failure** (I10). A store or flush that failed is never repeated: the region takes nothing more, gives up nothing more, and only the
 * next opening, which writes all that it finds anew, may go on.
 *
 * Not guaranteed: that what `hold: memory` holds outlives the machine. The next opening sees the other boot and says so.
 */
import type { DiskFile, DiskLock, FileMapping } from '../../disk/disk.ts';
import { assert } from '../../model/assert.ts';
import type { FarshoreError } from '../../model/errors.ts';
import type { GroupId } from '../../model/ids.ts';
import type { Ordinal, RegionHold, RegionId } from '../../model/peer.ts';
import type { HeldSegment, NvramRegion, RegionEnd } from './contract.ts';
import { ANCHOR_OFFSETS, BLOCK_BYTES, encodeAnchor, SEGMENT_HEADER_BYTES, type Anchor, type RingPlace } from './format.ts';
import { regionFailed } from './region-errors.ts';
import type { RingWriter } from './ring-writer.ts';
import type { SegmentQueue } from './segment-queue.ts';
import type { SegmentReader } from './segment-reader.ts';

/** What opening found, and the file as it is open now. */
export interface RegionParts {
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: RegionHold;
  readonly file: DiskFile;
  readonly mapping: FileMapping | null;
  readonly lock: DiskLock;
  readonly bootId: string;
  readonly reader: SegmentReader;
  readonly writer: RingWriter;
  /** The anchor that counts, effective, and its index. */
  readonly anchor: Anchor;
  readonly anchorIndex: 0 | 1;
  readonly tail: RingPlace;
  readonly head: RingPlace;
  readonly queue: SegmentQueue;
  readonly heldBytes: number;
  readonly foundEnd: RegionEnd;
}

type Waiter = { readonly upTo: number; readonly done: (error: Error | null) => void };

export class HeldRegion implements NvramRegion {
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: RegionHold;
  readonly regionId: RegionId;
  readonly foundEnd: RegionEnd;
  readonly #parts: RegionParts;
  readonly #ringBytes: number;
  readonly #opening: number;
  readonly #queue: SegmentQueue;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #groupId: GroupId | null;
  #tail: RingPlace;
  #head: RingPlace;
  #heldBytes: number;
  /** Tail of the newest anchor that has taken effect: what stands before it is free. */
  #effective: RingPlace;
  #counter: number;
  #anchorIndex: 0 | 1;
  /** An anchor that a flush has still to make effective, and whether another is wanted after it. */
  #pendingAnchor: { readonly tail: RingPlace; readonly change: number } | null = null;
  #anchorWanted = false;
  /** Stores and anchors so far; those that a flush that ended covers; records held since then. */
  #changes = 0;
  #flushedChanges = 0;
  #flushedHead: Ordinal;
  #flushing = false;
  #waiters: Waiter[] = [];
  #failed: FarshoreError | null = null;
  #closed = false;

  /** @throws what the disk says: this opening's anchor could not be written */
  constructor(parts: RegionParts) {
    const { anchor } = parts;
    this.path = parts.path;
    this.sizeBytes = parts.sizeBytes;
    this.hold = parts.hold;
    this.regionId = anchor.regionId;
    this.foundEnd = parts.foundEnd;
    this.#parts = parts;
    this.#ringBytes = parts.reader.ringBytes;
    this.#opening = anchor.opening + 1;
    this.#queue = parts.queue;
    this.#groupId = anchor.groupId;
    this.#tail = parts.tail;
    this.#head = parts.head;
    this.#heldBytes = parts.heldBytes;
    this.#effective = anchor.tail;
    this.#counter = anchor.counter;
    this.#anchorIndex = parts.anchorIndex;
    this.#flushedHead = parts.head.ordinal;
    // From now on segments carry this opening's number, and in memory they are worth no more than this boot: both must be known first.
    this.#putAnchor(parts.hold === 'memory');
    parts.file.flushSync();
    this.#effective = this.#tail;
  }

  get groupId(): GroupId | null {
    return this.#groupId;
  }

  get tail(): Ordinal {
    return this.#tail.ordinal;
  }

  get head(): Ordinal {
    return this.#head.ordinal;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get freeBytes(): number {
    return this.#failed !== null ? 0 : Math.max(0, this.#freeSpace() - SEGMENT_HEADER_BYTES);
  }

  bind(groupId: GroupId): void {
    this.#checkOpen();
    if (groupId === this.#groupId || this.#failed !== null) return;
    this.#groupId = groupId;
    this.#anchorWanted = true;
    this.#tendAnchor();
  }

  store(encoded: Uint8Array, records: number): void {
    this.#checkOpen();
    if (this.#failed !== null) throw this.#failed;
    const lengthBytes = SEGMENT_HEADER_BYTES + encoded.length;
    assert(records > 0 && encoded.length % 8 === 0, 'a region takes whole records');
    assert(lengthBytes + SEGMENT_HEADER_BYTES <= this.#freeSpace(), 'a region is not given more than it has room for');
    const { position, ordinal, segment } = this.#head;
    try {
      this.#parts.writer.putSegment(encoded, {
        segment,
        position,
        firstOrdinal: ordinal,
        tailOrdinal: this.#tail.ordinal,
        opening: this.#opening,
        records,
      });
    } catch (error) {
      throw this.#fail(error);
    }
    this.#changes += 1;
    this.#head = { position: position + lengthBytes, ordinal: ordinal + records, segment: segment + 1 };
    this.#heldBytes += encoded.length;
    this.#queue.push(this.#head, encoded.length);
    this.#tendAnchor();
  }

  whenHeld(done: (error: Error | null) => void): void {
    this.#checkOpen();
    if (this.#failed !== null || this.hold === 'memory' || this.#flushedChanges === this.#changes) return done(this.#failed);
    this.#waiters.push({ upTo: this.#changes, done });
    this.#flush();
  }

  release(through: Ordinal): void {
    this.#checkOpen();
    assert(through <= this.#head.ordinal, 'a region gives up only records that it has taken');
    if (this.#failed !== null) return;
    while (this.#queue.firstEndOrdinal <= through) {
      const { next, encodedBytes } = this.#queue.shift(this.#tail.segment);
      this.#tail = next;
      this.#heldBytes -= encodedBytes;
    }
    this.#tendAnchor();
  }

  *segments(): Generator<HeldSegment, RegionEnd> {
    const { reader } = this.#parts;
    const end = this.#head;
    let place = this.#tail;
    while (place.position < end.position) {
      this.#checkOpen();
      const found = reader.segmentAt(place, { opening: 0, limit: this.#tail.position + this.#ringBytes });
      if (found.kind === 'end') {
        if (found.end.verdict === 'unreadable') return found.end;
        return { ...found.end, verdict: 'unreadable', expected: `segment ${place.segment}, which is held`, found: 'the end' };
      }
      const { header, encoded, next } = found.segment;
      yield { firstOrdinal: header.firstOrdinal, records: header.records, encoded };
      // What was released while its reader was busy may be overwritten by now.
      place = next.position < this.#tail.position ? this.#tail : next;
    }
    return { verdict: 'clean-end', offset: reader.fileOffsetOf(end.position) };
  }

  close(): void {
    this.#checkOpen();
    this.#closed = true;
    this.#waiters = [];
    const { file, mapping, lock } = this.#parts;
    if (!this.#flushing) this.#settle();
    mapping?.unmap();
    if (this.#flushing) return file.close(() => lock.release());
    file.closeSync();
    lock.release();
  }

  /** Flush everything, then say in an anchor that it is: from then on another boot does not matter. */
  #settle(): void {
    if (this.#failed !== null) return;
    try {
      this.#parts.file.flushSync();
      this.#flushedHead = this.#head.ordinal;
      // An anchor that is not effective is the newest on the disk now; the other one must stay until this flush.
      this.#putAnchor(false);
      this.#parts.file.flushSync();
    } catch (error) {
      // Nothing is lost for this boot; the next opening is told by the anchor that counts.
      this.#fail(error);
    }
  }

  /** Bytes from the head on that no held segment, and none that an effective anchor may lead to, stands in. */
  #freeSpace(): number {
    return this.#ringBytes - (this.#head.position - this.#effective.position);
  }

  #tendAnchor(): void {
    if (this.#pendingAnchor !== null || this.#failed !== null) return;
    const gainBytes = this.#tail.position - this.#effective.position;
    const isNeeded = this.#freeSpace() * 2 < this.#ringBytes && gainBytes * 16 >= this.#ringBytes;
    if (!isNeeded && !this.#anchorWanted) return;
    this.#anchorWanted = false;
    try {
      this.#putAnchor(this.hold === 'memory');
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.hold === 'memory') {
      this.#effective = this.#tail;
      return;
    }
    this.#changes += 1;
    this.#pendingAnchor = { tail: this.#tail, change: this.#changes };
    this.#flush();
  }

  #putAnchor(inMemory: boolean): void {
    const index = this.#anchorIndex === 0 ? 1 : 0;
    encodeAnchor(this.#block, {
      counter: this.#counter + 1,
      regionId: this.regionId,
      groupId: this.#groupId,
      opening: this.#opening,
      inMemory,
      bootId: this.#parts.bootId,
      tail: this.#tail,
      // What is not flushed is not told to be held, and may be lost.
      openedPosition: this.#parts.head.position,
      headOrdinal: Math.max(this.#tail.ordinal, this.hold === 'memory' ? this.#head.ordinal : this.#flushedHead),
    });
    this.#parts.writer.putAt(this.#block, ANCHOR_OFFSETS[index]);
    this.#counter += 1;
    this.#anchorIndex = index;
  }

  #flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    const covered = { changes: this.#changes, head: this.#head.ordinal };
    this.#parts.file.flush((error) => {
      this.#flushing = false;
      if (this.#closed) return;
      if (error !== null) {
        this.#fail(error);
        return;
      }
      if (this.#failed !== null) return;
      this.#flushedChanges = covered.changes;
      this.#flushedHead = covered.head;
      if (this.#pendingAnchor !== null && this.#pendingAnchor.change <= covered.changes) {
        this.#effective = this.#pendingAnchor.tail;
        this.#pendingAnchor = null;
        this.#tendAnchor();
      }
      const held = this.#waiters.filter(({ upTo }) => upTo <= covered.changes);
      this.#waiters = this.#waiters.filter(({ upTo }) => upTo > covered.changes);
      if (this.#waiters.length > 0 || this.#pendingAnchor !== null) this.#flush();
      for (const { done } of held) done(null);
    });
  }

  #fail(cause: unknown): FarshoreError {
    this.#failed = regionFailed(this.path, cause);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { done } of waiters) done(this.#failed);
    return this.#failed;
  }

  #checkOpen(): void {
    assert(!this.#closed, `the NVRAM region ${this.path} is not used after close`);
  }
}
