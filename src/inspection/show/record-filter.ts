/** Which records of a journal are wanted: by volume, blocks, numbers and type. */
import type { RecordTypeName } from '../../model/commands.ts';
import { UsageError } from '../../model/errors.ts';
import { BLOCK_BYTES, ID_MAX } from '../../model/ids.ts';
import type { VolumeEntry } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';

/** From and to, both included. */
export interface NumberRange {
  readonly from: number;
  readonly to: number;
}

/** Null: all. */
export interface RecordFilter {
  readonly vlun: number | null;
  /** Blocks of a volume; a record that touches one of them is wanted. */
  readonly lba: NumberRange | null;
  readonly sequence: NumberRange | null;
  readonly types: readonly RecordTypeName[] | null;
}

export const ALL_RECORDS: RecordFilter = { vlun: null, lba: null, sequence: null, types: null };

/** Parse `FROM-TO`, or one number for itself. @throws UsageError ERR_RANGE */
export function parseRange(text: string, option: string): NumberRange {
  const match = /^\s*(\d+)(?:\s*(?:-|\.\.)\s*(\d+))?\s*$/.exec(text);
  const from = Number(match?.[1] ?? Number.NaN);
  const to = Number(match?.[2] ?? match?.[1] ?? Number.NaN);
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from <= to) return { from, to };
  throw new UsageError(
    'ERR_RANGE',
    `"${text}" is not a range for ${option}: expected FROM-TO with FROM at most TO, and TO at most ${ID_MAX}`,
    {
      hint: `write ${option} 100-199, or one number`,
      details: { option, text },
    },
  );
}

/** Parse one number, also in hex with 0x. @throws UsageError ERR_RANGE */
export function parseNumber(text: string, option: string): number {
  const value = /^\s*(?:\d+|0x[0-9a-f]+)\s*$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError('ERR_RANGE', `"${text}" is not a number for ${option}: expected 0 to ${ID_MAX}`, { details: { option, text } });
}

/** The VLUN of a volume that is named, or of one that is given as a number. @throws UsageError ERR_VOLUME_UNKNOWN */
export function vlunOf(volume: string, volumes: readonly VolumeEntry[] | null): number {
  const named = volumes?.find(({ name }) => name === volume);
  if (named !== undefined) return named.vlun;
  if (/^\d{1,10}$/.test(volume)) return Number(volume);
  throw new UsageError(
    'ERR_VOLUME_UNKNOWN',
    volumes === null
      ? `no volume table says which volume is "${volume}": the state folder of the host is not known`
      : `there is no volume "${volume}": the state names ${volumes.map(({ name, vlun }) => `${name} (VLUN ${vlun})`).join(', ') || 'none'}`,
    {
      hint: volumes === null ? 'name the state folder with --state, or the volume with --vlun' : 'name one of them, or its VLUN',
      details: { volume },
    },
  );
}

/** Whether a record is wanted. */
export function isWanted(filter: RecordFilter, record: Pick<DecodedRecord, 'type' | 'sequence' | 'vlun' | 'lba' | 'lengthBytes'>): boolean {
  const { vlun, lba, sequence, types } = filter;
  if (types !== null && !types.includes(record.type)) return false;
  if (sequence !== null && (record.type === 'pad' || record.sequence < sequence.from || record.sequence > sequence.to)) return false;
  if (vlun === null && lba === null) return true;
  // Syncs and pads are of no volume.
  if (record.type === 'sync' || record.type === 'pad') return false;
  if (vlun !== null && record.vlun !== vlun) return false;
  return lba === null || (record.lba <= lba.to && record.lba + record.lengthBytes / BLOCK_BYTES > lba.from);
}

/** Whether anything is left out. */
export function isFiltering({ vlun, lba, sequence, types }: RecordFilter): boolean {
  return vlun !== null || lba !== null || sequence !== null || types !== null;
}
