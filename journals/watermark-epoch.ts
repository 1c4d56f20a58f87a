/**
 * The host epoch on the shared storage (DESIGN section 8): the second line behind the fence. A host that takes the place of another
 * raises it; the other one, if it still runs, reads it past its page cache and writes no more.
 */
import { awaitDone } from '../src/disk/await-done.ts';
import type { Disk, DiskFile, Done } from '../src/disk/disk.ts';
import { epochUnread, epochUnsettled, hostSuperseded, watermarkMissing } from './errors.ts';
import { watermarkPath } from './files.ts';
import { BLOCK_BYTES, encodeWatermark } from './format.ts';
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

/** Reads both blocks of the watermark's file as they stand on the storage. */
export class EpochReader {
  readonly path: string;
  readonly #file: DiskFile;
  readonly #bytes: Uint8Array;

  /** @throws RefusedError ERR_WATERMARK_MISSING; FarshoreError ERR_EPOCH_UNREAD */
  constructor({ disk, directory, alignedStart }: EpochFileOptions) {
    this.path = watermarkPath(directory);
    if (!disk.exists(this.path)) throw watermarkMissing(this.path);
    this.#bytes = allocateAligned(WATERMARK_FILE_BYTES, alignedStart);
    try {
      this.#file = disk.open(this.path, { readOnly: true, uncachedReads: true });
    } catch (error) {
      throw epochUnread(this.path, error);
    }
  }

  /** The file's bytes, valid until the next read; one read at a time. */
  read(done: (error: Error | null, bytes: Uint8Array) => void): void {
    this.#file.read(this.#bytes, 0, (error, bytesRead) => {
      done(error === null ? null : epochUnread(this.path, error), this.#bytes.subarray(0, bytesRead));
    });
  }

  close(done: Done): void {
    this.#file.close(done);
  }
}

/** The highest host epoch in a block that can be read, and whether both carry it; null: neither can be read. */
export function hostEpochIn(bytes: Uint8Array): { readonly hostEpoch: number; readonly inBoth: boolean } | null {
  const epochs = decodeBlocks(bytes).flatMap((block) => (block.verdict === 'readable' ? [block.content.hostEpoch] : []));
  if (epochs.length === 0) return null;
  const hostEpoch = Math.max(...epochs);
  return { hostEpoch, inBoth: epochs.length === 2 && epochs.every((epoch) => epoch === hostEpoch) };
}

/**
 * Raise the host epoch for good: **write** it into both blocks, **wait** until a host that may be superseded has noticed, **read** both
 * blocks past the page cache; what that host wrote meanwhile is taken along, and both are written once more.
 * @throws RefusedError ERR_EPOCH_UNSETTLED, ERR_HOST_SUPERSEDED; FarshoreError ERR_EPOCH_UNREAD; CorruptionError ERR_WATERMARK_UNREADABLE; the disk's error
 */
export async function settleHostEpoch(options: EpochFileOptions & { hostEpoch: number; settle: () => Promise<void> }): Promise<void> {
  const { disk, directory, alignedStart, hostEpoch } = options;
  const reader = new EpochReader(options);
  const file = disk.open(reader.path, { durableWrites: true });
  const block = allocateAligned(BLOCK_BYTES, alignedStart);
  try {
    for (let tries = 0; ; tries += 1) {
      const bytes = await readAll(reader);
      const found = hostEpochIn(bytes);
      if (found !== null && found.hostEpoch > hostEpoch) throw hostSuperseded(directory, { own: hostEpoch, found: found.hostEpoch });
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
