/** What recovery decides (DESIGN section 6): the words of its tables' output, one decision for each journal, and the whole plan. */
import type { ErrorCode } from '../model/errors.ts';
import type { HistoryOrigin } from '../model/handshake.ts';
import type { Chain, DataSetId, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import type { RestoredDataSet } from './secondary-contract.ts';

export type RecoveryAction = 'replay' | 'keep partial' | 'keep complete' | 'done already' | 'discard' | 'refuse';

export interface JournalDecision {
  readonly slot: number;
  readonly path: string;
  /** The data set that the decision is about: above the watermark, else the header's; null for a free or unreadable slot. */
  readonly dataSet: DataSetId | null;
  /** The row of the table. */
  readonly label: string;
  readonly action: RecoveryAction;
  /** Null unless the action is `refuse`. */
  readonly code: ErrorCode | null;
  /** Why, with what was found. */
  readonly reason: string;
  /** The inputs of the table as text, for the log. */
  readonly inputs: string;
  /** Null unless it is about a data set above the watermark. */
  readonly held: HeldInJournal | null;
}

/** What a journal holds of a data set above the watermark. */
export interface HeldInJournal {
  readonly firstSequence: SequenceNumber;
  /** Null as long as no sync command was read; so is `chain`. */
  readonly finalSequence: SequenceNumber | null;
  readonly chain: Chain | null;
  readonly highestSequence: SequenceNumber;
  readonly records: number;
  readonly bytes: number;
  /** Numbers that are not there; a lower bound as long as no sync command was read. */
  readonly missing: number;
}

/** The bytes of a slot that recovery keeps: a header for this data set, this many records, and nothing behind `endOffset`. */
export interface SlotToKeep {
  readonly slot: number;
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly records: number;
  /** Byte after the last record; null when there is none. */
  readonly endOffset: number | null;
  /** The header on the disk is older or unreadable: a new one has to be written with the rest. */
  readonly headerIsOld: boolean;
}

export interface RecoveryPlan {
  readonly outcome: 'recover' | 'refuse';
  /** One decision for each journal, in the order of the slots. */
  readonly journals: readonly JournalDecision[];
  /** What the secondary machine begins with, ascending. */
  readonly restored: readonly RestoredDataSet[];
  /** Slots whose bytes must be made durable before anything is told of them. */
  readonly makeDurable: readonly SlotToKeep[];
  /** Slots to empty, after the replay. */
  readonly discard: readonly number[];
  /** Where numbering goes on after the watermark, before the replay. */
  readonly origin: HistoryOrigin;
  /** The copy after the replay; null when nothing is or will be in the source volumes. */
  readonly through: HistoryPoint | null;
  /** The plan for people: one line for each journal that matters, and a closing sentence. */
  readonly lines: readonly string[];
}
