/**
 * Do copies hold blocks of data sets that a replay is not to bring them to? A crash may have come while several data sets were being
 * destaged, so the volumes can hold parts of W+1 .. W+k, and an earlier replay by hand may have brought them even further. What stood
 * there before is nowhere: a replay through N would give N and stray blocks of later data sets, a mixture that never existed.
 *
 * So for each complete data set above N, every block that it changes and that none through N changes (those are stored anew) is
 * compared with the copy. A block of 512 bytes is on a disk as it was before or as some command made it: where no such block holds what a
 * later data set writes there, each still holds what the watermark's history left, and the replay through N is pure.
 * Equal contents may also be chance (the same data written twice), which nobody can tell apart, so it refuses: the operator may know.
 * Blocks of zeroes are equal by chance all the time; they count only in a data set whose destage may have begun (I3: its complete flag
 * is set), and in one that writes nothing else.
 *
 * What is pure through N is pure through every later one, because there is less to compare and more is stored anew.
 * Not seen: an earlier replay by hand that was interrupted after it had stored nothing but zeroes of a data set above N.
 */
import { scanWindow, type RecordInWindow } from '../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { BLOCK_BYTES, type DataSetId, type Vlun, type VolumeEntry } from '../model/ids.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { BlockRanges, type BlockRange } from './block-ranges.ts';
import { indexDataSet } from './replay-data-set.ts';
import type { ReplaySet } from './replay-plan.ts';

const PIECE_BLOCKS = 2048;
const ZEROES = Buffer.alloc(BLOCK_BYTES);

/** A block of a copy that holds what a later data set writes there. */
export interface Stray {
  readonly dataSet: DataSetId;
  readonly volume: string;
  readonly lba: number;
}

export interface PurityOptions {
  readonly disk: Disk;
  readonly volumes: ReadonlyMap<Vlun, VolumeEntry>;
  readonly copies: readonly VolumeConfig[];
  /** Every data set that may be replayed, ascending. */
  readonly complete: readonly ReplaySet[];
}

/** Compares copies with data sets; `close` it. Reads only, through descriptors of its own. */
export class PurityCheck {
  readonly #options: PurityOptions;
  readonly #files = new Map<Vlun, DiskFile>();
  readonly #window = scanWindow();
  readonly #piece = Buffer.alloc(PIECE_BLOCKS * BLOCK_BYTES);

  constructor(options: PurityOptions) {
    this.#options = options;
    for (const { vlun, path } of options.copies) this.#files.set(vlun, options.disk.open(path, { readOnly: true }));
  }

  close(): void {
    for (const file of this.#files.values()) file.closeSync();
  }

  /** Find a block that a replay of the first `count` complete data sets would leave as a later one made it; null: none. */
  async findStray(count: number): Promise<Stray | null> {
    const { complete } = this.#options;
    if (count === complete.length) return null;
    const stored = new BlockRanges();
    for (const set of complete.slice(0, count))
      await this.#read(set, ({ record: { vlun, lba, lengthBytes } }) =>
        stored.add(vlun, { from: lba, to: lba + lengthBytes / BLOCK_BYTES }),
      );
    for (const set of complete.slice(count)) {
      const search = new StraySearch(set, stored);
      await this.#read(set, (found) => this.#search(search, found));
      const stray = search.end();
      if (stray !== null) return stray;
    }
    return null;
  }

  /** The least data set to which these copies can be brought; every later complete one is possible too. */
  async lowestPure(): Promise<ReplaySet> {
    const { complete } = this.#options;
    let [low, high] = [1, complete.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((await this.findStray(middle)) === null) high = middle;
      else low = middle + 1;
    }
    return complete[low - 1] as ReplaySet;
  }

  async #read(set: ReplaySet, take: (found: RecordInWindow) => void): Promise<void> {
    const { disk, volumes } = this.#options;
    await indexDataSet({ disk, set, volumes, window: this.#window, take });
  }

  #search(search: StraySearch, { record, window }: RecordInWindow): void {
    if (search.isFound) return;
    const { vlun, lba, lengthBytes, type, payloadOffset } = record;
    const file = this.#files.get(vlun) as DiskFile;
    const { name } = this.#options.volumes.get(vlun) as VolumeEntry;
    const payload = type === 'write' ? Buffer.from(window.buffer, window.byteOffset + payloadOffset, lengthBytes) : null;
    if (payload !== null) search.notePayload(payload);
    for (const part of search.unstored(vlun, { from: lba, to: lba + lengthBytes / BLOCK_BYTES })) {
      for (let from = part.from; from < part.to && !search.isFound; from += PIECE_BLOCKS) {
        const count = Math.min(PIECE_BLOCKS, part.to - from);
        const piece = this.#piece.subarray(0, count * BLOCK_BYTES);
        file.readSync(piece, from * BLOCK_BYTES);
        for (let block = 0; block < count; block += 1) {
          const at = (from + block - lba) * BLOCK_BYTES;
          const written = payload === null ? ZEROES : payload.subarray(at, at + BLOCK_BYTES);
          if (written.compare(piece, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES) === 0)
            search.equal({ dataSet: search.set.dataSet, volume: name, lba: from + block }, written.equals(ZEROES));
        }
      }
    }
  }
}

/** What one later data set and the copies have in common. */
class StraySearch {
  readonly set: ReplaySet;
  readonly #stored: BlockRanges;
  #found: Stray | null = null;
  #zeroes: Stray | null = null;
  #onlyZeroes = true;

  constructor(set: ReplaySet, stored: BlockRanges) {
    this.set = set;
    this.#stored = stored;
  }

  get isFound(): boolean {
    return this.#found !== null;
  }

  /** Blocks that no data set of the replay stores anew. */
  unstored(vlun: Vlun, range: BlockRange): BlockRange[] {
    return this.#stored.without(vlun, range);
  }

  notePayload(payload: Buffer): void {
    this.#onlyZeroes &&= payload.every((byte) => byte === 0);
  }

  equal(stray: Stray, zeroes: boolean): void {
    if (!zeroes || this.set.flagged) this.#found ??= stray;
    else this.#zeroes ??= stray;
  }

  /** The set was read to its end. */
  end(): Stray | null {
    return this.#found ?? (this.#onlyZeroes ? this.#zeroes : null);
  }
}
