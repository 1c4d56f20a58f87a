/**
 * The watermark's file: two blocks written alternately, so that a torn write can only hurt the older note of the two.
 * A host that finds both unreadable refuses; it never takes "nothing destaged" instead.
 *
 * @design section 5 "The watermark"
 * @invariant I5
 */
import type { Disk, DiskFile, Done } from '../src/disk/disk.ts';
import { assert } from '../src/model/assert.ts';
import type { HistoryPoint } from '../src/model/ids.ts';
import type { JournalIdentity, StoredWatermark } from './contract.ts';
import { watermarkMissing, watermarkUnreadable, watermarkVersion, watermarkWrite } from './errors.ts';
import { watermarkPath } from './files.ts';
import { BLOCK_BYTES, decodeWatermark, encodeWatermark, UNBOUND_IDENTITY } from './format.ts';
import type { BlockVerdict, WatermarkContent } from './format.ts';
import { allocateAligned } from './memory-buffer.ts';
import type { AlignedStart } from './memory-buffer.ts';

export const WATERMARK_FILE_BYTES = 2 * BLOCK_BYTES;

/** Both blocks of a watermark that says: bound to nobody, nothing destaged. */
export function encodeFreshWatermark(target: Uint8Array): void {
  const nothing = { ...UNBOUND_IDENTITY, point: null, hostEpoch: 0 };
  encodeWatermark(target.subarray(0, BLOCK_BYTES), { ...nothing, counter: 1 });
  encodeWatermark(target.subarray(BLOCK_BYTES, WATERMARK_FILE_BYTES), { ...nothing, counter: 2 });
}

export interface WatermarkJudgement {
  readonly newest: WatermarkContent;
  /** Block that the next write goes to: never the one that `newest` stands in. */
  readonly nextBlock: 0 | 1;
}

/**
 * Judge the file's bytes: the higher host epoch counts, and of one epoch the higher counter. What a superseded host wrote later, with a
 * higher counter and its lower epoch, never counts. @throws CorruptionError ERR_WATERMARK_UNREADABLE, RefusedError ERR_WATERMARK_VERSION */
export function judgeWatermark(bytes: Uint8Array, path: string): WatermarkJudgement {
  const blocks = decodeBlocks(bytes);
  for (const block of blocks) if (block.verdict === 'later-version') throw watermarkVersion(path, block.version);
  const [first, second] = blocks.map((block) => (block.verdict === 'readable' ? block.content : null));
  if (first && (!second || isNewer(first, second))) return { newest: first, nextBlock: 1 };
  if (second) return { newest: second, nextBlock: 0 };
  const found = blocks.map((block, index) =>
    block.verdict === 'unreadable' ? `block ${index} expected ${block.expected}, found ${block.found}` : '',
  );
  throw watermarkUnreadable(path, found.join('; '));
}

/** Decode both blocks of the file's bytes; never throws. */
export function decodeBlocks(bytes: Uint8Array): BlockVerdict<WatermarkContent>[] {
  return [0, 1].map((index) => decodeBlock(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)));
}

function isNewer(a: WatermarkContent, b: WatermarkContent): boolean {
  return a.hostEpoch === b.hostEpoch ? a.counter > b.counter : a.hostEpoch > b.hostEpoch;
}

function decodeBlock(block: Uint8Array): BlockVerdict<WatermarkContent> {
  if (block.length === BLOCK_BYTES) return decodeWatermark(block);
  return { verdict: 'unreadable', offset: block.length, expected: `${BLOCK_BYTES} bytes`, found: `${block.length} bytes` };
}

export interface WatermarkEvents {
  durable(point: HistoryPoint): void;
  failed(error: Error): void;
  /** Nothing is in flight any more. */
  idle(): void;
}

interface WaitingPoint {
  readonly identity: JournalIdentity;
  readonly point: HistoryPoint;
}

/**
 * The open watermark: at most one write in flight; newer points replace the one that waits. What was read at open may stand in
 * the page cache only, so it is first written again in its own block: until then the other block is the only durable note.
 */
