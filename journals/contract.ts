/**
 * What the secondary needs of its journals (DESIGN section 5). Implemented by ring.ts (with writer.ts, scan.ts, watermark.ts); create.ts makes a ring.
 *
 * A slot is one pre-written file and one memory buffer, which is the exact image of the file: header area, then records.
 * "The journal is the memory buffer's bytes made durable."
 */
import type { DataSetId, Geometry, GroupId, HistoryPoint, SequenceNumber, StreamId } from '../src/model/ids.ts';
import type { LatencyHistogram } from '../src/model/latency-histogram.ts';
import type { HeaderFacts, MarkFacts, RecordFacts } from '../src/protocol/recovery-facts.ts';

/** Whose journals these are; every header names it, and a journal of another is foreign. */
export interface JournalIdentity {
  readonly groupId: GroupId;
  readonly generation: number;
  readonly stream: StreamId;
}

/** The memory buffer of one slot, shared with the destage worker. */
export interface MemoryBuffer {
  readonly slot: number;
  /** Image of the slot's file: `shared` from byte `start` on, page-aligned in memory, `slotBytes` long. */
  readonly shared: SharedArrayBuffer;
  readonly start: number;
  readonly slotBytes: number;
  /** Offset in the image of the record with index i (sequence - firstSequence); Uint32Array of recordsMax over its own SharedArrayBuffer. */
  readonly offsets: SharedArrayBuffer;
}

export interface JournalPoolEvents {
  /**
   * The first `records` appended records of the data set are durable, with every byte before them and the slot's header.
   * Records that the scan restored count as the first ones appended, in the journal's order, pads and repeated numbers left out.
   */
  durable(dataSet: DataSetId, records: number): void;
  completeFlagDurable(dataSet: DataSetId): void;
  watermarkDurable(point: HistoryPoint): void;
  /** A journal failed and was moved whole into a new file (I10), or the second failure came: `fatal`. Slot -1: the watermark, always fatal. */
  failed(slot: number, error: Error, fatal: boolean): void;
}

/** What the scan found in one slot's file; input of recovery's decision table and of inspection. */
export interface ScannedJournal {
  readonly slot: number;
  readonly path: string;
  readonly header: ScannedHeader;
  readonly completeMark: ScannedCompleteMark;
  readonly records: readonly ScannedRecord[];
  readonly tail: ScannedTail;
}

export type ScannedHeader = HeaderFacts;

/** The complete flag has a block of its own, so that setting it can never tear the header. */
export type ScannedCompleteMark = MarkFacts;

/** What recovery needs of a record, and what inspection shows besides. */
export interface ScannedRecord extends RecordFacts {
  readonly vlun: number;
  readonly lba: number;
  readonly lengthBytes: number;
  /** Microseconds since 1970, by the primary's clock. */
  readonly timeUs: number;
  readonly payloadChecksum: number;
}

/** DESIGN section 6: in a partial set the file alone cannot tell a torn tail from damage. */
export type ScannedTail =
  | { readonly verdict: 'clean-end'; readonly offset: number }
  | { readonly verdict: 'unreadable'; readonly offset: number; readonly expected: string; readonly found: string };

/** A header made anew from records that are whole. */
export interface RebuiltHeader {
  readonly identity: JournalIdentity;
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
}

/** The ring of slots on one host. */
export interface JournalRing {
  readonly geometry: Geometry;
  readonly directory: string;
  /** Memory buffers by slot, for the destage worker. */
  readonly buffers: readonly MemoryBuffer[];
  /** Commits of all journals, each from its start until it is durable. */
  readonly commitLatency: LatencyHistogram;
  /** Identity that new headers and watermarks carry; set once the secondary is bound. */
  setIdentity(identity: JournalIdentity): void;
  /** New header in the memory buffer of a retired slot; durable with the first commit (DESIGN section 5). */
  openDataSet(options: { slot: number; dataSet: DataSetId; firstSequence: SequenceNumber }): void;
  /** Append an encoded record (a copy is made); commits are scheduled by `commit`. */
  append(options: { slot: number; index: number; bytes: Uint8Array }): void;
  /** End of a batch: start what commits are due. At most two in flight, never two on one journal. */
  commit(): void;
  /** Started at once, behind the slot's own records. */
  setCompleteFlag(options: { slot: number; point: HistoryPoint }): void;
  writeWatermark(point: HistoryPoint): void;
  retire(slot: number): void;
  /** Scan every slot's file, streaming; loads the readable records into the memory buffers. */
  scan(done: (error: Error | null, journals: readonly ScannedJournal[]) => void): void;
  /**
   * Recovery: rewrite what was read of this slot (header, mark, records through the tail) durably; then it goes on where it was.
   * `header`: whose data set the records are, when they won over an older, free or unreadable header.
   */
  makeDurable(slot: number, done: (error: Error | null) => void, header?: RebuiltHeader): void;
  /** Recovery: rewrite what `readWatermark` told, durably; after the journals, before anything relies on it. */
  makeWatermarkDurable(done: (error: Error | null) => void): void;
  /** Write an empty header (data set null), durably: promotion's discard. */
  discard(slot: number, done: (error: Error | null) => void): void;
  /** Newest valid watermark; null if none was written yet. @throws ERR_WATERMARK_UNREADABLE when both sectors are bad. */
  readWatermark(): StoredWatermark | null;
  /** Bytes waiting and in flight, for status and backpressure. */
  readonly pendingBytes: number;
  close(done: (error: Error | null) => void): void;
}

export interface StoredWatermark extends JournalIdentity {
  /** Null: nothing is destaged yet. */
  readonly point: HistoryPoint | null;
  readonly hostEpoch: number;
}
