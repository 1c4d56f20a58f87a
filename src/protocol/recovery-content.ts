/** The data set that a journal holds above the watermark: which records are its own, whether they are all there, and whether they agree. */
import type { HistoryOrigin } from '../model/handshake.ts';
import type { Chain, DataSetId, SequenceNumber } from '../model/ids.ts';
import type { FateTuple, JournalFacts, JournalOutline, RecordFacts, RecoveryIdentity, RecoverySetting } from './recovery-facts.ts';
import type { HashChain, SyncContent } from './secondary-contract.ts';

/** A data set above the watermark, as its journal shows it. */
export interface ActiveJournal {
  readonly journal: JournalFacts;
  readonly dataSet: DataSetId;
  /** Null when neither header nor records tell. */
  readonly firstSequence: SequenceNumber | null;
  /** Its records in the journal's order: pads, repeated numbers and what lies behind a record of another data set left out. */
  readonly records: readonly RecordFacts[];
  /** Byte after the last of its records; null when there are none. */
  readonly endOffset: number | null;
  /** A number that stands there twice with different checksums. */
  readonly repeated: SequenceNumber | null;
  /** Header, first record and complete flag name different data sets above the watermark. */
  readonly namesContradict: boolean;
}

/** The same without the records: what a plan needs of it. */
export interface ActiveSummary extends Omit<ActiveJournal, 'journal' | 'records' | 'repeated'> {
  readonly recordCount: number;
  /** Encoded bytes of its records. */
  readonly bytes: number;
  /** One below its first number when there are no records. */
  readonly highestSequence: SequenceNumber;
  readonly content: ActiveContent;
}

/** One journal, judged: its records may be forgotten, so a ring of any size is judged in the memory of one journal. */
export interface JudgedJournal {
  readonly outline: JournalOutline;
  /** The first record that is no pad: of which data set and stream it is tells whose records these are. */
  readonly firstRecord: RecordFacts | null;
  /** Null unless it holds a data set above the watermark. */
  readonly active: ActiveSummary | null;
}

/** What the records of a data set amount to. */
export interface ActiveContent {
  readonly content: FateTuple['content'];
  readonly finalSequence: SequenceNumber | null;
  /** The chain that its sync command carries. */
  readonly chain: Chain | null;
  /** Numbers that are not there; a lower bound as long as no sync command was read. */
  readonly missing: number;
  /** What contradicts what, or null. */
  readonly contradiction: string | null;
}

/** Tell whether something is of the stream that this host has agreed to. */
export function isOwnStream(identity: RecoveryIdentity, found: { generation: number; stream: string }): boolean {
  return identity.stream !== null && found.stream === identity.stream && found.generation === identity.generation;
}

/** The first record that is no pad. */
export function firstRecordOf(journal: JournalFacts): RecordFacts | null {
  return journal.records.find((record) => record.type !== 'pad') ?? null;
}

/** The data sets above the watermark that header, first record and complete flag name. */
export function namesAbove(
  journal: Pick<JournalOutline, 'header' | 'completeMark'>,
  first: RecordFacts | null,
  setting: { identity: RecoveryIdentity; origin: HistoryOrigin },
): { header: DataSetId | null; record: DataSetId | null; mark: DataSetId | null } {
  const { identity, origin } = setting;
  const { header, completeMark } = journal;
  const above = (dataSet: DataSetId | null): DataSetId | null => (dataSet !== null && dataSet >= origin.dataSet ? dataSet : null);
  const ownHeader = header.verdict === 'readable' && header.groupId === identity.groupId && isOwnStream(identity, header);
  return {
    header: ownHeader ? above(header.dataSet) : null,
    record: first !== null && isOwnStream(identity, first) ? above(first.dataSet) : null,
    mark: completeMark.verdict === 'set' && completeMark.stream === identity.stream ? above(completeMark.point.dataSet) : null,
  };
}

/** The data set above the watermark that a journal holds: the header's, else the first record's, else the one that the flag names; null: none. */
export function dataSetAbove(
  journal: Pick<JournalOutline, 'header' | 'completeMark'>,
  first: RecordFacts | null,
  setting: { identity: RecoveryIdentity; origin: HistoryOrigin },
): DataSetId | null {
  const names = namesAbove(journal, first, setting);
  return names.header ?? names.record ?? names.mark;
}

/**
 * Judge one journal of a ring. Those that hold data sets above the watermark come in ascending order, each with what was found of the
 * data set before it (`previous`, null if that one is not above the watermark or not there).
 * @param setting its `origin` is where numbering goes on after the watermark
 */
export function judgeJournal(
  journal: JournalFacts,
  setting: RecoverySetting,
  previous: ActiveContent | null,
): { judged: JudgedJournal; records: readonly RecordFacts[] } {
  const { slot, path, header, completeMark, tail } = journal;
  const outline = { slot, path, header, completeMark, tail };
  const firstRecord = firstRecordOf(journal);
  const active = gatherActive(journal, setting);
  if (active === null) return { judged: { outline, firstRecord, active: null }, records: [] };
  const { dataSet, firstSequence, records, endOffset, namesContradict } = active;
  const { recordsMax } = setting.geometry;
  const content = judgeContent({ active, origin: setting.origin, previous, recordsMax, hashChain: setting.hashChain });
  const summary = {
    dataSet,
    firstSequence,
    endOffset,
    namesContradict,
    recordCount: records.length,
    bytes: records.reduce((sum, record) => sum + record.encodedBytes, 0),
    highestSequence: records.reduce((max, record) => Math.max(max, record.sequence), (firstSequence ?? 0) - 1),
    content,
  };
  return { judged: { outline, firstRecord, active: summary }, records };
}

