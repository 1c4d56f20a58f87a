/**
 * The decision table of a secondary and the peer that offers to hold its records (DESIGN section 8), judged by both on the same facts.
 * The rows are a ladder, as in handshake-table.ts: each stage takes for granted what the stages before it have checked, so every
 * combination of inputs matches exactly one row.
 *
 * @invariant I2, I8
 */
import type { ErrorCode } from '../model/errors.ts';
import type { Condition, DecisionTable, Row } from './decision-table.ts';

export const PEERING_INPUTS = {
  version: ['same', 'other'],
  roles: ['right', 'wrong'],
  /** Each host's facts by themselves: a host that contradicts itself is not believed. */
  facts: ['sound', 'contradictory'],
  /** A blank secondary belongs to no group yet, and has nothing to be held. */
  secondary: ['bound', 'blank'],
  /** The peer's group beside the secondary's; `blank`: the peer belongs to none yet. */
  group: ['same', 'blank', 'other'],
  hostEpoch: ['current', 'peer-higher'],
  /** What the peer holds, or held last, beside the secondary's stream. `newer`: of a generation that the secondary does not know. */
  stream: ['same', 'other', 'newer', 'none'],
  records: ['none', 'some'],
  /** The region that a restarted secondary still needs: none, this peer's, one that this peer has lost, or one of which it knows nothing. */
  marked: ['none', 'present', 'lost', 'unknown'],
  /** The judge has a live link with another session of its partner's role. */
  otherSession: ['none', 'live'],
} as const;

export type PeeringOutcome = 'continue' | 'wait' | 'refuse';
export interface PeeringVerdict {
  readonly outcome: PeeringOutcome;
  /** Null only when the hosts continue. */
  readonly code: ErrorCode | null;
}
type When = Condition<typeof PEERING_INPUTS>;

const BOTH: When = { version: ['same'], roles: ['right'], facts: ['sound'] };
const BOUND: When = { ...BOTH, secondary: ['bound'] };
const SAME_GROUP: When = { ...BOUND, group: ['same'] };
const CURRENT: When = { ...SAME_GROUP, hostEpoch: ['current'] };
const FIRST: When = { ...BOUND, group: ['blank'] };
const LEVEL: When = { ...CURRENT, stream: ['same'] };
/** Of another stream, and holds nothing of it: it takes up the secondary's. */
const ADOPTING: When = { ...CURRENT, stream: ['other', 'none'], records: ['none'] };
/** What a peer may be that is allowed to hold records of this secondary. */
const FIT: readonly When[] = [FIRST, LEVEL, ADOPTING];

export const PEERING_TABLE: DecisionTable<typeof PEERING_INPUTS, PeeringVerdict> = {
  name: 'peering',
  inputs: PEERING_INPUTS,
  rows: [
    refuse('other version', 'ERR_HANDSHAKE_VERSION', { version: ['other'] }),
    refuse('wrong roles', 'ERR_PEERING_ROLES', { version: ['same'], roles: ['wrong'] }),
    refuse('contradictory facts', 'ERR_HANDSHAKE_FACTS', { version: ['same'], roles: ['right'], facts: ['contradictory'] }),
    wait('secondary is blank', 'ERR_PEERING_BLANK', { ...BOTH, secondary: ['blank'] }),
    refuse('other group', 'ERR_HANDSHAKE_GROUP', { ...BOUND, group: ['other'] }),
    refuse('superseded host', 'ERR_HOST_SUPERSEDED', { ...SAME_GROUP, hostEpoch: ['peer-higher'] }),
    refuse('secondary of an old generation', 'ERR_PEERING_GENERATION', { ...CURRENT, stream: ['newer'] }),
    refuse('records of another stream', 'ERR_PEERING_STREAM', { ...CURRENT, stream: ['other', 'none'], records: ['some'] }),
    wait('another region is needed', 'ERR_PEERING_REGION', ...fitAnd({ marked: ['unknown'] })),
    wait('another session is live', 'ERR_PEERING_BUSY', ...fitAnd({ marked: ['none', 'present', 'lost'], otherSession: ['live'] })),
    goOn('marked region is lost', ...fitAnd({ marked: ['lost'], otherSession: ['none'] })),
    goOn('fetch', ...fitAnd({ marked: ['present'], otherSession: ['none'] })),
    goOn('first contact', { ...FIRST, marked: ['none'], otherSession: ['none'] }),
    goOn('new stream', { ...ADOPTING, marked: ['none'], otherSession: ['none'] }),
    goOn('same group', { ...LEVEL, marked: ['none'], otherSession: ['none'] }),
  ],
};

type PeeringRow = Row<typeof PEERING_INPUTS, PeeringVerdict>;

function fitAnd(more: When): When[] {
  return FIT.map((fit) => ({ ...fit, ...more }));
}

function refuse(label: string, code: ErrorCode, ...when: When[]): PeeringRow {
  return { label, when, then: { outcome: 'refuse', code } };
}

function wait(label: string, code: ErrorCode, ...when: When[]): PeeringRow {
  return { label, when, then: { outcome: 'wait', code } };
}

function goOn(label: string, ...when: When[]): PeeringRow {
  return { label, when, then: { outcome: 'continue', code: null } };
}
