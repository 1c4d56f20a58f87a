/**
 * The records of a journal's file without their payloads. From the first record to the end of the file, old bytes of a reused slot included:
 *
 * - a whole record gets another payload of the same length, and its checksums anew; a sync command its chain;
 * - a record with a whole header over a damaged payload stays damaged: by the same bit if it was one, else in the same sectors;
 * - a damaged header keeps its damage; what cannot be told from data becomes text;
 * - zeroes stay zeroes, so what ended a journal still ends it at the same byte.
 */
import { crc32 } from 'node:zlib';
import { RECORDS_OFFSET } from '../../../journals/format.ts';
import { LIMITS } from '../../model/limits.ts';
import { isZero, NOT_AN_ID, readHex, readId, showU32 } from '../../record/fields.ts';
import { FORMAT_MAGIC, offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES, SYNC_PAYLOAD } from '../../record/layout.ts';
import { RecordReader } from '../../record/record.ts';
import { RECORD_TYPE } from '../../model/commands.ts';
import type { DataKey } from './data-key.ts';
import { findFlippedBit, type FlippedBit } from './flipped-bit.ts';
import { bitsOf, DAMAGED_BITS_MAX, differingBits, replaceChain, replacePiece, type ReplaceBlockOptions } from './replace-blocks.ts';
import type { Note } from './replaced-notes.ts';

const AT = offsetsOf(RECORD_HEADER);
const CHAIN_AT = offsetsOf(SYNC_PAYLOAD).chain;
const STEP_BYTES = 8;
const SECTOR_BYTES = 512;

const NUMBERS = ['dataSet', 'firstSequence', 'sequence', 'lba', 'lengthBytes'] as const;
/** From 2005 to 2041. */
const TIME_US_MIN = 2 ** 50;
const TIME_US_MAX = 2 ** 51;

export type ReplaceRecordsOptions = Omit<ReplaceBlockOptions, 'kind' | 'offset' | 'groups'>;

/** Replace in place, from `RECORDS_OFFSET` on. */
export function replaceRecords(image: Buffer, options: ReplaceRecordsOptions): void {
  new RecordReplacer(image, options).run();
}

class RecordReplacer {
  readonly #image: Buffer;
  readonly #view: DataView;
  readonly #options: ReplaceRecordsOptions;
  readonly #reader: RecordReader;
  readonly #key: DataKey;
  /** Where bytes began that belong to nothing; null within records. */
  #looseFrom: number | null = null;

  constructor(image: Buffer, options: ReplaceRecordsOptions) {
    this.#image = image;
    this.#view = new DataView(image.buffer, image.byteOffset, image.length);
    this.#options = options;
    this.#reader = new RecordReader(image);
    this.#key = options.key;
  }

  run(): void {
    let offset = RECORDS_OFFSET;
    while (offset < this.#image.length) {
      const lengthBytes = this.#replaceAt(offset);
      if (lengthBytes === 0) {
        this.#looseFrom ??= offset;
        offset += STEP_BYTES;
      } else {
        this.#endLoose(offset);
        offset += lengthBytes;
      }
    }
    this.#endLoose(this.#image.length);
  }

  #endLoose(end: number): void {
    if (this.#looseFrom !== null) replacePiece(this.#image.subarray(this.#looseFrom, end), this.#looseFrom, this.#key);
    this.#looseFrom = null;
  }

  /** Bytes that were looked after from here on; 0: no record begins here. */
  #replaceAt(offset: number): number {
    const image = this.#image;
    const left = image.length - offset;
    if (left < RECORD_HEADER_BYTES) return 0;
    if (isZero(image, offset, offset + RECORD_HEADER_BYTES)) return RECORD_HEADER_BYTES;
    if (!this.#looksLikeHeader(offset)) return this.#keepsMagic(offset) ? STEP_BYTES : 0;
    const verdict = this.#reader.examine(offset, image.length);
    const { header, fault } = this.#reader;
    if (verdict === 'record') this.#replaceWhole(offset, header.type, header.payloadBytes);
    else if (verdict === 'bad' && fault.reason === 'payload-checksum') this.#replaceBadPayload(offset, header.type, header.payloadBytes);
    else if (verdict === 'incomplete') return this.#replaceDamagedHeader(offset, left - RECORD_HEADER_BYTES);
    else return this.#replaceDamagedHeader(offset, 0);
    return header.encodedBytes;
  }

