/**
 * The handshake's decision table (DESIGN section 6), judged by both hosts on the same facts. The rows are a ladder: each stage
 * takes for granted what the stages before it have checked, so every combination of inputs matches exactly one row.
 * What a refusal proves comes before a wait, which would only ask again for ever.
 *
 * @invariant I6, I8, I12
 */
import type { ErrorCode } from '../model/errors.ts';
import type { Condition, DecisionTable, Row } from './decision-table.ts';
import { HANDSHAKE_INPUTS } from './handshake-facts.ts';

export type HandshakeOutcome = 'continue' | 'wait' | 'refuse';
export interface HandshakeVerdict {
  readonly outcome: HandshakeOutcome;
  /** Null only when the hosts continue. */
  readonly code: ErrorCode | null;
  /** The host has proven that it is of this history: the primary records a higher host epoch, durably, before it answers. */
  readonly proven: boolean;
}
type When = Condition<typeof HANDSHAKE_INPUTS>;

const PEERS: When = { version: ['same'], roles: ['right'], facts: ['sound'] };
/** Bound to this group. */
const BOUND: When = { ...PEERS, group: ['same'] };
const BLANK: When = { ...PEERS, group: ['blank'] };
const SAME_REIGN: When = { ...BOUND, generations: ['same'] };
/** Either way into the group, as far as the primary's state, the volumes and the journals are concerned. */
const WORKING: When = { state: ['serving', 'stopping'] };
const SAME_STREAM: When = { ...SAME_REIGN, ...WORKING, stream: ['same'] };
const SHAPED: When = { volumes: ['same'], geometry: ['fits'], hostEpoch: ['current', 'higher'] };
const BOUND_SHAPED: When = { ...SAME_STREAM, ...SHAPED };
const BLANK_SHAPED: When = { ...BLANK, ...WORKING, ...SHAPED };
/** First meeting of two sessions: the history has to be compared. */
const FIRST_MET: When = { pair: ['new', 'other-live'] };
const COMPARED: When = { ...BOUND_SHAPED, ...FIRST_MET };
const PROVEN: When = { ...BOUND_SHAPED, history: ['equal'], missing: ['none'], held: ['agrees'] };
const BEGINNING: When = { ...BLANK_SHAPED, beginning: ['held'] };

