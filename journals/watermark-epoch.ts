/**
 * The host epoch on the shared storage (DESIGN section 8): the second line behind the fence. A host that takes the place of another
 * raises it; the other one, if it still runs, reads it past its page cache and writes no more.
 *
 * It stands in both blocks of the watermark's file, which the former host may be writing at that very moment: a point that it believes
 * durable must not be overwritten. So the new epoch is first **announced** in a file of its own, into which the former host never
 * writes; when that host must have noticed, the watermark stands still, and its blocks are raised.
 */
import { awaitDone } from '../src/disk/await-done.ts';
import type { Disk, DiskFile, Done } from '../src/disk/disk.ts';
import type { HistoryPoint } from '../src/model/ids.ts';
import type { JournalIdentity } from './contract.ts';
import { epochUnannounced, epochUnread, epochUnsettled, hostSuperseded, watermarkMissing } from './errors.ts';
import { hostEpochPath, watermarkPath } from './files.ts';
import { BLOCK_BYTES, decodeWatermark, encodeWatermark, UNBOUND_IDENTITY } from './format.ts';
import type { WatermarkContent } from './format.ts';
import { allocateAligned } from './memory-buffer.ts';
import type { AlignedStart } from './memory-buffer.ts';
import { decodeBlocks, judgeWatermark, WATERMARK_FILE_BYTES } from './watermark.ts';

/** A stale host whose writes are under way can undo a raise once or twice; one that goes on was not shut out. */
const TRIES = 5;

export interface EpochFileOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly alignedStart: AlignedStart;
}

/** The file `host-epoch`: the announcement of a takeover, which only a taker writes, and the note of a promotion, which only the promoted host writes. */
const HOST_EPOCH_FILE_BYTES = 2 * BLOCK_BYTES;
const PROMOTION_OFFSET = BLOCK_BYTES;

/** Reads both blocks of the watermark's file, and behind them those of `host-epoch`, as they stand on the storage. */
export class EpochReader {
  readonly path: string;
  readonly #file: DiskFile;
  /** Null in a ring for which nobody has made one yet. */
  readonly #announcement: DiskFile | null;
  readonly #bytes: Uint8Array;

  /** @throws RefusedError ERR_WATERMARK_MISSING; FarshoreError ERR_EPOCH_UNREAD */
  constructor({ disk, directory, alignedStart }: EpochFileOptions) {
    this.path = watermarkPath(directory);
    if (!disk.exists(this.path)) throw watermarkMissing(this.path);
    this.#bytes = allocateAligned(WATERMARK_FILE_BYTES + HOST_EPOCH_FILE_BYTES, alignedStart);
    const announced = hostEpochPath(directory);
    try {
      this.#file = disk.open(this.path, { readOnly: true, uncachedReads: true });
    } catch (error) {
      throw epochUnread(this.path, error);
    }
    try {
      this.#announcement = disk.exists(announced) ? disk.open(announced, { readOnly: true, uncachedReads: true }) : null;
    } catch (error) {
      this.#file.closeSync();
      throw epochUnread(announced, error);
    }
  }

  /** The files' bytes, valid until the next read; one read at a time. The watermark's alone where there is no announcement. */
  read(done: (error: Error | null, bytes: Uint8Array) => void): void {
    this.#file.read(this.#bytes.subarray(0, WATERMARK_FILE_BYTES), 0, (error, bytesRead) => {
      const announcement = this.#announcement;
      const failed = error === null ? null : epochUnread(this.path, error);
      if (failed !== null || bytesRead < WATERMARK_FILE_BYTES || announcement === null)
        return done(failed, this.#bytes.subarray(0, bytesRead));
      announcement.read(this.#bytes.subarray(WATERMARK_FILE_BYTES), 0, (announcementError, announcedBytes) => {
        done(
          announcementError === null ? null : epochUnread(announcement.path, announcementError),
          this.#bytes.subarray(0, WATERMARK_FILE_BYTES + announcedBytes),
        );
      });
    });
  }

  close(done: Done): void {
    const announcement = this.#announcement;
    this.#file.close((error) => {
      if (announcement === null) done(error);
      else announcement.close((announcementError) => done(error ?? announcementError));
    });
  }
}

/** The highest host epoch that can be read, and whether both blocks of the watermark carry it; null: the watermark cannot be read. */
export function hostEpochIn(bytes: Uint8Array): { readonly hostEpoch: number; readonly inBoth: boolean } | null {
  const epochs = decodeBlocks(bytes).flatMap((block) => (block.verdict === 'readable' ? [block.content.hostEpoch] : []));
  if (epochs.length === 0) return null;
  const hostEpoch = Math.max(...epochs, announcedIn(bytes));
  return { hostEpoch, inBoth: epochs.length === 2 && epochs.every((epoch) => epoch === hostEpoch) };
}

