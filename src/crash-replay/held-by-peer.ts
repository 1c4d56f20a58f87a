/**
 * What a region holds beyond the journals of a crash, and where the copy is once that is added: worked out from the records alone, so that
 * what a recovery does can be held against it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scanJournal } from '../../journals/scan.ts';
import type { DataSetId, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import type { NvramRegion } from '../peer/nvram/contract.ts';
import { RecordReader, type DecodedRecord } from '../record/record.ts';
import { journalFilesIn, type HostFolder } from './fixture-folder.ts';

type KnownRecord = Pick<DecodedRecord, 'type' | 'dataSet' | 'sequence' | 'firstSequence'>;

export interface HeldByPeer {
  readonly records: number;
  /** Above the watermark, and in no journal. */
  readonly added: number;
  /** Where everything is complete through, with what the region holds. */
  readonly through: HistoryPoint | null;
}

/** The records of a region, each with the bytes that it stands in. */
export function* recordsOf(region: NvramRegion): Generator<DecodedRecord & { readonly bytes: Uint8Array }> {
  for (const { encoded } of region.segments()) {
    const reader = new RecordReader(encoded);
    for (let offset = 0; offset < encoded.length;) {
      const record = reader.readAt(offset, encoded.length);
      if (record.kind !== 'record') return;
      yield { ...record, bytes: encoded.subarray(offset, offset + record.encodedBytes) };
      offset += record.encodedBytes;
    }
  }
}

/** @param after the data set of the watermark; null: none */
export function heldByPeer(host: HostFolder, region: NvramRegion, after: HistoryPoint | null): HeldByPeer {
  const journaled = new Map<DataSetId, Map<SequenceNumber, KnownRecord>>();
  for (const record of journalRecords(host)) note(journaled, record);
  const all = new Map([...journaled].map(([dataSet, records]) => [dataSet, new Map(records)] as const));
  let [records, added] = [0, 0];
  for (const record of recordsOf(region)) {
    records += 1;
    if (record.dataSet <= (after?.dataSet ?? -1)) continue;
    if (journaled.get(record.dataSet)?.has(record.sequence) !== true) added += 1;
    note(all, record);
  }
  let through = after;
  for (let next = completeAfter(all, through); next !== null; next = completeAfter(all, through)) through = next;
  return { records, added, through };
}

function* journalRecords({ journals }: HostFolder): Generator<KnownRecord> {
  for (const name of journalFilesIn(journals.directory)) {
    const path = join(journals.directory, name);
    if (!name.endsWith('.journal')) continue;
    for (const record of scanJournal(readFileSync(path), { slot: 0, path }).records) if (record.type !== 'pad') yield record;
  }
}

function note(records: Map<DataSetId, Map<SequenceNumber, KnownRecord>>, record: KnownRecord): void {
  const { dataSet, sequence, type, firstSequence } = record;
  const ofDataSet = records.get(dataSet) ?? new Map<SequenceNumber, KnownRecord>();
  records.set(dataSet, ofDataSet.set(sequence, { type, dataSet, sequence, firstSequence }));
}

/** The data set after this point, if every number of it is there. */
function completeAfter(
  all: ReadonlyMap<DataSetId, ReadonlyMap<SequenceNumber, KnownRecord>>,
  after: HistoryPoint | null,
): HistoryPoint | null {
  const dataSet = (after?.dataSet ?? -1) + 1;
  const records = [...(all.get(dataSet)?.values() ?? [])];
  const sync = records.find(({ type }) => type === 'sync');
  if (sync === undefined || records.length !== sync.sequence - sync.firstSequence + 1) return null;
  return { dataSet, finalSequence: sync.sequence, chain: '' };
}
