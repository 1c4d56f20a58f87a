/** Facts of two hosts that never met, for tests that need an acceptable handshake and nothing else. */
import type { PrimaryFacts, SecondaryFacts } from '../../src/model/handshake.ts';
import { PROTOCOL_VERSION } from '../../src/model/handshake.ts';
import { firstGenerations } from '../../src/protocol/generations.ts';

const VOLUMES = [{ vlun: 0, name: 'a', sizeBytes: 65_536 }];

export function blankSecondaryFacts(changes: Partial<SecondaryFacts> = {}): SecondaryFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'secondary',
    groupName: 'g',
    groupId: null,
    generations: [],
    stream: null,
    session: '00000000000000dd',
    lastPrimarySession: null,
    hostEpoch: 0,
    volumes: VOLUMES,
    geometry: { slots: 8, slotBytes: 1_048_576, capacityBytes: 1_000_000, recordsMax: 1000 },
    watermark: null,
    complete: [],
    held: [],
    ...changes,
  };
}

export function blankPrimaryFacts(changes: Partial<PrimaryFacts> = {}): PrimaryFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'primary',
    state: 'serving',
    groupName: 'g',
    groupId: '0123456789abcdef0123456789abcdef',
    generations: firstGenerations('00000000000000bb'),
    stream: '00000000000000aa',
    session: '00000000000000cc',
    sessionFirstSequence: 0,
    hostEpoch: 0,
    volumes: VOLUMES,
    dataSetBytesMax: 65_536,
    dataSetRecordsMax: 1000,
    chains: [],
    acknowledged: null,
    unacknowledged: [],
    head: { dataSet: 0, sequence: -1, bytes: 0, timeMs: 1 },
    ...changes,
  };
}