/** An announcement has the layout of a watermark's block. One that is torn was not announced yet, and never counts as more than it is. */
function announcedIn(bytes: Uint8Array): number {
  const block = bytes.subarray(WATERMARK_FILE_BYTES, WATERMARK_FILE_BYTES + BLOCK_BYTES);
  const announced = block.length === BLOCK_BYTES ? decodeWatermark(block) : null;
  return announced?.verdict === 'readable' ? announced.content.hostEpoch : 0;
}

/**
 * Announce a host epoch, durably. A host that a peer may replace announces its own before it begins, so that the file is there, and is
 * open, long before anybody announces more. Never lowers it.
 * @throws FarshoreError ERR_EPOCH_UNANNOUNCED
 */
export async function announceHostEpoch(options: EpochFileOptions & { readonly hostEpoch: number }): Promise<void> {
  const path = hostEpochPath(options.directory);
  try {
    await announce(path, options);
  } catch (error) {
    throw epochUnannounced(path, error);
  }
}

async function announce(path: string, options: EpochFileOptions & { readonly hostEpoch: number }): Promise<void> {
  const { disk, directory, alignedStart, hostEpoch } = options;
  const isNew = !disk.exists(path);
  const file = disk.open(path, isNew ? { create: true, durableWrites: true } : { durableWrites: true });
  const block = allocateAligned(BLOCK_BYTES, alignedStart);
  try {
    if (!isNew) {
      file.readSync(block, 0);
      const found = decodeWatermark(block);
      if (found.verdict === 'readable' && found.content.hostEpoch >= hostEpoch) return;
    }
    encodeWatermark(block, { ...UNBOUND_IDENTITY, point: null, counter: 0, hostEpoch });
    // No promotion yet: later writes go into a file that is whole, and that nobody has to look up anew.
    if (isNew) await awaitDone((done) => file.write([allocateAligned(BLOCK_BYTES, alignedStart)], PROMOTION_OFFSET, done));
    await awaitDone((done) => file.write([block], 0, done));
    if (isNew) disk.syncDirectory(directory);
  } finally {
    await awaitDone((done) => file.close(done));
  }
}

/** A generation that began on this storage: whoever was promoted here writes into the volumes as their primary. */
export interface PromotionNote {
  readonly identity: JournalIdentity;
  /** Where the generation goes on; null: nothing was ever complete. */
  readonly point: HistoryPoint | null;
}

/** The promotion that is noted on the storage; null: none. */
export function promotionIn(bytes: Uint8Array): PromotionNote | null {
  const begin = WATERMARK_FILE_BYTES + PROMOTION_OFFSET;
  const block = bytes.subarray(begin, begin + BLOCK_BYTES);
  const noted = block.length === BLOCK_BYTES ? decodeWatermark(block) : null;
  if (noted?.verdict !== 'readable') return null;
  const { groupId, generation, stream, point } = noted.content;
  return { identity: { groupId, generation, stream }, point };
}

/**
 * Note a promotion on the storage, durably, and only then look whether another host has raised its epoch there: of a promotion and a
 * takeover at the same time at least one sees the other. A promotion that comes too late takes its note back.
 * @throws RefusedError ERR_HOST_SUPERSEDED; FarshoreError ERR_EPOCH_UNANNOUNCED, ERR_EPOCH_UNREAD
 */
export async function notePromotion(
  options: EpochFileOptions & { readonly hostEpoch: number; readonly note: PromotionNote },
): Promise<void> {
  const { directory, hostEpoch, note, alignedStart } = options;
  await announceHostEpoch(options);
  const block = allocateAligned(BLOCK_BYTES, alignedStart);
  encodeWatermark(block, { ...note.identity, point: note.point, counter: 0, hostEpoch });
  await writePromotion(options, block);
  const reader = new EpochReader(options);
  try {
    const found = hostEpochIn(await readAll(reader));
    if (found === null || found.hostEpoch <= hostEpoch) return;
    await writePromotion(options, block.fill(0));
    throw hostSuperseded(directory, { own: hostEpoch, found: found.hostEpoch });
  } finally {
    await awaitDone((done) => reader.close(done));
  }
}

