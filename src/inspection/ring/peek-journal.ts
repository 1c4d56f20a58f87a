/** Look at the beginning of a journal's file: whose it is, without reading it to its end. */
import type { ScannedCompleteMark, ScannedHeader } from '../../../journals/contract.ts';
import { journalRead } from '../../../journals/errors.ts';
import { scanFile, scanWindow } from '../../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import type { DataSetId, StreamId } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';

export interface PeekedJournal {
  readonly path: string;
  readonly slot: number;
  readonly fileBytes: number;
  readonly header: ScannedHeader;
  readonly completeMark: ScannedCompleteMark;
  /** First record that is no pad; its `offset` is the one in the file. */
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
    return await peekFile({ file, slot, window });
  } finally {
    file.closeSync();
  }
}

/** Look at a journal whose file is open. A disk that cannot read is a finding, not an exception. */
export async function peekFile(options: {
  readonly file: DiskFile;
  readonly slot: number;
  readonly window?: Uint8Array | undefined;
}): Promise<PeekedJournal> {
  const { file, window = scanWindow() } = options;
  let firstRecord: DecodedRecord | null = null;
  const scan = await scanFile({
    file,
    slot: options.slot,
    window,
    take: ({ record, fileOffset }) => {
      if (record.type !== 'pad') firstRecord ??= { ...record, offset: fileOffset };
    },
    enough: () => firstRecord !== null,
  });
  const { path, slot, header, completeMark, fileBytes, tail } = scan;
  const first = firstRecord as DecodedRecord | null;
  const named = header.verdict === 'readable' ? header : null;
  const empty = first === null && tail.verdict === 'clean-end' && completeMark.verdict !== 'unreadable';
  return {
    path,
    slot,
    fileBytes,
    header,
    completeMark,
    firstRecord: first,
    dataSet: first?.dataSet ?? named?.dataSet ?? null,
    stream: first?.stream ?? (named?.dataSet == null ? null : named.stream),
    free: empty && named?.dataSet === null && named.slotBytes === fileBytes,
  };
}

/** Open a journal's file for reading only. @throws FarshoreError ERR_JOURNAL_READ */
export function openJournalToRead(disk: Disk, path: string): DiskFile {
  try {
    return disk.open(path, { readOnly: true });
  } catch (error) {
    throw journalRead(path, error);
  }
}
