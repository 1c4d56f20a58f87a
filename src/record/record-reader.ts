/**
 * Decode records from a buffer: the bytes are checked in the order magic, version, header checksum, header fields, payload
 * checksum, sync payload, so the first verdict names the first thing that is wrong. Never throws on any bytes.
 *
 * Does not know what a data set may contain: bounds of numbers, windows and volumes are checked by others.
 *
 * @design section 4
 * @invariant I9
 */
import { crc32 } from './crc32.ts';
import { assert, unreachable } from '../model/assert.ts';
import { CUT_REASON, RECORD_TYPE } from '../model/commands.ts';
import type { CutReason, RecordTypeName } from '../model/commands.ts';
import { BLOCK_BYTES, ID_MAX } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import type { BadReason, BadRecord, DecodedRecord, DecodeResult, RecordPeek, SyncContent } from './contract.ts';
import { isZero, NOT_AN_ID, readHex, readId, showU32, showU64 } from './fields.ts';
import {
  FORMAT_MAGIC,
  FORMAT_VERSION,
  NO_VLUN,
  offsetsOf,
  RECORD_HEADER,
  RECORD_HEADER_BYTES,
  SYNC_PAYLOAD,
  SYNC_PAYLOAD_BYTES,
} from './layout.ts';

const AT = offsetsOf(RECORD_HEADER);
const SYNC_AT = offsetsOf(SYNC_PAYLOAD);
const MAGIC_WORD = new DataView(new TextEncoder().encode(FORMAT_MAGIC).buffer).getUint32(0, true);
const CHECKSUM_OF_NOTHING = 0;
const LBA_MAX = Math.floor(ID_MAX / BLOCK_BYTES);
/** Identifiers of the header, in the order in which they are checked. */
const IDENTIFIERS = ['dataSet', 'firstSequence', 'sequence', 'lba', 'lengthBytes', 'timeUs'] as const;

const TYPE_NAMES: readonly (RecordTypeName | undefined)[] = byCode(RECORD_TYPE);
const REASON_NAMES: readonly (CutReason | undefined)[] = byCode(CUT_REASON);

function byCode<Name extends string>(codes: Readonly<Record<Name, number>>): (Name | undefined)[] {
  const names: (Name | undefined)[] = [];
  for (const name of Object.keys(codes) as Name[]) names[codes[name]] = name;
  return names;
}

/** Header of the record that `examine` found last; one object, filled in again and again. */
export interface ExaminedHeader {
  type: RecordTypeName;
  generation: number;
  /** The stream's 16 hex digits as two numbers, for comparing without making strings. */
  streamHigh: number;
  streamLow: number;
  dataSet: number;
  firstSequence: number;
  sequence: number;
  vlun: number;
  lba: number;
  lengthBytes: number;
  timeUs: number;
  payloadChecksum: number;
  headerChecksum: number;
  payloadBytes: number;
  encodedBytes: number;
  sync: SyncContent | null;
}

/** What `examine` found wrong; filled in only together with the verdict 'bad'. */
export interface ExaminedFault {
  reason: BadReason;
  expected: string;
  found: string;
}

export type Verdict = 'record' | 'end' | 'incomplete' | 'bad';

