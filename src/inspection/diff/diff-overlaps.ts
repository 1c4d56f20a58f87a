/**
 * Which blocks two data sets both wrote, and who wrote them last. Data sets are destaged in ascending order and records within one by their
 * numbers (I4), so of two data sets the later one wins, and within it the highest number that covers a block.
 *
 * Each data set is first painted: ranges of blocks that are apart, each with the record that wrote it last. Then the two are laid over each other.
 */
import { BLOCK_BYTES } from '../../model/ids.ts';
import type { DataSetId, SequenceNumber, Vlun } from '../../model/ids.ts';
import type { RecordTypeName } from '../../model/commands.ts';
import type { DiffTable } from './diff-table.ts';

/** Blocks that two data sets both wrote. */
export interface Overlap {
  readonly vlun: Vlun;
  readonly lba: number;
  readonly blocks: number;
  /** The later data set, which wrote them last. */
  readonly last: OverlapWriters;
  readonly earlier: OverlapWriters;
}

/** A data set, and the lowest and highest number of those of its records that wrote some of the blocks last in it. */
export interface OverlapWriters {
  readonly dataSet: DataSetId;
  readonly fromSequence: SequenceNumber;
  readonly toSequence: SequenceNumber;
  /** Of the one record that wrote them all; null when it was not one. */
  readonly type: RecordTypeName | null;
  readonly offset: number | null;
}

/** A journal's table with its data set. */
export interface NamedTable {
  readonly dataSet: DataSetId;
  readonly table: DiffTable;
}

/**
 * Find the overlaps of two data sets, by volume and LBA.
 * @param options `exact`: only neighbours that one record wrote last are one range; else all neighbours are
 * @returns how many ranges and blocks
 */
export function findOverlaps(
  a: NamedTable,
  b: NamedTable,
  options: { readonly exact: boolean; readonly take: (overlap: Overlap) => void },
): { ranges: number; blocks: number } {
  const [earlier, later] = a.dataSet < b.dataSet ? [a, b] : [b, a];
  const below = paint(earlier.table);
  const above = paint(later.table);
  let waiting: Overlap | null = null;
  let [ranges, blocks] = [0, 0];
  const tell = (overlap: Overlap): void => {
    ranges += 1;
    blocks += overlap.blocks;
    options.take(overlap);
  };
  for (let [low, high] = [0, 0]; low < below.count && high < above.count;) {
    const order = (below.vlun[low] ?? 0) - (above.vlun[high] ?? 0);
    const [endLow, endHigh] = [below.to[low] ?? 0, above.to[high] ?? 0];
    const from = Math.max(below.from[low] ?? 0, above.from[high] ?? 0);
    const to = Math.min(endLow, endHigh);
    if (order === 0 && from < to) {
      const found: Overlap = {
        vlun: above.vlun[high] ?? 0,
        lba: from,
        blocks: to - from,
        last: writerOf(later, above.row[high] ?? 0),
        earlier: writerOf(earlier, below.row[low] ?? 0),
      };
      const joined: Overlap | null = waiting === null ? null : join(waiting, found, options.exact);
      if (joined === null && waiting !== null) tell(waiting);
      waiting = joined ?? found;
    }
    if (order < 0 || (order === 0 && endLow <= endHigh)) low += 1;
    else high += 1;
  }
  if (waiting !== null) tell(waiting);
  return { ranges, blocks };
}

function writerOf({ dataSet, table }: NamedTable, row: number): OverlapWriters {
  const sequence = table.wide('sequence', row);
  return { dataSet, fromSequence: sequence, toSequence: sequence, type: table.typeAt(row), offset: table.wide('offset', row) };
}

/** Two neighbours as one; null if they are none, or if `exact` and not one record wrote both last. */
function join(a: Overlap, b: Overlap, exact: boolean): Overlap | null {
  if (a.vlun !== b.vlun || a.lba + a.blocks !== b.lba) return null;
  if (exact && a.last.offset !== b.last.offset) return null;
  return { ...a, blocks: a.blocks + b.blocks, last: joinWriters(a.last, b.last), earlier: joinWriters(a.earlier, b.earlier) };
}

function joinWriters(a: OverlapWriters, b: OverlapWriters): OverlapWriters {
  if (a.offset === b.offset && a.offset !== null) return a;
  const fromSequence = Math.min(a.fromSequence, b.fromSequence);
  const toSequence = Math.max(a.toSequence, b.toSequence);
  return { dataSet: a.dataSet, fromSequence, toSequence, type: null, offset: null };
}

