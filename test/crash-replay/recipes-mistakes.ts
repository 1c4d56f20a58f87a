/** Fixtures of a host whose files are of different times, places or programs: mistakes, after a real crash. */
import {
  copyOver,
  editHeader,
  editHostState,
  fileOf,
  flipBit,
  freeHeader,
  raiseBlockVersion,
  reencodeWrite,
  removeFile,
  replaceFile,
  swapFiles,
  zeroRange,
} from '../../src/crash-replay/damage/damage.ts';
import { BLOCK_BYTES } from '../../journals/format.ts';
import { STATE_FILE, WATERMARK_FILE, type Expectation, type Recipe, type Scene } from './recipe.ts';

/** Two data sets complete and not destaged, a third one partial and acknowledged. */
const MID_LOAD = { crashPoint: 'complete-and-partial', slots: 4 } as const;
const MID_LOAD_TEXT = ({ at }: Scene): string => `Data sets ${at(1)} and ${at(2)} are whole and flagged, ${at(3)} is partial`;
const NOTHING_CHANGED = 'Nothing by the refusal: it changes no byte.';
const PUT_BACK = 'Puts back what belongs together: state folder, journals and volumes of one host and one moment. Never one of them alone.';

const blockedBy = (label: string, code: `ERR_${string}`): Expectation => ({
  refuses: { code, exitCode: 5 },
  through: null,
  above: { 1: 'replay', 2: label, 3: 'keep partial' },
});
const refusedAtOnce = (code: `ERR_${string}`, exitCode: 5 | 6 = 5): Expectation => ({
  refuses: { code, exitCode },
  through: null,
  above: null,
});

