/**
 * A secondary and a peer meet: may the one hold the other's records? (DESIGN section 8)
 *
 * Steps: **check** each host's facts by themselves, **reduce** both to the inputs of the table, **look up** the one row that matches
 * (peer-table.ts), **say** what it means (peer-sentences.ts). Both hosts do it on the same facts; what only one of them knows, the
 * region that it still needs and its other links, makes at most a continue into a wait.
 *
 * It does not guarantee that the region holds what it says: the records' own checksums do, whenever they are read.
 */
import type { ErrorCode } from '../model/errors.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import { LIMITS } from '../model/limits.ts';
import type { PeeredFacts, PeerFacts, RegionId } from '../model/peer.ts';
import { decide, describeTuple } from './decision-table.ts';
import type { Tuple } from './decision-table.ts';
import { validateGenerations } from './generations.ts';
import { peeringSentence } from './peer-sentences.ts';
import { PEERING_TABLE } from './peer-table.ts';
import type { PEERING_INPUTS, PeeringOutcome } from './peer-table.ts';

export type { PeeringOutcome } from './peer-table.ts';

export interface PeeringQuestion {
  /** Null: the secondary is blank, and cannot say which group's records it would send. */
  readonly secondary: PeeredFacts | null;
  readonly peer: PeerFacts;
  /** The host that asks: the one that `liveOtherPeer` is about. */
  readonly judge: 'secondary' | 'peer';
  /** The region that a restarted secondary is marked for and still needs; null otherwise, and always null on the peer. */
  readonly marked: RegionId | null;
  /** The judge has a live link with another session of its partner's role. */
  readonly liveOtherPeer: boolean;
}

export interface PeeringDecision {
  /** The row of the table, for the log and the status. */
  readonly label: string;
  readonly outcome: PeeringOutcome;
  /** Null only when the hosts continue. */
  readonly code: ErrorCode | null;
  /** What happened, why it matters, what to try. */
  readonly sentence: string;
  /** The inputs of the table as text, for the log. */
  readonly inputs: string;
}

/** Decide whether these two hosts continue, wait or refuse. */
export function decidePeering(question: PeeringQuestion): PeeringDecision {
  const unsound = findUnsoundPeering(question);
  const tuple = reducePeering(question, unsound);
  const { label, then } = decide(PEERING_TABLE, tuple);
  return {
    label,
    outcome: then.outcome,
    code: then.code,
    sentence: peeringSentence(label, question, unsound),
    inputs: describeTuple(tuple),
  };
}

/** Reduce the facts to the table's inputs. */
function reducePeering(question: PeeringQuestion, unsound: string | null): Tuple<typeof PEERING_INPUTS> {
  const { secondary, peer, marked, liveOtherPeer } = question;
  const versions = [peer.protocolVersion, secondary?.protocolVersion ?? PROTOCOL_VERSION];
  return {
    version: versions.every((version) => version === PROTOCOL_VERSION) ? 'same' : 'other',
    roles: peer.role === 'peer' && (secondary === null || secondary.role === 'secondary') ? 'right' : 'wrong',
    facts: unsound === null ? 'sound' : 'contradictory',
    secondary: secondary === null ? 'blank' : 'bound',
    group: peer.groupId === null ? 'blank' : peer.groupId === secondary?.groupId ? 'same' : 'other',
    hostEpoch: secondary !== null && peer.hostEpoch > secondary.hostEpoch ? 'peer-higher' : 'current',
    stream: compareStreams(secondary, peer),
    records: peer.head > peer.tail ? 'some' : 'none',
    marked: marked === null ? 'none' : marked === peer.regionId ? 'present' : peer.lostRegions.includes(marked) ? 'lost' : 'unknown',
    otherSession: liveOtherPeer ? 'live' : 'none',
  };
}

function compareStreams(secondary: PeeredFacts | null, peer: PeerFacts): Tuple<typeof PEERING_INPUTS>['stream'] {
  if (peer.stream === null || peer.generation === null) return 'none';
  const generation = secondary?.generations.at(-1)?.number ?? 0;
  if (peer.generation > generation) return 'newer';
  return peer.stream === secondary?.stream && peer.generation === generation ? 'same' : 'other';
}

/** Find a contradiction inside one host's own facts: such a host is damaged or not one of ours. */
function findUnsoundPeering({ secondary, peer }: PeeringQuestion): string | null {
  const isBound = peer.groupId !== null;
  if ((peer.stream !== null) !== isBound || (peer.generation !== null) !== isBound)
    return 'the peer names a group without a stream, or a stream without a group';
  if (peer.tail > peer.head) return `the peer's oldest record, ${peer.tail}, lies beyond its newest, ${peer.head}`;
  if (!isBound && peer.head > peer.tail) return 'the peer belongs to no group, yet it holds records';
  if (peer.lostRegions.includes(peer.regionId)) return `the peer has lost its region ${peer.regionId}, and has it`;
  if (peer.lostRegions.length > LIMITS.lostRegionsMax) return `the peer names ${peer.lostRegions.length} lost regions`;
  if (secondary === null) return null;
  const generations = validateGenerations(secondary.generations);
  return generations === null ? null : `the secondary's generations are wrong: ${generations}`;
}
