/**
 * Scan one slot's bytes: header, complete mark, records and a verdict on the tail. Pure: bytes in, facts out; what to do about
 * them is recovery's decision table (DESIGN section 6).
 *
 * Where records end, in this order:
 *   1. a record header position of zeroes: clean end
 *   2. the end of the file: clean end
 *   3. an intact record of another data set or stream: clean end, these are old bytes of the reused slot
 *   4. anything else: unreadable from there (torn tail or damage; the file alone cannot tell which)
 *
 * The records' data set is the first record's. It is the header's, or (the header is older, free or unreadable) it is reported as
 * it is and recovery decides which wins. A first record of a LOWER data set than the header's is old bytes: numbers never go back.
 *
 * Does not check that numbers are all there or that the chain agrees.
 */
import { assert } from '../src/model/assert.ts';
import type { DataSetId, StreamId } from '../src/model/ids.ts';
import { isZero } from '../src/record/fields.ts';
import type { DecodedRecord } from '../src/record/record.ts';
import { RECORD_HEADER_BYTES, RecordReader } from '../src/record/record.ts';
import type { ScannedCompleteMark, ScannedHeader, ScannedJournal, ScannedRecord, ScannedTail } from './contract.ts';
import { BLOCK_BYTES, decodeHeader, decodeMark, HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET } from './format.ts';

export interface ScanSource {
  readonly slot: number;
  readonly path: string;
}

/** A journal's scan without its records, which were handed out one by one. */
export type JournalScanEnd = Omit<ScannedJournal, 'records'>;

/** Takes one intact record; offsets are those in the window's memory, `fileOffset` is the one in the file. The object may be kept. */
export type TakeRecord = (record: DecodedRecord, fileOffset: number) => void;

/** Scan a whole journal file. */
export function scanJournal(image: Uint8Array, source: ScanSource): ScannedJournal {
  const records: ScannedRecord[] = [];
  const scan = new JournalScan(image, { ...source, fileBytes: image.length, take: (record) => records.push(scannedRecord(record)) });
  scan.advance(image.length);
  return { ...scan.result(), records };
}

/** What recovery keeps of a decoded record. Field by field: there may be a million, and a rest pattern costs several times as much. */
export function scannedRecord(record: DecodedRecord): ScannedRecord {
  return {
    offset: record.offset,
    encodedBytes: record.encodedBytes,
    type: record.type,
    generation: record.generation,
    stream: record.stream,
    dataSet: record.dataSet,
    firstSequence: record.firstSequence,
    sequence: record.sequence,
    vlun: record.vlun,
    lba: record.lba,
    lengthBytes: record.lengthBytes,
    timeUs: record.timeUs,
    headerChecksum: record.headerChecksum,
    payloadChecksum: record.payloadChecksum,
    sync: record.sync,
  };
}

/**
 * A scan that goes on as the file is read: `advance` until it says that it has seen enough, then `result`.
 * The memory holds the whole file in the end, or is a window on it that `slide` moves on, of at least a record's longest bytes.
 */
export class JournalScan {
  readonly #window: Uint8Array;
  readonly #source: ScanSource;
  readonly #fileBytes: number;
  readonly #take: TakeRecord;
  readonly #reader: RecordReader;
  /** The file's byte that stands first in the window. */
  #base = 0;
  #header: ScannedHeader | null = null;
  #mark: ScannedCompleteMark = { verdict: 'not-set' };
  #tail: ScannedTail | null = null;
  #offset = RECORDS_OFFSET;
  #dataSet: DataSetId | null = null;
  #stream: StreamId | null = null;

  /** @param options `fileBytes`: length of the file; `take`: called with every record of the journal, pads included, in the file's order */
  constructor(window: Uint8Array, options: ScanSource & { fileBytes: number; take: TakeRecord }) {
    this.#window = window;
    this.#source = { slot: options.slot, path: options.path };
    this.#fileBytes = options.fileBytes;
    this.#take = options.take;
    this.#reader = new RecordReader(window);
  }

  /** The file's byte from which on the scan still needs the window's bytes. */
  get neededFrom(): number {
    return this.#header === null ? 0 : this.#offset;
  }

  /** The window's bytes were moved: the file's byte `base`, at most `neededFrom`, stands first in it now. */
  slide(base: number): void {
    assert(base <= this.neededFrom, 'a scan still needs the bytes that leave its window');
    this.#base = base;
  }

