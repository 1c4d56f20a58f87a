/**
 * The contract between the secondary machine and its shell: events are past participles, effects are imperatives.
 * The shell gathers what one turn of the event loop brought, calls `step`, and carries the effects out in order.
 *
 * What must be durable before what is told by the events alone:
 * - `acknowledge` exists only after `journalDurable` or `peerHeld` for those records (I2); a shell cannot acknowledge early.
 * - Everything else asks for the journal: what only the peer holds never makes a data set complete (I3).
 * - `destage` exists only after `completeFlagDurable` of that data set and of all before it (I3, I4); the shell begins one only when the
 *   watermark before it is durable (docs/decisions/0005).
 * - `writeWatermark` exists only after `destaged`, which the shell reports when the source volumes are durable (I5).
 * - `retireJournal`, and with it a moved window, exist only after `watermarkDurable` (I5, I6).
 */
import type { CutReason } from '../model/commands.ts';
import type { HeldDataSet, HeldFacts, HistoryOrigin } from '../model/handshake.ts';
import type { Chain, DataSetId, Geometry, HistoryPoint, SequenceNumber, SequenceRange, SessionId } from '../model/ids.ts';

/** A link's number inside one host process; never used again after the link closed. */
export type LinkId = number;

/** Hash of chain(N-1), the header checksums of N's write, zero and trim records in sequence order, and the primary's incarnation. */
export type HashChain = (previous: Chain, headerChecksums: Uint32Array, incarnation: SessionId) => Chain;

/** One command as it came from a link; group, generation, stream and both checksums were checked when it was decoded. */
export interface ReceivedRecord {
  readonly type: 'write' | 'zero' | 'trim' | 'sync';
  readonly dataSet: DataSetId;
  /** The data set's first sequence number, which every record carries. */
  readonly firstSequence: SequenceNumber;
  readonly sequence: SequenceNumber;
  /** Header, payload and padding, a multiple of 8. */
  readonly encodedBytes: number;
  readonly headerChecksum: number;
  /** Only in a sync command. */
  readonly sync: SyncContent | null;
  /** The encoded record; the core never looks at it. */
  readonly bytes: Uint8Array;
}

export interface SyncContent {
  readonly reason: CutReason;
  readonly chain: Chain;
  readonly incarnation: SessionId;
  /** Encoded bytes of all records of the stream through this data set's last write: the primary's head at the cut. */
  readonly headBytes: number;
}

/** A record that recovery has read from a journal and made durable, in the journal's order. */
export type RestoredRecord = Omit<ReceivedRecord, 'bytes'>;

export interface RestoredDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly completeFlag: boolean;
  readonly records: readonly RestoredRecord[];
}

export interface SecondaryMachineOptions {
  readonly geometry: Geometry;
  /** First data set above the watermark; the window is origin.dataSet .. origin.dataSet + slots - 1. */
  readonly origin: HistoryOrigin;
  readonly restored: readonly RestoredDataSet[];
  readonly hashChain: HashChain;
}

export type SecondaryEvent =
  /** Fig. 8 step 50: commands arrived on a link, in its order. */
  | { readonly event: 'recordsReceived'; readonly link: LinkId; readonly records: readonly ReceivedRecord[] }
  /**
   * The first `records` records of this journal, in order of append, are durable (I2: with every earlier byte). Restored
   * records count, as the first ones; pad records do not.
   */
  | { readonly event: 'journalDurable'; readonly dataSet: DataSetId; readonly records: number }
  /**
   * From now on the peer's session may hold records (DESIGN section 8): `peer may hold more` is durable with its region's ID, and
   * `exposed` was 0, so that nothing acknowledged depends on a session before it.
   */
  | { readonly event: 'peerJoined' }
  /** Each of the first `records` records of this data set, in order of append, is held by the current session of the peer, or journaled. */
  | { readonly event: 'peerHeld'; readonly dataSet: DataSetId; readonly records: number }
  /** The session is gone: its word counts no more (I2). What it alone had is exposed until it is journaled. */
  | { readonly event: 'peerLost' }
  | { readonly event: 'completeFlagDurable'; readonly dataSet: DataSetId }
  /** Everything through this data set is stored and the source volumes were made durable after it. */
  | { readonly event: 'destaged'; readonly dataSet: DataSetId }
  /** The watermark that covers this data set is durable. */
  | { readonly event: 'watermarkDurable'; readonly dataSet: DataSetId };

