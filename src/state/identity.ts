/** The random identifiers of DESIGN section 1; kept out of the pure core, which is handed them. */
import { randomBytes } from 'node:crypto';
import type { GroupId, SessionId, StreamId } from '../model/ids.ts';
import type { RegionId } from '../model/peer.ts';

export function newGroupId(): GroupId {
  return randomBytes(16).toString('hex');
}

export function newStreamId(): StreamId {
  return randomBytes(8).toString('hex');
}

export function newSessionId(): SessionId {
  return randomBytes(8).toString('hex');
}

export function newGenerationId(): string {
  return randomBytes(8).toString('hex');
}

export function newRegionId(): RegionId {
  return randomBytes(16).toString('hex');
}
