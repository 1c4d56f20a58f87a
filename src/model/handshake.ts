/**
 * What each host knows about itself when two hosts meet (DESIGN section 6, "Handshake"): plain facts, exchanged on the wire,
 * judged by `protocol/handshake.ts` on both sides.
 */
import type {
  Chain,
  DataSetId,
  Digest,
  Generation,
  Geometry,
  GroupId,
  HistoryPoint,
  SequenceNumber,
  SessionId,
  StreamId,
  VolumeEntry,
} from './ids.ts';

/** Version of the wire protocol; another version is refused. */
export const PROTOCOL_VERSION = 1;

/** What a secondary holds of one data set that is above its watermark. Bit i stands for sequence number firstSequence + i. */
export interface HeldDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  /** Known when the sync command was received. */
  readonly finalSequence: SequenceNumber | null;
  /** Received by this session, in bytes of 8 bits, bit 0 first. */
  readonly received: Uint8Array;
  /** Durable in the journal (a subset of received), same shape. */
  readonly durable: Uint8Array;
}

/** What a secondary says of it when two hosts meet: also which commands these are. */
export interface HeldFacts extends HeldDataSet {
  /** Hash over the header checksums of the received records in sequence order: equal numbers alone do not prove equal commands. */
  readonly digest: Digest;
}

export interface SecondaryFacts {
  readonly protocolVersion: number;
  readonly role: 'secondary';
  readonly groupName: string;
  /** Null until the secondary is bound to a group at first contact: then it is blank. */
  readonly groupId: GroupId | null;
  readonly generations: readonly Generation[];
  readonly stream: StreamId | null;
  readonly session: SessionId;
  /** Session of the primary from which this host last accepted a record. */
  readonly lastPrimarySession: SessionId | null;
  readonly hostEpoch: number;
  readonly volumes: readonly VolumeEntry[];
  readonly geometry: Geometry;
  /** The newest data set that is wholly in the source volumes. */
  readonly watermark: HistoryPoint | null;
  /** Complete data sets above the watermark, ascending, without holes from the watermark on. */
  readonly complete: readonly HistoryPoint[];
  /** Every data set above the watermark of which anything is held, ascending; complete ones included. */
  readonly held: readonly HeldFacts[];
}

/** What a primary still keeps of a data set that is not acknowledged complete. */
export interface UnacknowledgedDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  /** Null while the data set is open. */
  readonly finalSequence: SequenceNumber | null;
  /** Acknowledged numbers, bit i stands for firstSequence + i, bytes of 8 bits, bit 0 first. */
  readonly acknowledged: Uint8Array;
}

/** The newest number that a primary has given, and how much it has taken so far; `behind` is head minus destaged. */
export interface Head {
  /** The open data set's ID, or the next one's while none is open. */
  readonly dataSet: DataSetId;
  /** The newest sequence number given; -1 before the first. */
  readonly sequence: SequenceNumber;
  /** Encoded bytes of all records since this stream began. */
  readonly bytes: number;
  /** The primary's clock, milliseconds since 1970. */
  readonly timeMs: number;
}

export type PrimaryState = 'serving' | 'stopping' | 'failed' | 'superseded' | 'standalone';

export interface PrimaryFacts {
  readonly protocolVersion: number;
  readonly role: 'primary';
  readonly state: PrimaryState;
  readonly groupName: string;
  readonly groupId: GroupId;
  readonly generations: readonly Generation[];
  readonly stream: StreamId;
  /** One run of the process: the incarnation that stands in the syncs which it sends. */
  readonly session: SessionId;
  /** First sequence number that this session gave or will give: a number from here on was never given by an earlier run. */
  readonly sessionFirstSequence: SequenceNumber;
  /** Highest host epoch seen on a secondary. */
  readonly hostEpoch: number;
  readonly volumes: readonly VolumeEntry[];
  /** Encoded bytes and records that this primary would put into one data set at most. */
  readonly dataSetBytesMax: number;
  readonly dataSetRecordsMax: number;
  /** The newest closed data sets with their chains, ascending, at most 2 x slots. */
  readonly chains: readonly HistoryPoint[];
  /** The newest data set that is acknowledged complete together with all before it. */
  readonly acknowledged: HistoryPoint | null;
  /** Every data set after `acknowledged`, ascending. */
  readonly unacknowledged: readonly UnacknowledgedDataSet[];
  readonly head: Head;
}

/** Where the numbering of a stream goes on: the first data set and number that are not yet in the source volumes, and the chain before. */
export interface HistoryOrigin {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly chain: Chain;
}
