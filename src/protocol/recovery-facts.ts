/**
 * What recovery knows of one slot's file, and the inputs of its two decision tables (DESIGN section 6). The
 * journals' scan (journals/contract.ts) gives these facts and more: the protocol imports nothing of the journals.
 */
import type { HistoryOrigin } from '../model/handshake.ts';
import type { DataSetId, Geometry, GroupId, HistoryPoint, SequenceNumber, StreamId } from '../model/ids.ts';
import type { Tuple } from './decision-table.ts';
import type { HashChain, SyncContent } from './secondary-contract.ts';

export type HeaderFacts =
  | {
      readonly verdict: 'readable';
      readonly groupId: GroupId;
      readonly generation: number;
      readonly stream: StreamId;
      readonly slot: number;
      readonly slots: number;
      readonly slotBytes: number;
      /** null: the slot is free. */ readonly dataSet: DataSetId | null;
      readonly firstSequence: SequenceNumber | null;
    }
  | { readonly verdict: 'later-version'; readonly version: number }
  | { readonly verdict: 'unreadable'; readonly offset: number; readonly expected: string; readonly found: string };

export type MarkFacts =
  | { readonly verdict: 'set'; readonly point: HistoryPoint; readonly stream: StreamId }
  | { readonly verdict: 'not-set' }
  | { readonly verdict: 'unreadable'; readonly offset: number };

export interface RecordFacts {
  readonly offset: number;
  readonly encodedBytes: number;
  readonly type: 'write' | 'zero' | 'trim' | 'sync' | 'pad';
  readonly generation: number;
  readonly stream: StreamId;
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly sequence: SequenceNumber;
  readonly headerChecksum: number;
  readonly sync: SyncContent | null;
}

export interface TailFacts {
  readonly verdict: 'clean-end' | 'unreadable';
  readonly offset: number;
}

/** One slot's file without its records: what remains of it once they are judged. */
export interface JournalOutline {
  readonly slot: number;
  readonly path: string;
  readonly header: HeaderFacts;
  readonly completeMark: MarkFacts;
  readonly tail: TailFacts;
}

/** One slot's file as it was scanned. */
export interface JournalFacts extends JournalOutline {
  /** In the file's order. */
  readonly records: readonly RecordFacts[];
}

/** Whose journals these are, as the host's own durable state says; null before it is bound to a group. */
export interface RecoveryIdentity {
  readonly groupId: GroupId | null;
  readonly generation: number;
  readonly stream: StreamId | null;
}

/** What is the same for all journals of a ring. */
export interface RecoverySetting {
  readonly identity: RecoveryIdentity;
  readonly geometry: Geometry;
  readonly watermark: HistoryPoint | null;
  /** Where numbering begins: used when there is no watermark, or when a generation began right after it. */
  readonly origin: HistoryOrigin;
  readonly hashChain: HashChain;
  /** A start keeps what may still become complete; a promotion gives it up. */
  readonly mode: 'start' | 'promote';
}

export interface RecoveryFacts extends RecoverySetting {
  readonly journals: readonly JournalFacts[];
}

/** First table: does this journal hold a data set above the watermark? */
export const OWNER_INPUTS = {
  header: [
    'above',
    'retired',
    'free',
    'later-version',
    'foreign-group',
    'foreign-geometry-above',
    'foreign-geometry-retired',
    'older-stream-above',
    'older-stream-retired',
    'unknown-stream',
    'unreadable',
  ],
  /** Of which data set the first record is: that alone tells, because every acknowledged record has all earlier bytes durable. */
  firstRecord: ['none', 'stale', 'retired', 'above'],
  /** Whose complete flag is set: a data set's above the watermark, one of an older stream above it, or nobody's that matters. */
  mark: ['none', 'above', 'older-stream', 'unreadable'],
} as const;
export type OwnerTuple = Tuple<typeof OWNER_INPUTS>;

/** Second table: what becomes of a data set above the watermark? */
export const FATE_INPUTS = {
  /** Whether header, first record and complete flag name one data set, as far as they are of one above the watermark. */
  names: ['agree', 'contradict'],
  duplicate: ['no', 'yes'],
  place: ['right', 'wrong-slot', 'above-window'],
  content: ['complete', 'partial', 'contradictory'],
  flag: ['set', 'not-set', 'unreadable'],
  earlier: ['complete', 'incomplete'],
  tail: ['clean', 'unreadable'],
  mode: ['start', 'promote'],
} as const;
export type FateTuple = Tuple<typeof FATE_INPUTS>;
