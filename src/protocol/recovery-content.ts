/** The data set that a journal holds above the watermark: which records are its own, whether they are all there, and whether they agree. */
import type { HistoryOrigin } from '../model/handshake.ts';
import type { Chain, DataSetId, SequenceNumber } from '../model/ids.ts';
import { ChecksumsByNumber } from './checksums-by-number.ts';
import type {
  FateTuple,
  HeaderFacts,
  JournalFacts,
  JournalOutline,
  MarkFacts,
  RecordFacts,
  RecoveryIdentity,
  RecoverySetting,
} from './recovery-facts.ts';
import type { SyncContent } from './secondary-contract.ts';

/** A data set above the watermark, as its journal shows it. Pads, repeated numbers and what lies behind a record of another data set do not count. */
export interface ActiveSummary {
  readonly dataSet: DataSetId;
  /** Null when neither header nor records tell. */
  readonly firstSequence: SequenceNumber | null;
  readonly recordCount: number;
  /** Encoded bytes of its records. */
  readonly bytes: number;
  /** One below its first number when there are no records. */
  readonly highestSequence: SequenceNumber;
  /** Byte after the last of its records; null when there are none. */
  readonly endOffset: number | null;
  /** Header, first record and complete flag name different data sets above the watermark. */
  readonly namesContradict: boolean;
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
  const judge = new JournalJudge(journal.header, setting);
  const records = journal.records.filter((record) => judge.take(record));
  return { judged: judge.finish(journal, previous), records };
}

/** Judges a journal while it is read: `take` every record in the file's order, then `finish`. */
export class JournalJudge {
  readonly #header: HeaderFacts;
  readonly #setting: RecoverySetting;
  #firstRecord: RecordFacts | null = null;
  /** The data set that its records may belong to. */
  #dataSet: DataSetId | null = null;
  #firstSequence: SequenceNumber | null = null;
  #checksums: ChecksumsByNumber | null = null;
  #ended = false;
  #recordCount = 0;
  #bytes = 0;
  #highestSequence = -1;
  #endOffset: number | null = null;
  #closing: RecordFacts | null = null;
  /** A number that stands there twice with different checksums. */
  #repeated: SequenceNumber | null = null;
  /** The first record that is outside of its data set's bounds. */
  #outOfBounds: string | null = null;

  constructor(header: HeaderFacts, setting: RecoverySetting) {
    this.#header = header;
    this.#setting = setting;
  }

  /** The data set whose records it takes; null before the first one. */
  get dataSet(): DataSetId | null {
    return this.#dataSet;
  }

