/**
 * The identifiers of DESIGN section 1. Numbers are at most 2^53 - 1 (`ID_MAX`), 64 bits on the wire and on disk;
 * null is never 0, because the patent's first data set is 0. Random identifiers are lower-case hex strings.
 */

/** Number of a data set: 0, 1, 2 ... without holes inside one generation. */
export type DataSetId = number;

/** Number of a command in the order in which the application wrote; numbers never go back, not even in a new stream. */
export type SequenceNumber = number;

/** Number of a volume inside its group, 0 .. 2^32 - 2. */
export type Vlun = number;

/** Random 128 bits as 32 hex digits, made by the primary's init (DESIGN section 1). */
export type GroupId = string;

/** Random 64 bits as 16 hex digits: new at every promotion and at every start that cannot prove that it continues. */
export type StreamId = string;

/** Random 64 bits as 16 hex digits: one run of a host process. The primary's is its incarnation in the chain. */
export type SessionId = string;

/** 128 bits as 32 hex digits: proves a common history up to one data set. */
export type Chain = string;

/** 128 bits as 32 hex digits: proves which commands a host holds of a data set that is not complete. */
export type Digest = string;

/** Largest identifier: every integer up to here is exact in a double. */
export const ID_MAX = Number.MAX_SAFE_INTEGER;

/** Bytes of one block: LBAs count blocks, lengths count bytes. */
export const BLOCK_BYTES = 512;

/** The chain before the first data set of a group. */
export const CHAIN_START: Chain = '0'.repeat(32);

/** One reign of a primary (DESIGN section 1): where it began, and the chain there. */
export interface Generation {
  readonly number: number;
  /** Random 64 bits as 16 hex digits: tells two promotions apart that both made this number. */
  readonly id: string;
  /** The last data set of the history before this generation, null for the first generation. */
  readonly afterDataSet: DataSetId | null;
  /** The final sequence number of `afterDataSet`, null for the first generation. */
  readonly afterSequence: SequenceNumber | null;
  /** The chain at `afterDataSet`. */
  readonly chain: Chain;
  /** First data set that this generation numbers: above everything that the host had seen before. */
  readonly firstDataSet: DataSetId;
  /** First sequence number of this generation. */
  readonly firstSequence: SequenceNumber;
}

/** A position in the history: a data set, its final sequence number, and the chain there; null before the first one. */
export interface HistoryPoint {
  readonly dataSet: DataSetId;
  readonly finalSequence: SequenceNumber;
  readonly chain: Chain;
}

/** An inclusive range of sequence numbers, as acks carry them. */
export interface SequenceRange {
  readonly from: SequenceNumber;
  readonly to: SequenceNumber;
}

/** One row of the volume table that both hosts must agree on. */
export interface VolumeEntry {
  readonly vlun: Vlun;
  readonly name: string;
  readonly sizeBytes: number;
}

/** The geometry of the secondary's journals, agreed in the handshake (DESIGN section 5). */
export interface Geometry {
  readonly slots: number;
  /** Bytes of one slot's file, header included. */
  readonly slotBytes: number;
  /** Encoded bytes of write, zero and trim records that one data set may hold (room for one sync and alignment is set aside). */
  readonly capacityBytes: number;
  /** Records that one data set may hold, the sync included. */
  readonly recordsMax: number;
}
