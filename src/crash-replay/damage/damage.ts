/**
 * Damage done to what a crash left, for fixtures whose fault is damage: single bits, lost blocks, files of other times and places. Each edit
 * changes the bytes in hand and returns what it did, in words that name file, offset, before and after. Where the story needs a
 * right checksum, the block or record is encoded by the production encoders.
 */
import { crc32 } from 'node:zlib';
import type { HeaderContent, WatermarkContent } from '../../../journals/format.ts';
import {
  BLOCK_BYTES,
  COMMON_FIELDS,
  decodeHeader,
  decodeWatermark,
  encodeHeader,
  encodeWatermark,
  HEADER_FIELDS,
  HEADER_OFFSET,
  MARK_FIELDS,
  MARK_OFFSET,
  UNBOUND_IDENTITY,
  WATERMARK_FIELDS,
} from '../../../journals/format.ts';
import { FarshoreError } from '../../model/errors.ts';
import type { SequenceNumber } from '../../model/ids.ts';
import { RECORD_HEADER } from '../../record/layout.ts';
import { decodeChecked, encodeChecked, type HostState } from '../../state/host-state.ts';
import { recordIn, refillWrite } from './damage-records.ts';

/** What stands in a state directory, by path inside it (`journals/slot-0000.journal`), unpacked. */
export type CrashFiles = Map<string, Uint8Array>;

/** One thing that was done to a file, for `fixture.json` and for people. */
export interface DamageNote {
  readonly file: string;
  readonly words: string;
}

/** Where something stands in a file of the ring. */
export type Place =
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'header'; readonly field: keyof typeof HEADER_FIELDS }
  | { readonly kind: 'mark'; readonly field: keyof typeof MARK_FIELDS }
  | { readonly kind: 'watermark'; readonly block: 0 | 1; readonly field: keyof typeof WATERMARK_FIELDS }
  | { readonly kind: 'record'; readonly sequence: SequenceNumber; readonly field: (typeof RECORD_HEADER)[number]['name'] }
  | { readonly kind: 'payload'; readonly sequence: SequenceNumber; readonly byte: number };

/** The bytes of one file. @throws FarshoreError ERR_FIXTURE_DAMAGE when it is not there */
export function fileOf(files: CrashFiles, file: string): Uint8Array {
  const bytes = files.get(file);
  if (bytes === undefined) throw damageImpossible(`there is no ${file} among ${[...files.keys()].join(', ')}`);
  return bytes;
}

export function damageImpossible(message: string): FarshoreError {
  return new FarshoreError('ERR_FIXTURE_DAMAGE', message);
}

/** Flip one bit. */
export function flipBit(files: CrashFiles, { file, place, bit }: { file: string; place: Place; bit: number }): DamageNote {
  const { offset, name } = locate(files, file, place);
  const bytes = fileOf(files, file);
  const before = bytes[offset];
  if (before === undefined || bit < 0 || bit > 7) throw damageImpossible(`${file} has no bit ${bit} of byte ${offset}`);
  bytes[offset] = before ^ (1 << bit);
  return { file, words: `bit ${bit} of byte ${offset} (${name}) flipped: ${hexOf(before)} became ${hexOf(before ^ (1 << bit))}` };
}

/** Set a range to zeroes, as blocks that never reached the disk of a pre-written file. */
export function zeroRange(files: CrashFiles, range: { file: string; offset: number; lengthBytes: number }): DamageNote {
  const { file, offset, lengthBytes } = range;
  const bytes = fileOf(files, file);
  if (offset + lengthBytes > bytes.length) throw damageImpossible(`${file} has no bytes ${offset} to ${offset + lengthBytes - 1}`);
  bytes.fill(0, offset, offset + lengthBytes);
  return { file, words: `bytes ${offset} to ${offset + lengthBytes - 1} set to zeroes` };
}

/** Cut a file off. */
export function truncateFile(files: CrashFiles, { file, lengthBytes }: { file: string; lengthBytes: number }): DamageNote {
  const bytes = fileOf(files, file);
  files.set(file, bytes.slice(0, lengthBytes));
  return { file, words: `cut off at byte ${lengthBytes} of ${bytes.length}` };
}

/** Copy one file over another, or to a new name. */
export function copyOver(files: CrashFiles, { from, to }: { from: string; to: string }): DamageNote {
  files.set(to, Uint8Array.from(fileOf(files, from)));
  return { file: to, words: `replaced by a copy of ${from}` };
}

/** Put a file as it was at another time, or on another host, in place of this one. */
export function replaceFile(files: CrashFiles, options: { file: string; bytes: Uint8Array; origin: string }): DamageNote {
  files.set(options.file, Uint8Array.from(options.bytes));
  return { file: options.file, words: `replaced by ${options.origin}` };
}

/** Remove a file. */
export function removeFile(files: CrashFiles, file: string): DamageNote {
  fileOf(files, file);
  files.delete(file);
  return { file, words: 'removed' };
}

