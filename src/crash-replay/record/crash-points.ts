/**
 * The named moments at which a recorded secondary kills itself (SIGKILL), as data. Each is one operation on its disk, counted from
 * the moment at which the host is as far as the row says; `before` and `after` mean the operation, `torn` the middle of it.
 *
 * A row of the stages `recovering` and `promoting` begins with the crash that `prepare` names; then the host runs a second time.
 */
import { PROMOTION_STEPS } from '../../protocol/promotion-plan.ts';

/** What a secondary does on its disk, as often as it does it. A write of a journal can be several of them at once. */
export type CrashOperation =
  /** Header, mark and first records of a data set; in a recovery: everything that was read of a slot, rewritten. */
  | 'journal-first-commit'
  /** A commit whose last record is a write with at least 2 KiB of data, so that it can be torn inside. */
  | 'journal-write-commit'
  | 'journal-later-commit'
  /** A commit that brings a data set's sync command. */
  | 'journal-sync-commit'
  | 'complete-flag'
  | 'store'
  /** Of a data set that is being destaged: its second store; the first on another volume than the first one's. */
  | 'second-store'
  | 'store-on-other-volume'
  | 'first-volume-flush'
  | 'last-volume-flush'
  | 'watermark'
  | 'discard-mark'
  | 'discard-records'
  | 'discard-header'
  | 'host-state'
  | 'spare-rename'
  | 'promotion-step-1'
  | 'promotion-step-6';

export type CrashWhen = 'before' | 'torn' | 'after';
export type CrashStage = 'replicating' | 'recovering' | 'promoting';

export interface CrashPoint {
  readonly name: string;
  /** What the crash does to the files, as one sentence. */
  readonly sentence: string;
  readonly stage: CrashStage;
  readonly file: 'journal' | 'watermark' | 'volume' | 'host state' | 'none';
  readonly operation: CrashOperation;
  readonly when: CrashWhen;
  /** Which one, counted from when the following holds; the first by default. */
  readonly nth?: number;
  /** Data sets that are destaged by then, at least. */
  readonly destaged?: number;
  /** Complete flags that are set by then and not destaged, at least. */
  readonly ahead?: number;
  /** The destage stands still, as behind a disk that hangs: once so many data sets are destaged, or until the promotion is recorded. */
  readonly hold?: { readonly afterDestaged: number } | 'until-promoting';
  /** A link delivers everything of one data set but this, as one that stalls would; the operation is one on a later data set. */
  readonly withhold?: 'sync' | 'write';
  /** Three hosts in write-back: what the peer holds is acknowledged, and its region is packed too. */
  readonly peer?: true;
  /** The operation begins so much later, as behind a disk that hangs: what arrives meanwhile, only the peer holds. */
  readonly delayMs?: number;
  /** One commit fails with EIO, so that its journal is moved (I10). */
  readonly failCommit?: boolean;
  /** The crash point of the run before. */
  readonly prepare?: string;
  /** Cannot come with fewer volumes, or slots. */
  readonly volumesMin?: number;
  readonly slotsMin?: number;
}

/** Long enough for a transaction to arrive, and for the peer to answer. */
const HELD_BY_PEER = { stage: 'replicating', destaged: 3, peer: true, delayMs: 100 } as const;
/** Three data sets destaged; of what a data set brings, nothing but this is waited for. */
const RUNNING = { stage: 'replicating', destaged: 3 } as const;
const HELD = { stage: 'replicating', destaged: 2, hold: { afterDestaged: 2 } } as const;
const RECOVERING = { stage: 'recovering', prepare: 'complete-and-partial', slotsMin: 3 } as const;
const PROMOTING = { stage: 'promoting', prepare: 'complete-and-partial', hold: 'until-promoting', slotsMin: 3 } as const;

