/** Facts of two hosts in mid-stream, and of a first contact: building blocks for tests of the handshake. */
import type { HeldFacts, PrimaryFacts, SecondaryFacts, UnacknowledgedDataSet } from '../../src/model/handshake.ts';
import { PROTOCOL_VERSION } from '../../src/model/handshake.ts';
import type { HistoryPoint, VolumeEntry } from '../../src/model/ids.ts';
import { appendGeneration, firstGenerations } from '../../src/protocol/generations.ts';

/** Every data set of these histories has ten numbers: data set d holds 10 d .. 10 d + 9, the last is the sync. */
export const point = (dataSet: number, run = 'r'): HistoryPoint => ({
  dataSet,
  finalSequence: dataSet * 10 + 9,
  chain: `${run}${dataSet}`,
});
export const points = (from: number, to: number, run = 'r'): HistoryPoint[] =>
  Array.from({ length: to - from + 1 }, (_, i) => point(from + i, run));
export const bits = (...indexes: number[]): Uint8Array => {
  const bytes = new Uint8Array(2);
  for (const index of indexes) bytes[index >>> 3] = (bytes[index >>> 3] ?? 0) | (1 << (index & 7));
  return bytes;
};
export const ALL = bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
/** What the records of a data set are, in another history if `run` says so. */
export const digestAt = (dataSet: number, run = 'r'): string => `${run}${dataSet}`;
export const held = (dataSet: number, durable: Uint8Array, closed = true): HeldFacts => ({
  dataSet,
  firstSequence: dataSet * 10,
  finalSequence: closed ? dataSet * 10 + 9 : null,
  received: durable,
  durable,
  digest: digestAt(dataSet),
});
export const kept = (dataSet: number, acknowledged: Uint8Array = bits(), closed = true): UnacknowledgedDataSet => ({
  dataSet,
  firstSequence: dataSet * 10,
  finalSequence: closed ? dataSet * 10 + 9 : null,
  acknowledged,
});
export const db1: VolumeEntry = { vlun: 0, name: 'db1', sizeBytes: 2 ** 30 };
export const wal: VolumeEntry = { vlun: 1, name: 'wal', sizeBytes: 2 ** 30 };
const volumes = [db1, wal];
const GENERATIONS = firstGenerations('1'.repeat(16));
export const promoted = (id: string, kept_: number) =>
  appendGeneration(GENERATIONS, { id: id.repeat(16), kept: point(kept_), seen: { dataSet: kept_ + 2, sequence: kept_ * 10 + 29 } });

/** A primary in mid-stream: closed through 20, acknowledged through 18, data set 21 open with three writes. */
export function primaryAt(changes: Partial<PrimaryFacts> = {}): PrimaryFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'primary',
    state: 'serving',
    groupName: 'demo',
    groupId: 'g1',
    generations: GENERATIONS,
    stream: 's1',
    session: 'p1',
    sessionFirstSequence: 0,
    hostEpoch: 0,
    volumes,
    dataSetBytesMax: 31 * 2 ** 20,
    dataSetRecordsMax: 65_536,
    chains: points(5, 20),
    acknowledged: point(18),
    unacknowledged: [kept(19, ALL), kept(20, bits(0, 1)), kept(21, bits(0), false)],
    head: { dataSet: 21, sequence: 212, bytes: 1e6, timeMs: 0 },
    ...changes,
  };
}

/** Its secondary: destaged through 16, complete through 19, partial 20 and 21. */
export function secondaryAt(changes: Partial<SecondaryFacts> = {}): SecondaryFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'secondary',
    groupName: 'demo',
    groupId: 'g1',
    generations: GENERATIONS,
    stream: 's1',
    session: 'c1',
    lastPrimarySession: 'p1',
    hostEpoch: 0,
    volumes,
    geometry: { slots: 8, slotBytes: 32 * 2 ** 20, capacityBytes: 31.9 * 2 ** 20, recordsMax: 65_536 },
    watermark: point(16),
    complete: points(17, 19),
    held: [held(17, ALL), held(18, ALL), held(19, ALL), held(20, bits(0, 1, 4), false), held(21, bits(0), false)],
    ...changes,
  };
}

export function blankAt(changes: Partial<SecondaryFacts> = {}): SecondaryFacts {
  return secondaryAt({
    groupId: null,
    generations: [],
    stream: null,
    lastPrimarySession: null,
    watermark: null,
    complete: [],
    held: [],
    ...changes,
  });
}

/** A new primary that never met a secondary: closed 0, data set 1 open. */
export function primaryNew(changes: Partial<PrimaryFacts> = {}): PrimaryFacts {
  return primaryAt({
    chains: [point(0)],
    acknowledged: null,
    unacknowledged: [kept(0), kept(1, bits(), false)],
    head: { dataSet: 1, sequence: 11, bytes: 1, timeMs: 0 },
    ...changes,
  });
}
