/** Bytes as rows of 16, with runs of zeroes folded; and a window on what is dumped. */
import { isZero } from '../../record/fields.ts';
import { ROW_BYTES, type DumpField, type DumpPart, type DumpWriter } from './dump-writer.ts';

/** Tells bytes that come in pieces, one after another; `end` when there are no more. */
export class HexRows {
  readonly #writer: DumpWriter;
  #offset: number;
  #zeroes = 0;

  /** @param offset byte of the file at which they begin */
  constructor(writer: DumpWriter, offset: number) {
    this.#writer = writer;
    this.#offset = offset;
  }

  /** All pieces but the last are multiples of 16 bytes. */
  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += ROW_BYTES) {
      const row = bytes.subarray(from, from + ROW_BYTES);
      if (isZero(row, 0, row.length)) this.#zeroes += row.length;
      else {
        this.end();
        this.#writer.bytes(this.#offset, row);
        this.#offset += row.length;
      }
    }
  }

  /** Tell the run of zeroes that may be open. */
  end(): void {
    if (this.#zeroes > 0) this.#writer.zeroes(this.#offset, this.#zeroes);
    this.#offset += this.#zeroes;
    this.#zeroes = 0;
  }
}

/** Dump all bytes of a memory. */
export function hexRows(writer: DumpWriter, offset: number, bytes: Uint8Array): void {
  const rows = new HexRows(writer, offset);
  rows.add(bytes);
  rows.end();
}

/** Bytes of the file, the first and the one behind the last. */
export interface Region {
  readonly from: number;
  readonly to: number;
}

/** Whether a stretch has bytes in the region. */
export function touches({ from, to }: Region, offset: number, lengthBytes: number): boolean {
  return offset < to && offset + lengthBytes > from;
}

/** Passes on what lies in a region: fields that it touches, and of other bytes those in it. */
export class RegionWriter implements DumpWriter {
  readonly #writer: DumpWriter;
  readonly #region: Region;

  constructor(writer: DumpWriter, region: Region) {
    this.#writer = writer;
    this.#region = region;
  }

  part(part: DumpPart): void {
    if (touches(this.#region, part.offset, part.lengthBytes)) this.#writer.part(part);
  }

  field(field: DumpField): void {
    if (touches(this.#region, field.offset, field.bytes.length)) this.#writer.field(field);
  }

  bytes(offset: number, bytes: Uint8Array): void {
    const { from, to } = this.#clip(offset, bytes.length);
    if (to > from) this.#writer.bytes(from, bytes.subarray(from - offset, to - offset));
  }

  zeroes(offset: number, lengthBytes: number): void {
    const { from, to } = this.#clip(offset, lengthBytes);
    if (to > from) this.#writer.zeroes(from, to - from);
  }

  omitted(offset: number, lengthBytes: number): void {
    const { from, to } = this.#clip(offset, lengthBytes);
    if (to > from) this.#writer.omitted(from, to - from);
  }

  note(text: string): void {
    this.#writer.note(text);
  }

  end(): void {
    this.#writer.end();
  }

  #clip(offset: number, lengthBytes: number): Region {
    return { from: Math.max(offset, this.#region.from), to: Math.min(offset + lengthBytes, this.#region.to) };
  }
}
