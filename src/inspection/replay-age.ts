/**
 * Are copies older than the watermark, or of another host? A volume says nothing about itself, but a volume at the watermark, or brought
 * further, holds what the watermark's own data set wrote, as far as no later data set changes it (I5). Its journal mostly is
 * still there, because a slot is used again only when as many data sets more were written as the ring has slots.
 *
 * Looked at are blocks of 512 bytes that it wrote, not those that it also made zeroes. Memory: a number for each of its blocks.
 */
import { scanWindow, type RecordInWindow } from '../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { CorruptionError } from '../model/errors.ts';
import { BLOCK_BYTES, type SequenceNumber, type Vlun, type VolumeEntry } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { BlockRanges } from './block-ranges.ts';
import { indexDataSet } from './replay-data-set.ts';
import type { ReplayPlan, ReplaySet } from './replay-plan.ts';

/** A block of a copy that does not hold what the watermark's data set wrote there last. */
export interface OlderBlock {
  readonly copy: VolumeConfig;
  readonly lba: number;
}

export interface AgeOptions {
  readonly disk: Disk;
  readonly plan: ReplayPlan;
  readonly volumes: ReadonlyMap<Vlun, VolumeEntry>;
  readonly copies: readonly VolumeConfig[];
}

/** Find a block that shows that the copies are older than the watermark; null: there is none, or the journal that tells is gone. */
export async function findOlderBlock(options: AgeOptions): Promise<OlderBlock | null> {
  const { plan } = options;
  if (plan.newestDone === null) return null;
  const check = new AgeCheck(options);
  try {
    return await check.find(plan.newestDone);
  } catch (error) {
    // It is retired: nothing depends on its bytes any more, and then they tell nothing.
    if (error instanceof CorruptionError) return null;
    throw error;
  } finally {
    check.close();
  }
}

class AgeCheck {
  readonly #options: AgeOptions;
  readonly #window = scanWindow();
  readonly #piece = Buffer.alloc(LIMITS.recordDataBytesMax);
  readonly #files = new Map<Vlun, DiskFile>();
  /** What later data sets change, and what this one makes zeroes. */
  readonly #others = new BlockRanges();
  /** Which of its writes was the last one to each block. */
  readonly #last = new Map<Vlun, Map<number, SequenceNumber>>();
  #older: OlderBlock | null = null;

  constructor(options: AgeOptions) {
    this.#options = options;
    for (const { vlun, path } of options.copies) this.#files.set(vlun, options.disk.open(path, { readOnly: true }));
  }

  close(): void {
    for (const file of this.#files.values()) file.closeSync();
  }

  async find(newest: ReplaySet): Promise<OlderBlock | null> {
    for (const set of this.#options.plan.complete) await this.#read(set, ({ record }) => this.#others.add(record.vlun, rangeOf(record)));
    await this.#read(newest, ({ record }) => {
      if (record.type === 'write') this.#noteLast(record);
      else this.#others.add(record.vlun, rangeOf(record));
    });
    await this.#read(newest, (found) => this.#compare(found));
    return this.#older;
  }

  async #read(set: ReplaySet, take: (found: RecordInWindow) => void): Promise<void> {
    const { disk, volumes } = this.#options;
    await indexDataSet({ disk, set, volumes, window: this.#window, take });
  }

  #noteLast({ vlun, lba, lengthBytes, sequence }: RecordInWindow['record']): void {
    const last = this.#last.get(vlun) ?? new Map<number, SequenceNumber>();
    this.#last.set(vlun, last);
    for (let block = lba; block < lba + lengthBytes / BLOCK_BYTES; block += 1)
      if ((last.get(block) ?? -1) < sequence) last.set(block, sequence);
  }

  #compare({ record, window }: RecordInWindow): void {
    const { vlun, lba, sequence, payloadOffset, type } = record;
    if (type !== 'write' || this.#older !== null) return;
    const payload = Buffer.from(window.buffer, window.byteOffset + payloadOffset, record.payloadBytes);
    for (const { from, to } of this.#others.without(vlun, rangeOf(record))) {
      this.#files.get(vlun)?.readSync(this.#piece.subarray(0, (to - from) * BLOCK_BYTES), from * BLOCK_BYTES);
      for (let block = from; block < to; block += 1) {
        if (this.#last.get(vlun)?.get(block) !== sequence) continue;
        const [at, found] = [(block - lba) * BLOCK_BYTES, (block - from) * BLOCK_BYTES];
        if (payload.compare(this.#piece, found, found + BLOCK_BYTES, at, at + BLOCK_BYTES) === 0) continue;
        const copy = this.#options.copies.find((candidate) => candidate.vlun === vlun);
        if (copy !== undefined) this.#older ??= { copy, lba: block };
        return;
      }
    }
  }
}

function rangeOf({ lba, lengthBytes }: RecordInWindow['record']): { from: number; to: number } {
  return { from: lba, to: lba + lengthBytes / BLOCK_BYTES };
}
