/**
 * What a peer and the secondary that it helps know about themselves when they meet (DESIGN section 8): plain facts, exchanged on
 * the wire, judged by `protocol/peer-table.ts` on both sides.
 */
import type { Generation, Geometry, GroupId, SessionId, StreamId, VolumeEntry } from './ids.ts';

/** Random 128 bits as 32 hex digits: one content of an NVRAM region; new at init and at every empty start. */
export type RegionId = string;

/**
 * Number of a record in the order in which a region took them, from 0 when the region was made; it never goes back, over links,
 * sessions and restarts of the peer. A region holds the records tail .. head - 1.
 */
export type Ordinal = number;

/** `memory`: survives the peer's process. `durable`: told to be held only after the region was flushed. */
export type RegionHold = 'memory' | 'durable';

export interface PeerFacts {
  readonly protocolVersion: number;
  readonly role: 'peer';
  readonly groupName: string;
  /** Null until the peer is bound to a group at first contact with a secondary that has one. */
  readonly groupId: GroupId | null;
  /** Stream and generation of the records that it holds or may hold; null while it is not bound. */
  readonly stream: StreamId | null;
  readonly generation: number | null;
  readonly session: SessionId;
  readonly regionId: RegionId;
  readonly hold: RegionHold;
  /** Bytes of the region's file. */
  readonly regionBytes: number;
  /** Regions that this peer had before and whose content is gone, oldest first, at most `LIMITS.lostRegionsMax`. */
  readonly lostRegions: readonly RegionId[];
  /** The records that the region holds now: tail .. head - 1. */
  readonly tail: Ordinal;
  readonly head: Ordinal;
  /** Highest host epoch that this host knows; more than the secondary's own: this host took its place. */
  readonly hostEpoch: number;
}

/** What a secondary tells its peer; the peer keeps it durably, because a takeover needs all of it. */
export interface PeeredFacts {
  readonly protocolVersion: number;
  readonly role: 'secondary';
  readonly groupName: string;
  readonly groupId: GroupId;
  readonly generations: readonly Generation[];
  readonly stream: StreamId;
  readonly session: SessionId;
  readonly hostEpoch: number;
  readonly volumes: readonly VolumeEntry[];
  readonly geometry: Geometry;
}
