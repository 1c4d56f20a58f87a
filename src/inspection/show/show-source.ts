/** Find the one journal that is to be shown: a file, or the journal of a folder that holds a data set. Reads only, takes no locks. */
import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { journalRead } from '../../../journals/errors.ts';
import { scanWindow } from '../../../journals/file-scan.ts';
import { isRingFile, journalPath } from '../../../journals/files.ts';
import { BLOCK_BYTES, MAGIC } from '../../../journals/format.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { FarshoreError, messageOf, UsageError } from '../../model/errors.ts';
import type { DataSetId, VolumeEntry } from '../../model/ids.ts';
import { mergeRanges } from '../../protocol/ranges.ts';
import { readHostState } from '../../state/host-state.ts';
import { locate, type LocatedJournal, type LocatedRing } from '../ring/locate-ring.ts';
import { peekFile, type PeekedJournal } from '../ring/peek-journal.ts';
import { listSlots } from '../ring/read-ring.ts';
import { isRingInUse } from '../ring/running.ts';

/** Ranges of data sets that a refusal names. */
const RANGES_SHOWN_MAX = 12;

/** A journal and what surrounds it. */
export interface FoundJournal {
  readonly path: string;
  /** By the file's name; null if it is not named like a slot's. */
  readonly slot: number | null;
  /** The volume table of the host's state; null when there is none, or none that can be read. */
  readonly volumes: readonly VolumeEntry[] | null;
  /** Why the state that was found could not be used. */
  readonly stateProblem: string | null;
  /** Whether a host uses the ring now; null where the system does not tell. */
  readonly running: boolean | null;
}

export interface FindOptions {
  readonly disk: Disk;
  /** What the operator named. */
  readonly path: string;
  readonly dataSet: DataSetId | null;
  /** State folder that the operator named, if any. */
  readonly stateDirectory?: string | undefined;
}

/**
 * Find the journal that is meant.
 * @throws UsageError ERR_NO_JOURNALS, ERR_DATA_SET_NEEDED, ERR_DATA_SET_NOT_FOUND, ERR_DATA_SET_TWICE, ERR_NOT_A_JOURNAL; FarshoreError ERR_JOURNAL_READ
 */
export async function findJournal(options: FindOptions): Promise<FoundJournal> {
  const located = locate(options);
  if (located.kind === 'ring') return surround(options, { ...(await findInRing(options, located)), ring: located });
  const { path, slot } = located;
  if (options.dataSet !== null) await checkDataSet(options.disk, located, options.dataSet);
  return surround(options, { path, slot, ring: ringAround(options, path) });
}

/** Open a journal's file to read it. @throws UsageError ERR_NOT_A_JOURNAL for what is no file; FarshoreError ERR_JOURNAL_READ */
export function openToRead(disk: Disk, path: string): DiskFile {
  try {
    const kind = statSync(path);
    // The disk would only say that it is no file.
    if (!kind.isFile() && !kind.isBlockDevice())
      throw new UsageError(
        'ERR_NOT_A_JOURNAL',
        `${path} is ${kind.isFIFO() ? 'a FIFO' : kind.isSocket() ? 'a socket' : kind.isDirectory() ? 'a folder' : 'a device'}, expected a journal's file`,
        { hint: 'name a file slot-NNNN.journal, or a copy of one', details: { path } },
      );
    return disk.open(path, { readOnly: true });
  } catch (error) {
    if (error instanceof FarshoreError) throw error;
    throw journalRead(path, error);
  }
}

/** The data sets that a journal names: in its header, its first record, its complete mark. */
export function dataSetsOf({ header, completeMark, firstRecord }: PeekedJournal): DataSetId[] {
  const names = [
    header.verdict === 'readable' ? header.dataSet : null,
    firstRecord?.dataSet ?? null,
    completeMark.verdict === 'set' ? completeMark.point.dataSet : null,
  ];
  return [...new Set(names.filter((name) => name !== null))].sort((a, b) => a - b);
}

/** Whether a file is a watermark: by its name, or, where the name says nothing, by its magic. */
export function isWatermark(file: DiskFile): boolean {
  const name = basename(file.path);
  if (isRingFile(name)) return name === 'watermark';
  const magic = new Uint8Array(4);
  return [0, BLOCK_BYTES].some((offset) => {
    try {
      return file.readSync(magic, offset) === magic.length && Buffer.from(magic).toString('latin1') === MAGIC.watermark;
    } catch {
      return false;
    }
  });
}

