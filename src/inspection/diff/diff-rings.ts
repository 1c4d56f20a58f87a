/**
 * Compare two rings, journal by journal: paired by data set and stream, wherever they lie. One pair is in memory at a time. What one ring
 * holds and the other does not is told by the beginning of its journal alone.
 */
import { scanWindow } from '../../../journals/file-scan.ts';
import { journalPath } from '../../../journals/files.ts';
import type { Disk } from '../../disk/disk.ts';
import type { DataSetId, StreamId } from '../../model/ids.ts';
import { diffJournals, type FieldDifference, type JournalDiff, type RecordDifference } from './diff-journals.ts';
import { tableJournal } from './diff-table.ts';
import { openJournalToRead, peekJournal, type PeekedJournal } from '../ring/peek-journal.ts';
import { listSlots, readWatermark } from '../ring/read-ring.ts';

/** One journal of a side. */
export interface DiffSide {
  readonly path: string;
  /** Null for a file that is not named like a slot's. */
  readonly slot: number | null;
  readonly records: number;
}

export interface PairDiff extends JournalDiff {
  readonly dataSet: DataSetId | null;
  readonly stream: StreamId | null;
  readonly a: DiffSide;
  readonly b: DiffSide;
}

/** A journal that only one ring has. */
export interface LoneJournal {
  readonly side: 'A' | 'B';
  readonly slot: number;
  readonly path: string;
  /** Null when nothing in it says whose it is. */
  readonly dataSet: DataSetId | null;
  readonly stream: StreamId | null;
}

export interface RingDiff {
  readonly equal: boolean;
  readonly a: string;
  readonly b: string;
  /** Geometry of the rings, and their watermarks. */
  readonly fields: readonly FieldDifference[];
  readonly watermark: { readonly a: DataSetId | null; readonly b: DataSetId | null; readonly equal: boolean };
  readonly pairs: number;
  readonly differingPairs: number;
  readonly lone: readonly LoneJournal[];
}

/** Hears of the differences as they are found. */
export interface DiffListener {
  difference(difference: RecordDifference, dataSet: DataSetId | null): void;
  /** After all differences of a pair. May be awaited, so that what was heard can leave. */
  pair(pair: PairDiff): Promise<void> | null;
}

/** Compare two files. @throws FarshoreError ERR_JOURNAL_READ */
export async function diffPair(options: {
  readonly disk: Disk;
  readonly a: { readonly path: string; readonly slot: number | null };
  readonly b: { readonly path: string; readonly slot: number | null };
  readonly window: Uint8Array;
  readonly listener: DiffListener;
}): Promise<PairDiff> {
  const { disk, a, b, window, listener } = options;
  const fileA = openJournalToRead(disk, a.path);
  try {
    const fileB = openJournalToRead(disk, b.path);
    try {
      const tabledA = { file: fileA, ...(await tableJournal({ file: fileA, slot: a.slot ?? 0, window })) };
      const tabledB = { file: fileB, ...(await tableJournal({ file: fileB, slot: b.slot ?? 0, window })) };
      const dataSet = tabledA.dataSet ?? tabledB.dataSet;
      const diff = diffJournals(tabledA, tabledB, (difference) => listener.difference(difference, dataSet));
      const pair = {
        ...diff,
        dataSet,
        stream: tabledA.stream ?? tabledB.stream,
        a: { ...a, records: tabledA.table.count },
        b: { ...b, records: tabledB.table.count },
      };
      await listener.pair(pair);
      return pair;
    } finally {
      fileB.closeSync();
    }
  } finally {
    fileA.closeSync();
  }
}

/** Compare two folders of journals. @throws FarshoreError ERR_JOURNAL_READ */
export async function diffRings(options: {
  readonly disk: Disk;
  readonly a: string;
  readonly b: string;
  readonly listener: DiffListener;
}): Promise<RingDiff> {
  const { disk, a, b, listener } = options;
  const window = scanWindow();
  const [ringA, ringB] = [await peekRing(disk, a, window), await peekRing(disk, b, window)];
  const { pairs, lone } = pairUp(ringA, ringB);
  let differingPairs = 0;
  for (const pair of pairs) {
    const { equal } = await diffPair({ disk, ...pair, window, listener });
    if (!equal) differingPairs += 1;
  }
  const marks = compareWatermarks(disk, a, b);
  const fields = [...compareGeometry(ringA, ringB), ...marks.fields];
  const equal = fields.length === 0 && differingPairs === 0 && lone.length === 0;
  return { equal, a, b, fields, watermark: marks.watermark, pairs: pairs.length, differingPairs, lone };
}