function gatherActive(journal: JournalFacts, setting: RecoverySetting): ActiveJournal | null {
  const names = namesAbove(journal, firstRecordOf(journal), setting);
  const dataSet = names.header ?? names.record ?? names.mark;
  if (dataSet === null) return null;
  const { header } = journal;
  const records: RecordFacts[] = [];
  const checksums = new Map<SequenceNumber, number>();
  let repeated: SequenceNumber | null = null;
  for (const record of journal.records) {
    if (record.type === 'pad') continue;
    if (record.dataSet !== dataSet || !isOwnStream(setting.identity, record)) break;
    const earlier = checksums.get(record.sequence);
    if (earlier === undefined) records.push(record);
    else if (earlier !== record.headerChecksum) repeated ??= record.sequence;
    checksums.set(record.sequence, record.headerChecksum);
  }
  const last = records.at(-1);
  return {
    journal,
    dataSet,
    firstSequence: names.header !== null && header.verdict === 'readable' ? header.firstSequence : (records[0]?.firstSequence ?? null),
    records,
    endOffset: last === undefined ? null : last.offset + last.encodedBytes,
    repeated,
    namesContradict: new Set([names.header, names.record, names.mark].filter((name) => name !== null)).size > 1,
  };
}

interface ContentQuestion {
  readonly active: ActiveJournal;
  readonly origin: HistoryOrigin;
  /** The data set before it, when that is above the watermark too. */
  readonly previous: ActiveContent | null;
  readonly recordsMax: number;
  readonly hashChain: HashChain;
}

/** Judge the records of one data set: complete, partial or contradictory. */
function judgeContent(question: ContentQuestion): ActiveContent {
  const { active, origin, previous } = question;
  const { records, firstSequence } = active;
  if (firstSequence === null) return { content: 'partial', finalSequence: null, chain: null, missing: 1, contradiction: null };
  const closing = records.find((record) => record.type === 'sync');
  const highest = records.reduce((max, record) => Math.max(max, record.sequence), firstSequence - 1);
  const finalSequence = closing?.sequence ?? null;
  const whole = finalSequence !== null && records.length === finalSequence - firstSequence + 1;
  const before =
    active.dataSet === origin.dataSet
      ? { final: origin.firstSequence - 1, chain: origin.chain }
      : { final: previous?.finalSequence ?? null, chain: previous?.chain ?? null };
  const contradiction =
    findBoundsContradiction(question, { finalSequence, highest, finalBefore: before.final }) ??
    (whole && closing?.sync != null
      ? findChainContradiction(question, { chainBefore: before.chain, sync: closing.sync, finalSequence })
      : null);
  return {
    content: contradiction !== null ? 'contradictory' : whole ? 'complete' : 'partial',
    finalSequence,
    chain: closing?.sync?.chain ?? null,
    missing: (finalSequence ?? highest + 1) - firstSequence + 1 - records.length,
    contradiction,
  };
}

function findBoundsContradiction(
  question: ContentQuestion,
  found: { finalSequence: number | null; highest: number; finalBefore: number | null },
): string | null {
  const { active, origin, recordsMax } = question;
  const firstSequence = active.firstSequence ?? 0;
  if (active.repeated !== null) return `number ${active.repeated} stands there twice with different contents`;
  if (found.finalBefore !== null && firstSequence !== found.finalBefore + 1)
    return `it begins at number ${firstSequence}, expected ${found.finalBefore + 1}`;
  if (firstSequence < origin.firstSequence) return `it begins at number ${firstSequence}, which is before ${origin.firstSequence}`;
  for (const record of active.records) {
    if (record.firstSequence !== firstSequence)
      return `the record at byte ${record.offset} says that it begins at number ${record.firstSequence}, expected ${firstSequence}`;
    if (record.sequence < firstSequence || record.sequence >= firstSequence + recordsMax) {
      return `the record at byte ${record.offset} has number ${record.sequence}, expected ${firstSequence} to ${firstSequence + recordsMax - 1}`;
    }
  }
  if (found.finalSequence !== null && found.highest > found.finalSequence)
    return `it holds number ${found.highest}, but its sync command ends it at ${found.finalSequence}`;
  return null;
}

function findChainContradiction(
  question: ContentQuestion,
  found: { chainBefore: Chain | null; sync: SyncContent; finalSequence: SequenceNumber },
): string | null {
  const { active, hashChain } = question;
  const { chainBefore, sync, finalSequence } = found;
  const mark = active.journal.completeMark;
  if (
    mark.verdict === 'set' &&
    mark.point.dataSet === active.dataSet &&
    (mark.point.finalSequence !== finalSequence || mark.point.chain !== sync.chain)
  ) {
    return `its complete flag names number ${mark.point.finalSequence} and chain ${mark.point.chain}, its sync command ${finalSequence} and ${sync.chain}`;
  }
  if (chainBefore === null) return null;
  const writes = active.records.filter((record) => record.type !== 'sync').sort((a, b) => a.sequence - b.sequence);
  const computed = hashChain(
    chainBefore,
    Uint32Array.from(writes, (record) => record.headerChecksum),
    sync.incarnation,
  );
  return computed === sync.chain ? null : `its chain is ${computed}, its sync command says ${sync.chain}`;
}