async function writePromotion({ disk, directory }: EpochFileOptions, block: Uint8Array): Promise<void> {
  const path = hostEpochPath(directory);
  try {
    const file = disk.open(path, { durableWrites: true });
    try {
      await awaitDone((done) => file.write([block], PROMOTION_OFFSET, done));
    } finally {
      await awaitDone((done) => file.close(done));
    }
  } catch (error) {
    throw epochUnannounced(path, error);
  }
}

export interface SettleOptions extends EpochFileOptions {
  readonly hostEpoch: number;
  /** Wait until a host that may be superseded has noticed. */
  readonly settle: () => Promise<void>;
  /** Looks at what the storage says after the wait, before anything of the former host's is overwritten; throws what stands in the way. */
  readonly judge?: (bytes: Uint8Array) => void;
}

/**
 * Raise the host epoch for good: **announce** it, **wait** until a host that may be superseded has noticed, **write** it into both
 * blocks of the watermark, which stands still by now, **wait** once more and **read** both past the page cache. What a host that did not
 * notice wrote meanwhile is taken along, and both are written again; one that goes on was not shut out.
 * @throws RefusedError ERR_EPOCH_UNSETTLED, ERR_HOST_SUPERSEDED; FarshoreError ERR_EPOCH_UNREAD, ERR_EPOCH_UNANNOUNCED; CorruptionError ERR_WATERMARK_UNREADABLE; the disk's error
 */
export async function settleHostEpoch(options: SettleOptions): Promise<void> {
  const { disk, directory, alignedStart, hostEpoch } = options;
  await refuseLower(options);
  await announceHostEpoch(options);
  await options.settle();
  const reader = new EpochReader(options);
  const file = disk.open(reader.path, { durableWrites: true });
  const block = allocateAligned(BLOCK_BYTES, alignedStart);
  try {
    for (let tries = 0; ; tries += 1) {
      const bytes = await readAll(reader);
      const found = hostEpochIn(bytes);
      if (found !== null && found.hostEpoch > hostEpoch) throw hostSuperseded(directory, { own: hostEpoch, found: found.hostEpoch });
      options.judge?.(bytes);
      // A raise that another life of this host made may not have waited yet.
      if (tries > 0 && found?.hostEpoch === hostEpoch && found.inBoth) return;
      if (tries === TRIES) throw epochUnsettled(reader.path, hostEpoch);
      for (const [index, content] of planRaise(bytes, { path: reader.path, hostEpoch })) {
        encodeWatermark(block, content);
        await awaitDone((done) => file.write([block], index * BLOCK_BYTES, done));
      }
      await options.settle();
    }
  } finally {
    await awaitDone((done) => file.close(done));
    await awaitDone((done) => reader.close(done));
  }
}

/** Nothing is announced over a higher host epoch. */
async function refuseLower(options: EpochFileOptions & { hostEpoch: number }): Promise<void> {
  const reader = new EpochReader(options);
  try {
    const found = hostEpochIn(await readAll(reader));
    if (found !== null && found.hostEpoch > options.hostEpoch)
      throw hostSuperseded(options.directory, { own: options.hostEpoch, found: found.hostEpoch });
  } finally {
    await awaitDone((done) => reader.close(done));
  }
}

/** Both blocks' new contents, in the order in which they are written: never first over the newest point. */
export function planRaise(
  bytes: Uint8Array,
  options: { path: string; hostEpoch: number },
): readonly (readonly [0 | 1, WatermarkContent])[] {
  const { newest, nextBlock } = judgeWatermark(bytes, options.path);
  const other = decodeBlocks(bytes)[nextBlock];
  let point = newest.point;
  let first = nextBlock;
  let counter = newest.counter;
  if (other?.verdict === 'readable') {
    counter = Math.max(counter, other.content.counter);
    // A superseded host's last watermark tells the truth about the volumes, whatever its epoch.
    if (isOfSame(other.content, newest) && (other.content.point?.dataSet ?? -1) > (point?.dataSet ?? -1)) {
      point = other.content.point;
      first = nextBlock === 0 ? 1 : 0;
    }
  }
  const content = { ...newest, point, hostEpoch: options.hostEpoch };
  return [
    [first, { ...content, counter: counter + 1 }],
    [first === 0 ? 1 : 0, { ...content, counter: counter + 2 }],
  ];
}

function isOfSame(a: WatermarkContent, b: WatermarkContent): boolean {
  return a.groupId === b.groupId && a.generation === b.generation && a.stream === b.stream;
}

function readAll(reader: EpochReader): Promise<Uint8Array> {
  return new Promise((resolve, reject) => reader.read((error, bytes) => (error === null ? resolve(bytes) : reject(error))));
}
