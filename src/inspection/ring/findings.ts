/**
 * What is wrong with one journal, whether it matters, and what to do (DESIGN section 6: clean end, unreadable from some byte on, damaged).
 *
 * What a crash may leave is *unreadable*, not damaged: in a data set that is not flagged complete a torn last commit and damage look
 * alike, and a slot whose data set is retired may have been torn by the first commit of its next one. A header, a complete mark and a
 * flagged data set above the watermark are never torn: there it is damage.
 */
import { HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET } from '../../../journals/format.ts';
import type { ActiveContent } from '../../protocol/recovery-content.ts';
import type { JournalDecision } from '../../protocol/recovery-decision.ts';
import type { JournalContents } from './inspect-journal.ts';
import type { ByteVerdict, Finding } from './ring-report.ts';

export interface JournalQuestion {
  readonly contents: JournalContents;
  /** Null when no plan could be made, or when only this file was given. */
  readonly decision: JournalDecision | null;
  /** What a data set at or below the watermark amounts to on its own. */
  readonly history: ActiveContent | null;
  /** Bytes that the file should have; null: what its own header says. */
  readonly expectedBytes: number | null;
  readonly running: boolean;
}

/** Everything that is wrong with a journal, in the order of its bytes; empty when it ends cleanly and keeps every rule. */
export function findingsOf(question: JournalQuestion): Finding[] {
  const found = [...headerFindings(question), ...markFindings(question), ...tailFindings(question), ...sizeFindings(question)];
  return [...found, ...ruleFindings(question, found)];
}

/** What is expected where no byte is wrong by itself. */
export const RULES = {
  journal: 'the rules of the format',
  parts: 'state, watermark and journals of one host and one time',
} as const;

const SEVERITY: readonly ByteVerdict[] = ['clean end', 'in flight', 'unreadable', 'damaged'];

/** The verdict on a journal with these findings. */
export function worstVerdict(findings: readonly Finding[]): ByteVerdict {
  return findings.reduce<ByteVerdict>(
    (worst, { verdict }) => (SEVERITY.indexOf(verdict) > SEVERITY.indexOf(worst) ? verdict : worst),
    'clean end',
  );
}

/** A slot without a file. */
export function missingFile(path: string, slot: number): Finding {
  return {
    path,
    slot,
    offset: null,
    what: 'the journal is missing',
    expected: 'a file',
    found: 'no file',
    verdict: 'damaged',
    matters: true,
    meaning: 'data sets that were acknowledged may be in it, so a start refuses',
    advice: 'bring the file back: check mounts and journals.path',
  };
}

/** A file that the system does not open. */
export function unopened(path: string, slot: number, why: Error): Finding {
  return {
    path,
    slot,
    offset: 0,
    what: 'the journal cannot be opened',
    expected: 'a file that can be opened',
    found: why.message,
    verdict: 'unreadable',
    matters: true,
    meaning: 'data sets that were acknowledged may be in it, so a start refuses',
    advice: 'check the disk and the permissions of the file',
  };
}

type Meaning = Pick<Finding, 'matters' | 'meaning' | 'advice'>;

const RESTORE =
  'keep a copy of state, journals and volumes as they are; bring the file back from its disk, or make the secondary anew. Nothing else is lost by waiting';

/** Whether damage in this journal matters. */
function meaningOf({ decision, contents }: JournalQuestion): Meaning {
  if (decision === null) {
    const flagged = contents.scan.completeMark.verdict === 'set';
    return {
      matters: true,
      meaning: flagged
        ? 'its data set is flagged complete: it matters unless the watermark covers it, which this file alone does not tell'
        : 'whether it matters is decided by the watermark and the other journals: inspect their folder',
      advice: 'run "farshore journal verify" on the folder of the ring',
    };
  }
  switch (decision.action) {
    case 'done already':
      return {
        matters: false,
        meaning: `does not matter: ${decision.reason}`,
        advice:
          'nothing has to be done; the slot is written anew with its next data set. Damage without a crash is a reason to check the disk',
      };
    case 'discard':
      return { matters: false, meaning: `does not matter: ${decision.reason}`, advice: 'nothing has to be done; look after the disk' };
    case 'replay':
      return {
        matters: false,
        meaning: 'does not matter: the data set is whole in front of it, and is replayed',
        advice: 'start the host; look after the disk',
      };
    case 'keep partial':
    case 'keep complete':
      return {
        matters: true,
        meaning:
          'a torn last commit, which was never acknowledged and is sent again, or damage: the file alone cannot tell. The handshake does: ' +
          'if the primary no longer holds a number that is missing here, the host stops and says so',
        advice: 'start the host; if it stops there, promote to the last complete data set or make the secondary anew',
      };
    case 'refuse':
      return { matters: true, meaning: `a start refuses: ${decision.label}: ${decision.reason}`, advice: RESTORE };
  }
}

/** Header and complete mark can be made anew as long as recovery keeps the data set: then its records told whose they are. */
function meaningOfBlock(question: JournalQuestion, what: 'header' | 'complete mark'): Meaning {
  const { decision } = question;
  const kept = decision?.action === 'replay' || decision?.action === 'keep partial' || decision?.action === 'keep complete';
  if (!kept) return meaningOf(question);
  return {
    matters: false,
    meaning: `does not matter: its records tell which data set it holds (${decision.label}), and recovery writes the ${what} anew`,
    advice: 'start the host; a crash does not do this, so look after the disk',
  };
}

