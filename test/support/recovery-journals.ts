/** Journals of a small history, as a scan shows them: building blocks for tests of recovery. */
import { createHash } from 'node:crypto';
import type { HistoryPoint } from '../../src/model/ids.ts';
import { CHAIN_START } from '../../src/model/ids.ts';
import type { RecoveryPlan } from '../../src/protocol/recovery-decision.ts';
import type { HeaderFacts, JournalFacts, MarkFacts, RecordFacts, RecoveryFacts } from '../../src/protocol/recovery-facts.ts';
import { planRecovery } from '../../src/protocol/recovery-plan.ts';
import type { HashChain } from '../../src/protocol/secondary-contract.ts';

export const SLOTS = 4;
const GROUP = 'group-a';
export const STREAM = 'stream-a';
const RUN = 'session-a';
const geometry = { slots: SLOTS, slotBytes: 65_536, capacityBytes: 50_000, recordsMax: 100 };
export const hashChain: HashChain = (previous, checksums, incarnation) =>
  createHash('md5').update(`${previous} ${checksums.join()} ${incarnation}`).digest('hex');

/** The item, which must be there. */
export function must<T>(item: T | undefined): T {
  if (item === undefined) throw new Error('an item of the test is missing');
  return item;
}

interface DataSet {
  readonly point: HistoryPoint;
  readonly firstSequence: number;
  readonly records: readonly RecordFacts[];
}

/** Data sets 0 .. sizes.length - 1 with so many writes each; the sync is the last record. */
export function historyOf(sizes: readonly number[]): DataSet[] {
  let chain = CHAIN_START;
  let firstSequence = 0;
  return sizes.map((writes, dataSet) => {
    const finalSequence = firstSequence + writes;
    const common = { generation: 1, stream: STREAM, dataSet, firstSequence, encodedBytes: 96, offset: 0 };
    const records: RecordFacts[] = Array.from({ length: writes }, (_, i) => ({
      ...common,
      type: 'write',
      sequence: common.firstSequence + i,
      headerChecksum: 7919 * (common.firstSequence + i) + 1,
      sync: null,
    }));
    chain = hashChain(
      chain,
      Uint32Array.from(records, (record) => record.headerChecksum),
      RUN,
    );
    records.push({
      ...common,
      type: 'sync',
      sequence: finalSequence,
      headerChecksum: 5,
      sync: { reason: 'flush', chain, incarnation: RUN, headBytes: 0 },
    });
    const set = { point: { dataSet, finalSequence, chain }, firstSequence, records };
    firstSequence = finalSequence + 1;
    return set;
  });
}

export const history = historyOf([3, 2, 4, 1, 3, 2, 0, 5, 2, 2]);
export const set = (dataSet: number): DataSet => must(history[dataSet]);
type Readable = Extract<HeaderFacts, { verdict: 'readable' }>;

export function headerOf(slot: number, dataSet: number | null, changes: Partial<Readable> = {}): Readable {
  return {
    verdict: 'readable',
    groupId: GROUP,
    generation: 1,
    stream: STREAM,
    slot,
    slots: SLOTS,
    slotBytes: 65_536,
    dataSet,
    firstSequence: dataSet === null ? null : (history[dataSet]?.firstSequence ?? 0),
    ...changes,
  };
}
export const UNREADABLE: HeaderFacts = { verdict: 'unreadable', offset: 8, expected: 'checksum 1', found: 'checksum 2' };
export const flagOf = (dataSet: number, stream = STREAM): MarkFacts => ({ verdict: 'set', point: set(dataSet).point, stream });

/** A journal of the history: all records by default, laid out one after another. */
export function journalOf(dataSet: number, changes: Partial<JournalFacts> = {}): JournalFacts {
  const slot = changes.slot ?? dataSet % SLOTS;
  const records = (changes.records ?? set(dataSet).records).map((record, i) => ({ ...record, offset: 8192 + 96 * i }));
  const end = 8192 + 96 * records.length;
  return {
    slot,
    path: `journals/${slot}`,
    header: headerOf(slot, dataSet),
    completeMark: { verdict: 'not-set' },
    tail: { verdict: 'clean-end', offset: end },
    ...changes,
    records,
  };
}
export const partOf = (dataSet: number, ...indexes: number[]): RecordFacts[] => indexes.map((index) => must(set(dataSet).records[index]));
export const freeSlot = (slot: number): JournalFacts => journalOf(0, { slot, header: headerOf(slot, null), records: [] });
export const TORN = { verdict: 'unreadable', offset: 9000 } as const;

/** The watermark is at data set 2; free slots fill up the ring. */
export function planOf(journals: readonly JournalFacts[], changes: Partial<RecoveryFacts> = {}): RecoveryPlan {
  const slots = [0, 1, 2, 3].filter((slot) => !journals.some((journal) => journal.slot === slot));
  return planRecovery({
    identity: { groupId: GROUP, generation: 1, stream: STREAM },
    geometry,
    watermark: set(2).point,
    origin: { dataSet: 0, firstSequence: 0, chain: CHAIN_START },
    journals: [...journals, ...slots.map(freeSlot)],
    hashChain,
    mode: 'start',
    ...changes,
  });
}
export const labels = (plan: RecoveryPlan): string[] =>
  plan.journals
    .filter((journal) => journal.label !== 'free')
    .map((journal) => `${journal.dataSet} ${journal.label}`)
    .sort();
export const replayed = (plan: RecoveryPlan): number[] =>
  plan.journals
    .filter((journal) => journal.action === 'replay')
    .map((journal) => journal.dataSet ?? -1)
    .sort((left, right) => left - right);
