/** The fields of a journal's blocks and records beside their bytes, from the formats' own tables. Bytes of any kind: a file may be cut short, a block damaged. */
import { COMMON_FIELDS, FLAG_HAS_DATA_SET, HEADER_FIELDS, MARK_FIELDS, WATERMARK_FIELDS } from '../../../journals/format.ts';
import { CUT_REASON, RECORD_TYPE } from '../../model/commands.ts';
import { ID_MAX } from '../../model/ids.ts';
import { readHex, showU32 } from '../../record/fields.ts';
import { NO_VLUN } from '../../record/record.ts';
import { RECORD_HEADER, SYNC_PAYLOAD, type FieldKind, type FieldLayout } from '../../record/layout.ts';
import type { DumpField } from './dump-writer.ts';
import { isoOf } from '../show/record-table.ts';

/** A table of fields, and what to add to their values. */
export interface FieldTable {
  readonly fields: readonly FieldLayout[];
  /** Bytes from the first field to the end of the last. */
  readonly lengthBytes: number;
  readonly explain: (name: string, value: number) => string | null;
}

/** Fields of the journal's blocks that are bytes in the order of their hex digits; all other ones are numbers. */
const HEX_FIELDS: ReadonlySet<string> = new Set(['groupId', 'stream', 'chain']);

export const HEADER_TABLE = blockTable(HEADER_FIELDS, (flags) =>
  flags === FLAG_HAS_DATA_SET ? 'a data set is in it' : flags === 0 ? 'free' : 'unknown flags',
);
export const MARK_TABLE = blockTable(MARK_FIELDS, (flags) => (flags === 0 ? null : 'unknown flags'));
export const WATERMARK_TABLE = blockTable(WATERMARK_FIELDS, (flags) =>
  flags === FLAG_HAS_DATA_SET ? 'it names a data set' : flags === 0 ? 'nothing is destaged yet' : 'unknown flags',
);
export const RECORD_TABLE = recordTable(RECORD_HEADER);
export const SYNC_TABLE = recordTable(SYNC_PAYLOAD);

/** The fields of a table over bytes that begin with its first one; those that the bytes do not hold wholly are `cut off`. */
export function fieldsOf(table: FieldTable, bytes: Uint8Array, fileOffset: number): DumpField[] {
  return table.fields
    .filter(({ offset }) => offset < bytes.length)
    .map(({ name, offset, size, kind }) => {
      const own = bytes.subarray(offset, offset + size);
      const about = { offset: fileOffset + offset, bytes: own, field: name };
      if (own.length < size) return { ...about, value: 'cut off', explained: null };
      return { ...about, ...shown(kind, own, (value) => table.explain(name, value)) };
    });
}

function shown(kind: FieldKind, bytes: Uint8Array, explain: (value: number) => string | null): Pick<DumpField, 'value' | 'explained'> {
  if (kind === 'ascii') return { value: asciiOf(bytes), explained: null };
  if (kind === 'hex') return { value: readHex(bytes, 0, 2 * bytes.length), explained: null };
  const value = numberOf(bytes);
  if (kind === 'crc32') return { value: showU32(value), explained: null };
  if (kind === 'zero' && value !== 0) return { value: `${exactOf(bytes)}, expected 0`, explained: null };
  if (value > ID_MAX) return { value: `${exactOf(bytes)}`, explained: 'above 2^53 - 1' };
  return { value: `${value}`, explained: explain(value) };
}

/** Little-endian; exact up to 2^53 - 1. */
function numberOf(bytes: Uint8Array): number {
  let value = 0;
  for (let index = bytes.length - 1; index >= 0; index -= 1) value = value * 256 + (bytes[index] ?? 0);
  return value;
}

/** Little-endian. */
function exactOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`);
}

function asciiOf(bytes: Uint8Array): string {
  return bytes.every((byte) => byte >= 0x20 && byte < 0x7f)
    ? Buffer.from(bytes).toString('latin1')
    : `0x${readHex(bytes, 0, 2 * bytes.length)}`;
}

type BlockFields = Readonly<Record<string, { readonly offset: number; readonly lengthBytes: number }>>;

function blockTable(table: BlockFields, explainFlags: (flags: number) => string | null): FieldTable {
  const fields = Object.entries(table)
    .map(([name, { offset, lengthBytes }]) => ({ name, offset, size: lengthBytes, kind: kindOf(name, lengthBytes) }))
    .sort((a, b) => a.offset - b.offset);
  return tableOf(fields, (name, value) => (name === 'flags' ? explainFlags(value) : null));
}

function kindOf(name: string, lengthBytes: number): FieldKind {
  if (name === 'magic') return 'ascii';
  if (HEX_FIELDS.has(name)) return 'hex';
  if (lengthBytes !== COMMON_FIELDS.checksum.lengthBytes) return 'id';
  return name === 'checksum' ? 'crc32' : 'u32';
}

function recordTable(fields: readonly FieldLayout[]): FieldTable {
  return tableOf(fields, (name, value) => {
    if (name === 'type') return nameOf(RECORD_TYPE, value);
    if (name === 'reason') return nameOf(CUT_REASON, value);
    if (name === 'vlun') return value === NO_VLUN ? 'no volume' : null;
    if (name === 'timeUs' && value > 0) return isoOf(value).replace('T', ' ').replace('Z', '');
    return null;
  });
}

function tableOf(fields: readonly FieldLayout[], explain: FieldTable['explain']): FieldTable {
  return { fields, lengthBytes: Math.max(...fields.map(({ offset, size }) => offset + size)), explain };
}

function nameOf(codes: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(codes).find((name) => codes[name] === value) ?? 'none of version 1';
}
