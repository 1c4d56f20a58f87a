/**
 * Damage at rest: while a secondary is down, something in its journals' folder changes that was durable. A start may then refuse, or
 * mend it from what says the same elsewhere; it never takes damage for the end of a journal where that loses a complete data set (I3).
 */
import { BLOCK_BYTES, HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import type { DataSetId } from '../model/ids.ts';
import type { SimulatedDisk } from './disk.ts';
import type { Image } from './image.ts';
import type { Random } from './random.ts';
import { JOURNALS_DIRECTORY, SLOT_BYTES } from './setting.ts';

const SECTOR_BYTES = 512;

/** What the disk kept for sure before it was damaged. */
export interface Damage {
  /** Highest data set that was flagged with all before it. */
  readonly flagged: DataSetId;
  readonly watermark: DataSetId;
  readonly where: string;
}

/** Change one bit or one sector; says where, for the trace. */
export function damageDisk(disk: SimulatedDisk, random: Random, slots: number): string {
  const [path, position] = choosePlace(random, slots);
  const sector = new Uint8Array(SECTOR_BYTES);
  const begin = position - (position % SECTOR_BYTES);
  const image = disk.image(path, 'durable');
  if (image === null) return `nothing: ${path} is not there`;
  image.read(sector, begin);
  const kind = random.pick(['bit', 'bit', 'zeroes', 'garbage'] as const);
  if (kind === 'bit') sector[position - begin] = (sector[position - begin] ?? 0) ^ (1 << random.int(8));
  else for (let index = 0; index < sector.length; index += 1) sector[index] = kind === 'zeroes' ? 0 : random.int(256);
  for (const each of imagesOf(disk, path)) each.put(begin, sector.length, sector);
  return `${kind} at byte ${position} of ${path}`;
}

/** Headers, complete flags and records of the journals, mostly where records are; the watermark's two sectors. */
function choosePlace(random: Random, slots: number): [path: string, position: number] {
  const journal = journalPath(JOURNALS_DIRECTORY, random.int(slots));
  switch (random.int(8)) {
    case 0:
      return [watermarkPath(JOURNALS_DIRECTORY), random.int(2) * BLOCK_BYTES + random.int(SECTOR_BYTES)];
    case 1:
      return [journal, HEADER_OFFSET + random.int(SECTOR_BYTES)];
    case 2:
      return [journal, MARK_OFFSET + random.int(SECTOR_BYTES)];
    case 3:
      return [journal, RECORDS_OFFSET + random.int(SLOT_BYTES - RECORDS_OFFSET)];
    default:
      return [journal, RECORDS_OFFSET + random.int((SLOT_BYTES - RECORDS_OFFSET) / 8)];
  }
}

function imagesOf(disk: SimulatedDisk, path: string): Image[] {
  return (['cached', 'durable'] as const).map((what) => disk.image(path, what)).filter((image) => image !== null);
}
