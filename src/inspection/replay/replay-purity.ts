/**
 * Do copies hold blocks of data sets that a replay is not to bring them to? What stood there before would be nowhere, and the replay
 * would leave a mixture that never existed.
 *
 * A crash does not make such copies: a host destages the next data set only when the watermark covers the one before
 * (docs/decisions/0005), so its volumes hold parts of the first one above the watermark at most, and every replay stores that anew.
 * An earlier replay by hand does, if it went further; and nothing in a copy says where it is. But stores come in the order of the
 * numbers, so whatever began to store data sets above N has stored the first record above N, and perhaps later ones over it. Copies are
 * refused if every block of that record holds what it or a later one writes there, and some block that no data set through N
 * stores anew holds what a later one writes.
 *
 * A block of zeroes is equal by chance all the time: it counts only in a data set that writes nothing else. Other contents may be equal by
 * chance as well, where the same data was written again; then it refuses although it need not, and says how to go on.
 * Not seen: an earlier replay that was killed when it had stored nothing but zeroes above N, or that a power cut tore, which may keep
 * later stores and lose earlier ones. So an interrupted replay is run again, or begun anew with fresh copies.
 */
import { scanWindow, type RecordInWindow } from '../../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { BLOCK_BYTES, type DataSetId, type Vlun, type VolumeEntry } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import { BlockRanges, type BlockRange } from '../diff/block-ranges.ts';
import { indexDataSet, OrderedReader, type DataSetIndex } from './replay-data-set.ts';
import type { ReplaySet } from './replay-plan.ts';

