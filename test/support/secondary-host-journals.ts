/** Journals put onto the disk as a crash would leave them, without a process that wrote them. */
import { encodeHeader, encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { journalPath } from '../../journals/files.ts';
import type { TestDisk } from './test-disk.ts';
import { GROUP_ID, JOURNALS_DIRECTORY, smallGeometry, STREAM } from './secondary-host.ts';
import type { ModelDataSet, ModelRecord } from './secondary-host-primary.ts';

export interface JournalOptions {
  readonly slots: number;
  /** Indices of its records, in the order in which they stand in the journal. */
  readonly records: readonly number[];
  readonly flagged?: boolean;
  readonly stream?: string;
  readonly groupId?: string;
  readonly slot?: number;
}

/** Write the journal of a data set, durably. */
export function writeJournal(disk: TestDisk, set: ModelDataSet, options: JournalOptions): void {
  const { slots } = options;
  const { slotBytes } = smallGeometry(slots);
  const slot = options.slot ?? set.dataSet % slots;
  const image = new Uint8Array(slotBytes);
  const identity = { ...STREAM, groupId: options.groupId ?? GROUP_ID, stream: options.stream ?? STREAM.stream };
  encodeHeader(image, { ...identity, slot, slots, slotBytes, dataSet: set.dataSet, firstSequence: set.firstSequence });
  if (options.flagged === true) encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: STREAM.stream, point: set.point });
  let offset = RECORDS_OFFSET;
  for (const index of options.records) {
    const { bytes } = set.records[index] as ModelRecord;
    image.set(bytes, offset);
    offset += bytes.length;
  }
  const file = disk.open(journalPath(JOURNALS_DIRECTORY, slot), { durableWrites: true });
  file.writeSync(image, 0);
  file.closeSync();
}

/** Indices of all records of a data set. */
export function allRecords(set: ModelDataSet): number[] {
  return set.records.map((_, index) => index);
}
