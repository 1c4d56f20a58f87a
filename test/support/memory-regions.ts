/** Regions of NVRAM that are no files: the contract of `NvramRegion` in its plainest form, and flushes that a test lets end. */
import type {
  CreateRegionOptions,
  HeldSegment,
  NvramRegion,
  OpenedRegion,
  RegionEnd,
  RegionOptions,
} from '../../src/peer/nvram/contract.ts';
import type { RegionStore } from '../../src/peer/open-peer-region.ts';
import { LIMITS } from '../../src/model/limits.ts';
import type { RegionHold, RegionId } from '../../src/model/peer.ts';

export class MemoryRegion implements NvramRegion {
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: RegionHold;
  readonly regionId: RegionId;
  tail = 0;
  head = 0;
  groupId: string | null = null;
  foundEnd: RegionEnd = { verdict: 'clean-end', offset: 0 };
  /** How reading the segments ends, when it is not clean. */
  readEnd: RegionEnd | null = null;
  isOpen = false;
  flushes = 0;
  /** Everything below was there when a flush began that has ended. */
  flushedHead = 0;
  /** What the next store or flush fails with. */
  failure: Error | null = null;
  /** A durable region's flush waits for `endFlush` when this is set. */
  isSlow = false;
  #segments: HeldSegment[] = [];
  /** Released space of a durable region counts as free after the next flush. */
  #unflushedBytes = 0;
  #flush: { readonly done: (error: Error | null) => void; readonly head: number; readonly releasedBytes: number } | null = null;

  constructor(options: CreateRegionOptions) {
    this.path = options.path;
    this.sizeBytes = options.sizeBytes;
    this.hold = options.hold;
    this.regionId = options.regionId;
  }

  get heldBytes(): number {
    return this.#segments.reduce((sum, { encoded }) => sum + encoded.length, 0);
  }

  get freeBytes(): number {
    return Math.max(0, this.sizeBytes - costOf(this.#segments) - this.#unflushedBytes);
  }

  get isFlushing(): boolean {
    return this.#flush !== null;
  }

  bind(groupId: string): void {
    this.groupId = groupId;
  }

  store(encoded: Uint8Array, records: number): void {
    if (this.failure !== null) throw this.failure;
    if (encoded.length + LIMITS.regionOverheadBytes > this.freeBytes) throw new Error('stored beyond what is free');
    this.#segments.push({ firstOrdinal: this.head, records, encoded: encoded.slice() });
    this.head += records;
  }

  whenHeld(done: (error: Error | null) => void): void {
    if (this.#flush !== null) throw new Error('two flushes at a time');
    const isFlushed = this.flushedHead === this.head && this.#unflushedBytes === 0;
    if (this.hold === 'memory' || this.failure !== null || isFlushed) return done(this.failure);
    this.#flush = { done, head: this.head, releasedBytes: this.#unflushedBytes };
    if (!this.isSlow) setImmediate(() => this.endFlush());
  }

  endFlush(error: Error | null = this.failure): void {
    const flush = this.#flush;
    if (flush === null) return;
    this.#flush = null;
    this.flushes += 1;
    if (error === null) {
      this.#unflushedBytes -= flush.releasedBytes;
      this.flushedHead = flush.head;
    } else this.failure = error;
    flush.done(error);
  }

  release(through: number): void {
    const released = this.#segments.filter(({ firstOrdinal, records }) => firstOrdinal + records <= through);
    this.#segments = this.#segments.slice(released.length);
    if (this.hold === 'durable') this.#unflushedBytes += costOf(released);
    this.tail = this.#segments[0]?.firstOrdinal ?? this.head;
  }

  *segments(): Generator<HeldSegment, RegionEnd> {
    const held = this.#segments.slice();
    for (const segment of held) yield segment;
    return this.readEnd ?? { verdict: 'clean-end', offset: 0 };
  }

  close(): void {
    this.isOpen = false;
  }
}

function costOf(segments: readonly HeldSegment[]): number {
  return segments.reduce((sum, { encoded }) => sum + encoded.length + LIMITS.regionOverheadBytes, 0);
}

/** All regions of a test, by path; they outlive the peers that open them, as files do. */
export class MemoryRegions implements RegionStore {
  readonly byPath = new Map<string, MemoryRegion>();
  /** Paths at which opening finds something that is no region. */
  readonly unreadable = new Set<string>();

  create(options: CreateRegionOptions): void {
    if (this.byPath.has(options.path) && options.replace !== true) throw new Error(`${options.path} is there already`);
    this.byPath.set(options.path, new MemoryRegion(options));
    this.unreadable.delete(options.path);
  }

  open({ path }: RegionOptions): OpenedRegion {
    if (this.unreadable.has(path))
      return { kind: 'unreadable', isRegion: true, offset: 8, expected: 'the checksum 00000001', found: '00000002' };
    const region = this.byPath.get(path);
    if (region === undefined) return { kind: 'missing' };
    if (region.isOpen) throw new Error(`${path} is open already`);
    region.isOpen = true;
    return { kind: 'open', region };
  }
}
