/** Fixtures of journals that were damaged after a real crash: single bits, lost sectors, blocks of another moment. */
import { editHeader, flipBit, freeHeader, truncateFile, zeroRange, type DamageNote } from '../../src/crash-replay/damage/damage.ts';
import { rewriteRecords, type JournalEntry } from '../../src/crash-replay/damage/damage-records.ts';
import { BLOCK_BYTES } from '../../journals/format.ts';
import type { DecodedRecord } from '../../src/record/record.ts';
import type { Expectation, Recipe, Scene } from './recipe.ts';

const SECTOR_BYTES = 512;
/** Two data sets complete and not destaged, a third one partial and acknowledged. */
const MID_LOAD = { crashPoint: 'complete-and-partial', slots: 4 } as const;
const MID_LOAD_TEXT = ({ at }: Scene): string => `Data sets ${at(1)} and ${at(2)} are whole and flagged, ${at(3)} is partial`;
const NOTHING_CHANGED = 'Nothing by the refusal: it changes no byte.';
const RESTORE =
  'Does not set the journal aside. Promotes nothing. Restores this host as a whole from a copy, or makes a new secondary; the primary still serves.';
const REFUSED_SECOND: Expectation = {
  refuses: { code: 'ERR_RECOVERY_FLAGGED_DAMAGED', exitCode: 5 },
  through: null,
  above: { 1: 'replay', 2: 'flagged, not whole', 3: 'keep partial' },
};
const ALL_REPLAYED: Expectation = { refuses: null, through: 2, above: { 1: 'replay', 2: 'replay', 3: 'keep partial' } };
const TAIL_UNREADABLE: Expectation = { refuses: null, through: 2, above: { 1: 'replay', 2: 'replay', 3: 'keep partial, tail unreadable' } };

/** A write in the middle of a data set. */
function middleWrite({ records }: Scene, above: number): DecodedRecord {
  const writes = records(above).filter(({ type }) => type === 'write');
  return writes[Math.floor(writes.length / 2)] as DecodedRecord;
}

function lastRecord({ records }: Scene, above: number): DecodedRecord {
  return records(above).at(-1) as DecodedRecord;
}

/** The first sector boundary behind a record's header. */
function sectorInside({ payloadOffset }: DecodedRecord): number {
  return Math.ceil(payloadOffset / SECTOR_BYTES) * SECTOR_BYTES;
}

/** The last record that has a payload. */
function lastWrite({ records }: Scene, above: number): DecodedRecord {
  return records(above).findLast(({ type }) => type === 'write') as DecodedRecord;
}

