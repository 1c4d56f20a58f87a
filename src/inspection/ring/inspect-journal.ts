/**
 * Read one journal's file for inspection: what it holds, and what recovery's tables need of it. Its records are kept only as long as
 * this journal is judged, so a ring of any size is inspected in the memory of one journal.
 */
import { scanFile, type FileScan } from '../../../journals/file-scan.ts';
import type { DiskFile } from '../../disk/disk.ts';
import type { CutReason, RecordTypeName } from '../../model/commands.ts';
import type { DataSetId, SequenceNumber, StreamId } from '../../model/ids.ts';
import type { JournalJudge } from '../../protocol/recovery-content.ts';
import { JournalTally } from './journal-tally.ts';

/** What the records of a journal amount to; pads belong to no data set and are only counted. */
export interface JournalContents {
  readonly scan: FileScan;
  /** The data set that its records are of; null without any. */
  readonly dataSet: DataSetId | null;
  readonly generation: number | null;
  readonly stream: StreamId | null;
  /** How many records of each type. */
  readonly types: Readonly<Record<RecordTypeName, number>>;
  /** Different sequence numbers. */
  readonly numbers: number;
  /** Encoded bytes of all records. */
  readonly recordBytes: number;
  /** Bytes of the volumes that its writes, zeroes and trims change, each as often as it is changed. */
  readonly changedBytes: number;
  readonly firstSequence: SequenceNumber | null;
  readonly highestSequence: SequenceNumber | null;
  /** Of its sync command; null as long as none was read. */
  readonly finalSequence: SequenceNumber | null;
  readonly cutReason: CutReason | null;
  /** Microseconds since 1970 by the primary's clock: earliest and latest write, zero or trim. */
  readonly firstWriteUs: number | null;
  readonly lastWriteUs: number | null;
  /** Numbers that are not there, the sync's included; a lower bound as long as no sync command was read. */
  readonly missing: number;
}

/** Scan a journal; `judge` takes every record too. */
export async function inspectJournal(options: {
  readonly file: DiskFile;
  readonly slot: number;
  readonly window?: Uint8Array;
  readonly judge?: JournalJudge | null;
}): Promise<JournalContents> {
  const { judge } = options;
  const tally = new JournalTally();
  const scan = await scanFile({
    ...options,
    take: ({ record, fileOffset }) => {
      tally.take(record, fileOffset);
      judge?.take(record, fileOffset);
    },
  });
  return tally.contents(scan);
}