const REPLICATING_POINTS: readonly CrashPoint[] = [
  point('journal-commit-before', 'A data set has begun in memory; nothing of it is in its journal.', RUNNING, {
    ...journal('journal-first-commit', 'before'),
  }),
  point('journal-commit-torn', 'The first commit of a data set stops in the middle of its last record.', RUNNING, {
    ...journal('journal-first-commit', 'torn'),
  }),
  point('journal-commit-after', 'The first commit of a data set is in its journal, and not acknowledged.', RUNNING, {
    ...journal('journal-first-commit', 'after'),
  }),
  point('journal-second-commit-before', 'What is acknowledged of a data set is in its journal; the next commit is not.', RUNNING, {
    ...journal('journal-later-commit', 'before'),
  }),
  point('journal-second-commit-torn', 'A later commit of a data set stops in the middle of its last record.', RUNNING, {
    ...journal('journal-write-commit', 'torn'),
  }),
  point('journal-second-commit-after', 'A later commit of a data set is in its journal, and not acknowledged.', RUNNING, {
    ...journal('journal-write-commit', 'after'),
  }),
  point('complete-flag-before', 'Every record of a data set is in its journal; its complete flag is not set.', RUNNING, {
    ...journal('complete-flag', 'before'),
  }),
  point('complete-flag-torn', "A data set's complete flag is torn, as by a disk that tears within a sector.", RUNNING, {
    ...journal('complete-flag', 'torn'),
  }),
  point('complete-flag-after', "A data set's complete flag is set; nothing of it is in a volume.", RUNNING, {
    ...journal('complete-flag', 'after'),
  }),
  point('complete-not-destaged', 'Three data sets are complete; nothing of them is in a volume.', HELD, {
    ...journal('complete-flag', 'after'),
    ahead: 3,
    slotsMin: 3,
  }),
  point('complete-and-partial', 'Two data sets are complete and not destaged; a third one is partial, and acknowledged.', HELD, {
    ...journal('journal-later-commit', 'before'),
    ahead: 2,
    slotsMin: 3,
    nth: 3,
  }),
  point('sync-withheld', 'All writes of a data set are in its journal; its sync command never came.', HELD, {
    ...journal('journal-later-commit', 'before'),
    withhold: 'sync',
  }),
  point('write-withheld', 'A data set has its sync command, and lacks one write in its middle.', HELD, {
    ...journal('journal-later-commit', 'before'),
    withhold: 'write',
  }),
  point('earlier-write-withheld', 'A data set lacks one write; the one behind it is whole, and not complete for that reason.', HELD, {
    ...journal('journal-sync-commit', 'after'),
    withhold: 'write',
    slotsMin: 3,
  }),
  point('volume-store-before', 'A data set is complete; the first byte of its destage is not in a volume.', RUNNING, {
    ...volume('store', 'before'),
  }),
  point('volume-store-torn', 'The second record of a destage is half in its volume.', RUNNING, {
    ...volume('second-store', 'torn'),
  }),
  point('volume-store-after', 'Two records of a destage are in their volumes, the others are not.', RUNNING, {
    ...volume('second-store', 'after'),
  }),
  point('two-volumes-half-destaged', 'A destage has reached one of its volumes and not yet the other.', RUNNING, {
    ...volume('store-on-other-volume', 'before'),
    volumesMin: 2,
  }),
  point('volume-flush-before', 'All records of a destage are in the page cache of their volumes; no volume is flushed.', RUNNING, {
    ...volume('first-volume-flush', 'before'),
  }),
  point('volume-flush-between', 'After a destage one volume is flushed, the other is not.', RUNNING, {
    ...volume('first-volume-flush', 'after'),
    volumesMin: 2,
  }),
  point('volume-flush-after', 'The volumes hold a data set, durably; the watermark does not say so.', RUNNING, {
    ...volume('last-volume-flush', 'after'),
  }),
  point('watermark-before', 'The next watermark is due; nothing of it is written.', RUNNING, { ...mark('before') }),
  point('watermark-torn', "The watermark's next block is torn, as by a disk that tears within a sector.", RUNNING, { ...mark('torn') }),
  point('watermark-after', 'The watermark covers a data set whose slot was not reused yet.', RUNNING, { ...mark('after') }),
  point('spare-before-rename', 'A commit failed; the spare file holds the journal, and was not renamed.', RUNNING, {
    ...journal('spare-rename', 'before'),
    failCommit: true,
  }),
  point('spare-after-rename', 'A commit failed; the spare file was renamed over the journal.', RUNNING, {
    ...journal('spare-rename', 'after'),
    failCommit: true,
  }),
];

const PEER_POINTS: readonly CrashPoint[] = [
  point('nvram-only', 'A data set is acknowledged on the word of the peer; nothing of it is in its journal.', HELD_BY_PEER, {
    ...journal('journal-first-commit', 'before'),
  }),
  point(
    'nvram-and-journal',
    'The first commit of a data set is in its journal; the peer holds the whole data set, these records too.',
    HELD_BY_PEER,
    {
      ...journal('journal-first-commit', 'after'),
    },
  ),
];

