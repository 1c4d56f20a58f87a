/** The inputs of the handshake's decision table, and the functions that reduce two hosts' facts to them. */
import type { HeldDataSet, PrimaryFacts, SecondaryFacts, UnacknowledgedDataSet } from '../model/handshake.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import type { Digest, HistoryPoint, VolumeEntry } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { formatBytes } from '../model/units.ts';
import type { Tuple } from './decision-table.ts';
import { compareGenerations, validateGenerations } from './generations.ts';
import { compareChains, findAhead, findContradiction, findMissing, findOtherRun, highestBit } from './handshake-history.ts';
import type { ChainVerdict } from './handshake-history.ts';

export const HANDSHAKE_INPUTS = {
  version: ['same', 'other'],
  roles: ['right', 'wrong'],
  /** Each host's facts by themselves: a host that contradicts itself is not believed. */
  facts: ['sound', 'contradictory'],
  group: ['same', 'blank', 'other'],
  generations: ['same', 'primary-behind', 'secondary-behind', 'forked'],
  state: ['serving', 'stopping', 'failed', 'superseded', 'standalone'],
  stream: ['same', 'other', 'none'],
  volumes: ['same', 'different'],
  geometry: ['fits', 'too-small'],
  /** Of the secondary, beside the highest that the primary has recorded; higher: the host took the place of another. */
  hostEpoch: ['current', 'lower', 'higher'],
  /** The pair of sessions: first met, agreed before (a further or a renewed link), or one of them has live links with a third. */
  pair: ['new', 'agreed', 'other-live'],
  /** Whether the primary still holds everything from the first record of its group on. */
  beginning: ['held', 'released'],
  history: ['equal', 'ahead', 'other-run', 'different', 'unknown'],
  missing: ['none', 'some'],
  held: ['agrees', 'contradicts'],
} as const;
export type HandshakeTuple = Tuple<typeof HANDSHAKE_INPUTS>;

export interface HandshakeQuestion {
  readonly primary: PrimaryFacts;
  /** As the secondary sent them: both sides judge the same facts. */
  readonly secondary: SecondaryFacts;
  /** The host that asks: the one whose live links `liveOtherSession` and `agreedBefore` are about. */
  readonly judge: 'primary' | 'secondary';
  /** The judge has live links with another session of its partner's role. */
  readonly liveOtherSession: boolean;
  /**
   * These two sessions agreed before: this is a further link, or a lost one again. Neither host has restarted, so their history is
   * not compared: while other links carry commands, the secondary's facts are older than the primary's, and would seem to lack some.
   */
  readonly agreedBefore?: boolean;
  /** Encoded bytes of the largest data set that the primary keeps; only the primary knows, and it judges first. */
  readonly largestKeptBytes?: number;
  /** The digest that the primary's own records of these numbers have; null: it no longer keeps them. Only the primary knows. */
  readonly digestOf?: (held: HeldDataSet) => Digest | null;
}

/** What the comparisons found, for the sentences; null when all is well. */
export interface HandshakeFindings {
  readonly unsound: string | null;
  readonly volumes: string | null;
  readonly geometry: string | null;
  readonly beginning: string | null;
  readonly ahead: string | null;
  readonly otherRun: number | null;
  readonly chains: ChainVerdict;
  readonly missing: number | null;
  readonly contradiction: string | null;
}

/** Make every comparison once. */
export function findAll(question: HandshakeQuestion): HandshakeFindings {
  const { primary, secondary } = question;
  return {
    unsound: findUnsound(primary, secondary),
    volumes: findVolumeDifference(primary.volumes, secondary.volumes),
    geometry: findGeometryMisfit(question),
    beginning: findReleasedBeginning(primary),
    ahead: findAhead(primary, secondary),
    otherRun: findOtherRun(primary, secondary),
    chains: compareChains(primary, secondary),
    missing: findMissing(primary, secondary),
    contradiction: findContradiction(primary, secondary) ?? findOtherCommands(question),
  };
}

