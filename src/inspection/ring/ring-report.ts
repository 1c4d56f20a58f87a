/** What an inspection of a ring tells: one report for each slot, recovery's plan, and what is wrong. `ls`, `verify` and fixtures read it. */
import type { HistoryPoint, Geometry, GroupId, StreamId } from '../../model/ids.ts';
import type { JournalDecision } from '../../protocol/recovery-decision.ts';
import type { RecoveryOutline } from '../../protocol/recovery-plan.ts';
import type { Condition, HostState } from '../../state/host-state.ts';
import type { WatermarkContent } from '../../../journals/format.ts';
import type { JournalContents } from './inspect-journal.ts';

/**
 * What the bytes of a journal are (DESIGN section 6). `in flight`: the tail of a journal that a running host may be writing.
 * `unreadable`: from some byte on, a torn tail or damage, the file alone cannot tell. `damaged`: no crash leaves it so.
 */
export type ByteVerdict = 'clean end' | 'in flight' | 'unreadable' | 'damaged';

/** One thing that is not as it should be: where, what, whether it matters, and what to do. */
export interface Finding {
  readonly path: string;
  readonly slot: number | null;
  /** Byte of the file; null when the file itself is missing. */
  readonly offset: number | null;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly verdict: Exclude<ByteVerdict, 'clean end'>;
  /** Whether it keeps a data set from the copy, or a host from starting. */
  readonly matters: boolean;
  /** Whether it matters, as a sentence. */
  readonly meaning: string;
  readonly advice: string;
}

/** One slot of the ring. */
export interface SlotReport {
  readonly slot: number;
  readonly path: string;
  /** Null when the file is missing. */
  readonly contents: JournalContents | null;
  /** Null when no plan could be made. */
  readonly decision: JournalDecision | null;
  readonly verdict: ByteVerdict;
  readonly findings: readonly Finding[];
}

/** Whose journals recovery takes these for, and who says so. */
export interface InspectedIdentity {
  readonly groupId: GroupId | null;
  readonly generation: number;
  readonly stream: StreamId | null;
  readonly source: 'state' | 'watermark' | 'journals' | 'nobody';
}

export interface InspectedWatermark {
  readonly path: string;
  /** What counts; null when the file is missing or neither block can be read. */
  readonly newest: WatermarkContent | null;
  readonly block: 0 | 1 | null;
}

export interface InspectedState {
  readonly directory: string;
  readonly state: HostState;
  readonly condition: Condition;
}

export interface RingReport {
  readonly directory: string;
  readonly state: InspectedState | null;
  readonly identity: InspectedIdentity;
  readonly geometry: Geometry | null;
  readonly watermark: InspectedWatermark;
  /** Whether a host uses the ring now; null where the system does not tell. */
  readonly running: boolean | null;
  /** A host changed journals while they were read, each time they were read. */
  readonly moving: boolean;
  readonly slots: readonly SlotReport[];
  /** What recovery would do; null when it would refuse before it looks at the journals. */
  readonly plan: RecoveryOutline | null;
  /** What a start would refuse with; null when it would recover. */
  readonly refusal: { readonly code: string; readonly message: string } | null;
  /** Where the copy would be after a recovery; null: nowhere, or unknown because it refuses. */
  readonly through: HistoryPoint | null;
  /** All findings, those of the slots included. */
  readonly findings: readonly Finding[];
  /** Things worth knowing that are not wrong. */
  readonly notes: readonly string[];
}
