/**
 * Read a peer's NVRAM region on its file alone, beside a running peer or after it died: the same walk as an opening's, without a lock and
 * without changing anything. Damage is told, never thrown. Streams: what is kept of a record is up to whoever takes it.
 *
 * Beside a running peer the ring moves while it is read; where that made the end unreadable, `readRegion` says so and its caller may read
 * again.
 */
import { statSync } from 'node:fs';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { errnoOf, FarshoreError, messageOf, UsageError } from '../../model/errors.ts';
import type { GroupId } from '../../model/ids.ts';
import type { RegionId } from '../../model/peer.ts';
import type { RegionEnd } from '../../peer/nvram/contract.ts';
import type { Anchor, RingPlace } from '../../peer/nvram/format.ts';
import { RING_OFFSET, SEGMENT_HEADER_BYTES } from '../../peer/nvram/format.ts';
import { findTail, readBlocks, ringBytesOf, scanSegments, type FoundBlocks } from '../../peer/nvram/region-scan.ts';
import { placeAfter, SegmentReader } from '../../peer/nvram/segment-reader.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { isLocked } from '../ring/running.ts';

/** What the walk found; null where nothing says where to begin. */
export interface RegionContents {
  readonly regionId: RegionId;
  readonly groupId: GroupId | null;
  readonly anchor: Anchor;
  readonly tail: RingPlace;
  readonly head: RingPlace;
  readonly segments: number;
  /** Encoded bytes of the held records. */
  readonly heldBytes: number;
  /** Encoded bytes that another message could bring, if everything but what is held were free. */
  readonly freeBytes: number;
  readonly end: RegionEnd;
  /** Behind an unreadable end: whether no crash leaves it so, and how many records behind it are intact. */
  readonly behind: BehindEnd;
  /** What is held was promised for another boot of the machine only: the peer will take it as lost. */
  readonly isOfOtherBoot: boolean;
}

export interface RegionPicture {
  readonly path: string;
  readonly fileBytes: number;
  readonly blocks: FoundBlocks;
  /** Whether a process has it open now; null where the system does not tell. */
  readonly running: boolean | null;
  readonly contents: RegionContents | null;
}

export interface BehindEnd {
  /** An intact header stands over records that are not: a process that is killed writes the header last, so that is damage. */
  readonly isDamage: boolean;
  readonly intactRecords: number;
}

/** One held record, with the file's byte at which it begins (it may go round the end of the ring), and its ordinal. */
export type TakeHeldRecord = (record: DecodedRecord, fileOffset: number, ordinal: number) => void;

export interface ReadRegionOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly take: TakeHeldRecord;
  /** Awaited after each segment, so that what `take` produced can leave. */
  readonly pause?: () => Promise<void> | null;
}

/** Read a region to its end. @throws UsageError ERR_NOT_A_REGION; FarshoreError ERR_NVRAM_OPEN */
export async function readRegion(options: ReadRegionOptions): Promise<RegionPicture> {
  const { disk, path } = options;
  const file = openToRead(disk, path);
  try {
    return await readRegionFile({ ...options, file, running: isLocked(path) });
  } finally {
    file.closeSync();
  }
}

/** Read the region in a file that is open. @throws UsageError ERR_NOT_A_REGION */
export async function readRegionFile(
  options: Omit<ReadRegionOptions, 'path'> & {
    readonly file: Pick<DiskFile, 'path' | 'readSync' | 'sizeBytes'>;
    readonly running: boolean | null;
  },
): Promise<RegionPicture> {
  const { file, running } = options;
  const blocks = readBlocks(file);
  const fileBytes = file.sizeBytes();
  refuseForeign(file.path, blocks);
  const picture = { path: file.path, fileBytes, blocks, running };
  const anchor = blocks.newest === null ? null : blocks.anchors[blocks.newest];
  if (anchor?.verdict !== 'readable' || fileBytes <= RING_OFFSET) return { ...picture, contents: null };
  return { ...picture, contents: await walk(options, blocks, anchor.content) };
}

type WalkOptions = Parameters<typeof readRegionFile>[0];