export const HANDSHAKE_TABLE: DecisionTable<typeof HANDSHAKE_INPUTS, HandshakeVerdict> = {
  name: 'handshake',
  inputs: HANDSHAKE_INPUTS,
  rows: [
    refuse('other version', 'ERR_HANDSHAKE_VERSION', { version: ['other'] }),
    refuse('wrong roles', 'ERR_HANDSHAKE_ROLES', { version: ['same'], roles: ['wrong'] }),
    refuse('contradictory facts', 'ERR_HANDSHAKE_FACTS', { version: ['same'], roles: ['right'], facts: ['contradictory'] }),
    refuse('other group', 'ERR_HANDSHAKE_GROUP', { ...PEERS, group: ['other'] }),
    refuse('forked generations', 'ERR_HANDSHAKE_FORKED', { ...BOUND, generations: ['forked'] }),
    refuse('secondary was promoted', 'ERR_HANDSHAKE_SUPERSEDED', { ...BOUND, generations: ['primary-behind'] }),
    refuse('secondary of an old generation', 'ERR_HANDSHAKE_OLD_GENERATION', { ...BOUND, generations: ['secondary-behind'] }),
    refuse('primary superseded', 'ERR_HANDSHAKE_SUPERSEDED', { ...SAME_REIGN, state: ['superseded'] }, { ...BLANK, state: ['superseded'] }),
    refuse('primary failed', 'ERR_HANDSHAKE_PRIMARY_FAILED', { ...SAME_REIGN, state: ['failed'] }, { ...BLANK, state: ['failed'] }),
    refuse('primary standalone', 'ERR_HANDSHAKE_STANDALONE', { ...SAME_REIGN, state: ['standalone'] }, { ...BLANK, state: ['standalone'] }),
    refuse('other stream', 'ERR_HANDSHAKE_STREAM', { ...SAME_REIGN, ...WORKING, stream: ['other', 'none'] }),
    refuse(
      'volumes differ',
      'ERR_HANDSHAKE_VOLUMES',
      { ...SAME_STREAM, volumes: ['different'] },
      { ...BLANK, ...WORKING, volumes: ['different'] },
    ),
    refuse(
      'journals too small',
      'ERR_HANDSHAKE_GEOMETRY',
      { ...SAME_STREAM, volumes: ['same'], geometry: ['too-small'] },
      { ...BLANK, ...WORKING, volumes: ['same'], geometry: ['too-small'] },
    ),
    refuse(
      'superseded host',
      'ERR_HANDSHAKE_HOST_EPOCH',
      { ...SAME_STREAM, ...SHAPED, hostEpoch: ['lower'] },
      { ...BLANK_SHAPED, hostEpoch: ['lower'] },
    ),
    refuse('secondary ahead', 'ERR_HANDSHAKE_AHEAD', { ...COMPARED, history: ['ahead'] }),
    refuse('other run of the primary', 'ERR_HANDSHAKE_OTHER_RUN', { ...COMPARED, history: ['other-run'] }),
    refuse('other chain', 'ERR_HANDSHAKE_CHAIN', { ...COMPARED, history: ['different'] }),
    refuse('acknowledged numbers missing', 'ERR_HANDSHAKE_MISSING', { ...COMPARED, history: ['equal', 'unknown'], missing: ['some'] }),
    refuse('unknown chain', 'ERR_HANDSHAKE_CHAIN_UNKNOWN', { ...COMPARED, history: ['unknown'], missing: ['none'] }),
    refuse('held data sets differ', 'ERR_HANDSHAKE_CONTRADICTION', {
      ...COMPARED,
      history: ['equal'],
      missing: ['none'],
      held: ['contradicts'],
    }),
    refuse('blank, beginning released', 'ERR_HANDSHAKE_BLANK', { ...BLANK_SHAPED, ...FIRST_MET, beginning: ['released'] }),
    wait(
      'other session is live',
      'ERR_HANDSHAKE_BUSY',
      { ...PROVEN, pair: ['other-live'], hostEpoch: ['current'] },
      { ...BEGINNING, pair: ['other-live'], hostEpoch: ['current'] },
    ),
    proven(
      wait(
        'takes the place of a live host',
        'ERR_HANDSHAKE_BUSY',
        { ...PROVEN, pair: ['other-live'], hostEpoch: ['higher'] },
        { ...BEGINNING, pair: ['other-live'], hostEpoch: ['higher'] },
      ),
    ),
    refuse(
      'host epoch of a running session changed',
      'ERR_HANDSHAKE_FACTS',
      { ...BOUND_SHAPED, pair: ['agreed'], hostEpoch: ['higher'] },
      { ...BLANK_SHAPED, pair: ['agreed'], hostEpoch: ['higher'] },
    ),
    wait(
      'primary is stopping',
      'ERR_HANDSHAKE_STOPPING',
      { ...PROVEN, pair: ['new'], state: ['stopping'] },
      { ...BEGINNING, pair: ['new'], state: ['stopping'] },
      { ...BOUND_SHAPED, pair: ['agreed'], hostEpoch: ['current'], state: ['stopping'] },
      { ...BLANK_SHAPED, pair: ['agreed'], hostEpoch: ['current'], state: ['stopping'] },
    ),
    goOn(
      'further link',
      { ...BOUND_SHAPED, pair: ['agreed'], hostEpoch: ['current'], state: ['serving'] },
      { ...BLANK_SHAPED, pair: ['agreed'], hostEpoch: ['current'], state: ['serving'] },
    ),
    proven(goOn('same history', { ...PROVEN, pair: ['new'], state: ['serving'] })),
    proven(goOn('first contact', { ...BEGINNING, pair: ['new'], state: ['serving'] })),
  ],
};

type HandshakeRow = Row<typeof HANDSHAKE_INPUTS, HandshakeVerdict>;

function refuse(label: string, code: ErrorCode, ...when: When[]): HandshakeRow {
  return { label, when, then: { outcome: 'refuse', code, proven: false } };
}

function wait(label: string, code: ErrorCode, ...when: When[]): HandshakeRow {
  return { label, when, then: { outcome: 'wait', code, proven: false } };
}

function goOn(label: string, ...when: When[]): HandshakeRow {
  return { label, when, then: { outcome: 'continue', code: null, proven: false } };
}

function proven(row: HandshakeRow): HandshakeRow {
  return { ...row, then: { ...row.then, proven: true } };
}