  /** Take the next record; true if it counts. Only the first one and sync commands are kept. @param offset where it begins in the file */
  take(record: RecordFacts, offset = record.offset): boolean {
    if (record.type === 'pad' || this.#ended) return false;
    if (this.#firstRecord === null) this.#begin(record);
    if (record.dataSet !== this.#dataSet || !isOwnStream(this.#setting.identity, record)) {
      this.#ended = true;
      return false;
    }
    const earlier = this.#checksums?.put(record.sequence, record.headerChecksum) ?? null;
    if (earlier !== null) {
      if (earlier !== record.headerChecksum) this.#repeated ??= record.sequence;
      return false;
    }
    this.#recordCount += 1;
    this.#bytes += record.encodedBytes;
    this.#highestSequence = Math.max(this.#highestSequence, record.sequence);
    this.#endOffset = offset + record.encodedBytes;
    if (record.type === 'sync') this.#closing ??= record;
    this.#outOfBounds ??= this.#findOutOfBounds(record, offset);
    return true;
  }

  /** Judge what was taken. */
  finish(outline: JournalOutline, previous: ActiveContent | null): JudgedJournal {
    const { slot, path, header, completeMark, tail } = outline;
    const judged = { outline: { slot, path, header, completeMark, tail }, firstRecord: this.#firstRecord };
    const names = namesAbove(outline, this.#firstRecord, this.#setting);
    const dataSet = names.header ?? names.record ?? names.mark;
    if (dataSet === null) return { ...judged, active: null };
    const firstSequence = this.#firstSequence ?? (names.header !== null && header.verdict === 'readable' ? header.firstSequence : null);
    const active = {
      dataSet,
      firstSequence,
      recordCount: this.#recordCount,
      bytes: this.#bytes,
      highestSequence: Math.max(this.#highestSequence, (firstSequence ?? 0) - 1),
      endOffset: this.#endOffset,
      namesContradict: new Set([names.header, names.record, names.mark].filter((name) => name !== null)).size > 1,
    };
    return { ...judged, active: { ...active, content: this.#judgeContent({ ...active, completeMark, previous }) } };
  }

  #begin(record: RecordFacts): void {
    this.#firstRecord = record;
    const names = namesAbove({ header: this.#header, completeMark: { verdict: 'not-set' } }, record, this.#setting);
    this.#dataSet = names.header ?? names.record;
    const ofHeader = names.header !== null && this.#header.verdict === 'readable' ? this.#header.firstSequence : null;
    this.#firstSequence = names.header !== null ? ofHeader : names.record !== null ? record.firstSequence : null;
    this.#checksums = new ChecksumsByNumber(this.#firstSequence ?? 0, this.#setting.geometry.recordsMax);
  }

  #findOutOfBounds({ firstSequence, sequence }: RecordFacts, offset: number): string | null {
    const first = this.#firstSequence ?? 0;
    const { recordsMax } = this.#setting.geometry;
    if (firstSequence !== first) return `the record at byte ${offset} says that it begins at number ${firstSequence}, expected ${first}`;
    if (sequence >= first && sequence < first + recordsMax) return null;
    return `the record at byte ${offset} has number ${sequence}, expected ${first} to ${first + recordsMax - 1}`;
  }

  #judgeContent(active: Omit<ActiveSummary, 'content'> & ContentQuestion): ActiveContent {
    const { dataSet, firstSequence, recordCount, highestSequence, previous } = active;
    if (firstSequence === null) return { content: 'partial', finalSequence: null, chain: null, missing: 1, contradiction: null };
    const { origin } = this.#setting;
    const closing = this.#closing;
    const finalSequence = closing?.sequence ?? null;
    const whole = finalSequence !== null && recordCount === finalSequence - firstSequence + 1;
    const before =
      dataSet === origin.dataSet
        ? { final: origin.firstSequence - 1, chain: origin.chain }
        : { final: previous?.finalSequence ?? null, chain: previous?.chain ?? null };
    const contradiction =
      this.#findBoundsContradiction({ firstSequence, finalSequence, highestSequence, finalBefore: before.final }) ??
      (whole && closing?.sync != null
        ? this.#findChainContradiction(active, { firstSequence, finalSequence, chainBefore: before.chain, sync: closing.sync })
        : null);
    return {
      content: contradiction !== null ? 'contradictory' : whole ? 'complete' : 'partial',
      finalSequence,
      chain: closing?.sync?.chain ?? null,
      missing: (finalSequence ?? highestSequence + 1) - firstSequence + 1 - recordCount,
      contradiction,
    };
  }

  #findBoundsContradiction(found: {
    firstSequence: number;
    finalSequence: number | null;
    highestSequence: number;
    finalBefore: number | null;
  }): string | null {
    const { firstSequence, finalSequence, highestSequence, finalBefore } = found;
    const { origin } = this.#setting;
    if (this.#repeated !== null) return `number ${this.#repeated} stands there twice with different contents`;
    if (finalBefore !== null && firstSequence !== finalBefore + 1)
      return `it begins at number ${firstSequence}, expected ${finalBefore + 1}`;
    if (firstSequence < origin.firstSequence) return `it begins at number ${firstSequence}, which is before ${origin.firstSequence}`;
    if (this.#outOfBounds !== null) return this.#outOfBounds;
    if (finalSequence !== null && highestSequence > finalSequence)
      return `it holds number ${highestSequence}, but its sync command ends it at ${finalSequence}`;
    return null;
  }

  #findChainContradiction(
    { dataSet, completeMark: mark }: Omit<ActiveSummary, 'content'> & ContentQuestion,
    found: { firstSequence: number; finalSequence: number; chainBefore: Chain | null; sync: SyncContent },
  ): string | null {
    const { firstSequence, finalSequence, chainBefore, sync } = found;
    const contradicts = mark.verdict === 'set' && mark.point.dataSet === dataSet;
    if (contradicts && (mark.point.finalSequence !== finalSequence || mark.point.chain !== sync.chain))
      return `its complete flag names number ${mark.point.finalSequence} and chain ${mark.point.chain}, its sync command ${finalSequence} and ${sync.chain}`;
    if (chainBefore === null || this.#checksums === null) return null;
    // It is whole and within its bounds, and its last number is the sync command's.
    const computed = this.#setting.hashChain(chainBefore, this.#checksums.first(finalSequence - firstSequence), sync.incarnation);
    return computed === sync.chain ? null : `its chain is ${computed}, its sync command says ${sync.chain}`;
  }
}

interface ContentQuestion {
  readonly completeMark: MarkFacts;
  /** The data set before it, when that is above the watermark too. */
  readonly previous: ActiveContent | null;
}