export type SecondaryEffect =
  /** Fig. 8 step 82, Fig. 10 step 102: allocate the slot's memory buffer and journal for a new data set. */
  | { readonly effect: 'openJournal'; readonly dataSet: DataSetId; readonly slot: number; readonly firstSequence: SequenceNumber }
  /** Fig. 13: append to the memory buffer and make it durable; `index` is sequence - firstSequence. */
  | {
      readonly effect: 'appendJournal';
      readonly dataSet: DataSetId;
      readonly slot: number;
      readonly index: number;
      readonly record: ReceivedRecord;
    }
  /** Fig. 9 step 303. */
  | { readonly effect: 'setCompleteFlag'; readonly dataSet: DataSetId; readonly slot: number; readonly point: HistoryPoint }
  /** Fig. 9 step 304: store the records with index 0 .. writes - 1 in this order, then make the source volumes durable. */
  | { readonly effect: 'destage'; readonly dataSet: DataSetId; readonly slot: number; readonly writes: number }
  | { readonly effect: 'writeWatermark'; readonly point: HistoryPoint }
  /** Fig. 9 steps 305 and 306. */
  | { readonly effect: 'retireJournal'; readonly dataSet: DataSetId; readonly slot: number }
  /** Fig. 8 step 74, Fig. 10 step 73. Also for records at or below the watermark and for duplicates that are durable. */
  | { readonly effect: 'acknowledge'; readonly ranges: readonly SequenceRange[] }
  /** Fig. 8 steps 78 and 80, Fig. 10 steps 104 and 106: outside the window; the record is forgotten. */
  | {
      readonly effect: 'reject';
      readonly link: LinkId;
      readonly reason: 'window';
      readonly dataSet: DataSetId;
      readonly sequence: SequenceNumber;
    }
  /** The window moved: tell the primary although nothing may be there to acknowledge. */
  | { readonly effect: 'announceWindow' }
  /** The sender broke the protocol: close its link, forget the record, acknowledge nothing. */
  | { readonly effect: 'closeLink'; readonly link: LinkId; readonly violation: string }
  /** The stream contradicts the copy (another chain, another final number): stop replicating, keep everything, say why. */
  | { readonly effect: 'fail'; readonly code: SecondaryFailureCode; readonly message: string };

export type SecondaryFailureCode = 'ERR_CHAIN_MISMATCH' | 'ERR_SYNC_CONTRADICTION';

/** Positions of OPERATOR's status; null before the first. `received`: highest data set of which anything was received;
 * `durable`: highest whose received records are all durable, with all before; `complete`: complete with all before. */
export interface SecondaryPositions {
  readonly received: DataSetId | null;
  readonly durable: DataSetId | null;
  readonly complete: DataSetId | null;
  readonly destaged: DataSetId | null;
  /** The same as sequence numbers: highest received, highest with all before durable, final numbers of the others. */
  readonly sequence: {
    readonly received: SequenceNumber | null;
    readonly durable: SequenceNumber | null;
    readonly complete: SequenceNumber | null;
    readonly destaged: SequenceNumber | null;
  };
}

/** The secondary machine (Figures 8, 9, 10, 13). Pure: no I/O, no clock, no randomness. */
export interface SecondaryCore {
  step(events: readonly SecondaryEvent[]): SecondaryEffect[];
  /** After construction: the effects that go on with what was restored (Fig. 11): flags, then destage in ascending order. */
  resume(): SecondaryEffect[];
  /** Highest data set that is admitted now: destaged + slots (I6). */
  readonly windowHigh: DataSetId;
  /** Where numbering goes on after the watermark. */
  readonly origin: HistoryOrigin;
  /** Complete data sets above the watermark, ascending. */
  complete(): HistoryPoint[];
  held(): HeldDataSet[];
  /** The same for a handshake. */
  heldFacts(): HeldFacts[];
  positions(): SecondaryPositions;
  /** Data sets that are active (have a slot) and, of these, those that are incomplete. */
  activity(): { active: number; partial: number };
  /** Acknowledged records that neither a journal nor the current session of the peer has. */
  readonly exposed: number;
  counters: { duplicates: number; rejects: number; dropped: number };
}