function headerFindings(question: JournalQuestion): Finding[] {
  const { header, path, slot } = question.contents.scan;
  if (header.verdict === 'later-version') {
    return [
      {
        path,
        slot,
        offset: HEADER_OFFSET + 4,
        what: 'the journal is of a later format version',
        expected: 'format version 1',
        found: `version ${header.version}`,
        verdict: 'unreadable',
        matters: true,
        meaning: 'this Farshore does not know what is in it, so a start refuses',
        advice: 'use the newer Farshore that wrote it',
      },
    ];
  }
  if (header.verdict === 'unreadable') {
    const { offset, expected, found } = header;
    return [
      { path, slot, offset, what: 'the header is damaged', expected, found, verdict: 'damaged', ...meaningOfBlock(question, 'header') },
    ];
  }
  if (header.slot === slot) return [];
  const expected = `slot ${slot}`;
  const what = 'the header names another slot: the file was moved or copied';
  return [
    { path, slot, offset: 16, what, expected, found: `slot ${header.slot}`, verdict: 'damaged', ...meaningOf(question), matters: true },
  ];
}

function markFindings(question: JournalQuestion): Finding[] {
  const { completeMark, path, slot, fileBytes } = question.contents.scan;
  if (completeMark.verdict !== 'unreadable' || fileBytes < RECORDS_OFFSET) return [];
  const what = 'the complete mark is damaged: whether the data set was complete is unknown';
  const expected = 'a whole mark, or zeroes';
  const found = 'neither';
  return [
    { path, slot, offset: completeMark.offset, what, expected, found, verdict: 'damaged', ...meaningOfBlock(question, 'complete mark') },
  ];
}

function tailFindings(question: JournalQuestion): Finding[] {
  const { contents, decision, running } = question;
  const { tail, path, slot, completeMark, header } = contents.scan;
  if (tail.verdict === 'clean-end' || header.verdict === 'later-version') return [];
  const { offset, expected, found } = tail;
  const flagged = completeMark.verdict === 'set' && decision?.action !== 'done already' && decision?.action !== 'discard';
  if (running && !flagged) {
    return [
      {
        path,
        slot,
        offset,
        what: 'the tail cannot be read',
        expected,
        found,
        verdict: 'in flight',
        matters: false,
        meaning: 'a host is running and may be writing it just now',
        advice: 'nothing has to be done; inspect again, or when the host is stopped',
      },
    ];
  }
  const verdict = flagged ? 'damaged' : 'unreadable';
  const what = flagged ? 'a data set that is flagged complete cannot be read' : 'unreadable from here on: a torn tail, or damage';
  return [{ path, slot, offset, what, expected, found, verdict, ...meaningOf(question) }];
}

function sizeFindings(question: JournalQuestion): Finding[] {
  const { fileBytes, header, tail, path, slot } = question.contents.scan;
  const expectedBytes = question.expectedBytes ?? (header.verdict === 'readable' ? header.slotBytes : null);
  if (expectedBytes === null || fileBytes === expectedBytes) return [];
  // Its end is told already as the place from which on nothing can be read.
  if (tail.verdict === 'unreadable' && tail.found.startsWith(`${fileBytes} bytes`)) return [];
  return [
    {
      path,
      slot,
      offset: Math.min(fileBytes, expectedBytes),
      what: fileBytes < expectedBytes ? 'the file is cut short' : 'the file is too long',
      expected: `${expectedBytes} bytes`,
      found: `${fileBytes} bytes`,
      verdict: 'damaged',
      matters: true,
      meaning: 'a start refuses a journal of another size',
      advice: 'bring the file back from its disk, or check that journals.size is what it was at init',
    },
  ];
}

/** Rules that bytes with right checksums break: numbers, chain, names, place. */
function ruleFindings(question: JournalQuestion, found: readonly Finding[]): Finding[] {
  const { contents, decision, history } = question;
  const { path, slot, completeMark } = contents.scan;
  const about = { path, slot, expected: RULES.journal, ...meaningOf(question) } as const;
  if (decision?.action === 'refuse' && !found.some(({ matters }) => matters)) {
    const offset = completeMark.verdict === 'set' && contents.numbers === 0 ? MARK_OFFSET : RECORDS_OFFSET;
    return [{ ...about, offset, what: decision.label, found: decision.reason, verdict: 'damaged' }];
  }
  if (history?.contradiction == null) return found.length > 0 ? [] : lossFindings(question);
  return [{ ...about, offset: RECORDS_OFFSET, what: 'contradictory records', found: history.contradiction, verdict: 'damaged' }];
}

/** Numbers that are gone from a flagged data set that is done, although reading ended cleanly: zeroes, or old records, stand in their place. */
function lossFindings(question: JournalQuestion): Finding[] {
  const { contents, decision, running } = question;
  const { scan, dataSet, firstSequence, numbers } = contents;
  const { path, slot, completeMark, tail } = scan;
  if (decision?.action !== 'done already' || completeMark.verdict !== 'set' || firstSequence === null) return [];
  const { point } = completeMark;
  if ((dataSet !== null && dataSet !== point.dataSet) || numbers >= point.finalSequence - firstSequence + 1) return [];
  return [
    {
      path,
      slot,
      offset: tail.offset,
      what: 'a data set that is flagged complete is not whole: the first commit of the next one was torn, or damage',
      expected: `numbers ${firstSequence} to ${point.finalSequence}`,
      found: `${numbers} of ${point.finalSequence - firstSequence + 1}`,
      verdict: running ? 'in flight' : 'unreadable',
      ...meaningOf(question),
    },
  ];
}