export const MISTAKE_RECIPES: readonly Recipe[] = [
  {
    ...MID_LOAD,
    name: 'two-journals-one-data-set',
    damage: (scene) => [
      copyOver(scene.files, { from: scene.file(2), to: scene.file(0) }),
      editHeader(scene.files, { file: scene.file(0), change: { slot: scene.at(0) % scene.slots } }),
    ],
    expected: {
      ...blockedBy('two journals, one data set', 'ERR_RECOVERY_DUPLICATE'),
      slots: (scene) => ({ [scene.at(0) % scene.slots]: 'two journals, one data set' }),
    },
    proves: 'of two journals of one data set none is believed',
    story: (scene) => [
      'After a crash in mid-load somebody copied a journal into a slot that looked unused, and made its header fit.',
      `${scene.file(0)} and ${scene.file(2)} both hold data set ${scene.at(2)}.`,
      'two journals, one data set: nobody can tell which of them is the one that was acknowledged.',
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'journal-copied-over-another',
    damage: (scene) => [copyOver(scene.files, { from: scene.file(2), to: scene.file(1) })],
    expected: refusedAtOnce('ERR_JOURNAL_GEOMETRY'),
    proves: 'a journal knows its slot',
    story: (scene) => [
      'After a crash in mid-load somebody copied one journal over another.',
      `${scene.file(1)} is a copy of ${scene.file(2)}: its header names another slot. Data set ${scene.at(1)} is gone.`,
      'Refused with ERR_JOURNAL_GEOMETRY before any journal is looked at.',
      `Data set ${scene.at(1)}, by the copy: it was acknowledged and never destaged.`,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'journal-in-another-slot',
    damage: (scene) => [
      swapFiles(scene.files, { one: scene.file(0), other: scene.file(2) }),
      editHeader(scene.files, { file: scene.file(0), change: { slot: scene.at(0) % scene.slots } }),
      editHeader(scene.files, { file: scene.file(2), change: { slot: scene.at(2) % scene.slots } }),
    ],
    expected: {
      refuses: { code: 'ERR_RECOVERY_WRONG_SLOT', exitCode: 5 },
      through: null,
      above: { 1: 'replay', 3: 'keep partial' },
      slots: (scene) => ({ [scene.at(0) % scene.slots]: 'wrong slot' }),
    },
    proves: 'a data set has one slot, its number modulo the slots',
    story: (scene) => [
      "After a crash in mid-load a tool wrote two journals back into each other's place, with headers that fit there.",
      `${scene.file(0)} holds data set ${scene.at(2)}, ${scene.file(2)} holds data set ${scene.at(0)}.`,
      'wrong slot: the next data set of that number would be journaled elsewhere, and there would be two.',
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'header-of-another-data-set',
    damage: (scene) => [
      editHeader(scene.files, { file: scene.file(2), change: { dataSet: scene.at(1), firstSequence: scene.firstSequence(1) } }),
    ],
    expected: {
      refuses: { code: 'ERR_RECOVERY_DUPLICATE', exitCode: 5 },
      through: null,
      above: { 1: 'two journals, one data set', 2: 'two data sets in one journal', 3: 'keep partial' },
    },
    proves: 'header, records and flag must agree',
    story: (scene) => [
      'After a crash in mid-load a tool wrote the header of one journal into another one.',
      `The header of ${scene.file(2)} names data set ${scene.at(1)}, its records and its flag name ${scene.at(2)}; both are above the watermark.`,
      'two data sets in one journal; and two journals name one data set. No crash leaves that.',
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'record-of-another-history',
    damage: (scene) => {
      const record = scene.records(2).find(({ type }) => type === 'write');
      if (record === undefined) return [];
      return [reencodeWrite(scene.files, { file: scene.file(2), sequence: record.sequence, fill: 0x58 })];
    },
    expected: blockedBy('contradictory records', 'ERR_RECOVERY_CONTRADICTION'),
    proves: 'right checksums do not help against a wrong chain',
    story: (scene) => [
      'After a crash in mid-load one write in a complete data set was replaced by another one, with right checksums.',
      `${MID_LOAD_TEXT(scene)}; every record of ${scene.at(2)} can be read, every number is there.`,
      "contradictory records: the chain in its sync command covers every record's checksum, and it is another one.",
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'flagged-behind-a-gap',
    damage: (scene) => [
      zeroRange(scene.files, { file: scene.file(1), offset: 0, lengthBytes: scene.image(1).length }),
      freeHeader(scene.files, { file: scene.file(1), slot: scene.at(1) % scene.slots, slots: scene.slots }),
    ],
    expected: {
      refuses: { code: 'ERR_RECOVERY_FLAGGED_GAP', exitCode: 5 },
      through: null,
      above: { 2: 'flagged behind a gap', 3: 'keep partial' },
      slots: (scene) => ({ [scene.at(1) % scene.slots]: 'free' }),
    },
    proves: 'a flag says that all data sets before it were complete',
    story: (scene) => [
      'After a crash in mid-load somebody "repaired" a journal by a fresh one, as init makes it.',
      `${scene.file(1)} is free; it held data set ${scene.at(1)}. Data set ${scene.at(2)} is whole and flagged.`,
      `flagged behind a gap: data set ${scene.at(2)} was complete with all before it, so ${scene.at(1)} was there, and is gone.`,
      `Data set ${scene.at(1)}, by the repair: it was acknowledged and never destaged.`,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'later-format-version',
    damage: (scene) => [raiseBlockVersion(scene.files, { file: scene.file(2), offset: 0, version: 2 })],
    expected: {
      refuses: { code: 'ERR_RECOVERY_LATER_VERSION', exitCode: 5 },
      through: null,
      above: { 1: 'replay', 3: 'keep partial' },
      slots: (scene) => ({ [scene.at(2) % scene.slots]: 'later format version' }),
    },
    proves: 'what a later program wrote is not guessed at',
    story: (scene) => [
      'After a crash in mid-load the host was started with an older program than the one that had run.',
      `The header of ${scene.file(2)} has a right checksum and format version 2. Data set ${scene.at(1)} is whole, ${scene.at(3)} is partial.`,
      'later format version: what stands in it may mean something else.',
      NOTHING_CHANGED,
      'Starts the program that wrote it.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'later-watermark-version',
    damage: (scene) => [raiseBlockVersion(scene.files, { file: WATERMARK_FILE, offset: scene.newestBlock * BLOCK_BYTES, version: 2 })],
    expected: refusedAtOnce('ERR_WATERMARK_VERSION'),
    proves: 'a later watermark is not taken for a torn one',
    story: () => [
      'After a crash in mid-load the host was started with an older program than the one that had run.',
      'One block of the watermark has a right checksum and format version 2; the other is readable, and older.',
      'Refused with ERR_WATERMARK_VERSION: the older block would replay what a later program may have changed since.',
      NOTHING_CHANGED,
      'Starts the program that wrote it.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'foreign-group',
    damage: (scene) => [
      replaceFile(scene.files, {
        file: scene.file(2),
        bytes: fileOf(scene.stranger, scene.file(2)),
        origin: `the ${scene.file(2)} of another group, recorded at the same crash point`,
      }),
    ],
    expected: blockedBy('foreign group', 'ERR_RECOVERY_FOREIGN_GROUP'),
    proves: "another group's data never reaches these volumes (I8)",
    story: (scene) => [
      'After a crash in mid-load a journal was restored from the backup of another group.',
      `${scene.file(2)} is whole, flagged, and of another group ID. Data set ${scene.at(1)} is whole, ${scene.at(3)} is partial.`,
      'foreign group.',
      `Data set ${scene.at(2)}, by the restore, unless the right file is found.`,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'foreign-watermark',
    damage: (scene) => [
      replaceFile(scene.files, {
        file: WATERMARK_FILE,
        bytes: fileOf(scene.stranger, WATERMARK_FILE),
        origin: 'the watermark of another group, recorded at the same crash point',
      }),
    ],
    expected: refusedAtOnce('ERR_WATERMARK_FOREIGN'),
    proves: 'state and watermark are of one host',
    story: () => [
      'After a crash in mid-load the watermark was restored from the backup of another group.',
      'The watermark is whole and names another group ID and stream than the state.',
      'Refused with ERR_WATERMARK_FOREIGN before any journal is looked at.',
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'both-watermark-sectors-bad',
    damage: (scene) => [
      zeroRange(scene.files, { file: WATERMARK_FILE, offset: 0, lengthBytes: 512 }),
      flipBit(scene.files, { file: WATERMARK_FILE, place: { kind: 'watermark', block: 1, field: 'finalSequence' }, bit: 4 }),
    ],
    expected: refusedAtOnce('ERR_WATERMARK_UNREADABLE', 6),
    proves: 'no watermark is never taken for "nothing destaged"',
    story: (scene) => [
      'After a crash in mid-load the disk gave back zeroes in one block of the watermark, and one wrong bit in the other.',
      `${MID_LOAD_TEXT(scene)}; which data set the volumes are at stands nowhere.`,
      'Refused with ERR_WATERMARK_UNREADABLE: a guess could replay old bytes over new ones.',
      NOTHING_CHANGED,
      'Restores this host as a whole from a copy, or makes a new secondary; the primary still serves.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'watermark-older-than-journals',
    slots: 3,
    damage: (scene) => [zeroRange(scene.files, { file: WATERMARK_FILE, offset: scene.newestBlock * BLOCK_BYTES, lengthBytes: 512 })],
    expected: {
      refuses: { code: 'ERR_RECOVERY_FLAGGED_GAP', exitCode: 5 },
      through: null,
      above: { 1: 'flagged behind a gap', 2: 'flagged behind a gap', 3: 'above the window' },
    },
    proves: 'an older watermark with newer journals is refused',
    story: (scene) => [
      'After a crash in mid-load the newest block of the watermark was lost, and the slots had been reused since the one before.',
      `The watermark says ${scene.at(-1)}; the ring of ${scene.slots} holds data sets ${scene.at(1)} to ${scene.at(3)}; ${scene.at(0)} was in the volumes, and its slot was reused.`,
      `above the window: data set ${scene.at(3)} was only admitted because the watermark had been further; flagged behind a gap: data set ${scene.at(0)} is missing.`,
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'blank-state-with-records',
    damage: ({ files }) => [
      editHostState(files, { file: STATE_FILE, change: { groupId: null, generations: [], stream: null, lastPrimarySession: null } }),
    ],
    expected: refusedAtOnce('ERR_JOURNALS_NOT_BLANK'),
    proves: 'journals are never emptied because the state was lost',
    story: (scene) => [
      'After a crash in mid-load the state folder was made anew, by an init elsewhere, and put beside the old journals.',
      `The state is bound to no group. ${MID_LOAD_TEXT(scene)}.`,
      'Refused with ERR_JOURNALS_NOT_BLANK: a blank host has blank journals.',
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'state-damaged',
    damage: ({ files }) => [flipBit(files, { file: STATE_FILE, place: { kind: 'offset', offset: 40 }, bit: 0 })],
    expected: refusedAtOnce('ERR_STATE_CORRUPT', 6),
    proves: 'a role, group or generation is never guessed',
    story: (scene) => [
      'After a crash in mid-load the disk gave back one wrong bit in the state.',
      `host-state.json does not have the checksum on its last line. ${MID_LOAD_TEXT(scene)}.`,
      'Refused with ERR_STATE_CORRUPT before any journal is looked at.',
      NOTHING_CHANGED,
      'Restores host-state.json from a copy of the same host: it changes only at first contact, with a new run of the primary, and in a promotion.',
    ],
  },
  {
    ...MID_LOAD,
    name: 'journal-missing',
    damage: ({ files, file }) => [removeFile(files, file(2))],
    expected: refusedAtOnce('ERR_JOURNAL_MISSING'),
    proves: 'journals are opened, never made anew, at start',
    story: (scene) => [
      'After a crash in mid-load a journal was removed.',
      `${scene.file(2)} is not there; it held data set ${scene.at(2)}, whole and flagged.`,
      'Refused with ERR_JOURNAL_MISSING before any journal is looked at.',
      `Data set ${scene.at(2)}, by the removal: it was acknowledged and never destaged.`,
      PUT_BACK,
    ],
  },
];
