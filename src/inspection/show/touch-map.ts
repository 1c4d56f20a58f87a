/**
 * Draw which parts of each volume a data set touches: 64 cells for a volume of any size. Memory is bounded by the records that a data
 * set may have; every number in it counts once, because destage stores it once.
 */
import { BLOCK_BYTES } from '../../model/ids.ts';
import type { VolumeEntry } from '../../model/ids.ts';
import type { WriteType } from '../../model/commands.ts';
import { LIMITS } from '../../model/limits.ts';

export const MAP_CELLS = 64;

/** Cells from untouched to wholly touched; between them by quarters. */
const DENSITIES = '.-=+*#';

export interface VolumeTouch {
  readonly vlun: number;
  /** Null when no volume table names it. */
  readonly name: string | null;
  /** The volume's size, or, when it is not known, the end of what is touched. */
  readonly sizeBytes: number;
  readonly sizeKnown: boolean;
  readonly commands: number;
  readonly writtenBytes: number;
  readonly zeroedBytes: number;
  readonly trimmedBytes: number;
  /** Blocks that are touched at all, and those that are touched more than once. */
  readonly touchedBlocks: number;
  readonly overwrittenBlocks: number;
  readonly firstLba: number;
  readonly lastLba: number;
  /** Blocks that lie beyond the volume's end: a volume of this size never took them. */
  readonly outsideBlocks: number;
  /** Bytes of the volume that one cell stands for. */
  readonly cellBytes: number;
  /** 64 characters, or fewer for a volume of fewer blocks. */
  readonly cells: string;
}

const TYPE_INDEX = { write: 0, zero: 1, trim: 2 } as const;

/** Gathers what the commands of one data set touch. */
export class TouchMap {
  // Grown as needed: most data sets have few records.
  #vluns = new Uint32Array(1024);
  #types = new Uint8Array(1024);
  #from = new Float64Array(1024);
  #to = new Float64Array(1024);
  #count = 0;

  /** Add one command; each sequence number once, so there are at most as many as a data set may have. */
  add(command: { readonly type: WriteType; readonly vlun: number; readonly lba: number; readonly lengthBytes: number }): void {
    if (this.#count === LIMITS.dataSetRecordsMax) return;
    if (this.#count === this.#from.length) this.#grow();
    const index = this.#count;
    this.#vluns[index] = command.vlun;
    this.#types[index] = TYPE_INDEX[command.type];
    this.#from[index] = command.lba;
    this.#to[index] = command.lba + command.lengthBytes / BLOCK_BYTES;
    this.#count += 1;
  }

  /** What was touched, by VLUN. */
  volumes(table: readonly VolumeEntry[] | null): VolumeTouch[] {
    const order = Uint32Array.from({ length: this.#count }, (_, index) => index);
    order.sort((a, b) => (this.#vluns[a] ?? 0) - (this.#vluns[b] ?? 0) || (this.#from[a] ?? 0) - (this.#from[b] ?? 0));
    const touches: VolumeTouch[] = [];
    for (let start = 0; start < order.length;) {
      const vlun = this.#vluns[order[start] ?? 0] ?? 0;
      let end = start;
      while (end < order.length && this.#vluns[order[end] ?? 0] === vlun) end += 1;
      touches.push(this.#touch(vlun, order.subarray(start, end), table?.find((volume) => volume.vlun === vlun) ?? null));
      start = end;
    }
    return touches;
  }

  /** @param order the volume's commands by their first block */
  #touch(vlun: number, order: Uint32Array, volume: VolumeEntry | null): VolumeTouch {
    let endBlock = 0;
    for (const index of order) endBlock = Math.max(endBlock, this.#to[index] ?? 0);
    const sizeBlocks = volume === null ? endBlock : Math.ceil(volume.sizeBytes / BLOCK_BYTES);
    const cells = new Cells(sizeBlocks);
    const bytes = [0, 0, 0];
    let touchedTo = 0;
    let overwrittenTo = 0;
    let touchedBlocks = 0;
    let overwrittenBlocks = 0;
    for (const index of order) {
      const from = this.#from[index] ?? 0;
      const to = this.#to[index] ?? 0;
      const type = this.#types[index] ?? 0;
      bytes[type] = (bytes[type] ?? 0) + (to - from) * BLOCK_BYTES;
      // What lies below the highest end so far was touched before, because commands come in the order of their first block.
      const again = { from: Math.max(from, overwrittenTo), to: Math.min(to, touchedTo) };
      if (again.to > again.from) {
        overwrittenBlocks += again.to - again.from;
        overwrittenTo = again.to;
      }
      const fresh = Math.max(from, touchedTo);
      if (to > fresh) {
        touchedBlocks += to - fresh;
        cells.add(fresh, to);
        touchedTo = to;
      }
    }
    return {
      vlun,
      name: volume?.name ?? null,
      sizeBytes: sizeBlocks * BLOCK_BYTES,
      sizeKnown: volume !== null,
      commands: order.length,
      writtenBytes: bytes[0] ?? 0,
      zeroedBytes: bytes[1] ?? 0,
      trimmedBytes: bytes[2] ?? 0,
      touchedBlocks,
      overwrittenBlocks,
      firstLba: this.#from[order[0] ?? 0] ?? 0,
      lastLba: endBlock - 1,
      outsideBlocks: cells.outsideBlocks,
      cellBytes: cells.blocks * BLOCK_BYTES,
      cells: cells.draw(),
    };
  }

  #grow(): void {
    const length = this.#count * 2;
    const into = <T extends Uint32Array | Uint8Array | Float64Array>(larger: T, from: T): T => {
      larger.set(from);
      return larger;
    };
    this.#vluns = into(new Uint32Array(length), this.#vluns);
    this.#types = into(new Uint8Array(length), this.#types);
    this.#from = into(new Float64Array(length), this.#from);
    this.#to = into(new Float64Array(length), this.#to);
  }
}

/** Blocks touched in each cell of one volume. */
class Cells {
  /** Blocks that one cell stands for. */
  readonly blocks: number;
  outsideBlocks = 0;
  readonly #sizeBlocks: number;
  readonly #touched: Float64Array;

  constructor(sizeBlocks: number) {
    this.#sizeBlocks = sizeBlocks;
    this.blocks = Math.max(1, Math.ceil(sizeBlocks / MAP_CELLS));
    this.#touched = new Float64Array(Math.ceil(sizeBlocks / this.blocks));
  }

  /** Blocks from `from` up to `to`, none of which was added before. */
  add(from: number, to: number): void {
    const end = Math.min(to, this.#sizeBlocks);
    this.outsideBlocks += to - Math.max(from, end);
    for (let at = from; at < end;) {
      const cell = Math.floor(at / this.blocks);
      const next = Math.min(end, (cell + 1) * this.blocks);
      this.#touched[cell] = (this.#touched[cell] ?? 0) + next - at;
      at = next;
    }
  }

  draw(): string {
    let drawn = '';
    for (const [cell, touched] of this.#touched.entries()) {
      const blocks = Math.min(this.blocks, this.#sizeBlocks - cell * this.blocks);
      drawn += DENSITIES[touched === 0 ? 0 : touched >= blocks ? 5 : 1 + Math.min(3, Math.floor((4 * touched) / blocks))] ?? '?';
    }
    return drawn;
  }
}