async function findInRing({ disk, dataSet, path: named }: FindOptions, ring: LocatedRing): Promise<{ path: string; slot: number }> {
  const window = scanWindow();
  const slots: { slot: number; path: string; dataSets: DataSetId[] }[] = [];
  for (const slot of listSlots(disk, ring.directory)) {
    const path = journalPath(ring.directory, slot);
    slots.push({ slot, path, dataSets: dataSetsOf(await peekPath(disk, path, window)) });
  }
  const there = `data sets there: ${listDataSets(slots.flatMap(({ dataSets }) => dataSets))}`;
  const details = { directory: ring.directory, dataSet: dataSet === null ? null : String(dataSet) };
  if (dataSet === null)
    throw new UsageError(
      'ERR_DATA_SET_NEEDED',
      `${named} holds ${slots.length} ${slots.length === 1 ? 'journal' : 'journals'}, and no data set is named; ${there}`,
      {
        hint: 'name one with --data-set N, or one journal file',
        details,
      },
    );
  const [only, ...others] = slots.filter(({ dataSets }) => dataSets.includes(dataSet));
  if (only === undefined)
    throw new UsageError('ERR_DATA_SET_NOT_FOUND', `no journal in ${ring.directory} holds data set ${dataSet}; ${there}`, {
      hint: 'a data set that is in the source volumes is gone from the journals as soon as its slot is used again',
      details,
    });
  if (others.length > 0)
    throw new UsageError(
      'ERR_DATA_SET_TWICE',
      `data set ${dataSet} is named by ${[only, ...others].map(({ path }) => basename(path)).join(' and ')} in ${ring.directory}`,
      { hint: 'name the file that is meant', details },
    );
  return only;
}

async function checkDataSet(disk: Disk, { path }: LocatedJournal, dataSet: DataSetId): Promise<void> {
  const dataSets = dataSetsOf(await peekPath(disk, path, scanWindow()));
  if (dataSets.includes(dataSet)) return;
  throw new UsageError('ERR_DATA_SET_NOT_FOUND', `${path} does not hold data set ${dataSet}; data sets there: ${listDataSets(dataSets)}`, {
    hint: 'leave --data-set out to see what the file holds',
    details: { path, dataSet: String(dataSet) },
  });
}

async function peekPath(disk: Disk, path: string, window: Uint8Array): Promise<PeekedJournal> {
  const file = openToRead(disk, path);
  try {
    return await peekFile({ file, slot: 0, window });
  } finally {
    file.closeSync();
  }
}

function listDataSets(dataSets: readonly DataSetId[]): string {
  const ranges = mergeRanges(dataSets.map((dataSet) => ({ from: dataSet, to: dataSet })));
  if (ranges.length === 0) return 'none';
  const shown = ranges.slice(0, RANGES_SHOWN_MAX).map(({ from, to }) => (from === to ? String(from) : `${from} to ${to}`));
  return shown.join(', ') + (ranges.length > shown.length ? ' and more' : '');
}

/** The ring that a file is part of, as far as one is around it. */
function ringAround({ disk, stateDirectory }: FindOptions, path: string): LocatedRing | null {
  try {
    const located = locate({ disk, path: dirname(path), stateDirectory });
    return located.kind === 'ring' && located.directory === dirname(path) ? located : null;
  } catch {
    return null;
  }
}

function surround(
  { disk, stateDirectory }: FindOptions,
  { path, slot, ring }: { path: string; slot: number | null; ring: LocatedRing | null },
): FoundJournal {
  const running = ring === null ? false : isRingInUse(ring.directory);
  const directory = ring?.stateDirectory ?? (stateDirectory === undefined ? null : resolve(stateDirectory));
  if (directory === null) return { path, slot, volumes: null, stateProblem: null, running };
  try {
    return { path, slot, volumes: readHostState(disk, directory).volumes, stateProblem: null, running };
  } catch (error) {
    return { path, slot, volumes: null, stateProblem: messageOf(error), running };
  }
}