/** Blocks that are compared at a time, and of the first record at all: if any is not explained, nothing was stored. */
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
  readonly #reader = new OrderedReader();
  readonly #piece = Buffer.alloc(PIECE_BLOCKS * BLOCK_BYTES);

  constructor(options: PurityOptions) {
    this.#options = options;
    for (const { vlun, path } of options.copies) this.#files.set(vlun, options.disk.open(path, { readOnly: true }));
  }

  close(): void {
    for (const file of this.#files.values()) file.closeSync();
  }

  /** Find a block that a replay of the first `count` complete data sets would leave as a later one made it; null: the copies hold none. */
  async findStray(count: number): Promise<Stray | null> {
    const { complete } = this.#options;
    const first = await this.#firstRecord(complete.slice(count));
    if (first === null) return null;
    const stored = new BlockRanges();
    for (const set of complete.slice(0, count)) await this.#index(set, ({ record }) => stored.add(record.vlun, rangeOf(record)));
    let stray: Stray | null = null;
    for (const set of complete.slice(count)) {
      const likeness = new Likeness();
      await this.#index(set, (found) => {
        this.#explain(first, found);
        if (stray === null && !likeness.isFound) this.#compare(likeness, stored, found);
      });
      stray ??= likeness.end();
    }
    return first.unexplained === 0 ? stray : null;
  }

  /** Every data set to which these copies can be brought. */
  async possible(): Promise<DataSetId[]> {
    const ids: DataSetId[] = [];
    for (const [index, { dataSet }] of this.#options.complete.entries()) if ((await this.findStray(index + 1)) === null) ids.push(dataSet);
    return ids;
  }

  async #index(set: ReplaySet, take: (found: RecordInWindow) => void): Promise<DataSetIndex> {
    const { disk, volumes } = this.#options;
    return indexDataSet({ disk, set, volumes, window: this.#window, take });
  }

  /** The first record of these data sets that changes a volume, as far as the copy has to be explained; null: none does. */
  async #firstRecord(sets: readonly ReplaySet[]): Promise<FirstRecord | null> {
    for (const set of sets) {
      if (set.finalSequence === set.firstSequence) continue;
      const index = await this.#index(set, () => {});
      const { record } = this.#reader.readOne(this.#options.disk, index, 0);
      const range = rangeOf(record);
      const blocks = Math.min(PIECE_BLOCKS, range.to - range.from);
      const copy = Buffer.alloc(blocks * BLOCK_BYTES);
      this.#fileOf(record.vlun).readSync(copy, range.from * BLOCK_BYTES);
      return { vlun: record.vlun, from: range.from, to: range.from + blocks, copy, explained: new Uint8Array(blocks), unexplained: blocks };
    }
    return null;
  }

  /** Note which of the first record's blocks hold what this record writes there. */
  #explain(first: FirstRecord, { record, window }: RecordInWindow): void {
    if (first.unexplained === 0 || record.vlun !== first.vlun) return;
    const payload = payloadOf(record, window);
    const range = rangeOf(record);
    for (let lba = Math.max(range.from, first.from); lba < Math.min(range.to, first.to); lba += 1) {
      const block = lba - first.from;
      if (first.explained[block] === 1 || !isWritten({ record, payload, lba }, first.copy, block)) continue;
      first.explained[block] = 1;
      first.unexplained -= 1;
    }
  }

  /** Look for blocks that this record writes, that the replay does not store anew, and that are in the copy already. */
  #compare(likeness: Likeness, stored: BlockRanges, { record, window }: RecordInWindow): void {
    const { vlun } = record;
    const payload = payloadOf(record, window);
    likeness.notePayload(payload);
    const { name } = this.#options.volumes.get(vlun) as VolumeEntry;
    for (const part of stored.without(vlun, rangeOf(record))) {
      for (let from = part.from; from < part.to && !likeness.isFound; from += PIECE_BLOCKS) {
        const count = Math.min(PIECE_BLOCKS, part.to - from);
        this.#fileOf(vlun).readSync(this.#piece.subarray(0, count * BLOCK_BYTES), from * BLOCK_BYTES);
        for (let block = 0; block < count; block += 1) {
          const lba = from + block;
          if (!isWritten({ record, payload, lba }, this.#piece, block)) continue;
          likeness.equal({ dataSet: record.dataSet, volume: name, lba }, isZeroes(this.#piece, block));
        }
      }
    }
  }

  #fileOf(vlun: Vlun): DiskFile {
    return this.#files.get(vlun) as DiskFile;
  }
}

/** The first record above the replay: which of its blocks hold what it or a later record writes there. */
interface FirstRecord extends BlockRange {
  readonly vlun: Vlun;
  readonly copy: Buffer;
  readonly explained: Uint8Array;
  unexplained: number;
}

/** What one later data set and the copies have in common. */
class Likeness {
  #other: Stray | null = null;
  #zeroes: Stray | null = null;
  #onlyZeroes = true;

  get isFound(): boolean {
    return this.#other !== null;
  }

  notePayload(payload: Buffer | null): void {
    this.#onlyZeroes &&= payload === null || payload.every((byte) => byte === 0);
  }

  equal(stray: Stray, zeroes: boolean): void {
    if (zeroes) this.#zeroes ??= stray;
    else this.#other ??= stray;
  }

  /** The data set was read to its end. */
  end(): Stray | null {
    return this.#other ?? (this.#onlyZeroes ? this.#zeroes : null);
  }
}

function rangeOf({ lba, lengthBytes }: DecodedRecord): BlockRange {
  return { from: lba, to: lba + lengthBytes / BLOCK_BYTES };
}

/** Null: zeroes. */
function payloadOf({ type, payloadOffset, payloadBytes }: DecodedRecord, window: Uint8Array): Buffer | null {
  return type === 'write' ? Buffer.from(window.buffer, window.byteOffset + payloadOffset, payloadBytes) : null;
}

/** Whether block number `block` of a copy's piece is what a record writes into `lba`. */
function isWritten(
  { record, payload, lba }: { record: DecodedRecord; payload: Buffer | null; lba: number },
  piece: Buffer,
  block: number,
): boolean {
  const at = payload === null ? 0 : (lba - record.lba) * BLOCK_BYTES;
  return (payload ?? ZEROES).compare(piece, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES, at, at + BLOCK_BYTES) === 0;
}

function isZeroes(piece: Buffer, block: number): boolean {
  return ZEROES.compare(piece, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES) === 0;
}