/** Ranges of blocks, apart and ascending by volume and block, each with the row of the record that wrote it last. */
interface Painted {
  count: number;
  readonly vlun: Uint32Array;
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly row: Uint32Array;
}

function paint(table: DiffTable): Painted {
  const rows: number[] = [];
  for (let row = 0; row < table.count; row += 1) if (table.typeAt(row) !== 'sync') rows.push(row);
  const order = Uint32Array.from(rows).sort(
    (a, b) => table.vlunAt(a) - table.vlunAt(b) || table.wide('lba', a) - table.wide('lba', b) || a - b,
  );
  // Each record begins and ends a range at most once.
  const rangesMax = 2 * order.length;
  const painted: Painted = {
    count: 0,
    vlun: new Uint32Array(rangesMax),
    from: new Float64Array(rangesMax),
    to: new Float64Array(rangesMax),
    row: new Uint32Array(rangesMax),
  };
  for (let start = 0; start < order.length;) {
    const vlun = table.vlunAt(order[start] ?? 0);
    let end = start;
    while (end < order.length && table.vlunAt(order[end] ?? 0) === vlun) end += 1;
    paintVolume(table, order.subarray(start, end), painted);
    start = end;
  }
  return painted;
}

/** Sweep over one volume's records by their first block; of those that cover a block the highest number is on top. */
function paintVolume(table: DiffTable, order: Uint32Array, painted: Painted): void {
  const vlun = table.vlunAt(order[0] ?? 0);
  const edges = edgesOf(table, order);
  const covering = new RowHeap(table);
  let next = 0;
  for (const [index, from] of edges.entries()) {
    while (next < order.length && table.wide('lba', order[next] ?? 0) === from) covering.add(order[next++] ?? 0);
    const row = covering.top((candidate) => endOf(table, candidate) <= from);
    const to = edges[index + 1];
    if (row === null || to === undefined) continue;
    const last = painted.count - 1;
    if (last >= 0 && painted.row[last] === row && painted.to[last] === from) painted.to[last] = to;
    else {
      painted.vlun[painted.count] = vlun;
      painted.from[painted.count] = from;
      painted.to[painted.count] = to;
      painted.row[painted.count] = row;
      painted.count += 1;
    }
  }
}

function endOf(table: DiffTable, row: number): number {
  return table.wide('lba', row) + table.wide('lengthBytes', row) / BLOCK_BYTES;
}

/** Where records begin or end, ascending, each once. */
function edgesOf(table: DiffTable, order: Uint32Array): Float64Array {
  const all = new Float64Array(2 * order.length);
  for (const [index, row] of order.entries()) {
    all[2 * index] = table.wide('lba', row);
    all[2 * index + 1] = endOf(table, row);
  }
  all.sort();
  return all.filter((edge, index) => index === 0 || edge !== all[index - 1]);
}

/** Rows with the highest sequence number on top; those that are over are taken away when they come up. */
class RowHeap {
  readonly #table: DiffTable;
  readonly #rows: number[] = [];

  constructor(table: DiffTable) {
    this.#table = table;
  }

  add(row: number): void {
    const rows = this.#rows;
    let at = rows.push(row) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isAbove(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  top(isOver: (row: number) => boolean): number | null {
    for (;;) {
      const [top] = this.#rows;
      if (top === undefined) return null;
      if (!isOver(top)) return top;
      this.#remove();
    }
  }

  #remove(): void {
    const rows = this.#rows;
    const last = rows.pop();
    if (rows.length === 0 || last === undefined) return;
    rows[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const child = left + 1 < rows.length && this.#isAbove(left + 1, left) ? left + 1 : left;
      if (child >= rows.length || !this.#isAbove(child, at)) return;
      this.#swap(at, child);
      at = child;
    }
  }

  #isAbove(a: number, b: number): boolean {
    const [rowA, rowB] = [this.#rows[a] ?? 0, this.#rows[b] ?? 0];
    return this.#table.wide('sequence', rowA) > this.#table.wide('sequence', rowB);
  }

  #swap(a: number, b: number): void {
    const rows = this.#rows;
    [rows[a], rows[b]] = [rows[b] ?? 0, rows[a] ?? 0];
  }
}