export const DAMAGE_RECIPES: readonly Recipe[] = [
  {
    ...MID_LOAD,
    name: 'zero-tail-after-valid-header',
    damage: (scene) => {
      const offset = sectorInside(lastWrite(scene, 3));
      const last = lastRecord(scene, 3);
      return [zeroRange(scene.files, { file: scene.file(3), offset, lengthBytes: last.offset + last.encodedBytes - offset })];
    },
    expected: TAIL_UNREADABLE,
    proves: 'a good header over a zeroed payload is not a record',
    story: (scene) => [
      'The power went in the middle of a commit: the sector with the header of a write reached the pre-written file, those with its payload did not.',
      `${MID_LOAD_TEXT(scene)}: its last write has a right header and zeroes in place of its data.`,
      'keep partial, tail unreadable: the payload has a checksum of its own. What stands before it is kept.',
      'Nothing that was acknowledged, if it was a torn commit; the handshake tells.',
      'Starts the host again: `farshore start`. If the primary says that a number is missing which it saw acknowledged, it was damage.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'bit-flip-in-payload',
    damage: (scene) => [
      flipBit(scene.files, {
        file: scene.file(2),
        place: { kind: 'payload', sequence: middleWrite(scene, 2).sequence, byte: 100 },
        bit: 3,
      }),
    ],
    expected: REFUSED_SECOND,
    proves: 'one wrong bit in the data never reaches a volume (I9)',
    story: (scene) => [
      'After a crash in mid-load the disk gave back one wrong bit, in the data of a complete data set.',
      `${MID_LOAD_TEXT(scene)}; in ${scene.at(2)} the record at byte ${middleWrite(scene, 2).offset} has a wrong payload checksum.`,
      'flagged, not whole: it was complete, its destage may have begun, and it can no longer be read. Going on would leave the volumes mixed.',
      NOTHING_CHANGED,
      RESTORE,
    ],
  },
  {
    ...MID_LOAD,
    name: 'bit-flip-in-partial-set',
    damage: (scene) => [
      flipBit(scene.files, { file: scene.file(3), place: { kind: 'payload', sequence: middleWrite(scene, 3).sequence, byte: 7 }, bit: 0 }),
    ],
    expected: TAIL_UNREADABLE,
    proves: 'in a partial set damage and a torn tail look alike',
    story: (scene) => [
      'After a crash in mid-load the disk gave back one wrong bit, in the data of a data set that was not complete.',
      `${MID_LOAD_TEXT(scene)}; from byte ${middleWrite(scene, 3).offset} on its journal cannot be read.`,
      'keep partial, tail unreadable: the file alone cannot tell. The log names file and byte.',
      'Acknowledged records, if the primary no longer holds them: then the handshake refuses with ERR_HANDSHAKE_MISSING, and says so.',
      'Starts the host again. If the handshake refuses, this copy needs a resync; the primary still serves.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'promotion-with-bit-flip-in-partial-set',
    recover: 'promote',
    damage: (scene) => [
      flipBit(scene.files, { file: scene.file(3), place: { kind: 'payload', sequence: middleWrite(scene, 3).sequence, byte: 7 }, bit: 0 }),
    ],
    expected: { refuses: null, through: 2, above: { 1: 'replay', 2: 'replay', 3: 'give up: partial' } },
    proves: 'damage behind what is complete does not stop a promotion',
    story: (scene) => [
      'As bit-flip-in-partial-set; then the primary is lost, and the secondary is promoted.',
      `${MID_LOAD_TEXT(scene)}; from byte ${middleWrite(scene, 3).offset} on its journal cannot be read.`,
      'replay, replay, and give up: partial: nothing that was complete is damaged.',
      `Data set ${scene.at(3)}, which was never complete; the promotion prints it.`,
      'Promotes: `farshore promote`, after a look at `farshore promote --dry-run`.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'bit-flip-in-header',
    damage: (scene) => [flipBit(scene.files, { file: scene.file(2), place: { kind: 'header', field: 'dataSet' }, bit: 1 })],
    expected: ALL_REPLAYED,
    proves: 'records above the watermark win over an unreadable header',
    story: (scene) => [
      'After a crash in mid-load the disk gave back one wrong bit, in the header of a journal.',
      `${MID_LOAD_TEXT(scene)}; the header of ${scene.file(2)} has a wrong checksum, its flag and records are whole.`,
      'replay: every record says itself which data set it is of; the header is written anew.',
      'Nothing.',
      'Starts the host again; the log names the journal. Then checks the disk.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'bit-flip-in-record-header',
    damage: (scene) => [
      flipBit(scene.files, {
        file: scene.file(2),
        place: { kind: 'record', sequence: middleWrite(scene, 2).sequence, field: 'lba' },
        bit: 2,
      }),
    ],
    expected: REFUSED_SECOND,
    proves: 'a write never goes to another block than it was made for',
    story: (scene) => [
      'After a crash in mid-load the disk gave back one wrong bit, in the block number of one write.',
      `${MID_LOAD_TEXT(scene)}; in ${scene.at(2)} the record at byte ${middleWrite(scene, 2).offset} has a wrong header checksum.`,
      'flagged, not whole: it was complete, and it can no longer be read.',
      NOTHING_CHANGED,
      RESTORE,
    ],
  },
  {
    ...MID_LOAD,
    name: 'complete-flag-with-unreadable-record',
    damage: (scene) => {
      const { offset } = lastRecord(scene, 2);
      const sector = Math.floor(offset / SECTOR_BYTES) * SECTOR_BYTES;
      return [zeroRange(scene.files, { file: scene.file(2), offset: sector, lengthBytes: SECTOR_BYTES })];
    },
    expected: REFUSED_SECOND,
    proves: 'a flag promises every record',
    story: (scene) => [
      'After a crash in mid-load one sector of a journal read back as zeroes: the one in which its sync command begins.',
      `${MID_LOAD_TEXT(scene)}; ${scene.at(2)} is flagged, and its last records are not there.`,
      'flagged, not whole. Without the flag this would be a partial data set like any other; the flag says that it was complete.',
      NOTHING_CHANGED,
      RESTORE,
    ],
  },
  {
    ...MID_LOAD,
    name: 'flag-unreadable-over-damaged-records',
    damage: (scene) => [
      flipBit(scene.files, { file: scene.file(2), place: { kind: 'mark', field: 'chain' }, bit: 5 }),
      flipBit(scene.files, {
        file: scene.file(2),
        place: { kind: 'record', sequence: middleWrite(scene, 2).sequence, field: 'sequence' },
        bit: 0,
      }),
    ],
    expected: {
      refuses: { code: 'ERR_RECOVERY_FLAG_UNREADABLE', exitCode: 5 },
      through: null,
      above: { 1: 'replay', 2: 'flag unreadable, not replayable', 3: 'keep partial' },
    },
    proves: 'a flag that may have been set counts as set',
    story: (scene) => [
      'After a crash in mid-load a disk gave back wrong bits in two places of one journal: in its complete flag, and in a record.',
      `${MID_LOAD_TEXT(scene)}; the flag of ${scene.at(2)} cannot be read, and neither can its records from byte ${middleWrite(scene, 2).offset} on.`,
      'flag unreadable, not replayable: it may have been complete, and then its destage may have begun.',
      NOTHING_CHANGED,
      RESTORE,
    ],
  },
  {
    ...MID_LOAD,
    name: 'header-unreadable-in-retired-journal',
    damage: (scene) => [flipBit(scene.files, { file: scene.file(0), place: { kind: 'header', field: 'groupId' }, bit: 7 })],
    expected: { ...ALL_REPLAYED, slots: (scene) => ({ [scene.at(0) % scene.slots]: 'header unreadable, retired by its records' }) },
    proves: 'a journal that is proven retired may be damaged',
    story: (scene) => [
      'After a crash in mid-load the disk gave back one wrong bit, in the header of a journal whose data set was destaged.',
      `${MID_LOAD_TEXT(scene)}; the header of ${scene.file(0)} has a wrong checksum; its first record is of data set ${scene.at(0)}, at the watermark.`,
      'header unreadable, retired by its records: had a newer data set begun here, its first record would be here.',
      'Nothing.',
      'Starts the host again; then checks the disk.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'journal-overwritten-with-zeroes',
    damage: (scene) => [zeroRange(scene.files, { file: scene.file(2), offset: 0, lengthBytes: scene.image(2).length })],
    expected: {
      refuses: { code: 'ERR_RECOVERY_JOURNAL_UNREADABLE', exitCode: 5 },
      through: null,
      above: { 1: 'replay', 3: 'keep partial' },
      slots: (scene) => ({ [scene.at(2) % scene.slots]: 'unreadable' }),
    },
    proves: 'an empty file is not a free slot',
    story: (scene) => [
      'After a crash in mid-load somebody "cleaned" a journal with dd.',
      `${scene.file(2)} is all zeroes; it held data set ${scene.at(2)}, whole and flagged. Data set ${scene.at(1)} is whole, ${scene.at(3)} is partial.`,
      'unreadable: nothing proves that the journal is retired, so it may have held what was acknowledged.',
      NOTHING_CHANGED,
      RESTORE,
    ],
  },
  {
    ...MID_LOAD,
    name: 'truncated-file',
    damage: (scene) => [truncateFile(scene.files, { file: scene.file(2), lengthBytes: middleWrite(scene, 2).offset + 40 })],
    expected: { refuses: { code: 'ERR_JOURNAL_SIZE', exitCode: 5 }, through: null, above: null },
    proves: 'a shorter file is refused before it is read',
    story: (scene) => [
      'After a crash in mid-load a journal was copied onto a disk that was full.',
      `${scene.file(2)} ends in the middle of a record.`,
      'Refused with ERR_JOURNAL_SIZE before any journal is looked at: the file is not the one that init made.',
      NOTHING_CHANGED,
      'Brings the whole file back.',
    ],
  },
  {
    crashPoint: 'complete-not-destaged',
    slots: 4,
    name: 'stale-journal-reused',
    damage: (scene) => {
      const before = lastRecord(scene, 3);
      return [editHeader(scene.files, { file: scene.file(4), change: { dataSet: scene.at(4), firstSequence: before.sequence + 1 } })];
    },
    expected: { refuses: null, through: 3, above: { 1: 'replay', 2: 'replay', 3: 'replay', 4: 'keep partial' } },
    proves: 'old records of a reused slot never count',
    story: (scene) => [
      'The power went in the first commit of a data set: of all its blocks only the header reached the slot, which a destaged data set had used before.',
      `The header of ${scene.file(4)} names data set ${scene.at(4)}; flag and records are those of data set ${scene.at(0)}, which is in the volumes.`,
      'keep partial, with no record: a flag of another data set is void, and records of a lower one are old bytes.',
      'Nothing: no commit of it was ever acknowledged.',
      'Starts the host again: `farshore start`.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'older-header-over-newer-records',
    damage: (scene) => {
      const file = scene.file(3);
      return [editHeader(scene.files, { file, change: { dataSet: scene.at(3) - scene.slots, firstSequence: 0 } })];
    },
    expected: ALL_REPLAYED,
    proves: 'records above the watermark win over an older header',
    story: (scene) => [
      'The power went in the first commit of a data set: its records reached the slot, the header is still that of the data set before.',
      `The header of ${scene.file(3)} names data set ${scene.at(3) - scene.slots}, its records are of ${scene.at(3)}. ${MID_LOAD_TEXT(scene)}.`,
      'keep partial: numbers never go back, so what is newer is true; the header is written anew.',
      'Nothing.',
      'Starts the host again: `farshore start`.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'first-header-never-written',
    damage: ({ files, file, at, slots }) => [freeHeader(files, { file: file(2), slot: at(2) % slots, slots })],
    expected: ALL_REPLAYED,
    proves: 'records above the watermark win over a free header',
    story: (scene) => [
      'As older-header-over-newer-records, in a slot that was used for the first time.',
      `The header of ${scene.file(2)} is the one that init wrote, free; flag and records are of data set ${scene.at(2)}. ${MID_LOAD_TEXT(scene)}.`,
      'replay: flag and records say whose they are; the header is written anew.',
      'Nothing.',
      'Starts the host again: `farshore start`.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'padded-commits',
    damage: (scene) => [1, 2, 3].map((above) => pad(scene, above)),
    expected: ALL_REPLAYED,
    proves: 'pad records are part of format version 1',
    story: (scene) => [
      'As killed-in-mid-load, written by a program that fills the last block of its commits with pad records, which format version 1 allows; this one rewrites that block.',
      `${MID_LOAD_TEXT(scene)}; between their records stand pads, which belong to no data set.`,
      'replay, replay, and keep partial: pads are skipped, and count in no chain and no number.',
      'Nothing.',
      'Starts the host again: `farshore start`.',
    ],
  },
];

/** After every second record, as after a commit: a pad to the end of the block. */
function pad(scene: Scene, above: number): DamageNote {
  const image = scene.image(above);
  const entries: JournalEntry[] = [];
  let offset = 2 * BLOCK_BYTES;
  let pads = 0;
  for (const [index, record] of scene.records(above).entries()) {
    entries.push(record);
    offset += record.encodedBytes;
    const restBytes = (BLOCK_BYTES - (offset % BLOCK_BYTES)) % BLOCK_BYTES;
    if (index % 2 === 0 || restBytes < PAD_BYTES_MIN) continue;
    entries.push({ kind: 'pad', bytes: restBytes });
    offset += restBytes;
    pads += 1;
  }
  rewriteRecords(image, entries);
  return { file: scene.file(above), words: `${pads} pad records put behind every second record, to the end of its block` };
}

/** A pad has a header of its own. */
const PAD_BYTES_MIN = 80;
