/**
 * Recovery's decision tables (DESIGN section 6, Fig. 11). The first asks whether a journal holds a data set above the watermark;
 * if it does, the second says what becomes of that data set. Every combination of the inputs matches exactly one row.
 *
 * Why an unreadable header is damage and never a torn commit: all fields of a header lie in the first 512 bytes of its block, so
 * a power cut leaves the old header or the new one. The same holds for the block of the complete flag.
 *
 * @invariant I1, I3, I5
 */
import type { ErrorCode } from '../model/errors.ts';
import type { Condition, DecisionTable, Row } from './decision-table.ts';
import type { RecoveryAction } from './recovery-decision.ts';
import { FATE_INPUTS, OWNER_INPUTS } from './recovery-facts.ts';

export interface RecoveryVerdict {
  readonly action: RecoveryAction;
  /** Null unless the action is `refuse`. */
  readonly code: ErrorCode | null;
  /** What the row means, for people. */
  readonly reason: string;
}
/** `null`: the journal holds a data set above the watermark, the second table decides. */
export type OwnerVerdict = RecoveryVerdict | null;

type Owner = Condition<typeof OWNER_INPUTS>;
type Fate = Condition<typeof FATE_INPUTS>;

/** Headers that are proven to be about nothing above the watermark; only newer records or a newer flag can say otherwise. */
const QUIET: Owner = { header: ['retired', 'free'] };
const NOT_NEWER: Owner = { firstRecord: ['none', 'stale', 'retired'] };
const UNMARKED: Owner = { mark: ['none', 'older-stream', 'unreadable'] };
const OLDER_STREAM: Owner = { header: ['older-stream-above', 'older-stream-retired'] };
const OLDER_ABOVE: Owner = { header: ['older-stream-above'], ...NOT_NEWER };

export const OWNER_TABLE: DecisionTable<typeof OWNER_INPUTS, OwnerVerdict> = {
  name: 'recovery: owner',
  inputs: OWNER_INPUTS,
  rows: [
    refuse('later format version', 'ERR_RECOVERY_LATER_VERSION', 'the journal has a later format version than this Farshore knows', {
      header: ['later-version'],
    }),
    refuse('foreign group', 'ERR_RECOVERY_FOREIGN_GROUP', 'the journal holds a data set of another group', { header: ['foreign-group'] }),
    refuse(
      'unknown stream',
      'ERR_RECOVERY_UNKNOWN_STREAM',
      'the journal is of a stream or generation that this host has not agreed to: its state is older than its journals',
      { header: ['unknown-stream'] },
    ),
    refuse(
      'other geometry',
      'ERR_RECOVERY_GEOMETRY',
      'the journal was made with another number or size of slots, and its data set is above the watermark',
      { header: ['foreign-geometry-above'] },
      { header: ['foreign-geometry-retired'], firstRecord: ['above'] },
      { header: ['foreign-geometry-retired'], ...NOT_NEWER, mark: ['above'] },
    ),
    quiet('retired, other geometry', 'done already', 'at or below the watermark, made with another number or size of slots', {
      header: ['foreign-geometry-retired'],
      ...NOT_NEWER,
      ...UNMARKED,
    }),
    active('data set above the watermark', { header: ['above'] }),
    active(
      'records newer than the header',
      { ...QUIET, firstRecord: ['above'] },
      { ...OLDER_STREAM, firstRecord: ['above'] },
      { header: ['unreadable'], firstRecord: ['above'] },
    ),
    active(
      'flag newer than the header',
      { ...QUIET, ...NOT_NEWER, mark: ['above'] },
      { ...OLDER_STREAM, ...NOT_NEWER, mark: ['above'] },
      { header: ['unreadable'], ...NOT_NEWER, mark: ['above'] },
    ),
    quiet('free', 'done already', 'the slot is free', { header: ['free'], ...NOT_NEWER, ...UNMARKED }),
    quiet('at or below the watermark', 'done already', 'its data set is in the source volumes', {
      header: ['retired', 'older-stream-retired'],
      ...NOT_NEWER,
      ...UNMARKED,
    }),
    refuse(
      'older stream, flagged',
      'ERR_RECOVERY_OLDER_STREAM_FLAGGED',
      'a complete data set of an older stream is not in the source volumes',
      { ...OLDER_ABOVE, mark: ['older-stream'] },
    ),
    refuse(
      'older stream, flag unreadable',
      'ERR_RECOVERY_FLAG_UNREADABLE',
      'the complete flag of a data set of an older stream cannot be read',
      { ...OLDER_ABOVE, mark: ['unreadable'] },
    ),
    quiet('older stream', 'discard', 'a partial data set of a stream that was replaced', { ...OLDER_ABOVE, mark: ['none'] }),
    quiet(
      'header unreadable, retired by its records',
      'done already',
      'the header is damaged, but the first record is at or below the watermark, so nothing newer was ever acknowledged here',
      { header: ['unreadable'], firstRecord: ['retired'], mark: ['none'] },
    ),
    refuse(
      'unreadable',
      'ERR_RECOVERY_JOURNAL_UNREADABLE',
      'the header cannot be read and nothing proves that the journal is retired',
      { header: ['unreadable'], firstRecord: ['retired'], mark: ['older-stream', 'unreadable'] },
      { header: ['unreadable'], firstRecord: ['none', 'stale'], ...UNMARKED },
    ),
  ],
};