/** Reduce the facts to the table's inputs. */
export function reduceHandshake(question: HandshakeQuestion, findings: HandshakeFindings): HandshakeTuple {
  const { primary, secondary } = question;
  return {
    version: primary.protocolVersion === PROTOCOL_VERSION && secondary.protocolVersion === PROTOCOL_VERSION ? 'same' : 'other',
    roles: primary.role === 'primary' && secondary.role === 'secondary' ? 'right' : 'wrong',
    facts: findings.unsound === null ? 'sound' : 'contradictory',
    group: secondary.groupId === null ? 'blank' : secondary.groupId === primary.groupId ? 'same' : 'other',
    generations: reduceGenerations(primary, secondary),
    state: primary.state,
    stream: secondary.stream === null ? 'none' : secondary.stream === primary.stream ? 'same' : 'other',
    volumes: findings.volumes === null ? 'same' : 'different',
    geometry: findings.geometry === null ? 'fits' : 'too-small',
    hostEpoch: secondary.hostEpoch === primary.hostEpoch ? 'current' : secondary.hostEpoch < primary.hostEpoch ? 'lower' : 'higher',
    pair: question.agreedBefore === true ? 'agreed' : question.liveOtherSession ? 'other-live' : 'new',
    beginning: findings.beginning === null ? 'held' : 'released',
    history: reduceHistory(findings),
    missing: findings.missing === null ? 'none' : 'some',
    held: findings.contradiction === null ? 'agrees' : 'contradicts',
  };
}

function reduceGenerations(primary: PrimaryFacts, secondary: SecondaryFacts): HandshakeTuple['generations'] {
  const relation = compareGenerations(primary.generations, secondary.generations);
  return relation === 'prefix' ? 'primary-behind' : relation === 'extension' ? 'secondary-behind' : relation;
}

function reduceHistory(findings: HandshakeFindings): HandshakeTuple['history'] {
  if (findings.ahead !== null) return 'ahead';
  return findings.otherRun === null ? findings.chains.verdict : 'other-run';
}

/** Find a held data set whose commands are others than those that the primary gave under the same numbers. */
function findOtherCommands({ secondary, digestOf, agreedBefore }: HandshakeQuestion): string | null {
  if (agreedBefore === true) return null;
  for (const held of secondary.held) {
    const own = digestOf?.(held) ?? null;
    if (own !== null && own !== held.digest)
      return `the commands of data set ${held.dataSet} in the copy are others than those that the primary gave under the same numbers`;
  }
  return null;
}

/** Find a contradiction inside one host's own facts: such a host is damaged or not one of ours. */
export function findUnsound(primary: PrimaryFacts, secondary: SecondaryFacts): string | null {
  const generations = validateGenerations(primary.generations);
  if (generations !== null) return `the primary's generations are wrong: ${generations}`;
  if (!ascending(primary.chains) || !ascending(primary.unacknowledged)) return 'the primary names its data sets out of order';
  if (secondary.groupId === null) return findBlankData(secondary);
  const own = validateGenerations(secondary.generations);
  if (own !== null) return `the secondary's generations are wrong: ${own}`;
  if (!ascending(secondary.complete) || !ascending(secondary.held)) return 'the secondary names its data sets out of order';
  const lowest = secondary.watermark?.dataSet ?? -1;
  for (const set of [...secondary.complete, ...secondary.held]) {
    if (set.dataSet <= lowest) return `the secondary holds data set ${set.dataSet} although its watermark is at ${lowest}`;
  }
  const lossy = secondary.held.find((held) => !isSubset(held.durable, held.received));
  return lossy === undefined ? null : `the secondary has commands of data set ${lossy.dataSet} durable that it has not received`;
}

function findBlankData(secondary: SecondaryFacts): string | null {
  const { watermark, complete, held, stream, generations } = secondary;
  if (watermark === null && complete.length === 0 && held.length === 0 && stream === null && generations.length === 0) return null;
  return 'the secondary belongs to no group, yet it holds data';
}

function ascending(sets: readonly (HistoryPoint | HeldDataSet | UnacknowledgedDataSet)[]): boolean {
  return sets.every((set, index) => index === 0 || set.dataSet > (sets[index - 1]?.dataSet ?? -1));
}

