/**
 * Do copies hold what a data set left in them? Of the blocks of 512 bytes that it changed, those that no later data set changes hold
 * what the last of its records wrote there.
 *
 * Asked of the watermark's own data set it tells copies that are older than the watermark, or of another host: a volume says nothing about
 * itself, but one at the watermark, or brought further, holds that (I5). The journal mostly is still there, because a slot is
 * used again only when as many data sets more were written as the ring has slots. Asked of everything that a replay stored, last
 * one first, it reads the whole replay back.
 *
 * Memory: a number for each block that one data set writes, and the ranges that later ones change.
 */
import { scanWindow, type RecordInWindow } from '../../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { BLOCK_BYTES, type SequenceNumber, type Vlun, type VolumeEntry } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import { BlockRanges, type BlockRange } from '../diff/block-ranges.ts';
import { indexDataSet } from './replay-data-set.ts';
import type { ReplaySet } from './replay-plan.ts';

const PIECE_BLOCKS = 2048;
const ZEROES = Buffer.alloc(BLOCK_BYTES);

/** A block of a copy that does not hold what a data set left there. */
export interface WrongBlock {
  readonly copy: VolumeConfig;
  readonly lba: number;
}

export interface ContentsOptions {
  readonly disk: Disk;
  readonly volumes: ReadonlyMap<Vlun, VolumeEntry>;
  readonly copies: readonly VolumeConfig[];
}

/** Compares copies with what data sets left in them; `close` it. Reads only. */
export class ContentsCheck {
  readonly #options: ContentsOptions;
  readonly #window = scanWindow();
  readonly #piece = Buffer.alloc(PIECE_BLOCKS * BLOCK_BYTES);
  readonly #files = new Map<Vlun, DiskFile>();
  readonly #later = new BlockRanges();
  /** Of the data set that is looked at: which record was the last one to each block that it writes. */
  readonly #last = new Map<Vlun, Map<number, SequenceNumber>>();
  #wrong: WrongBlock | null = null;

  constructor(options: ContentsOptions) {
    this.#options = options;
    for (const { vlun, path } of options.copies) this.#files.set(vlun, options.disk.open(path, { readOnly: true }));
  }

  close(): void {
    for (const file of this.#files.values()) file.closeSync();
  }

  /** From now on, what this data set changes tells nothing of earlier ones. */
  async cover(set: ReplaySet): Promise<void> {
    await this.#read(set, ({ record }) => this.#later.add(record.vlun, rangeOf(record)));
  }

  /** Find a block that is not as this data set left it; null: all are, as far as no later data set changes them. @throws as `indexDataSet` */
  async findWrong(set: ReplaySet): Promise<WrongBlock | null> {
    this.#last.clear();
    this.#wrong = null;
    await this.#read(set, ({ record }) => {
      if (record.type === 'write') this.#noteWrite(record);
    });
    await this.#read(set, ({ record }) => {
      if (record.type !== 'write') this.#noteZeroes(record);
    });
    await this.#read(set, (found) => this.#compare(found));
    return this.#wrong;
  }

  async #read(set: ReplaySet, take: (found: RecordInWindow) => void): Promise<void> {
    const { disk, volumes } = this.#options;
    await indexDataSet({ disk, set, volumes, window: this.#window, take });
  }

  #noteWrite(record: DecodedRecord): void {
    const last = this.#lastOf(record.vlun);
    const { from, to } = rangeOf(record);
    for (let block = from; block < to; block += 1) if ((last.get(block) ?? -1) < record.sequence) last.set(block, record.sequence);
  }

  /** A range of zeroes may be as long as a volume: only blocks that are written as well are noted. */
  #noteZeroes(record: DecodedRecord): void {
    const last = this.#lastOf(record.vlun);
    const { from, to } = rangeOf(record);
    if (to - from > last.size) {
      for (const [block, sequence] of last) if (block >= from && block < to && sequence < record.sequence) last.set(block, record.sequence);
      return;
    }
    for (let block = from; block < to; block += 1) if ((last.get(block) ?? Infinity) < record.sequence) last.set(block, record.sequence);
  }

  #compare({ record, window }: RecordInWindow): void {
    const { vlun, sequence, type, payloadOffset, payloadBytes } = record;
    const last = this.#lastOf(vlun);
    const payload = type === 'write' ? Buffer.from(window.buffer, window.byteOffset + payloadOffset, payloadBytes) : null;
    for (const part of this.#later.without(vlun, rangeOf(record))) {
      for (let from = part.from; from < part.to && this.#wrong === null; from += PIECE_BLOCKS) {
        const count = Math.min(PIECE_BLOCKS, part.to - from);
        this.#files.get(vlun)?.readSync(this.#piece.subarray(0, count * BLOCK_BYTES), from * BLOCK_BYTES);
        for (let block = 0; block < count && this.#wrong === null; block += 1) {
          const lba = from + block;
          // A later record of the data set, which is looked at by itself.
          if ((last.get(lba) ?? sequence) !== sequence) continue;
          const at = payload === null ? 0 : (lba - record.lba) * BLOCK_BYTES;
          const found = block * BLOCK_BYTES;
          if ((payload ?? ZEROES).compare(this.#piece, found, found + BLOCK_BYTES, at, at + BLOCK_BYTES) !== 0) this.#note(vlun, lba);
        }
      }
    }
  }

  #note(vlun: Vlun, lba: number): void {
    const copy = this.#options.copies.find((candidate) => candidate.vlun === vlun);
    if (copy !== undefined) this.#wrong = { copy, lba };
  }

  #lastOf(vlun: Vlun): Map<number, SequenceNumber> {
    const known = this.#last.get(vlun);
    if (known !== undefined) return known;
    const last = new Map<number, SequenceNumber>();
    this.#last.set(vlun, last);
    return last;
  }
}

function rangeOf({ lba, lengthBytes }: DecodedRecord): BlockRange {
  return { from: lba, to: lba + lengthBytes / BLOCK_BYTES };
}
