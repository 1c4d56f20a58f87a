/** What `journal show` has told when it is done, and how it tells it as it goes. */
import type { VolumeEntry } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import type { JournalContents } from '../ring/inspect-journal.ts';
import type { NumberVerdict } from '../ring/record-numbers.ts';
import type { ByteVerdict, Finding } from '../ring/ring-report.ts';
import type { PeekedJournal } from '../ring/peek-journal.ts';
import type { MissingNumbers, JournalTally } from '../ring/journal-tally.ts';
import type { VolumeTouch } from './touch-map.ts';

export interface ShowReport {
  readonly path: string;
  /** By the file's name; null if it is not named like a slot's. */
  readonly slot: number | null;
  /** Whether a host uses the ring now; null where the system does not tell. */
  readonly running: boolean | null;
  readonly contents: JournalContents;
  readonly missing: MissingNumbers;
  readonly tally: JournalTally;
  /** Whether records were left out, and how many were not. */
  readonly filtered: boolean;
  readonly wantedRecords: number;
  /** What the wanted records touch; null when it was not asked for. */
  readonly map: readonly VolumeTouch[] | null;
  readonly verdict: ByteVerdict;
  readonly findings: readonly Finding[];
  /** The verdict on the bytes behind the last record, and what it means, as one sentence. */
  readonly tailVerdict: ByteVerdict;
  readonly tailMeaning: string;
  readonly notes: readonly string[];
}

/** What is known before the records are read. */
export interface ShowHead {
  readonly path: string;
  readonly slot: number | null;
  readonly peek: PeekedJournal;
  readonly volumes: readonly VolumeEntry[] | null;
  readonly running: boolean | null;
}

/** Takes what there is to tell, in this order. */
export interface ShowWriter {
  begin(head: ShowHead): void;
  /** `verdict`: what the record's number says; null for a pad. */
  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void;
  end(report: ShowReport): void;
}
