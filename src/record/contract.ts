/** The record as the other folders see it (DESIGN section 4): one encoding for wire, memory buffer, journal and NVRAM. Codec: record.ts. */
import type { CutReason, RecordTypeName, WriteType } from '../model/commands.ts';
import type { Chain, DataSetId, SequenceNumber, SessionId, StreamId } from '../model/ids.ts';

/** What all records of one stream have in common; made once, handed to every encode and decode. */
export interface RecordStream {
  readonly generation: number;
  readonly stream: StreamId;
}

/** A write, zero or trim command to encode. `payload` only with write; its length is the command's length. */
export interface WriteCommand {
  readonly type: WriteType;
  readonly vlun: number;
  readonly lba: number;
  readonly lengthBytes: number;
  readonly timeUs: number;
  readonly payload: Uint8Array | null;
}

export interface SyncCommand {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly finalSequence: SequenceNumber;
  readonly reason: CutReason;
  readonly chain: Chain;
  readonly incarnation: SessionId;
  /** Encoded bytes of all records of the stream through this data set's last write: the primary's head at the cut. */
  readonly headBytes: number;
  readonly timeUs: number;
}

/** The numbers that the primary gives to a write command. */
export interface RecordNumbers {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly sequence: SequenceNumber;
}

/** What only a sync command carries. */
export interface SyncContent {
  readonly reason: CutReason;
  readonly chain: Chain;
  readonly incarnation: SessionId;
  /** Encoded bytes of all records of the stream through this data set's last write: the primary's head at the cut. */
  readonly headBytes: number;
}

/** One record whose header and payload are intact. */
export interface DecodedRecord {
  readonly kind: 'record';
  /** Where it begins in the buffer. */
  readonly offset: number;
  /** Header and payload, a multiple of 8. */
  readonly encodedBytes: number;
  readonly type: RecordTypeName;
  readonly generation: number;
  readonly stream: StreamId;
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly sequence: SequenceNumber;
  /** `NO_VLUN` in sync and pad. */
  readonly vlun: number;
  readonly lba: number;
  /** Bytes of the volume that the command changes; bytes of payload in sync and pad. */
  readonly lengthBytes: number;
  /** Microseconds since 1970, by the primary's clock. */
  readonly timeUs: number;
  readonly payloadOffset: number;
  readonly payloadBytes: number;
  readonly headerChecksum: number;
  readonly payloadChecksum: number;
  readonly sync: SyncContent | null;
}

/** Why bytes are not a record. `version`: a later format, whose bytes may be good. */
export type BadReason = 'magic' | 'version' | 'header-checksum' | 'type' | 'length' | 'identifier' | 'payload-checksum';

export interface BadRecord {
  readonly kind: 'bad';
  readonly reason: BadReason;
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
  /** Known when the header is intact (`payload-checksum`), else null: what the bytes claim to be is not told. */
  readonly intactHeader: { readonly encodedBytes: number; readonly dataSet: DataSetId; readonly sequence: SequenceNumber } | null;
}

export type DecodeResult =
  | DecodedRecord
  /** A header of zeroes: no record from here on. */
  | { readonly kind: 'end'; readonly offset: number }
  /** The record, or its header, goes on beyond the bytes that there are; it has `neededBytes` from `offset` on, at least. */
  | { readonly kind: 'incomplete'; readonly offset: number; readonly neededBytes: number }
  | BadRecord;

/** What the destage of a record needs; `RecordReader.peekAt` fills one in again and again. */
export interface RecordPeek {
  type: RecordTypeName;
  vlun: number;
  lba: number;
  lengthBytes: number;
  payloadOffset: number;
}

/** One command from a link, checked; the secondary machine's ReceivedRecord, with what the shell needs to check bounds. */
export interface WireRecord {
  readonly type: WriteType | 'sync';
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly sequence: SequenceNumber;
  readonly vlun: number;
  readonly lba: number;
  readonly lengthBytes: number;
  readonly timeUs: number;
  readonly encodedBytes: number;
  readonly headerChecksum: number;
  readonly sync: SyncContent | null;
  /** The encoded record, a view into the message. */
  readonly bytes: Uint8Array;
}