/** Let two files change places. */
export function swapFiles(files: CrashFiles, { one, other }: { one: string; other: string }): DamageNote {
  const [first, second] = [fileOf(files, one), fileOf(files, other)];
  files.set(one, second);
  files.set(other, first);
  return { file: one, words: `changed places with ${other}` };
}

/** Put the header there that init writes: the slot is free. */
export function freeHeader(files: CrashFiles, { file, slot, slots }: { file: string; slot: number; slots: number }): DamageNote {
  const bytes = fileOf(files, file);
  const block = bytes.subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES);
  encodeHeader(block, { ...UNBOUND_IDENTITY, slot, slots, slotBytes: bytes.length, dataSet: null, firstSequence: null });
  return { file, words: 'header replaced by the one that init writes: bound to no group, free' };
}

/** Change fields of a journal's header; its checksum is right again. */
export function editHeader(files: CrashFiles, { file, change }: { file: string; change: Partial<HeaderContent> }): DamageNote {
  const block = fileOf(files, file).subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES);
  const header = decodeHeader(block);
  if (header.verdict !== 'readable') throw damageImpossible(`the header of ${file} is ${header.verdict}`);
  const { verdict: _verdict, ...content } = header;
  encodeHeader(block, { ...content, ...change });
  return { file, words: `header: ${changesOf(content, change)}; its checksum is right` };
}

/** Replace the data of a write by one byte over and over; its checksums are right again. */
export function reencodeWrite(files: CrashFiles, options: { file: string; sequence: SequenceNumber; fill: number }): DamageNote {
  const { file, sequence, fill } = options;
  const image = fileOf(files, file);
  const record = recordIn(image, file, sequence);
  refillWrite(image, record, fill);
  return { file, words: `record ${sequence} at byte ${record.offset}: its data replaced by ${hexOf(fill)}; its checksums are right` };
}

/** Change fields of one of the watermark's blocks; its checksum is right again. */
export function editWatermark(files: CrashFiles, options: { file: string; block: 0 | 1; change: Partial<WatermarkContent> }): DamageNote {
  const { file, block, change } = options;
  const bytes = fileOf(files, file).subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  const found = decodeWatermark(bytes);
  if (found.verdict !== 'readable') throw damageImpossible(`block ${block} of ${file} is ${found.verdict}`);
  encodeWatermark(bytes, { ...found.content, ...change });
  return { file, words: `block ${block}: ${changesOf(found.content, change)}; its checksum is right` };
}

/** Change the host's state; its checksum is right again. */
export function editHostState(files: CrashFiles, { file, change }: { file: string; change: Partial<HostState> }): DamageNote {
  const state = decodeChecked(fileOf(files, file), file) as HostState;
  files.set(file, encodeChecked({ ...state, ...change }));
  return { file, words: `${changesOf(state, change)}; its checksum is right` };
}

/** Raise the format version of a block (header at 0, complete flag at 4096, watermark blocks); its checksum is right, as a later program would write it. */
export function raiseBlockVersion(files: CrashFiles, options: { file: string; offset: number; version: number }): DamageNote {
  const { file, offset, version } = options;
  const block = Buffer.from(fileOf(files, file).buffer, fileOf(files, file).byteOffset + offset, BLOCK_BYTES);
  const before = block.readUInt32LE(COMMON_FIELDS.formatVersion.offset);
  block.writeUInt32LE(version, COMMON_FIELDS.formatVersion.offset);
  block.writeUInt32LE(0, COMMON_FIELDS.checksum.offset);
  block.writeUInt32LE(crc32(block), COMMON_FIELDS.checksum.offset);
  return { file, words: `block at byte ${offset}: format version ${before} became ${version}; its checksum is right` };
}

/** Where a place stands, and how people call it. */
function locate(files: CrashFiles, file: string, place: Place): { offset: number; name: string } {
  switch (place.kind) {
    case 'offset':
      return { offset: place.offset, name: 'by offset' };
    case 'header':
      return { offset: HEADER_OFFSET + HEADER_FIELDS[place.field].offset, name: `header field ${place.field}` };
    case 'mark':
      return { offset: MARK_OFFSET + MARK_FIELDS[place.field].offset, name: `complete flag's field ${place.field}` };
    case 'watermark':
      return {
        offset: place.block * BLOCK_BYTES + WATERMARK_FIELDS[place.field].offset,
        name: `watermark block ${place.block}, field ${place.field}`,
      };
    case 'record': {
      const record = recordIn(fileOf(files, file), file, place.sequence);
      const field = RECORD_HEADER.find(({ name }) => name === place.field);
      return { offset: record.offset + (field?.offset ?? 0), name: `record ${place.sequence}, field ${place.field}` };
    }
    case 'payload': {
      const record = recordIn(fileOf(files, file), file, place.sequence);
      return { offset: record.payloadOffset + place.byte, name: `byte ${place.byte} of the payload of record ${place.sequence}` };
    }
  }
}

function changesOf(before: object, change: object): string {
  const old = before as Record<string, unknown>;
  return Object.entries(change)
    .map(([field, value]) => `${field} ${shown(old[field])} became ${shown(value)}`)
    .join(', ');
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

function hexOf(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