  /** Scan what is there of the file, up to `availableEnd`; false: more bytes are needed. */
  advance(availableEnd: number): boolean {
    if (this.#header === null && availableEnd < Math.min(RECORDS_OFFSET, this.#fileBytes)) return false;
    if (this.#header === null) this.#scanHeader();
    while (this.#tail === null) {
      const found = this.#reader.readAt(this.#offset - this.#base, availableEnd - this.#base);
      if (found.kind === 'incomplete' && availableEnd < this.#fileBytes) return false;
      if (found.kind === 'record') this.#takeRecord(found);
      else if (found.kind === 'end') this.#tail = { verdict: 'clean-end', offset: this.#offset };
      else if (found.kind === 'incomplete') this.#tail = this.#atFileEnd(found.neededBytes);
      else
        this.#tail = {
          verdict: 'unreadable',
          offset: this.#offset,
          expected: `a record (${found.reason}: ${found.expected})`,
          found: found.found,
        };
    }
    return true;
  }

  /** The file cannot be read from byte `offset` on: what was found until then counts, and nothing behind it. */
  abandon(offset: number, found: string): void {
    const unreadable = { expected: 'bytes that the disk can read', found } as const;
    if (this.#header === null) {
      this.#header = { verdict: 'unreadable', offset, ...unreadable };
      this.#mark = { verdict: 'unreadable', offset: MARK_OFFSET };
    }
    this.#tail ??= { verdict: 'unreadable', offset: this.#offset, ...unreadable };
  }

  result(): JournalScanEnd {
    const header = this.#header;
    const tail = this.#tail;
    assert(header !== null && tail !== null, 'the result of a journal scan that is not at its end');
    return { ...this.#source, header, completeMark: this.#judgeMark(header), tail };
  }

  #scanHeader(): void {
    const length = this.#fileBytes;
    if (length < RECORDS_OFFSET) {
      const found = `${length} bytes`;
      this.#header = { verdict: 'unreadable', offset: length, expected: `a file of more than ${RECORDS_OFFSET} bytes`, found };
      this.#tail = { verdict: 'unreadable', offset: RECORDS_OFFSET, expected: `a file of more than ${RECORDS_OFFSET} bytes`, found };
      this.#mark = { verdict: 'unreadable', offset: MARK_OFFSET };
      return;
    }
    this.#header = decodeHeader(this.#window.subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES));
    this.#mark = decodeMark(this.#window.subarray(MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES));
    if (this.#header.verdict === 'later-version') {
      // Its records may have any shape: not looked at, and so never called a clean end.
      const found = `version ${this.#header.version}`;
      this.#tail = { verdict: 'unreadable', offset: RECORDS_OFFSET, expected: 'records of format version 1', found };
    }
  }

  #takeRecord(record: DecodedRecord): void {
    if (record.type !== 'pad') {
      if (this.#dataSet === null && !this.#isOlderThanHeader(record)) {
        this.#dataSet = record.dataSet;
        this.#stream = record.stream;
      }
      if (record.dataSet !== this.#dataSet || record.stream !== this.#stream) {
        this.#tail = { verdict: 'clean-end', offset: this.#offset };
        return;
      }
    }
    this.#take(record, this.#offset);
    this.#offset += record.encodedBytes;
  }

  #isOlderThanHeader(record: DecodedRecord): boolean {
    const header = this.#header;
    return header?.verdict === 'readable' && header.dataSet !== null && record.dataSet < header.dataSet;
  }

  /** Fewer bytes than a record are left. */
  #atFileEnd(neededBytes: number): ScannedTail {
    const offset = this.#offset;
    const leftBytes = this.#fileBytes - offset;
    const header = this.#header;
    const expectedBytes = header?.verdict === 'readable' ? header.slotBytes : this.#fileBytes;
    if (this.#fileBytes < expectedBytes) {
      return { verdict: 'unreadable', offset, expected: `a file of ${expectedBytes} bytes`, found: `${this.#fileBytes} bytes` };
    }
    if (leftBytes < RECORD_HEADER_BYTES && isZero(this.#window, offset - this.#base, this.#fileBytes - this.#base))
      return { verdict: 'clean-end', offset };
    return {
      verdict: 'unreadable',
      offset,
      expected: `a record of at least ${neededBytes} bytes`,
      found: `${leftBytes} bytes to the end of the file`,
    };
  }

  /** A mark that names neither the header's data set nor the records' is left over from an earlier one: void. */
  #judgeMark(header: ScannedHeader): ScannedCompleteMark {
    const mark = this.#mark;
    if (mark.verdict !== 'set') return mark;
    const ofHeader = header.verdict === 'readable' && header.dataSet === mark.point.dataSet && header.stream === mark.stream;
    const ofRecords = this.#dataSet === mark.point.dataSet && this.#stream === mark.stream;
    // Nothing says whose slot it is: the mark is all there is, so it is told.
    const alone = header.verdict !== 'readable' && this.#dataSet === null;
    return ofHeader || ofRecords || alone ? mark : { verdict: 'not-set' };
  }
}