/** Decoder over one buffer (plain or shared memory). */
export class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Valid after the verdict 'record', and after 'bad' with reason 'payload-checksum'. */
  readonly header: ExaminedHeader = {
    type: 'pad',
    generation: 0,
    streamHigh: 0,
    streamLow: 0,
    dataSet: 0,
    firstSequence: 0,
    sequence: 0,
    vlun: 0,
    lba: 0,
    lengthBytes: 0,
    timeUs: 0,
    payloadChecksum: 0,
    headerChecksum: 0,
    payloadBytes: 0,
    encodedBytes: 0,
    sync: null,
  };
  readonly fault: ExaminedFault = { reason: 'magic', expected: '', found: '' };
  /** Valid after the verdict 'incomplete'. */
  neededBytes = RECORD_HEADER_BYTES;
  #streamHigh = -1;
  #streamLow = -1;
  #stream = '';

  constructor(buffer: Uint8Array) {
    this.#bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  }

  /** Decode and check the record at `offset`, of which nothing from `end` on may be read. */
  readAt(offset: number, end: number): DecodeResult {
    const verdict = this.examine(offset, end);
    if (verdict === 'end') return { kind: 'end', offset };
    if (verdict === 'incomplete') return { kind: 'incomplete', offset, neededBytes: this.neededBytes };
    if (verdict === 'bad') return this.#badRecord(offset);
    return this.#decodedRecord(offset);
  }

  /**
   * Read what destage needs of a record that was verified before, without checking it again and without allocating.
   * The offset must be the start of an intact record.
   */
  peekAt(offset: number, into: RecordPeek): void {
    const view = this.#view;
    const type = TYPE_NAMES[view.getUint8(offset + AT.type)];
    assert(type !== undefined, 'only a record that was verified before may be peeked at');
    into.type = type;
    into.vlun = view.getUint32(offset + AT.vlun, true);
    into.lba = readId(view, offset + AT.lba);
    into.lengthBytes = readId(view, offset + AT.lengthBytes);
    into.payloadOffset = offset + RECORD_HEADER_BYTES;
  }

  /** The same checks as `readAt`, with the outcome in `header`, `fault` and `neededBytes` instead of in new objects. */
  examine(offset: number, end: number): Verdict {
    const limit = Math.min(end, this.#bytes.length);
    this.neededBytes = RECORD_HEADER_BYTES;
    if (offset + RECORD_HEADER_BYTES > limit) return 'incomplete';
    const verdict = this.#examineStart(offset);
    if (verdict !== 'record') return verdict;
    if (!this.#readHeader(offset) || !this.#checkCommand()) return 'bad';
    this.neededBytes = this.header.encodedBytes;
    if (offset + this.header.encodedBytes > limit) return 'incomplete';
    return this.#examinePayload(offset);
  }

  /** Magic, version, header checksum; a header of zeroes is the end. */
  #examineStart(offset: number): Verdict {
    const view = this.#view;
    const word = view.getUint32(offset + AT.magic, true);
    if (word !== MAGIC_WORD) {
      if (word === 0 && isZero(this.#bytes, offset, offset + RECORD_HEADER_BYTES)) return 'end';
      return this.#bad('magic', FORMAT_MAGIC, `bytes ${readHex(this.#bytes, offset + AT.magic, 8)}`);
    }
    const version = view.getUint16(offset + AT.version, true);
    if (version !== FORMAT_VERSION) return this.#bad('version', `${FORMAT_VERSION}`, `${version}`);
    const stated = view.getUint32(offset + AT.headerChecksum, true);
    const computed = crc32(this.#bytes.subarray(offset, offset + AT.headerChecksum));
    if (stated !== computed) return this.#bad('header-checksum', showU32(stated), showU32(computed));
    return 'record';
  }

  /** Read all fields; false if type, flags or an identifier is none. */
  #readHeader(offset: number): boolean {
    const view = this.#view;
    const header = this.header;
    const typeCode = view.getUint8(offset + AT.type);
    const type = TYPE_NAMES[typeCode];
    if (type === undefined) return this.#refuse('type', 'a record type of version 1', `type ${typeCode}`);
    const flags = view.getUint8(offset + AT.flags);
    if (flags !== 0) return this.#refuse('type', 'flags 0', `flags ${flags}`);
    header.type = type;
    header.generation = view.getUint32(offset + AT.generation, true);
    header.vlun = view.getUint32(offset + AT.vlun, true);
    header.streamHigh = view.getUint32(offset + AT.stream, false);
    header.streamLow = view.getUint32(offset + AT.stream + 4, false);
    header.dataSet = readId(view, offset + AT.dataSet);
    header.firstSequence = readId(view, offset + AT.firstSequence);
    header.sequence = readId(view, offset + AT.sequence);
    header.lba = readId(view, offset + AT.lba);
    header.lengthBytes = readId(view, offset + AT.lengthBytes);
    header.timeUs = readId(view, offset + AT.timeUs);
    const { dataSet, firstSequence, sequence, lba, lengthBytes, timeUs } = header;
    // NOT_AN_ID is the only one below 0, and only then the names matter.
    if (Math.min(dataSet, firstSequence, sequence, lba, lengthBytes, timeUs) < 0) return this.#refuseIdentifier(offset);
    header.payloadChecksum = view.getUint32(offset + AT.payloadChecksum, true);
    header.headerChecksum = view.getUint32(offset + AT.headerChecksum, true);
    header.sync = null;
    return true;
  }

  /** Check what the type demands of VLUN, LBA and length, and set the payload's length; false if it is not met. */
  #checkCommand(): boolean {
    const header = this.header;
    if (header.sequence < header.firstSequence) {
      return this.#refuse('identifier', `sequence at least firstSequence ${header.firstSequence}`, `sequence ${header.sequence}`);
    }
    const changesVolume = header.type === 'write' || header.type === 'zero' || header.type === 'trim';
    if (changesVolume !== (header.vlun !== NO_VLUN)) {
      return this.#refuse('identifier', changesVolume ? 'a VLUN below 2^32 - 1' : 'no VLUN', `VLUN ${header.vlun} in a ${header.type}`);
    }
    if (changesVolume ? header.lba > LBA_MAX : header.lba !== 0) {
      return this.#refuse('identifier', changesVolume ? `LBA at most ${LBA_MAX}` : 'LBA 0', `LBA ${header.lba} in a ${header.type}`);
    }
    if (header.type === 'pad' && !belongsToNothing(header)) return this.#refuse('identifier', 'no numbers and no stream', 'some in a pad');
    const wrong = wrongLength(header);
    if (wrong !== null) return this.#refuse('length', wrong, `${header.lengthBytes} bytes in a ${header.type}`);
    header.payloadBytes = header.type === 'zero' || header.type === 'trim' ? 0 : header.lengthBytes;
    header.encodedBytes = RECORD_HEADER_BYTES + header.payloadBytes;
    return true;
  }

  #examinePayload(offset: number): Verdict {
    const header = this.header;
    const from = offset + RECORD_HEADER_BYTES;
    const to = from + header.payloadBytes;
    const computed = header.payloadBytes === 0 ? CHECKSUM_OF_NOTHING : crc32(this.#bytes.subarray(from, to));
    if (computed !== header.payloadChecksum) return this.#bad('payload-checksum', showU32(header.payloadChecksum), showU32(computed));
    if (header.type === 'pad' && !isZero(this.#bytes, from, to)) return this.#bad('type', 'a pad of zero bytes', 'other bytes');
    return header.type === 'sync' ? this.#readSync(from) : 'record';
  }

  #readSync(offset: number): Verdict {
    const reasonCode = this.#bytes[offset + SYNC_AT.reason] ?? 0;
    const reason = REASON_NAMES[reasonCode];
    if (reason === undefined) return this.#bad('type', 'a cut reason of version 1', `cut reason ${reasonCode}`);
    if (!isZero(this.#bytes, offset + SYNC_AT.reserved, offset + SYNC_AT.chain))
      return this.#bad('type', 'reserved bytes of zero', 'other bytes');
    const headBytes = readId(this.#view, offset + SYNC_AT.headBytes);
    if (headBytes === NOT_AN_ID)
      return this.#bad('identifier', 'head bytes of at most 2^53 - 1', showU64(this.#view, offset + SYNC_AT.headBytes));
    this.header.sync = {
      reason,
      chain: readHex(this.#bytes, offset + SYNC_AT.chain, 32),
      incarnation: readHex(this.#bytes, offset + SYNC_AT.incarnation, 16),
      headBytes,
    };
    return 'record';
  }

  #decodedRecord(offset: number): DecodedRecord {
    const header = this.header;
    return {
      kind: 'record',
      offset,
      encodedBytes: header.encodedBytes,
      type: header.type,
      generation: header.generation,
      stream: this.#streamText(offset, header.streamHigh, header.streamLow),
      dataSet: header.dataSet,
      firstSequence: header.firstSequence,
      sequence: header.sequence,
      vlun: header.vlun,
      lba: header.lba,
      lengthBytes: header.lengthBytes,
      timeUs: header.timeUs,
      payloadOffset: offset + RECORD_HEADER_BYTES,
      payloadBytes: header.payloadBytes,
      headerChecksum: header.headerChecksum,
      payloadChecksum: header.payloadChecksum,
      sync: header.sync,
    };
  }

  /** All records of a buffer are of one stream as a rule: make its text once. */
  #streamText(offset: number, high: number, low: number): string {
    if (high !== this.#streamHigh || low !== this.#streamLow) {
      this.#stream = readHex(this.#bytes, offset + AT.stream, 16);
      this.#streamHigh = high;
      this.#streamLow = low;
    }
    return this.#stream;
  }

  #bad(reason: BadReason, expected: string, found: string): 'bad' {
    this.fault.reason = reason;
    this.fault.expected = expected;
    this.fault.found = found;
    return 'bad';
  }

  #refuse(reason: BadReason, expected: string, found: string): false {
    this.#bad(reason, expected, found);
    return false;
  }

  #refuseIdentifier(offset: number): false {
    const name = IDENTIFIERS.find((candidate) => this.header[candidate] === NOT_AN_ID) ?? 'dataSet';
    return this.#refuse('identifier', `${name} at most 2^53 - 1`, `${name} ${showU64(this.#view, offset + AT[name])}`);
  }

  #badRecord(offset: number): BadRecord {
    const { encodedBytes, dataSet, sequence } = this.header;
    const intactHeader = this.fault.reason === 'payload-checksum' ? { encodedBytes, dataSet, sequence } : null;
    return { kind: 'bad', offset, ...this.fault, intactHeader };
  }
}

/** A pad is of no data set and no stream: nobody writes one that says otherwise. */
function belongsToNothing({ generation, streamHigh, streamLow, dataSet, firstSequence, sequence, timeUs }: ExaminedHeader): boolean {
  return generation + streamHigh + streamLow + dataSet + firstSequence + sequence + timeUs === 0;
}

/** What the length should be, if it is wrong; null if it is right. */
function wrongLength({ type, lba, lengthBytes }: ExaminedHeader): string | null {
  switch (type) {
    case 'write':
    case 'zero':
    case 'trim':
      if (lengthBytes === 0 || lengthBytes % BLOCK_BYTES !== 0) return `a multiple of ${BLOCK_BYTES} bytes above 0`;
      if (type === 'write' && lengthBytes > LIMITS.recordDataBytesMax) return `at most ${LIMITS.recordDataBytesMax} bytes`;
      return lba * BLOCK_BYTES > ID_MAX - lengthBytes ? 'an end below 2^53 bytes' : null;
    case 'sync':
      return lengthBytes === SYNC_PAYLOAD_BYTES ? null : `${SYNC_PAYLOAD_BYTES} bytes`;
    case 'pad':
      return lengthBytes % 8 === 0 && lengthBytes <= LIMITS.recordDataBytesMax
        ? null
        : `a multiple of 8, at most ${LIMITS.recordDataBytesMax} bytes`;
    default:
      return unreachable(type);
  }
}
