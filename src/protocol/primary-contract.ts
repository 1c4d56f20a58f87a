/**
 * The contract between the primary machine and its shell.
 *
 * One write: `writeRequested` -> `storeWrite` (when the open data set and the backlog have room) -> the shell stores it under
 * its range lock -> `writeStored`, while the lock is still held -> `appendRecords` (numbers are given here, so volume order
 * and sequence order are one order) -> `reply`.
 *
 * What holds:
 * - `storeWrite` effects come in the order of the requests, and a write that waits makes all later ones wait (no overtaking).
 * - All records of one request belong to one data set.
 * - `closeDataSet` comes after the `appendRecords` of everything that was replied to before it in the same step.
 * - A record is in the hands of at most one open link at a time; after that link closed it is sent again only when the
 *   secondary has said (by `progressReported` or `sessionEstablished`) that it did not receive it.
 */
import type { CutReason } from '../model/commands.ts';
import type { Head, HeldDataSet, UnacknowledgedDataSet } from '../model/handshake.ts';
import type { DataSetId, SequenceNumber, SequenceRange } from '../model/ids.ts';
import type { LinkId } from './secondary-contract.ts';

/** The shell's number of an application request; the core never looks behind it. */
export type RequestId = number;

export interface CutPolicy {
  /** A data set younger than this is not closed by a flush. */
  readonly minAgeMs: number;
  /** A data set older than this is closed without a flush. */
  readonly maxAgeMs: number;
  /** A data set with more encoded bytes than this is closed; never above the agreed capacity. */
  readonly maxSizeBytes: number;
  /** Records of one data set, sync included. */
  readonly recordsMax: number;
}

/** What the journals of the newest secondary take of one data set. */
export interface AgreedCapacity {
  readonly dataSetBytesMax: number;
  readonly recordsMax: number;
}

export interface PrimaryMachineOptions {
  readonly cutPolicy: CutPolicy;
  /** What the handshake before this start agreed; kept to until the next one, or what is taken meanwhile might never fit. Null: none yet. */
  readonly agreed?: AgreedCapacity | null;
  /** Encoded bytes that may be unacknowledged before writes wait. */
  readonly backlogLimitBytes: number;
  /** FLUSH is replied to when: the local volume is durable, or also its data set is durable on the far side (DESIGN section 9). */
  readonly flushReply: 'local' | 'remote';
  /** Encoded bytes in one `sendRecords`; one record alone may be larger. */
  readonly batchBytesMax: number;
  /** Encoded bytes of a sync record, which the machine numbers itself. */
  readonly syncRecordBytes: number;
  /** Numbers to go on with. */
  readonly nextDataSet: DataSetId;
  readonly nextSequence: SequenceNumber;
  /** Bytes taken since the stream began. */
  readonly bytesTaken: number;
  /** Closed data sets that a clean stop left unacknowledged, ascending, directly below nextDataSet. */
  readonly restored: readonly RestoredOutgoing[];
  /** The newest data set acknowledged complete with all before it, and its final number. */
  readonly acknowledged: { readonly dataSet: DataSetId; readonly finalSequence: SequenceNumber } | null;
}

export interface RestoredOutgoing {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  /** Encoded bytes of each record in sequence order, the sync last. */
  readonly recordBytes: readonly number[];
  readonly acknowledged: readonly SequenceRange[];
}

export type PrimaryEvent =
  /** An application asked for a write of `records` records with `encodedBytes` in all (each record with its header). One with
   * FUA is replied to at its `volumeFlushed`, not when it was numbered. It must fit into one data set alone: the shell splits it. */
  | {
      readonly event: 'writeRequested';
      readonly request: RequestId;
      readonly records: number;
      readonly encodedBytes: number;
      readonly fua: boolean;
    }
  /** The write is in the source volume; `recordBytes` are the encoded bytes of each of its records, in order. */
  | { readonly event: 'writeStored'; readonly request: RequestId; readonly recordBytes: readonly number[] }
  /** A store or a flush of the primary's volume failed: nothing more is numbered, cut or sent (I10). */
  | { readonly event: 'volumeFailed' }
  /** The volume is durable for this FLUSH request, or for this write with FUA (which was stored and numbered before). */
  | { readonly event: 'volumeFlushed'; readonly request: RequestId; readonly kind: 'flush' | 'fua' }
  | { readonly event: 'clockTicked' }
  /** A session pair was agreed (its first link, or its first link again after all were lost). */
  | {
      readonly event: 'sessionEstablished';
      readonly windowHigh: DataSetId;
      readonly dataSetBytesMax: number;
      readonly recordsMax: number;
      readonly held: readonly HeldDataSet[];
      /** Everything through here is in the secondary's source volumes. */ readonly destaged: DataSetId | null;
    }
  | { readonly event: 'sessionLost' }
  | { readonly event: 'linkOpened'; readonly link: LinkId }
  /** The link's socket can take this many bytes more. */
  | { readonly event: 'linkReady'; readonly link: LinkId; readonly budgetBytes: number }
  | { readonly event: 'linkClosed'; readonly link: LinkId }
  /** Numbers that are durable on the far side; a window told without any (keep-alive, announceWindow) has no ranges. */
  | {
      readonly event: 'acknowledged';
      /** The link on which it came. */
      readonly link: LinkId;
      readonly ranges: readonly SequenceRange[];
      readonly windowHigh: DataSetId;
    }
  | {
      readonly event: 'rejected';
      readonly link: LinkId;
      readonly reason: 'window' | 'checksum';
      readonly dataSet: DataSetId;
      readonly sequence: SequenceNumber;
      readonly windowHigh: DataSetId;
    }
  /** The secondary's answer to `requestProgress`: what it has received, after the lost links were closed on its side too. */
  | {
      readonly event: 'progressReported';
      readonly closedLinks: readonly LinkId[];
      readonly held: readonly HeldDataSet[];
      readonly destaged: DataSetId | null;
      readonly windowHigh: DataSetId;
    }
  /** The shell's answer to `verifyRecord`. */
  | { readonly event: 'recordVerified'; readonly dataSet: DataSetId; readonly sequence: SequenceNumber; readonly intact: boolean }
  /** Close the open data set now, for this reason, whether the window admits the next or not; later writes open a new one. */
  | { readonly event: 'cutRequested'; readonly reason: CutReason };

