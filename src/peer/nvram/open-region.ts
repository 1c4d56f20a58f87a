/**
 * Open a region. Steps: **lock** the file, **read** what it says it is, **refuse** another size or a later version, **scan** what it
 * holds, **make durable** what a flush must have covered (`hold: durable`: a killed process leaves its bytes in the page cache, and an
 * earlier failure of the disk may have been told to that process only), and **anchor** this opening.
 */
import type { DiskFile, DiskLock, FileMapping } from '../../disk/disk.ts';
import { FarshoreError } from '../../model/errors.ts';
import { STORES_IN_PLACE } from '../../volume/store-method.ts';
import type { OpenedRegion, RegionOptions } from './contract.ts';
import { ANCHOR_FIELDS, ANCHOR_OFFSETS, RING_OFFSET, type Anchor, type RingPlace } from './format.ts';
import { HeldRegion, type RegionParts } from './held-region.ts';
import { regionLocked, regionNotOpened, regionSize, regionVersion } from './region-errors.ts';
import { findTail, readBlocks, ringBytesOf, scanSegments } from './region-scan.ts';
import { RingWriter } from './ring-writer.ts';
import { SegmentQueue } from './segment-queue.ts';
import { SegmentReader } from './segment-reader.ts';

const PIECE_BYTES = 1024 * 1024;

/**
 * Open the region of a peer. What is missing or unreadable is a value: nothing was changed then.
 * @throws RefusedError ERR_NVRAM_LOCKED, ERR_NVRAM_SIZE, ERR_NVRAM_VERSION; FarshoreError ERR_NVRAM_OPEN
 */
export function openRegion(options: RegionOptions): OpenedRegion {
  const { disk, path } = options;
  let lock: DiskLock | null = null;
  let opened: OpenedRegion | null = null;
  try {
    if (!disk.exists(path)) return { kind: 'missing' };
    lock = disk.lock(path);
    if (lock === null) throw regionLocked(path);
    opened = openLocked(options, lock);
    return opened;
  } catch (error) {
    throw error instanceof FarshoreError ? error : regionNotOpened(path, error);
  } finally {
    if (opened?.kind !== 'open') lock?.release();
  }
}

function openLocked(options: RegionOptions, lock: DiskLock): OpenedRegion {
  const file = options.disk.open(options.path, {});
  let mapping: FileMapping | null = null;
  let opened: OpenedRegion | null = null;
  try {
    const judged = judge(options, file);
    if (judged.kind === 'unreadable') return judged;
    // A copy with holes would be a SIGBUS where there is no room for a page.
    file.allocateSync(options.sizeBytes);
    mapping = mapFor(options, file);
    opened = { kind: 'open', region: new HeldRegion(partsOf({ options, file, mapping, lock, ...judged })) };
    return opened;
  } finally {
    if (opened === null) {
      mapping?.unmap();
      file.closeSync();
    }
  }
}

interface Judged {
  readonly kind: 'readable';
  readonly anchor: Anchor;
  readonly anchorIndex: 0 | 1;
}

/** What the file is by its superblock and anchors. */
function judge({ disk, path, sizeBytes }: RegionOptions, file: DiskFile): Judged | Extract<OpenedRegion, { kind: 'unreadable' }> {
  const { superblock, anchors, newest } = readBlocks(file);
  for (const block of [superblock, ...anchors])
    if (block.verdict === 'later-version') throw regionVersion(path, block.offset, block.version);
  if (superblock.verdict !== 'readable') {
    const isRegion = anchors.some(({ verdict }) => verdict === 'readable') || isUnwritten(file);
    return { ...unreadable(superblock as Unreadable), isRegion };
  }
  const stated = superblock.content.sizeBytes;
  if (stated !== sizeBytes) throw regionSize(path, sizeBytes, stated);
  const fileBytes = file.sizeBytes();
  if (fileBytes !== stated)
    return unreadable({ offset: Math.min(fileBytes, stated), expected: `a file of ${stated} bytes`, found: `${fileBytes} bytes` });
  const anchor = newest === null ? null : anchors[newest];
  if (newest === null || anchor?.verdict !== 'readable') return unreadable(anchors[0] as Unreadable);
  const { inMemory, bootId } = anchor.content;
  if (inMemory && bootId !== disk.bootId())
    return unreadable({
      offset: ANCHOR_OFFSETS[newest] + ANCHOR_FIELDS.bootId.offset,
      expected: `boot ${disk.bootId()}, because what it holds is in memory`,
      found: `boot ${bootId}: the machine was restarted since`,
    });
  return { kind: 'readable', anchor: anchor.content, anchorIndex: newest };
}

/** A region whose making was cut off: its blocks are written last. */
function isUnwritten(file: DiskFile): boolean {
  const blocks = new Uint8Array(RING_OFFSET);
  return blocks.subarray(0, file.readSync(blocks, 0)).every((byte) => byte === 0);
}

type Unreadable = { readonly offset: number; readonly expected: string; readonly found: string };

function unreadable({ offset, expected, found }: Unreadable): Extract<OpenedRegion, { kind: 'unreadable' }> {
  return { kind: 'unreadable', isRegion: true, offset, expected, found };
}

/** A durable region is flushed after each store: through the descriptor, which does not fault each page in anew. */
function mapFor({ disk, path, hold }: RegionOptions, file: DiskFile): FileMapping | null {
  if (hold !== 'memory' || !STORES_IN_PLACE.has(disk.fileSystemOf(path))) return null;
  const mapping = file.map();
  mapping?.keepResident();
  return mapping;
}

function partsOf(opening: Judged & { options: RegionOptions; file: DiskFile; mapping: FileMapping | null; lock: DiskLock }): RegionParts {
  const { options, file, mapping, lock, anchor, anchorIndex } = opening;
  const { path, sizeBytes, hold, disk } = options;
  const { regionId } = anchor;
  const ringBytes = ringBytesOf(sizeBytes);
  const reader = new SegmentReader({ file, regionId, ringBytes });
  const writer = new RingWriter({ file, mapping, regionId, ringBytes });
  const tail = findTail(reader, anchor);
  const queue = new SegmentQueue();
  const scan = scanSegments({ reader, from: tail, anchor });
  let heldBytes = 0;
  let step = scan.next();
  for (; step.done !== true; step = scan.next()) {
    const { next, header } = step.value;
    queue.push(next, header.encodedBytes);
    heldBytes += header.encodedBytes;
  }
  const { end: foundEnd, place: head } = step.value;
  if (hold === 'durable') rewrite({ file, writer, from: tail, to: head, endIsClean: foundEnd.verdict === 'clean-end' });
  return {
    path,
    sizeBytes,
    hold,
    file,
    mapping,
    lock,
    bootId: disk.bootId(),
    reader,
    writer,
    anchor,
    anchorIndex,
    tail,
    head,
    queue,
    heldBytes,
    foundEnd,
  };
}

/** Write what was found once more where it stands, and flush it. */
function rewrite(options: { file: DiskFile; writer: RingWriter; from: RingPlace; to: RingPlace; endIsClean: boolean }): void {
  const { file, writer, from, to, endIsClean } = options;
  const blocks = new Uint8Array(RING_OFFSET);
  file.readSync(blocks, 0);
  writer.putAt(blocks, 0);
  writer.copyOver(from.position, to.position, new Uint8Array(PIECE_BYTES));
  if (endIsClean) writer.putEnd(to.position);
  file.flushSync();
}
