/** How `journal dump` tells bytes: beside their field names on 80 columns, or one JSON object for each line. */
import { TERMINAL_COLUMNS, wrap } from '../ring/columns.ts';
import type { LineOutput } from '../show/show-output.ts';

/** A stretch of the file that has a name. */
export interface DumpPart {
  /** `header`, `complete mark`, `record`, `watermark block 0`, `unreadable`, `behind the records` ... */
  readonly part: string;
  /** Byte of the file. */
  readonly offset: number;
  readonly lengthBytes: number;
  /** What it is, or what is wrong with it, in one sentence. */
  readonly text: string;
  /** Number of a record; null for what is none. */
  readonly sequence: number | null;
}

export interface DumpField {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly field: string;
  /** What the bytes mean; a second line, if any, explains it. */
  readonly value: string;
  readonly explained: string | null;
}

/** Takes the bytes of the file in ascending order. Bytes are valid only during the call. */
export interface DumpWriter {
  part(part: DumpPart): void;
  field(field: DumpField): void;
  /** At most 16 bytes that are no field. */
  bytes(offset: number, bytes: Uint8Array): void;
  zeroes(offset: number, lengthBytes: number): void;
  /** Bytes that are not shown. */
  omitted(offset: number, lengthBytes: number): void;
  note(text: string): void;
  end(): void;
}

export const ROW_BYTES = 16;
const FIELD_ROW_BYTES = 8;
const OFFSET_WIDTH = 10;
const HEX_WIDTH = FIELD_ROW_BYTES * 3 - 1;
const NAME_WIDTH = 15;
const VALUE_WIDTH = TERMINAL_COLUMNS - OFFSET_WIDTH - HEX_WIDTH - NAME_WIDTH - 6;

export class DumpText implements DumpWriter {
  readonly #output: LineOutput;
  #first = true;

  constructor(output: LineOutput) {
    this.#output = output;
  }

  part({ part, offset, lengthBytes, text }: DumpPart): void {
    if (!this.#first) this.#output.line('');
    this.#first = false;
    this.#output.lines(wrap(`${part}, byte ${offset}${lengthBytes === 0 ? '' : ` to ${offset + lengthBytes - 1}`}: ${text}`, '  '));
  }

  field({ offset, bytes, field, value, explained }: DumpField): void {
    const together = explained === null ? value : `${value} (${explained})`;
    const values =
      explained === null || together.length <= VALUE_WIDTH
        ? chunks(together, VALUE_WIDTH)
        : [...chunks(value, VALUE_WIDTH), ...chunks(explained, VALUE_WIDTH)];
    const rows = Math.max(values.length, Math.ceil(bytes.length / FIELD_ROW_BYTES));
    for (let row = 0; row < rows; row += 1) {
      const from = row * FIELD_ROW_BYTES;
      const hex = from < bytes.length ? hexOf(bytes.subarray(from, from + FIELD_ROW_BYTES)) : '';
      const at = from < bytes.length ? `${offset + from}` : '';
      const name = row === 0 ? field : '';
      const line = `${at.padStart(OFFSET_WIDTH)}  ${hex.padEnd(HEX_WIDTH)}  ${name.padEnd(NAME_WIDTH)}  ${values[row] ?? ''}`;
      this.#output.line(line.trimEnd());
    }
  }

  bytes(offset: number, bytes: Uint8Array): void {
    const hex = hexOf(bytes).padEnd(ROW_BYTES * 3 - 1);
    this.#output.line(`${`${offset}`.padStart(OFFSET_WIDTH)}  ${hex}  ${printable(bytes)}`.trimEnd());
  }

  zeroes(offset: number, lengthBytes: number): void {
    this.#output.line(`${`${offset}`.padStart(OFFSET_WIDTH)}  ${lengthBytes} ${lengthBytes === 1 ? 'byte of zero' : 'bytes of zeroes'}`);
  }

  omitted(offset: number, lengthBytes: number): void {
    this.#output.line(`${`${offset}`.padStart(OFFSET_WIDTH)}  ... ${lengthBytes} bytes more`);
  }

  note(text: string): void {
    this.#output.lines(wrap(text, '  '));
  }

  end(): void {}
}

/** One JSON object a line, or all of them in one array. */
export class DumpJson implements DumpWriter {
  readonly #output: LineOutput;
  readonly #array: boolean;
  #separator = '\n';
  #part = '';
  #sequence: number | null = null;

  /** @param array false: ndjson; true: `{"lines": [...]}` */
  constructor(output: LineOutput, array: boolean) {
    this.#output = output;
    this.#array = array;
    if (array) output.raw('{\n  "lines": [');
  }

  part({ part, offset, lengthBytes, text, sequence }: DumpPart): void {
    this.#part = part;
    this.#sequence = sequence;
    this.#line({ kind: 'part', offset, lengthBytes, text });
  }

  field({ offset, bytes, field, value, explained }: DumpField): void {
    this.#line({ kind: 'field', offset, lengthBytes: bytes.length, bytes: Buffer.from(bytes).toString('hex'), field, value, explained });
  }

  bytes(offset: number, bytes: Uint8Array): void {
    this.#line({ kind: 'bytes', offset, lengthBytes: bytes.length, bytes: Buffer.from(bytes).toString('hex') });
  }

  zeroes(offset: number, lengthBytes: number): void {
    this.#line({ kind: 'zeroes', offset, lengthBytes });
  }

  omitted(offset: number, lengthBytes: number): void {
    this.#line({ kind: 'omitted', offset, lengthBytes });
  }

  note(text: string): void {
    this.#line({ kind: 'note', text });
  }

  end(): void {
    if (this.#array) this.#output.raw(`${this.#separator === '\n' ? '' : '\n  '}]\n}\n`);
  }

  #line({ kind, ...rest }: Record<string, unknown>): void {
    const sequence = this.#sequence === null ? null : `${this.#sequence}`;
    const line = JSON.stringify({ kind, part: this.#part, sequence, ...rest });
    if (!this.#array) return this.#output.line(line);
    this.#output.raw(`${this.#separator}    ${line}`);
    this.#separator = ',\n';
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (let index = 0; index < bytes.length; index += 1) hex += index === 0 ? HEX[bytes[index] ?? 0] : ` ${HEX[bytes[index] ?? 0]}`;
  return hex;
}

function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  return text;
}

/** Cut a text into lines of `width`: at a space, or, for hex digits, in the middle of what stands beside them. */
function chunks(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const cut = space > 0 ? space : 2 * FIELD_ROW_BYTES;
    lines.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  return [...lines, rest];
}
