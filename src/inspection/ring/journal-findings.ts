/** What is wrong with one journal on its own: its bytes (findings.ts), and the numbers of its records against each other and the complete flag. */
import { HEADER_FIELDS, MARK_FIELDS, MARK_OFFSET } from '../../../journals/format.ts';
import { findingsOf } from './findings.ts';
import type { JournalContents } from './inspect-journal.ts';
import type { NumberedRecord } from './record-numbers.ts';
import type { Finding } from './ring-report.ts';
import type { MissingNumbers, JournalTally } from './journal-tally.ts';

export interface LoneJournal {
  readonly contents: JournalContents;
  readonly tally: JournalTally;
  readonly missing: MissingNumbers;
  readonly running: boolean;
}

/** Everything that is wrong with the journal, by what its file alone tells. */
export function journalFindings(question: LoneJournal): Finding[] {
  const { contents, running } = question;
  const ofBytes = findingsOf({ contents, decision: null, history: null, expectedBytes: null, running });
  const { tail, header } = contents.scan;
  // Records that are gone behind damage that is told, or that a later version may have elsewhere, are no finding of their own.
  const isTold =
    header.verdict === 'later-version' || ofBytes.some(({ offset, verdict }) => offset === tail.offset && verdict === 'damaged');
  return [...ofBytes, ...headerFindings(question), ...numberFindings(question), ...(isTold ? [] : flagFindings(question))];
}

const CONTRADICTION = {
  verdict: 'damaged',
  matters: true,
  meaning: 'no Farshore writes such a journal, and no crash leaves it so: a start refuses it, unless the watermark covers its data set',
  advice: 'run "farshore journal verify" on the folder of the ring',
} as const;

function headerFindings({ contents, tally }: LoneJournal): Finding[] {
  const { header, path, slot } = contents.scan;
  const first = tally.numbers.firstSequence;
  if (header.verdict !== 'readable' || first === null || header.dataSet !== contents.dataSet || header.stream !== contents.stream)
    return [];
  if (header.firstSequence === first) return [];
  return [
    {
      path,
      slot,
      offset: HEADER_FIELDS.firstSequence.offset,
      what: 'the header and the records name different first numbers',
      expected: `first number ${header.firstSequence}, as the header says`,
      found: `${first}`,
      ...CONTRADICTION,
    },
  ];
}

function numberFindings({ contents, tally }: LoneJournal): Finding[] {
  const { path, slot } = contents.scan;
  const { numbers, closing } = tally;
  const at = (example: NumberedRecord | undefined): number => example?.offset ?? 0;
  const found: Finding[] = [];
  const [twice] = numbers.examplesOf('contradicts');
  if (twice !== undefined)
    found.push({
      path,
      slot,
      offset: at(twice),
      what: `${numbers.countOf('contradicts')} records have a number that another record has`,
      expected: 'one record for each number',
      found: `another record with number ${twice.sequence}`,
      ...CONTRADICTION,
    });
  const [outside] = numbers.examplesOf('outside');
  if (outside !== undefined)
    found.push({
      path,
      slot,
      offset: at(outside),
      what: `${numbers.countOf('outside')} records have a number that their data set cannot have`,
      expected: `numbers of a data set that begins at ${numbers.firstSequence}`,
      found: `number ${outside.sequence}`,
      ...CONTRADICTION,
    });
  const highest = numbers.highestSequence;
  if (closing !== null && highest !== null && highest > closing.sequence)
    found.push({
      path,
      slot,
      offset: contents.scan.tail.offset,
      what: 'there are numbers behind the final one',
      expected: `numbers through ${closing.sequence}, as the sync command says`,
      found: `number ${highest}`,
      ...CONTRADICTION,
    });
  return found;
}

function flagFindings({ contents, tally, missing }: LoneJournal): Finding[] {
  const { completeMark, path, slot, tail } = contents.scan;
  if (completeMark.verdict !== 'set') return [];
  const { dataSet, finalSequence, chain } = completeMark.point;
  const closing = tally.closing;
  const about = { path, slot, ...CONTRADICTION };
  if (contents.dataSet !== null && contents.dataSet !== dataSet)
    return [
      {
        ...about,
        offset: MARK_OFFSET + MARK_FIELDS.dataSet.offset,
        what: 'complete flag and records are of different data sets',
        expected: `a flag of data set ${contents.dataSet}`,
        found: `of data set ${dataSet}`,
      },
    ];
  if (closing?.sync != null && (closing.sequence !== finalSequence || closing.sync.chain !== chain))
    return [
      {
        ...about,
        offset: MARK_OFFSET + MARK_FIELDS.finalSequence.offset,
        what: 'complete flag and sync command contradict each other',
        expected: `final number ${closing.sequence} and chain ${closing.sync.chain}, as the sync command says`,
        found: `${finalSequence} and ${chain}`,
      },
    ];
  const gone = contents.numbers === 0 || closing === null ? 'the sync command is not there' : `${missing.count} numbers are missing`;
  if (closing !== null && missing.count === 0) return [];
  return [
    {
      ...about,
      offset: tail.offset,
      what: 'a data set that is flagged complete is not whole',
      expected: `all numbers through ${finalSequence}`,
      found: gone,
      meaning: 'it was complete, and records of it are gone: a start refuses it, unless the watermark covers its data set',
    },
  ];
}
