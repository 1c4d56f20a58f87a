/** Look at the beginning of a journal's file: whose it is, without reading it to its end. */
import type { ScannedCompleteMark, ScannedHeader } from '../../../journals/contract.ts';
import { journalRead } from '../../../journals/errors.ts';
import { scanFile } from '../../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import type { DataSetId, StreamId } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { dataSetOf } from '../portable/portable-journal.ts';

export interface PeekedJournal {
  readonly path: string;
  readonly slot: number;
  readonly fileBytes: number;
  readonly header: ScannedHeader;
  readonly completeMark: ScannedCompleteMark;
  /** First record that is no pad. */
  readonly firstRecord: DecodedRecord | null;
  /** Of its records, else of its header. */
  readonly dataSet: DataSetId | null;
  readonly stream: StreamId | null;
  /** It says itself that no data set is in it, and nothing speaks against it. */
  readonly free: boolean;
}

/** Look at a journal. @throws FarshoreError ERR_JOURNAL_READ when it cannot be opened */
export async function peekJournal(options: {
  readonly disk: Disk;
  readonly path: string;
  readonly slot: number;
  readonly window: Uint8Array;
}): Promise<PeekedJournal> {
  const { path, slot, window } = options;
  const file = openJournalToRead(options.disk, path);
  try {
    let firstRecord: DecodedRecord | null = null;
    const scan = await scanFile({
      file,
      slot,
      window,
      take: ({ record }) => {
        if (record.type !== 'pad') firstRecord ??= record;
      },
      enough: () => firstRecord !== null,
    });
    const { header, completeMark, fileBytes, tail } = scan;
    const first = firstRecord as DecodedRecord | null;
    const stream = first?.stream ?? (header.verdict === 'readable' && header.dataSet !== null ? header.stream : null);
    const empty = first === null && tail.verdict === 'clean-end' && completeMark.verdict !== 'unreadable';
    const free = empty && header.verdict === 'readable' && header.dataSet === null && header.slotBytes === fileBytes;
    return { path, slot, fileBytes, header, completeMark, firstRecord: first, dataSet: dataSetOf(scan, first), stream, free };
  } finally {
    file.closeSync();
  }
}

/** Open a journal's file for reading only. @throws FarshoreError ERR_JOURNAL_READ */
export function openJournalToRead(disk: Disk, path: string): DiskFile {
  try {
    return disk.open(path, { readOnly: true });
  } catch (error) {
    throw journalRead(path, error);
  }
}