/** One journal, in its right slot, inside the window. */
const NAMED: Fate = { names: ['agree'], duplicate: ['no'] };
const PLACED: Fate = { ...NAMED, place: ['right'] };
const COMPLETE: Fate = { ...PLACED, content: ['complete'] };
const PARTIAL: Fate = { ...PLACED, content: ['partial'] };

export const FATE_TABLE: DecisionTable<typeof FATE_INPUTS, RecoveryVerdict> = {
  name: 'recovery: fate',
  inputs: FATE_INPUTS,
  rows: [
    refuse(
      'two data sets in one journal',
      'ERR_RECOVERY_CONTRADICTION',
      'header, records and complete flag name different data sets above the watermark',
      { names: ['contradict'] },
    ),
    refuse('two journals, one data set', 'ERR_RECOVERY_DUPLICATE', 'another journal holds the same data set', {
      names: ['agree'],
      duplicate: ['yes'],
    }),
    refuse(
      'wrong slot',
      'ERR_RECOVERY_WRONG_SLOT',
      'the data set does not belong into this slot: the file was moved, or the number of slots was changed',
      { ...NAMED, place: ['wrong-slot'] },
    ),
    refuse('above the window', 'ERR_RECOVERY_ABOVE_WINDOW', 'the data set is above the window: the watermark is older than the journals', {
      ...NAMED,
      place: ['above-window'],
    }),
    refuse('contradictory records', 'ERR_RECOVERY_CONTRADICTION', 'its records contradict each other, the chain, or the complete flag', {
      ...PLACED,
      content: ['contradictory'],
    }),
    refuse('flagged, not whole', 'ERR_RECOVERY_FLAGGED_DAMAGED', 'it was complete, and its records can no longer be read', {
      ...PARTIAL,
      flag: ['set'],
    }),
    refuse(
      'flagged behind a gap',
      'ERR_RECOVERY_FLAGGED_GAP',
      'it was complete with all before it, and an earlier data set is missing or incomplete',
      { ...COMPLETE, flag: ['set'], earlier: ['incomplete'] },
    ),
    refuse(
      'flag unreadable, not replayable',
      'ERR_RECOVERY_FLAG_UNREADABLE',
      'its complete flag cannot be read, so it may have been complete with all before it, and it no longer is',
      { ...PARTIAL, flag: ['unreadable'] },
      { ...COMPLETE, flag: ['unreadable'], earlier: ['incomplete'] },
    ),
    act('replay', 'replay', 'complete and flagged', { ...COMPLETE, flag: ['set'], earlier: ['complete'] }),
    act('flag and replay', 'replay', 'complete with all before it; its flag is set first', {
      ...COMPLETE,
      flag: ['not-set', 'unreadable'],
      earlier: ['complete'],
    }),
    act('complete behind a gap', 'keep complete', 'complete, but an earlier data set is not', {
      ...COMPLETE,
      flag: ['not-set'],
      earlier: ['incomplete'],
      mode: ['start'],
    }),
    act('keep partial', 'keep partial', 'not complete yet', { ...PARTIAL, flag: ['not-set'], tail: ['clean'], mode: ['start'] }),
    act(
      'keep partial, tail unreadable',
      'keep partial',
      'not complete, and unreadable from some byte on (a torn tail or damage: the handshake tells which)',
      { ...PARTIAL, flag: ['not-set'], tail: ['unreadable'], mode: ['start'] },
    ),
    act('give up: behind a gap', 'discard', 'complete, but an earlier data set never will be', {
      ...COMPLETE,
      flag: ['not-set'],
      earlier: ['incomplete'],
      mode: ['promote'],
    }),
    act('give up: partial', 'discard', 'not complete, and nothing more will come', { ...PARTIAL, flag: ['not-set'], mode: ['promote'] }),
  ],
};

function refuse<C>(label: string, code: ErrorCode, reason: string, ...when: C[]): { label: string; when: C[]; then: RecoveryVerdict } {
  return { label, when, then: { action: 'refuse', code, reason } };
}

function quiet(label: string, action: RecoveryAction, reason: string, ...when: Owner[]): Row<typeof OWNER_INPUTS, OwnerVerdict> {
  return { label, when, then: { action, code: null, reason } };
}

function active(label: string, ...when: Owner[]): Row<typeof OWNER_INPUTS, OwnerVerdict> {
  return { label, when, then: null };
}

function act(label: string, action: RecoveryAction, reason: string, ...when: Fate[]): Row<typeof FATE_INPUTS, RecoveryVerdict> {
  return { label, when, then: { action, code: null, reason } };
}
