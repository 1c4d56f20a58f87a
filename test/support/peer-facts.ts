/** Facts of a secondary and a peer in mid-stream, and of a first contact: building blocks for tests of their meeting. */
import { PROTOCOL_VERSION } from '../../src/model/handshake.ts';
import type { Generation } from '../../src/model/ids.ts';
import type { PeeredFacts, PeerFacts } from '../../src/model/peer.ts';
import { appendGeneration, firstGenerations } from '../../src/protocol/generations.ts';

export const REGIONS = { own: '1'.repeat(32), lost: '2'.repeat(32) } as const;

export function secondGeneration(): Generation[] {
  return appendGeneration(firstGenerations('00000000000000bb'), {
    id: '00000000000000b2',
    kept: { dataSet: 4, finalSequence: 40, chain: 'c'.repeat(32) },
    seen: { dataSet: 5, sequence: 50 },
  });
}

/** What a secondary in mid-stream tells its peer. */
export function peeredAt(changes: Partial<PeeredFacts> = {}): PeeredFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'secondary',
    groupName: 'g',
    groupId: '0123456789abcdef0123456789abcdef',
    generations: firstGenerations('00000000000000bb'),
    stream: '00000000000000aa',
    session: '00000000000000dd',
    hostEpoch: 1,
    volumes: [{ vlun: 0, name: 'a', sizeBytes: 65_536 }],
    geometry: { slots: 8, slotBytes: 1_048_576, capacityBytes: 1_000_000, recordsMax: 1000 },
    ...changes,
  };
}

/** A peer that was never bound. */
export function peerNew(changes: Partial<PeerFacts> = {}): PeerFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'peer',
    groupName: 'g',
    groupId: null,
    stream: null,
    generation: null,
    session: '00000000000000ee',
    regionId: REGIONS.own,
    hold: 'memory',
    regionBytes: 16_777_216,
    lostRegions: [],
    tail: 0,
    head: 0,
    hostEpoch: 0,
    ...changes,
  };
}

/** A peer of that secondary, which holds ten records. */
export function peerAt(changes: Partial<PeerFacts> = {}): PeerFacts {
  const { groupId, stream, hostEpoch } = peeredAt();
  return peerNew({ groupId, stream, generation: 1, hostEpoch, tail: 80, head: 90, ...changes });
}
