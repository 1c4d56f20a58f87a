/**
 * Which records a region holds that the journals lack: what a restart of the secondary would fetch, and what a takeover adds.
 *
 * A record is covered by the watermark (its data set is wholly in the source volumes), or stands readable in a journal, or only here.
 */
import { scanFile, scanWindow } from '../../../journals/file-scan.ts';
import { journalPath } from '../../../journals/files.ts';
import type { Disk } from '../../disk/disk.ts';
import type { GroupId, SequenceRange } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import { IdentifierBitmap } from '../../protocol/identifier-bitmap.ts';
import { isUnbound, listSlots, readWatermark } from '../ring/read-ring.ts';
import { openJournalToRead } from '../ring/peek-journal.ts';
import { isRingInUse } from '../ring/running.ts';
import { heldNumbers, type HeldDataSet, type HeldDataSets } from './held-data-sets.ts';

export interface JournalsComparison {
  readonly directory: string;
  /** A host uses the journals: they move, and are no single moment with the region; null where the system does not tell. */
  readonly running: boolean | null;
  /** Numbers that only the region holds, of each of its data sets. */
  readonly regionOnly: ReadonlyMap<HeldDataSet, readonly SequenceRange[]>;
  readonly notes: readonly string[];
}

/** Compare with the ring in a folder. @throws FarshoreError ERR_JOURNAL_READ */
export async function compareJournals(options: {
  readonly disk: Disk;
  readonly directory: string;
  readonly held: HeldDataSets;
  readonly groupId: GroupId | null;
}): Promise<JournalsComparison> {
  const { disk, directory, held, groupId } = options;
  const notes: string[] = [];
  const { watermark, refusal } = readWatermark(disk, directory);
  if (refusal !== null) notes.push(`the watermark does not count: ${refusal.message}`);
  const newest = watermark.newest;
  if (newest !== null && !isUnbound(newest) && groupId !== null && newest.groupId !== groupId)
    notes.push(`the journals are of group ${newest.groupId}, the region of group ${groupId}: are these the right journals?`);
  const through = newest?.point?.dataSet ?? -1;
  const found = new Map<HeldDataSet, IdentifierBitmap>();
  const window = scanWindow();
  for (const slot of listSlots(disk, directory)) {
    const file = openJournalToRead(disk, journalPath(directory, slot));
    try {
      const { readError } = await scanFile({
        file,
        slot,
        window,
        take: ({ record }) => {
          const dataSet = held.find(record);
          if (dataSet === undefined || record.type === 'pad') return;
          const index = record.sequence - record.firstSequence;
          if (index >= LIMITS.dataSetRecordsMax) return;
          let bitmap = found.get(dataSet);
          if (bitmap === undefined) found.set(dataSet, (bitmap = new IdentifierBitmap(LIMITS.dataSetRecordsMax)));
          bitmap.set(index);
        },
      });
      if (readError !== null) notes.push(`${file.path} could not be read to its end: ${readError.message}`);
    } finally {
      file.closeSync();
    }
  }
  const lacking = held.list().map((dataSet) => [dataSet, dataSet.dataSet <= through ? [] : without(dataSet, found.get(dataSet))] as const);
  return { directory, running: isRingInUse(directory), regionOnly: new Map(lacking), notes };
}

/** The numbers that are held and not in the journals. */
function without(dataSet: HeldDataSet, journaled: IdentifierBitmap | undefined): SequenceRange[] {
  const first = dataSet.tally.numbers.firstSequence ?? 0;
  const ranges: SequenceRange[] = [];
  for (const { from, to } of heldNumbers(dataSet)) {
    for (let sequence = from; sequence <= to; sequence += 1) {
      if (journaled?.has(sequence - first) === true) continue;
      const last = ranges.at(-1);
      if (last !== undefined && last.to === sequence - 1) ranges[ranges.length - 1] = { from: last.from, to: sequence };
      else ranges.push({ from: sequence, to: sequence });
    }
  }
  return ranges;
}