interface Peeks {
  readonly journals: readonly PeekedJournal[];
  readonly slots: readonly number[];
}

async function peekRing(disk: Disk, directory: string, window: Uint8Array): Promise<Peeks> {
  const journals: PeekedJournal[] = [];
  const slots = listSlots(disk, directory);
  for (const slot of slots) journals.push(await peekJournal({ disk, path: journalPath(directory, slot), slot, window }));
  return { journals, slots };
}

interface Pair {
  readonly a: Place;
  readonly b: Place;
}
interface Place {
  readonly path: string;
  readonly slot: number;
}

/** Pair journals of one data set and stream; those that name none by their slots; free ones are left out. */
function pairUp(ringA: Peeks, ringB: Peeks): { pairs: Pair[]; lone: LoneJournal[] } {
  const waiting = ringB.journals.filter(({ free }) => !free);
  const pairs: Pair[] = [];
  const lone: LoneJournal[] = [];
  const inOrder = ringA.journals.filter(({ free }) => !free).toSorted((x, y) => (x.dataSet ?? -1) - (y.dataSet ?? -1) || x.slot - y.slot);
  for (const journal of inOrder) {
    const same = waiting.filter((other) => keyOf(other) === keyOf(journal));
    const other = same.find(({ slot }) => slot === journal.slot) ?? same[0];
    if (other === undefined) lone.push(loneOf('A', journal));
    else {
      waiting.splice(waiting.indexOf(other), 1);
      pairs.push({ a: { path: journal.path, slot: journal.slot }, b: { path: other.path, slot: other.slot } });
    }
  }
  return { pairs, lone: [...lone, ...waiting.map((journal) => loneOf('B', journal))] };
}

function keyOf({ dataSet, stream, slot }: PeekedJournal): string {
  return dataSet === null ? `slot ${slot}` : `${dataSet} ${stream}`;
}

function loneOf(side: 'A' | 'B', { slot, path, dataSet, stream }: PeekedJournal): LoneJournal {
  return { side, slot, path, dataSet, stream };
}

function compareGeometry(a: Peeks, b: Peeks): FieldDifference[] {
  const show = ({ slots, journals }: Peeks): string => {
    const sizes = [...new Set(journals.map(({ fileBytes }) => fileBytes))].sort((x, y) => x - y);
    return `${slots.length} slots of ${sizes.join(' and ')} bytes`;
  };
  const [shownA, shownB] = [show(a), show(b)];
  return shownA === shownB ? [] : [{ field: 'slots', a: shownA, b: shownB }];
}

type Shown = string | number | undefined;

function compareWatermarks(disk: Disk, a: string, b: string): { fields: FieldDifference[]; watermark: RingDiff['watermark'] } {
  const [inA, inB] = [readWatermark(disk, a), readWatermark(disk, b)];
  const [newestA, newestB] = [inA.watermark.newest, inB.watermark.newest];
  const show = (field: string, ofA: Shown, ofB: Shown): FieldDifference[] =>
    String(ofA) === String(ofB) ? [] : [{ field: `watermark ${field}`, a: String(ofA ?? 'none'), b: String(ofB ?? 'none') }];
  const fields =
    newestA === null || newestB === null
      ? show('file', inA.refusal?.code ?? 'readable', inB.refusal?.code ?? 'readable')
      : [
          ...(['groupId', 'generation', 'stream', 'hostEpoch', 'counter'] as const).flatMap((name) =>
            show(name, newestA[name], newestB[name]),
          ),
          ...show('dataSet', newestA.point?.dataSet ?? 'none', newestB.point?.dataSet ?? 'none'),
          ...(['finalSequence', 'chain'] as const).flatMap((name) => show(name, newestA.point?.[name], newestB.point?.[name])),
        ];
  return {
    fields,
    watermark: { a: newestA?.point?.dataSet ?? null, b: newestB?.point?.dataSet ?? null, equal: fields.length === 0 },
  };
}
