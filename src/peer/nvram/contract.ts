/**
 * A peer's NVRAM region as the rest of the peer, a takeover and the inspection see it (DESIGN section 8). Implemented by region.ts;
 * bytes: FORMAT.md.
 *
 * The region is a ring of **segments**: what one message brought, as it came, behind a small header. Records are numbered by `Ordinal`
 * in the order in which they came, and are released from the oldest on.
 */
import type { Disk } from '../../disk/disk.ts';
import type { GroupId } from '../../model/ids.ts';
import type { Ordinal, RegionHold, RegionId } from '../../model/peer.ts';

export interface RegionOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: RegionHold;
}

/**
 * What opening a region's file finds. Missing or unreadable: what it held is gone, the peer makes a new region with a new ID
 * (`createRegion` with `replace`, which keeps the old bytes aside where there is room) and tells of the former one as lost.
 */
export type OpenedRegion =
  | { readonly kind: 'missing' }
  /** `isRegion`: it was one, or was to become one: a superblock or an anchor can be read, or nothing but zeroes stands in their places. */
  | { readonly kind: 'unreadable'; readonly isRegion: boolean; readonly offset: number; readonly expected: string; readonly found: string }
  | { readonly kind: 'open'; readonly region: NvramRegion };

export interface CreateRegionOptions extends RegionOptions {
  readonly regionId: RegionId;
  /** True: a file that is there is renamed to `PATH.unreadable` first. Default: it is refused. */
  readonly replace?: boolean;
}

/** Encoded records of one message, back to back; every one was checked when it came, and again when the region was opened. */
export interface HeldSegment {
  readonly firstOrdinal: Ordinal;
  readonly records: number;
  /** A private copy, or a view that is valid until the next segment is asked for. */
  readonly encoded: Uint8Array;
}

/** How reading from the tail ended; the words of a journal's scan. */
export type RegionEnd =
  | { readonly verdict: 'clean-end'; readonly offset: number }
  | { readonly verdict: 'unreadable'; readonly offset: number; readonly expected: string; readonly found: string };

export interface NvramRegion {
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: RegionHold;
  readonly regionId: RegionId;
  /** The records tail .. head - 1 are held. The tail is the first record of a message: a message is given up whole. */
  readonly tail: Ordinal;
  readonly head: Ordinal;
  /** Encoded bytes of the held records. */
  readonly heldBytes: number;
  /**
   * Encoded bytes of records, plus `LIMITS.regionOverheadBytes` for each message, that can be stored now. With `hold: durable` released
   * space counts only after the next flush: ask again when `whenHeld` calls back.
   */
  readonly freeBytes: number;
  /** What opening found behind the last readable record. */
  readonly foundEnd: RegionEnd;
  /** Group that the region names, for inspection; null before `bind`. */
  readonly groupId: GroupId | null;
  bind(groupId: GroupId): void;
  /** Take one message's records. The caller has checked them, and has not gone beyond `freeBytes`. @throws FarshoreError ERR_NVRAM_FAILED */
  store(encoded: Uint8Array, records: number): void;
  /** Call back when everything stored before is held as `hold` promises: at once for `memory`, after a flush for `durable`; one flush at a time. */
  whenHeld(done: (error: Error | null) => void): void;
  /** Give up every record below this ordinal, at most `head`; whole segments are freed. A failed region gives up nothing. */
  release(through: Ordinal): void;
  /** The records that are held when it is called, oldest first, read back and checked; what is released meanwhile is left out. */
  segments(): Generator<HeldSegment, RegionEnd>;
  /** Make durable what can be, so that it is there after a reboot too, and let go of the file and its lock. */
  close(): void;
}
