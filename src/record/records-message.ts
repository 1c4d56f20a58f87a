/**
 * The message that carries records: records back to back and nothing else, so what the primary sends is a slice of its send buffer as it
 * is, and what a secondary sends on to its peer, too.
 *
 * What the decoder does with each record:
 * 1. **Checks** the header; a damaged one makes the rest of the message unreadable: violation, the link must be closed.
 * 2. **Compares** generation and stream with the ones agreed; another: violation (I8).
 * 3. **Checks** the payload; a damaged one is reported, for a reject with the reason checksum, and the next record is read (I9).
 */
import { LIMITS } from '../model/limits.ts';
import type { RecordStream, WireRecord } from './contract.ts';
import { hexHalf, showU32 } from './fields.ts';
import { MESSAGE_KIND, offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES } from './layout.ts';
import { RecordReader } from './record-reader.ts';
import type { ExaminedHeader, Verdict } from './record-reader.ts';
import { violate } from './violation.ts';
import type { Violation } from './violation.ts';

const AT = offsetsOf(RECORD_HEADER);
/** Every record is as long as a multiple of this. */
const RECORD_ALIGNMENT_BYTES = 8;

/** A record with an intact header over a damaged payload. */
export interface DamagedRecord {
  readonly dataSet: number;
  readonly sequence: number;
  /** Where in the message it begins. */
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
}

export interface DecodedRecords {
  /** In the message's order. Those before a violation are good, and may be used. */
  readonly records: readonly WireRecord[];
  /** To be rejected with the reason checksum. */
  readonly damaged: readonly DamagedRecord[];
  /** The link must be closed. */
  readonly violation: Violation | null;
}

/** True if a message claims to carry records: then `decodeRecords` is the one to ask. */
export function isRecordsMessage(message: Uint8Array): boolean {
  return message[AT.magic] === MESSAGE_KIND.records;
}

/** Check the length of a message of records; null if it can be one. Where it ends is for WebSocket's frame to say, and must be a record's end. */
export function recordsLengthFault({ length }: Uint8Array): Violation | null {
  if (length > LIMITS.messageBytesMax)
    return violate('message-length', `expected at most ${LIMITS.messageBytesMax} bytes, found ${length}`);
  if (length < RECORD_HEADER_BYTES || length % RECORD_ALIGNMENT_BYTES !== 0)
    return violate('message-length', `expected whole records, found ${length} bytes`);
  return null;
}

/**
 * Decode and check the records of a message. Never throws. The records' `bytes` are views into the message.
 * @invariant I8 @invariant I9
 */
export function decodeRecords(message: Uint8Array, expected: RecordStream): DecodedRecords {
  const records: WireRecord[] = [];
  const damaged: DamagedRecord[] = [];
  const violation = visitRecords(message, expected, {
    record: (header, type, offset) => {
      records.push(wireRecord(header, type, message.subarray(offset, offset + header.encodedBytes)));
    },
    damaged: (record) => damaged.push(record),
  });
  return { records, damaged, violation };
}

/** What a message that is to be kept as it came holds: all of it is good, or none of it is taken. */
export interface CheckedRecords {
  readonly records: number;
  /** What is wrong first; null: nothing. */
  readonly fault: string | null;
}

/**
 * Check every record of a message without making a value of any: for a host that keeps the message as it came. Never throws.
 * @invariant I8 @invariant I9
 */
export function checkRecords(message: Uint8Array, expected: RecordStream): CheckedRecords {
  let records = 0;
  let damage: DamagedRecord | null = null;
  const violation = visitRecords(message, expected, {
    record: () => {
      records += 1;
    },
    damaged: (record) => {
      damage ??= record;
    },
  });
  return { records, fault: damage === null ? (violation?.violation ?? null) : describeDamage(damage) };
}

function describeDamage({ dataSet, sequence, offset, expected, found }: DamagedRecord): string {
  return `payload-checksum at byte ${offset}: record ${sequence} of data set ${dataSet}: expected ${expected}, found ${found}`;
}

interface RecordVisitor {
  record(header: ExaminedHeader, type: WireRecord['type'], offset: number): void;
  damaged(record: DamagedRecord): void;
}

/** Walk over the records of a message; the violation at which the walk ends too early, or null. */
function visitRecords(message: Uint8Array, expected: RecordStream, visitor: RecordVisitor): Violation | null {
  const fault = recordsLengthFault(message);
  if (fault !== null) return fault;
  const reader = new RecordReader(message);
  const header = reader.header;
  const streamHigh = hexHalf(expected.stream, 0);
  const streamLow = hexHalf(expected.stream, 1);
  for (let offset = 0; offset < message.length; offset += header.encodedBytes) {
    const verdict = reader.examine(offset, message.length);
    const isDamaged = verdict === 'bad' && reader.fault.reason === 'payload-checksum';
    if (verdict !== 'record' && !isDamaged) return unreadable(verdict, reader, offset, message.length);
    if (header.type === 'pad') return violate('record-type', `a pad at byte ${offset}`);
    if (header.generation !== expected.generation || header.streamHigh !== streamHigh || header.streamLow !== streamLow)
      return foreign(header, expected);
    if (isDamaged) {
      const { dataSet, sequence } = header;
      visitor.damaged({ dataSet, sequence, offset, expected: reader.fault.expected, found: reader.fault.found });
    } else visitor.record(header, header.type, offset);
  }
  return null;
}

function wireRecord(header: ExaminedHeader, type: WireRecord['type'], bytes: Uint8Array): WireRecord {
  return {
    type,
    dataSet: header.dataSet,
    firstSequence: header.firstSequence,
    sequence: header.sequence,
    vlun: header.vlun,
    lba: header.lba,
    lengthBytes: header.lengthBytes,
    timeUs: header.timeUs,
    encodedBytes: header.encodedBytes,
    headerChecksum: header.headerChecksum,
    sync: header.sync,
    bytes,
  };
}

function unreadable(verdict: Verdict, reader: RecordReader, offset: number, length: number): Violation {
  if (verdict === 'end') return violate('record-type', `an empty header at byte ${offset}`);
  if (verdict === 'incomplete')
    return violate(
      'record-truncated',
      `the record at byte ${offset} has at least ${reader.neededBytes} bytes, the message ends after ${length - offset}`,
    );
  const { reason, expected, found } = reader.fault;
  return violate('record-header', `${reason} at byte ${offset}: expected ${expected}, found ${found}`);
}

function foreign(header: ExaminedHeader, expected: RecordStream): Violation {
  const found = `generation ${header.generation} stream ${showU32(header.streamHigh)}${showU32(header.streamLow)}`;
  return violate(
    'foreign-stream',
    `expected generation ${expected.generation} stream ${expected.stream}, found ${found}, data set ${header.dataSet}`,
  );
}
