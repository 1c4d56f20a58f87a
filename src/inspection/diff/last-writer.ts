/**
 * Who wrote a block, among the journals of a ring or in one journal: every record that covers it, in the order in which a destage would store
 * them (data set, then number; I4), so the last one is the last writer. One journal's matches are in memory at a time.
 */
import { scanFile, scanWindow } from '../../../journals/file-scan.ts';
import type { Disk } from '../../disk/disk.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import type { DataSetId, SequenceNumber, StreamId, Vlun } from '../../model/ids.ts';
import type { RecordTypeName } from '../../model/commands.ts';
import { openJournalToRead, peekJournal, type PeekedJournal } from '../ring/peek-journal.ts';

/** One record that covers the block. */
export interface BlockWriter {
  readonly dataSet: DataSetId;
  readonly stream: StreamId;
  readonly sequence: SequenceNumber;
  readonly type: RecordTypeName;
  readonly vlun: Vlun;
  readonly lba: number;
  readonly blocks: number;
  /** Microseconds since 1970, by the primary's clock. */
  readonly timeUs: number;
  readonly slot: number | null;
  readonly path: string;
  /** Byte of the file at which the record begins. */
  readonly offset: number;
}

export interface LastWriters {
  /** How many records cover the block. */
  readonly writers: number;
  /** By volume: the last writer. Volumes of a group are apart, so each has its own. */
  readonly last: readonly BlockWriter[];
  /** Journals whose tails cannot be read: writers may be missing in them. */
  readonly unreadable: readonly { readonly path: string; readonly offset: number }[];
}

/** Find the writers of one block. @throws FarshoreError ERR_JOURNAL_READ when a journal cannot be opened */
export async function findWriters(options: {
  readonly disk: Disk;
  readonly journals: readonly { readonly path: string; readonly slot: number | null }[];
  readonly lba: number;
  /** Null: of every volume. */
  readonly vlun: Vlun | null;
  readonly take: (writer: BlockWriter) => void;
  /** Awaited after each journal, so that what was taken can leave. */
  readonly pause?: () => Promise<void> | null;
}): Promise<LastWriters> {
  const { disk, lba, vlun, take, pause } = options;
  const window = scanWindow();
  const peeked: PeekedJournal[] = [];
  for (const { path, slot } of options.journals) peeked.push(await peekJournal({ disk, path, slot: slot ?? 0, window }));
  const slotOf = new Map(options.journals.map(({ path, slot }) => [path, slot]));
  const last = new Map<Vlun, BlockWriter>();
  const unreadable: { path: string; offset: number }[] = [];
  let writers = 0;
  for (const { path } of peeked.toSorted((a, b) => (a.dataSet ?? -1) - (b.dataSet ?? -1) || a.slot - b.slot)) {
    const { found, tail } = await writersIn({ disk, path, slot: slotOf.get(path) ?? null, lba, vlun, window });
    for (const writer of found) {
      writers += 1;
      last.set(writer.vlun, writer);
      take(writer);
    }
    if (tail !== null) unreadable.push({ path, offset: tail });
    await (pause?.() ?? null);
  }
  return { writers, last: [...last.values()].sort((a, b) => a.vlun - b.vlun), unreadable };
}

async function writersIn(options: {
  readonly disk: Disk;
  readonly path: string;
  readonly slot: number | null;
  readonly lba: number;
  readonly vlun: Vlun | null;
  readonly window: Uint8Array;
}): Promise<{ found: BlockWriter[]; tail: number | null }> {
  const { disk, path, slot, lba, vlun, window } = options;
  const file = openJournalToRead(disk, path);
  try {
    // A number counts once, as it is stored once.
    const found = new Map<SequenceNumber, BlockWriter>();
    const { tail } = await scanFile({
      file,
      slot: slot ?? 0,
      window,
      take: ({ record, fileOffset }) => {
        const { type, dataSet, stream, sequence, timeUs } = record;
        if (type === 'sync' || type === 'pad' || (vlun !== null && record.vlun !== vlun) || found.has(sequence)) return;
        const blocks = record.lengthBytes / BLOCK_BYTES;
        if (record.lba > lba || record.lba + blocks <= lba) return;
        const place = { vlun: record.vlun, lba: record.lba, blocks, timeUs, slot, path, offset: fileOffset };
        found.set(sequence, { dataSet, stream, sequence, type, ...place });
      },
    });
    return { found: [...found.values()].sort((a, b) => a.sequence - b.sequence), tail: tail.verdict === 'clean-end' ? null : tail.offset };
  } finally {
    file.closeSync();
  }
}