export type PrimaryEffect =
  | { readonly effect: 'storeWrite'; readonly request: RequestId }
  /** Give the request's records these numbers: sequence, sequence + 1, ...; append them to the data set's send buffer. */
  | {
      readonly effect: 'appendRecords';
      readonly request: RequestId;
      readonly dataSet: DataSetId;
      readonly firstSequence: SequenceNumber;
      readonly sequence: SequenceNumber;
    }
  /** Append the sync command `finalSequence` to the data set's send buffer. */
  | {
      readonly effect: 'closeDataSet';
      readonly dataSet: DataSetId;
      readonly firstSequence: SequenceNumber;
      readonly finalSequence: SequenceNumber;
      readonly reason: CutReason;
    }
  /** Answer the application: for a write after `appendRecords`, for a flush or FUA when what it waits for has happened. */
  | { readonly effect: 'reply'; readonly request: RequestId }
  /** Send these records, which lie one after another in the send buffer, as one message. */
  | {
      readonly effect: 'sendRecords';
      readonly link: LinkId;
      readonly dataSet: DataSetId;
      readonly from: SequenceNumber;
      readonly to: SequenceNumber;
      readonly again: boolean;
    }
  /** Every record of the data set is acknowledged, and of all before it: its send buffer is free. */
  | { readonly effect: 'releaseDataSet'; readonly dataSet: DataSetId; readonly finalSequence: SequenceNumber }
  /** Ask, on this link, what was received, because `closedLinks` were lost. */
  | { readonly effect: 'requestProgress'; readonly link: LinkId; readonly closedLinks: readonly LinkId[] }
  /** The secondary refused this record for its checksum three times: check the send buffer (I9). */
  | { readonly effect: 'verifyRecord'; readonly dataSet: DataSetId; readonly sequence: SequenceNumber }
  | { readonly effect: 'closeLink'; readonly link: LinkId; readonly violation: string }
  | { readonly effect: 'failGroup'; readonly code: 'ERR_SEND_BUFFER_CORRUPT'; readonly message: string };

/** Why writes wait now: the backlog limit is reached, and what was not sent yet waits for a link (`backlog`) or for the
 * secondary's window to move (`window`). Null when they do not wait, or only for writes before them to be stored. */
export type ThrottleReason = 'backlog' | 'window' | null;

export interface PrimaryPositions {
  /** The open data set's ID, null when none is open. */
  readonly open: DataSetId | null;
  /** Highest data set sent whole; highest acknowledged complete with all before. */
  readonly sent: DataSetId | null;
  readonly acknowledged: DataSetId | null;
  readonly sequence: {
    readonly open: SequenceNumber | null;
    readonly sent: SequenceNumber | null;
    readonly acknowledged: SequenceNumber | null;
  };
}

/** The primary machine: numbering, cutting, window, sending. Pure: `nowMs` is handed in (monotonic milliseconds). */
export interface PrimaryCore {
  step(events: readonly PrimaryEvent[], nowMs: number): PrimaryEffect[];
  readonly throttle: ThrottleReason;
  /** Encoded bytes that are numbered and not acknowledged. */
  readonly unacknowledgedBytes: number;
  readonly windowHigh: DataSetId | null;
  /** Milliseconds until the next cut by age could be due; null when none is. The shell sets one timer by it. */
  nextTickMs(nowMs: number): number | null;
  head(timeMs: number): Head;
  unacknowledged(): UnacknowledgedDataSet[];
  positions(): PrimaryPositions;
  /** What a secondary must be able to hold of one data set: the largest data set and the largest request taken so far. The shell
   * refuses a handshake with less before it reports `sessionEstablished`. */
  capacityNeeded(): { bytes: number; records: number };
  counters: { recordsSent: number; recordsResent: number; rejects: number; dataSetsClosed: number };
}