export class WatermarkFile {
  readonly #file: DiskFile;
  readonly #block: Uint8Array;
  readonly #events: WatermarkEvents;
  readonly #bytes: Uint8Array;
  readonly #bytesRead: number;
  readonly #hostEpoch: number | null;
  #judgement: WatermarkJudgement | null = null;
  #newestIsDurable = false;
  #whenDurable: Done[] = [];
  #waiting: WaitingPoint | null = null;
  #inFlight = false;
  #stopped: Error | null = null;

  /** @throws RefusedError ERR_WATERMARK_MISSING */
  constructor(options: {
    disk: Disk;
    directory: string;
    alignedStart: AlignedStart;
    events: WatermarkEvents;
    /** That of the host which writes; absent: as it was read. */
    hostEpoch?: number | undefined;
  }) {
    this.#hostEpoch = options.hostEpoch ?? null;
    const path = watermarkPath(options.directory);
    if (!options.disk.exists(path)) throw watermarkMissing(path);
    this.#events = options.events;
    this.#block = allocateAligned(BLOCK_BYTES, options.alignedStart);
    this.#bytes = allocateAligned(WATERMARK_FILE_BYTES, options.alignedStart);
    this.#file = options.disk.open(path, { durableWrites: true });
    this.#bytesRead = this.#file.readSync(this.#bytes, 0);
  }

  /** Newest whole note, also one of a host epoch alone; null as long as none was written. @throws ERR_WATERMARK_UNREADABLE, ERR_WATERMARK_VERSION */
  read(): StoredWatermark | null {
    const { counter: _counter, ...stored } = this.#judge().newest;
    return stored.groupId === UNBOUND_IDENTITY.groupId && stored.hostEpoch === 0 ? null : stored;
  }

  /** Make durable what `read` told. */
  makeDurable(done: Done): void {
    if (this.#stopped !== null || this.#newestIsDurable) return done(this.#stopped);
    this.#whenDurable.push(done);
    this.#start();
  }

  /** Write the point durably; its block is never the one that holds the newest durable note. */
  write(identity: JournalIdentity, point: HistoryPoint): void {
    const newest = (this.#waiting ?? this.#judge().newest).point;
    assert(newest === null || point.dataSet >= newest.dataSet, `watermark ${point.dataSet} after ${newest?.dataSet}: it never goes back`);
    this.#waiting = { identity, point };
    this.#start();
  }

  get busy(): boolean {
    return this.#inFlight;
  }

  get pendingBytes(): number {
    return (this.#inFlight ? BLOCK_BYTES : 0) + (this.#waiting === null ? 0 : BLOCK_BYTES);
  }

  /** Begin nothing more; what is in flight is still reported. */
  stop(reason: Error): void {
    this.#stopped ??= reason;
  }

  close(done: Done): void {
    this.#file.close(done);
  }

  closeSync(): void {
    this.#file.closeSync();
  }

  #judge(): WatermarkJudgement {
    this.#judgement ??= judgeWatermark(this.#bytes.subarray(0, this.#bytesRead), this.#file.path);
    return this.#judgement;
  }

  #start(): void {
    if (this.#inFlight || this.#stopped !== null) return;
    const { newest, nextBlock } = this.#judge();
    if (!this.#newestIsDurable) return this.#write(newest, nextBlock === 0 ? 1 : 0, null);
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    const { identity, point } = waiting;
    this.#write({ ...identity, point, hostEpoch: this.#hostEpoch ?? newest.hostEpoch, counter: newest.counter + 1 }, nextBlock, point);
  }

  #write(content: WatermarkContent, block: 0 | 1, reported: HistoryPoint | null): void {
    encodeWatermark(this.#block, content);
    this.#inFlight = true;
    this.#file.write([this.#block], block * BLOCK_BYTES, (error) => {
      this.#inFlight = false;
      if (error === null) {
        this.#judgement = { newest: content, nextBlock: block === 0 ? 1 : 0 };
        this.#newestIsDurable = true;
        if (reported !== null) this.#events.durable(reported);
      } else {
        // The other block is whole; which bytes this one holds is unknown, so nothing is built on it (I10).
        this.#stopped ??= watermarkWrite(this.#file.path, error);
        this.#events.failed(this.#stopped);
      }
      for (const done of this.#whenDurable.splice(0)) done(this.#stopped);
      this.#start();
      if (!this.#inFlight) this.#events.idle();
    });
  }
}