async function walk(options: WalkOptions, blocks: FoundBlocks, anchor: Anchor): Promise<RegionContents> {
  const { superblock } = blocks;
  const { file } = options;
  const { regionId, groupId } = anchor;
  // The size that it was made with is the one that its positions wrap at.
  const sizeBytes = superblock.verdict === 'readable' ? superblock.content.sizeBytes : file.sizeBytes();
  const ringBytes = ringBytesOf(sizeBytes);
  const reader = new SegmentReader({ file, regionId, ringBytes });
  const tail = findTail(reader, anchor);
  const collect: DecodedRecord[] = [];
  const scan = scanSegments({ reader, from: tail, anchor, collect });
  let segments = 0;
  let heldBytes = 0;
  let step = scan.next();
  for (; step.done !== true; step = scan.next()) {
    const { header } = step.value;
    const from = step.value.place.position + SEGMENT_HEADER_BYTES;
    for (const [index, record] of collect.entries())
      options.take(record, reader.fileOffsetOf(from + record.offset), header.firstOrdinal + index);
    segments += 1;
    heldBytes += header.encodedBytes;
    const pause = options.pause?.() ?? null;
    if (pause !== null) await pause;
  }
  const { end, place: head } = step.value;
  const freeBytes = Math.max(0, ringBytes - (head.position - tail.position) - 2 * SEGMENT_HEADER_BYTES);
  const behind = end.verdict === 'clean-end' ? { isDamage: false, intactRecords: 0 } : lookBehind(reader, head, anchor);
  const isOfOtherBoot = anchor.inMemory && anchor.bootId !== options.disk.bootId();
  return { regionId, groupId, anchor, tail, head, segments, heldBytes, freeBytes, end, behind, isOfOtherBoot };
}

/** Follow the headers behind what cannot be read, as far as they are intact: what was stored after it proves that it was whole once. */
function lookBehind(reader: SegmentReader, place: RingPlace, anchor: Anchor): BehindEnd {
  const limit = anchor.tail.position + reader.ringBytes;
  const bad = reader.headerAt(place, { opening: 0, limit });
  if (bad.kind === 'end') return { isDamage: false, intactRecords: 0 };
  const { opening } = bad.header;
  let next = placeAfter(place, bad.header);
  let intactRecords = 0;
  for (;;) {
    const found = reader.segmentAt(next, { opening, limit });
    if (found.kind === 'end') return { isDamage: anchor.inMemory || intactRecords > 0, intactRecords };
    intactRecords += found.segment.header.records;
    next = found.segment.next;
  }
}

/** What bears no mark of a region at all is none, rather than a damaged one. */
function refuseForeign(path: string, { superblock, anchors }: FoundBlocks): void {
  const isUnmarked = (block: FoundBlocks['superblock'] | FoundBlocks['anchors'][0]): boolean =>
    block.verdict === 'unreadable' && (block.expected.startsWith('magic') || block.found.endsWith("to the file's end"));
  if (![superblock, ...anchors].every(isUnmarked)) return;
  throw notARegion(path, 'a file that is no NVRAM region: superblock and anchors are not there');
}

function notARegion(path: string, found: string): UsageError {
  return new UsageError('ERR_NOT_A_REGION', `${path} is ${found}`, {
    hint: "name the file that the peer's config calls nvram.path, or give its config with -c",
    details: { path },
  });
}

function openToRead(disk: Disk, path: string): DiskFile {
  try {
    const kind = statSync(path);
    if (!kind.isFile() && !kind.isBlockDevice())
      throw notARegion(path, `${kind.isDirectory() ? 'a folder' : 'no file'}, expected an NVRAM region`);
    return disk.open(path, { readOnly: true });
  } catch (error) {
    if (error instanceof FarshoreError) throw error;
    if (errnoOf(error) === 'ENOENT')
      throw new UsageError('ERR_NOT_A_REGION', `${path} does not exist`, {
        hint: 'the region was never made, or is gone with a memory file system: the next start of the peer makes an empty one and says that the former is lost',
        details: { path },
      });
    throw new FarshoreError('ERR_NVRAM_OPEN', `the NVRAM region ${path} could not be opened: ${messageOf(error)}`, {
      cause: error,
      details: { path },
    });
  }
}