  /** A whole header, of another stream only where a record is expected; or what damage has left of one of this host's. */
  #looksLikeHeader(offset: number): boolean {
    const isWhole = this.#hasMagic(offset) && this.#view.getUint32(offset + AT.headerChecksum, true) === this.#headerChecksum(offset);
    const isOurs = this.#isNearStream(readHex(this.#image, offset + AT.stream, 16));
    return isWhole ? isOurs || this.#looseFrom === null : isOurs && this.#isPlausible(offset);
  }

  #isNearStream(stream: string): boolean {
    for (const known of this.#options.streams) if (differingBits(known, stream) <= DAMAGED_BITS_MAX) return true;
    return false;
  }

  /** All numbers but one are what a header could have: data that lies over a part of it would not pass. */
  #isPlausible(offset: number): boolean {
    const numbers = NUMBERS.map((name) => readId(this.#view, offset + AT[name]) !== NOT_AN_ID);
    const timeUs = readId(this.#view, offset + AT.timeUs);
    return [...numbers, timeUs > TIME_US_MIN && timeUs < TIME_US_MAX].filter((isGood) => !isGood).length <= 1;
  }

  /** Where a record is expected, its first bytes alone say how it is damaged; they are too few to tell of data. */
  #keepsMagic(offset: number): boolean {
    return this.#looseFrom === null && this.#hasMagic(offset);
  }

  #hasMagic(offset: number): boolean {
    return this.#image.toString('latin1', offset, offset + FORMAT_MAGIC.length) === FORMAT_MAGIC;
  }

  #replaceWhole(offset: number, type: string, payloadBytes: number): void {
    if (type !== 'write' && type !== 'sync') return;
    const stated = this.#view.getUint32(offset + AT.payloadChecksum, true);
    const payload = this.#payload(offset, payloadBytes);
    if (type === 'write') payload.set(this.#key.payload(stated, payloadBytes));
    else this.#replaceChain(offset);
    this.#setChecksums(offset, crc32(payload), 'right');
  }

  /** The header is whole, its payload is not what it says. */
  #replaceBadPayload(offset: number, type: string, payloadBytes: number): void {
    const stated = this.#view.getUint32(offset + AT.payloadChecksum, true);
    const payload = this.#payload(offset, payloadBytes);
    const flipped = findFlippedBit(payloadBytes, stated ^ crc32(payload));
    if (type !== 'write') return this.#replaceBadSync(offset, payload, flipped);
    const whole = this.#key.payload(stated, payloadBytes);
    if (flipped === null) this.#keepZeroSectors(offset + RECORD_HEADER_BYTES, payload, whole);
    else {
      payload.set(whole);
      flip(payload, flipped);
    }
    this.#setChecksums(offset, crc32(whole), 'wrong');
  }

  /** A sync command, or a pad, over bytes that are not its own: but for one flipped bit they may be anything. */
  #replaceBadSync(offset: number, payload: Buffer, flipped: FlippedBit | null): void {
    if (flipped === null) {
      replacePiece(payload, offset + RECORD_HEADER_BYTES, this.#key);
      const stated = this.#view.getUint32(offset + AT.payloadChecksum, true);
      return this.#setChecksums(offset, this.#key.number('payload checksum', stated), 'wrong');
    }
    flip(payload, flipped);
    this.#replaceChain(offset);
    const checksum = crc32(payload);
    flip(payload, flipped);
    this.#setChecksums(offset, checksum, 'wrong');
  }

  /** A torn payload: sectors that never came stay zeroes, the others are as they should be, but for the last when none is missing. */
  #keepZeroSectors(position: number, payload: Buffer, whole: Buffer): void {
    let last = 0;
    for (let from = 0; from < payload.length;) {
      const to = Math.min(payload.length, from + SECTOR_BYTES - ((position + from) % SECTOR_BYTES));
      if (!isZero(payload, from, to)) {
        payload.set(whole.subarray(from, to), from);
        last = from;
      }
      from = to;
    }
    if (payload.equals(whole)) payload.set(this.#key.piece(payload.subarray(last), position + last), last);
  }

  /** A header that is damaged, or whose record is cut off by the file's end; `restBytes` of payload may follow. */
  #replaceDamagedHeader(offset: number, restBytes: number): number {
    const image = this.#image;
    const stated = this.#view.getUint32(offset + AT.payloadChecksum, true);
    const wrongBy = this.#view.getUint32(offset + AT.headerChecksum, true) ^ this.#headerChecksum(offset);
    const lengthBytes = readId(this.#view, offset + AT.lengthBytes);
    const from = offset + RECORD_HEADER_BYTES;
    const isWrite = image[offset + AT.type] === RECORD_TYPE.write && lengthBytes > 0 && lengthBytes <= LIMITS.recordDataBytesMax;
    if (isWrite && from + lengthBytes <= image.length) {
      const payload = image.subarray(from, from + lengthBytes);
      const actual = crc32(payload);
      if (bitsOf(actual ^ stated) <= DAMAGED_BITS_MAX) {
        payload.set(this.#key.payload(actual, lengthBytes));
        this.#setChecksums(offset, (crc32(payload) ^ actual ^ stated) >>> 0, 'wrong', wrongBy);
        return RECORD_HEADER_BYTES + lengthBytes;
      }
    }
    // Of nothing, as zeroes and trims have it, is nothing to hide.
    const replaced = stated === 0 ? 0 : this.#key.number('payload checksum', stated);
    this.#setChecksums(offset, replaced, 'wrong', wrongBy);
    if (restBytes > 0) replacePiece(image.subarray(from, from + restBytes), from, this.#key);
    return RECORD_HEADER_BYTES + restBytes;
  }

  #replaceChain(offset: number): void {
    const { chains, file, note } = this.#options;
    if (chains === null) return;
    replaceChain(this.#image.subarray(offset), RECORD_HEADER_BYTES + CHAIN_AT, { file, offset, chains, key: this.#key, note });
  }

  #payload(offset: number, payloadBytes: number): Buffer {
    return this.#image.subarray(offset + RECORD_HEADER_BYTES, offset + RECORD_HEADER_BYTES + payloadBytes);
  }

  #headerChecksum(offset: number): number {
    return crc32(this.#image.subarray(offset, offset + AT.headerChecksum));
  }

  #setChecksums(offset: number, payloadChecksum: number, was: 'right' | 'wrong', headerWrongBy = 0): void {
    this.#set(offset + AT.payloadChecksum, payloadChecksum, { what: 'payload checksum', was });
    const header = (this.#headerChecksum(offset) ^ headerWrongBy) >>> 0;
    this.#set(offset + AT.headerChecksum, header, { what: 'header checksum', was: headerWrongBy === 0 ? 'right' : 'wrong' });
  }

  #set(at: number, value: number, { what, was }: Pick<Note, 'what' | 'was'>): void {
    const before = this.#view.getUint32(at, true);
    if (before === value) return;
    this.#view.setUint32(at, value, true);
    const { file, note } = this.#options;
    note({ file, offset: at, what, was, before: this.#key.tag(what, String(before)), after: showU32(value) });
  }
}

function flip(payload: Buffer, { byte, bit }: FlippedBit): void {
  payload[byte] = (payload[byte] as number) ^ (1 << bit);
}
