/**
 * Find what a region holds, on its file alone (FORMAT.md, "How it is read"). Steps: **read** the superblock, **choose** the newest
 * readable anchor, **walk** the segment headers from its tail to learn which records were given up since, **scan** the rest.
 *
 * Does not know whether a file in memory is still that of the same boot: whoever opens it compares.
 */
import type { DecodedRecord } from '../../record/record.ts';
import type { RegionEnd } from './contract.ts';
import {
  ANCHOR_OFFSETS,
  BLOCK_BYTES,
  decodeAnchor,
  decodeSuperblock,
  RING_OFFSET,
  SUPERBLOCK_OFFSET,
  type Anchor,
  type Decoded,
  type RingPlace,
  type Superblock,
} from './format.ts';
import { placeAfter, type RegionBytes, type ScannedSegment, type SegmentReader } from './segment-reader.ts';

/** A block of the file as it was found. */
export type FoundBlock<T> =
  | { readonly verdict: 'readable'; readonly content: T }
  | { readonly verdict: 'later-version'; readonly version: number; readonly offset: number }
  | { readonly verdict: 'unreadable'; readonly offset: number; readonly expected: string; readonly found: string };

export interface FoundBlocks {
  readonly superblock: FoundBlock<Superblock>;
  readonly anchors: readonly [FoundBlock<Anchor>, FoundBlock<Anchor>];
  /** Index of the anchor that counts; null: neither. */
  readonly newest: 0 | 1 | null;
}

/** Read superblock and anchors; offsets are those in the file. Never throws. */
export function readBlocks(file: RegionBytes): FoundBlocks {
  const superblock = readBlock(file, SUPERBLOCK_OFFSET, decodeSuperblock);
  const regionId = superblock.verdict === 'readable' ? superblock.content.regionId : null;
  const anchorAt = (offset: number): FoundBlock<Anchor> => {
    const found = readBlock(file, offset, decodeAnchor);
    if (found.verdict !== 'readable' || regionId === null || found.content.regionId === regionId) return found;
    return { verdict: 'unreadable', offset, expected: `an anchor of region ${regionId}`, found: `region ${found.content.regionId}` };
  };
  const anchors = [anchorAt(ANCHOR_OFFSETS[0]), anchorAt(ANCHOR_OFFSETS[1])] as const;
  const counters = anchors.map((anchor) => (anchor.verdict === 'readable' ? anchor.content.counter : -1));
  const [first = -1, second = -1] = counters;
  return { superblock, anchors, newest: Math.max(first, second) < 0 ? null : first > second ? 0 : 1 };
}

function readBlock<T>(file: RegionBytes, offset: number, decode: (block: Uint8Array) => Decoded<T>): FoundBlock<T> {
  const block = new Uint8Array(BLOCK_BYTES);
  try {
    const bytesRead = file.readSync(block, offset);
    if (bytesRead < BLOCK_BYTES)
      return {
        verdict: 'unreadable',
        offset: offset + bytesRead,
        expected: `${BLOCK_BYTES} bytes`,
        found: `${bytesRead} bytes to the file's end`,
      };
  } catch (error) {
    return { verdict: 'unreadable', offset, expected: 'bytes that the disk can read', found: String(error) };
  }
  const decoded = decode(block);
  if (decoded.verdict === 'readable') return decoded;
  if (decoded.verdict === 'later-version') return { ...decoded, offset: offset + 4 };
  return { ...decoded, offset: offset + decoded.offset };
}

/** Bytes of the ring of a region's file. */
export function ringBytesOf(sizeBytes: number): number {
  return sizeBytes - RING_OFFSET;
}

/** The oldest opening that may have stored the segment at a position. @param before the one that stored the segment before it */
function openingAt({ opening, openedPosition }: Anchor, position: number, before: number): number {
  return position >= openedPosition ? opening : before;
}

/** Where the held records begin: the anchor's tail, or a later segment's, by what the newest readable segment says was given up. */
export function findTail(reader: SegmentReader, anchor: Anchor): RingPlace {
  const limit = anchor.tail.position + reader.ringBytes;
  let tailOrdinal = anchor.tail.ordinal;
  const walk = (until: () => number): RingPlace => {
    let place = anchor.tail;
    let opening = 0;
    for (;;) {
      const found = reader.headerAt(place, { opening: openingAt(anchor, place.position, opening), limit });
      if (found.kind === 'end') return place;
      const next = placeAfter(place, found.header);
      if (next.ordinal > until()) return place;
      tailOrdinal = Math.max(tailOrdinal, found.header.tailOrdinal);
      opening = found.header.opening;
      place = next;
    }
  };
  walk(() => Number.POSITIVE_INFINITY);
  return walk(() => tailOrdinal);
}

export interface ScanOptions {
  readonly reader: SegmentReader;
  /** Where to begin; `findTail` says. */
  readonly from: RingPlace;
  /** The anchor that counts: the ring is full where its tail stands again, and without what was held when it was written the end is not clean. */
  readonly anchor: Anchor;
  /** Takes the records of each segment, before the segment is handed out; emptied for the next. */
  readonly collect?: DecodedRecord[];
}

export interface ScanEnd {
  readonly end: RegionEnd;
  /** Behind the last good segment. */
  readonly place: RingPlace;
}

/** Hand out the held segments, oldest first, each one checked. */
export function* scanSegments(options: ScanOptions): Generator<ScannedSegment, ScanEnd> {
  const { reader, anchor, collect } = options;
  const limit = anchor.tail.position + reader.ringBytes;
  let place = options.from;
  let opening = 0;
  for (;;) {
    if (collect !== undefined) collect.length = 0;
    const found = reader.segmentAt(place, { opening: openingAt(anchor, place.position, opening), limit }, collect ?? null);
    if (found.kind === 'end') return { end: judgeEnd(found.end, place, anchor.headOrdinal), place };
    const { segment } = found;
    opening = segment.header.opening;
    place = segment.next;
    yield segment;
  }
}

/** A clean end in front of records that were held is none: what stood there was lost. */
function judgeEnd(end: RegionEnd, place: RingPlace, headOrdinal: number): RegionEnd {
  if (end.verdict === 'unreadable' || place.ordinal >= headOrdinal) return end;
  return {
    verdict: 'unreadable',
    offset: end.offset,
    expected: `the records through ordinal ${headOrdinal - 1}, which were held`,
    found: `the end behind ordinal ${place.ordinal - 1}`,
  };
}