function isSubset(durable: Uint8Array, received: Uint8Array): boolean {
  return durable.every((byte, index) => (byte & ~(received[index] ?? 0)) === 0);
}

/** Find the first row in which two volume tables differ; the order of the rows does not matter. */
export function findVolumeDifference(primary: readonly VolumeEntry[], secondary: readonly VolumeEntry[]): string | null {
  const left = new Map(primary.map((entry) => [entry.vlun, entry]));
  const right = new Map(secondary.map((entry) => [entry.vlun, entry]));
  for (const vlun of [...new Set([...left.keys(), ...right.keys()])].sort((a, b) => a - b)) {
    const a = left.get(vlun);
    const b = right.get(vlun);
    if (a === undefined || b === undefined || a.name !== b.name || a.sizeBytes !== b.sizeBytes) {
      return `VLUN ${vlun} is ${describeVolume(a)} on the primary and ${describeVolume(b)} on the secondary`;
    }
  }
  return null;
}

function describeVolume(entry: VolumeEntry | undefined): string {
  return entry === undefined ? 'no volume' : `"${entry.name}" of ${entry.sizeBytes} bytes`;
}

/** Header, padding and alignment of one record, generously. */
const RECORD_OVERHEAD_BYTES = 4096;
/** One write and one sync. */
const RECORDS_MIN = 2;

/**
 * Find out why the secondary's journals cannot take this primary's data sets: too few slots, or one too small for the largest
 * record of this primary, or for a data set that the primary already keeps (an open one still needs its sync).
 */
export function findGeometryMisfit(question: Pick<HandshakeQuestion, 'primary' | 'secondary' | 'largestKeptBytes'>): string | null {
  const { primary, secondary, largestKeptBytes } = question;
  const { slots, capacityBytes, recordsMax } = secondary.geometry;
  if (slots < LIMITS.slotsMin) return `${slots} journal slots are fewer than ${LIMITS.slotsMin}`;
  const recordBytes = Math.min(primary.dataSetBytesMax, LIMITS.recordDataBytesMax + RECORD_OVERHEAD_BYTES);
  if (capacityBytes < recordBytes) {
    return `a journal slot takes ${formatBytes(capacityBytes)} of records, but one record of this primary may have ${formatBytes(recordBytes)}`;
  }
  if (Math.min(recordsMax, primary.dataSetRecordsMax) < RECORDS_MIN)
    return `a data set of ${Math.min(recordsMax, primary.dataSetRecordsMax)} records has no room for a write and a sync`;
  for (const set of primary.unacknowledged) {
    const records = (set.finalSequence ?? primary.head.sequence + 1) - set.firstSequence + 1;
    if (records > recordsMax)
      return `data set ${set.dataSet}, which the primary keeps, has ${records} records, but a journal slot takes ${recordsMax}`;
  }
  if ((largestKeptBytes ?? 0) <= capacityBytes) return null;
  return `a data set that the primary keeps has ${formatBytes(largestKeptBytes ?? 0)}, but a journal slot takes ${formatBytes(capacityBytes)}`;
}

/** Find out why a blank secondary cannot begin with what the primary still keeps (until initial sync exists). */
export function findReleasedBeginning(primary: PrimaryFacts): string | null {
  const first = primary.generations[0];
  if (first === undefined || primary.generations.length > 1)
    return `the group is in generation ${primary.generations.at(-1)?.number ?? 'unknown'}`;
  if (primary.acknowledged !== null) return `everything through data set ${primary.acknowledged.dataSet} was acknowledged and released`;
  const touched = primary.unacknowledged.find((set) => highestBit(set.acknowledged) >= 0);
  if (touched !== undefined) return `commands of data set ${touched.dataSet} were already acknowledged by another copy`;
  const lowest = primary.unacknowledged[0] ?? { dataSet: primary.head.dataSet, firstSequence: primary.head.sequence + 1 };
  if (lowest.dataSet !== first.firstDataSet || lowest.firstSequence !== first.firstSequence) {
    return `the oldest that it keeps is data set ${lowest.dataSet}, number ${lowest.firstSequence}`;
  }
  return null;
}