const RECOVERING_POINTS: readonly CrashPoint[] = [
  point('recovery-journal-before', 'A recovery has read the journals, and made none of them durable.', RECOVERING, {
    ...journal('journal-first-commit', 'before'),
  }),
  point('recovery-journal-torn', 'A recovery was rewriting the first journal that it keeps.', RECOVERING, {
    ...journal('journal-first-commit', 'torn'),
  }),
  point('recovery-journal-after', 'A recovery has made the first journal durable that it keeps.', RECOVERING, {
    ...journal('journal-first-commit', 'after'),
  }),
  point('recovery-watermark-before', 'A recovery has made its journals durable, and not yet the watermark.', RECOVERING, {
    ...mark('before'),
  }),
  point('recovery-watermark-after', 'A recovery has made journals and watermark durable.', RECOVERING, { ...mark('after') }),
  point('recovery-flag-before', 'A recovery is about to set a complete flag that the crash before it had prevented.', RECOVERING, {
    ...journal('complete-flag', 'before'),
    prepare: 'complete-flag-before',
  }),
  point('recovery-destage-before', 'A recovery has made everything durable; the first byte of its replay is not in a volume.', RECOVERING, {
    ...volume('store', 'before'),
  }),
  point('recovery-destage-torn', "The second record of a recovery's replay is half in its volume.", RECOVERING, {
    ...volume('second-store', 'torn'),
  }),
  point('recovery-destage-middle', 'A recovery has stored two records of its replay.', RECOVERING, { ...volume('second-store', 'after') }),
  point('recovery-flush-after', 'A recovery has replayed and flushed; the watermark does not say so.', RECOVERING, {
    ...volume('last-volume-flush', 'after'),
  }),
  point('recovery-advance-torn', "After a recovery's replay the watermark's next block is torn.", RECOVERING, { ...mark('torn'), nth: 2 }),
];

const PROMOTING_POINTS: readonly CrashPoint[] = [
  point('promotion-step-1', 'Killed while links are refused: nothing of the promotion is durable.', PROMOTING, {
    file: 'none',
    operation: 'promotion-step-1',
    when: 'after',
  }),
  point('promotion-step-2', 'Killed while the state is written: the new file lies beside the old one.', PROMOTING, {
    file: 'host state',
    operation: 'host-state',
    when: 'torn',
  }),
  point('promotion-step-3', 'Killed in the destage of what is complete: two records are in their volumes.', PROMOTING, {
    ...volume('second-store', 'after'),
  }),
  point(
    'promotion-step-4',
    'Killed while a partial data set is discarded: its first block is zeroes, its header still names it.',
    PROMOTING,
    {
      ...journal('discard-records', 'after'),
    },
  ),
  point(
    'promotion-step-5',
    'Killed while the state is written the second time: everything is destaged, the state says promoting.',
    PROMOTING,
    {
      file: 'host state',
      operation: 'host-state',
      when: 'torn',
      nth: 2,
    },
  ),
  point('promotion-step-6', 'Killed before the first client is served: the state says promoted.', PROMOTING, {
    file: 'none',
    operation: 'promotion-step-6',
    when: 'after',
  }),
  point('promotion-recorded', 'Killed right after the state says promoting: the destage has not begun.', PROMOTING, {
    file: 'host state',
    operation: 'host-state',
    when: 'after',
  }),
  point('promotion-discard-before', 'Killed when the complete data sets are destaged, and the partial one stands there.', PROMOTING, {
    ...journal('discard-mark', 'before'),
  }),
  point('promotion-discard-after', 'Killed when a partial data set is discarded, and the state says promoting.', PROMOTING, {
    ...journal('discard-header', 'after'),
  }),
];

export const CRASH_POINTS: readonly CrashPoint[] = [...REPLICATING_POINTS, ...PEER_POINTS, ...RECOVERING_POINTS, ...PROMOTING_POINTS];

/** The point of this name, or undefined. */
export function crashPointOf(name: string): CrashPoint | undefined {
  return CRASH_POINTS.find((candidate) => candidate.name === name);
}

/** What the host does next after this crash: a promotion that has nothing durable is given again; everything else is a start. */
export function recoverAfter({ stage, name }: CrashPoint): 'start' | 'promote' {
  return stage === 'promoting' && (name === 'promotion-step-1' || name === 'promotion-step-2') ? 'promote' : 'start';
}

/** The promotion's step that a log line begins; null for any other line. */
export function promotionStepIn(message: string): number | null {
  return PROMOTION_STEPS.find(({ step, name }) => message === `promotion step ${step}: ${name}`)?.step ?? null;
}

function point(
  name: string,
  sentence: string,
  circumstances: Pick<CrashPoint, 'stage' | 'destaged' | 'hold' | 'prepare' | 'slotsMin' | 'peer' | 'delayMs'>,
  moment: Omit<CrashPoint, 'name' | 'sentence' | 'stage'>,
): CrashPoint {
  return { name, sentence, ...circumstances, ...moment };
}

function journal(operation: CrashOperation, when: CrashWhen): Pick<CrashPoint, 'file' | 'operation' | 'when'> {
  return { file: 'journal', operation, when };
}

function volume(operation: CrashOperation, when: CrashWhen): Pick<CrashPoint, 'file' | 'operation' | 'when'> {
  return { file: 'volume', operation, when };
}

function mark(when: CrashWhen): Pick<CrashPoint, 'file' | 'operation' | 'when'> {
  return { file: 'watermark', operation: 'watermark', when };
}
