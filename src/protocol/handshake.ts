/**
 * The handshake: may these two hosts replicate? (DESIGN section 6)
 *
 * Steps: **compare** the facts (handshake-history), **reduce** them to the inputs of the table (handshake-facts), **look up** the
 * one row that matches (handshake-table), **say** what it means (handshake-sentences). Both hosts do it on the same facts.
 *
 * It does not guarantee that the volumes are equal bit by bit: chains prove the commands, not the disks under the volumes.
 */
import type { ErrorCode } from '../model/errors.ts';
import type { PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import type { DataSetId } from '../model/ids.ts';
import { decide, describeTuple } from './decision-table.ts';
import { originAfter } from './generations.ts';
import { findAll, reduceHandshake } from './handshake-facts.ts';
import type { HandshakeQuestion } from './handshake-facts.ts';
import { sentenceFor } from './handshake-sentences.ts';
import { HANDSHAKE_TABLE } from './handshake-table.ts';
import type { HandshakeOutcome } from './handshake-table.ts';

export type { HandshakeQuestion } from './handshake-facts.ts';
export type { HandshakeOutcome } from './handshake-table.ts';

export interface HandshakeDecision {
  /** The row of the table, for the log and the status. */
  readonly label: string;
  readonly outcome: HandshakeOutcome;
  /** What happened, why it matters, what to try. */
  readonly sentence: string;
  /** Null only when the hosts continue. */
  readonly code: ErrorCode | null;
  /** The inputs of the table as text, for the log. */
  readonly inputs: string;
  /**
   * A proven secondary took the place of another: the primary records this host epoch durably before it answers, and closes the
   * links of hosts with a lower one (DESIGN section 8: it is the arbiter). Null: nothing to record.
   */
  readonly hostEpochRaised: number | null;
}

/** Decide whether the two hosts continue, wait or refuse. */
export function decideHandshake(question: HandshakeQuestion): HandshakeDecision {
  const findings = findAll(question);
  const tuple = reduceHandshake(question, findings);
  const { label, then } = decide(HANDSHAKE_TABLE, tuple);
  return {
    label,
    outcome: then.outcome,
    code: then.code,
    sentence: sentenceFor(label, question, findings),
    inputs: describeTuple(tuple),
    hostEpochRaised: then.proven && tuple.hostEpoch === 'higher' ? question.secondary.hostEpoch : null,
  };
}

/** What both hosts keep to from now on. */
export interface Agreement {
  /** Encoded bytes of write, zero and trim records in one data set. */
  readonly dataSetBytesMax: number;
  /** Records in one data set, the sync included. */
  readonly recordsMax: number;
  /** Highest data set that the secondary admits now (I6). */
  readonly windowHigh: DataSetId;
}

/** Compute what two hosts that continue have agreed. @invariant I6, I11 */
export function agree(primary: PrimaryFacts, secondary: SecondaryFacts): Agreement {
  const { geometry, watermark } = secondary;
  return {
    dataSetBytesMax: Math.min(primary.dataSetBytesMax, geometry.capacityBytes),
    recordsMax: Math.min(primary.dataSetRecordsMax, geometry.recordsMax),
    windowHigh: originAfter(watermark, primary.generations).dataSet + geometry.slots - 1,
  };
}
