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

/** Scan a whole journal file. */
export function scanJournal(image: Uint8Array, source: ScanSource): ScannedJournal {
  const scan = new JournalScan(image, source);
  scan.advance(image.length);
  return scan.result();
}

/** A scan that goes on as the file is read: `advance` until it says that it has seen enough, then `result`. */
export class JournalScan {
  readonly #image: Uint8Array;
  readonly #source: ScanSource;
  readonly #reader: RecordReader;
  readonly #records: ScannedRecord[] = [];
  #header: ScannedHeader | null = null;
  #mark: ScannedCompleteMark = { verdict: 'not-set' };
  #tail: ScannedTail | null = null;
  #offset = RECORDS_OFFSET;
  #dataSet: DataSetId | null = null;
  #stream: StreamId | null = null;

  /** @param image holds the whole file in the end: its length is the file's. */
  constructor(image: Uint8Array, source: ScanSource) {
    this.#image = image;
    this.#source = source;
    this.#reader = new RecordReader(image);
  }

  /** Scan what is there of the file, 0 .. availableEnd; false: more bytes are needed. */
  advance(availableEnd: number): boolean {
    if (this.#header === null && availableEnd < Math.min(RECORDS_OFFSET, this.#image.length)) return false;
    if (this.#header === null) this.#scanHeader();
    while (this.#tail === null) {
      const found = this.#reader.readAt(this.#offset, availableEnd);
      if (found.kind === 'incomplete' && availableEnd < this.#image.length) return false;
      if (found.kind === 'record') this.#take(found);
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

  result(): ScannedJournal {
    const header = this.#header;
    const tail = this.#tail;
    assert(header !== null && tail !== null, 'the result of a journal scan that is not at its end');
    return { ...this.#source, header, completeMark: this.#judgeMark(header), records: this.#records, tail };
  }

  #scanHeader(): void {
    const length = this.#image.length;
    if (length < RECORDS_OFFSET) {
      const found = `${length} bytes`;
      this.#header = { verdict: 'unreadable', offset: length, expected: `a file of more than ${RECORDS_OFFSET} bytes`, found };
      this.#tail = { verdict: 'unreadable', offset: RECORDS_OFFSET, expected: `a file of more than ${RECORDS_OFFSET} bytes`, found };
      this.#mark = { verdict: 'unreadable', offset: MARK_OFFSET };
      return;
    }
    this.#header = decodeHeader(this.#image.subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES));
    this.#mark = decodeMark(this.#image.subarray(MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES));
    if (this.#header.verdict === 'later-version') {
      // Its records may have any shape: not looked at, and so never called a clean end.
      const found = `version ${this.#header.version}`;
      this.#tail = { verdict: 'unreadable', offset: RECORDS_OFFSET, expected: 'records of format version 1', found };
    }
  }

  #take(record: DecodedRecord): void {
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
    const { kind: _kind, payloadOffset: _payloadOffset, payloadBytes: _payloadBytes, ...fields } = record;
    this.#records.push(fields);
    this.#offset += record.encodedBytes;
  }

  #isOlderThanHeader(record: DecodedRecord): boolean {
    const header = this.#header;
    return header?.verdict === 'readable' && header.dataSet !== null && record.dataSet < header.dataSet;
  }

  /** Fewer bytes than a record are left. */
  #atFileEnd(neededBytes: number): ScannedTail {
    const offset = this.#offset;
    const leftBytes = this.#image.length - offset;
    const header = this.#header;
    const expectedBytes = header?.verdict === 'readable' ? header.slotBytes : this.#image.length;
    if (this.#image.length < expectedBytes) {
      return { verdict: 'unreadable', offset, expected: `a file of ${expectedBytes} bytes`, found: `${this.#image.length} bytes` };
    }
    if (leftBytes < RECORD_HEADER_BYTES && isZero(this.#image, offset, this.#image.length)) return { verdict: 'clean-end', offset };
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
