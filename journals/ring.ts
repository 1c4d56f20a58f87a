/**
 * The ring of slots on one host (DESIGN section 5): memory buffers, journals and watermark behind one interface.
 *
 * Commits are scheduled over all journals (commit-schedule.ts), at most `commitsInFlightMax` at once, never two on one journal. The
 * first failed commit moves its journal into a new file (I10, spare.ts); the second one, or a failed move, is fatal: nothing more
 * is written, and the owner is told.
 *
 * @design Fig. 13
 * @invariant I2 I5 I10 I11
 */
import type { Disk, DiskLock, Done } from '../src/disk/disk.ts';
import { assert } from '../src/model/assert.ts';
import type { DataSetId, Geometry, HistoryPoint, SequenceNumber } from '../src/model/ids.ts';
import { LatencyHistogram } from '../src/model/latency-histogram.ts';
import { LIMITS } from '../src/model/limits.ts';
import type { DecodedRecord } from '../src/record/record.ts';
import type {
  JournalIdentity,
  JournalPoolEvents,
  JournalRing,
  MemoryBuffer,
  RebuiltHeader,
  ScannedJournal,
  ScannedRecord,
  StoredWatermark,
} from './contract.ts';
import { chooseJournal } from './commit-schedule.ts';
import { journalsLocked, journalRead, journalWrite } from './errors.ts';
import { journalPath, watermarkPath } from './files.ts';
import { BLOCK_BYTES, UNBOUND_IDENTITY } from './format.ts';
import { allocateAligned, createSlotMemory } from './memory-buffer.ts';
import type { AlignedStart } from './memory-buffer.ts';
import { openJournals } from './ring-files.ts';
import { JournalScan, scannedRecord } from './scan.ts';
import { moveIntoSpare } from './spare.ts';
import { WatermarkFile } from './watermark.ts';
import { JournalWriter } from './writer.ts';
import type { Written } from './writer.ts';

/** Bytes of one read while the ring is scanned. */
const SCAN_READ_BYTES = 1024 * 1024;
/** Slots that are scanned at once: while the bytes of one are checked, those of others are read, into memory that is fresh. */
const SCANS_AT_ONCE = 4;
/** So much is committed at once, however short ago the last commit began. */
const COMMIT_NOW_BYTES = 256 * 1024;
/** Bytes of one write while a spare file is filled with zeroes. */
const ZEROES_BYTES = 256 * 1024;

export interface OpenRingOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly geometry: Geometry;
  readonly alignedStart: AlignedStart;
  readonly events: JournalPoolEvents;
  /**
   * A commit that is due sooner than this after the last one began waits for more records: each costs the disk a flush and both hosts
   * an acknowledgement, however little it holds. 0: none waits.
   */
  readonly commitGapMs?: number | undefined;
  /** Of the host that writes the watermark; absent: as it was read. */
  readonly hostEpoch?: number;
  /** The host before this one was shut out, but its lock may still be there: go on without it. `bypassed` is told. */
  readonly afterFence?: { bypassed(path: string): void } | undefined;
}

/**
 * Open the ring that `createRing` made; every slot is held until `scan` and recovery's decisions.
 * @throws RefusedError ERR_WATERMARK_MISSING, ERR_JOURNALS_LOCKED, ERR_JOURNAL_MISSING, ERR_JOURNAL_SIZE, ERR_JOURNAL_GEOMETRY
 */
export function openRing(options: OpenRingOptions): JournalRing {
  return new Ring(options);
}

class Ring implements JournalRing {
  readonly geometry: Geometry;
  readonly directory: string;
  readonly buffers: readonly MemoryBuffer[];
  readonly commitLatency = new LatencyHistogram();
  readonly #disk: Disk;
  readonly #events: JournalPoolEvents;
  readonly #writers: readonly JournalWriter[];
  readonly #watermark: WatermarkFile;
  readonly #lock: DiskLock | null;
  readonly #zeroes: Uint8Array;
  readonly #commitGapMs: number;
  #identity: JournalIdentity | null = null;
  #commitsInFlight = 0;
  #commitBeganAtMs = Number.NEGATIVE_INFINITY;
  /** Runs while a commit waits for more records. */
  #gathering: NodeJS.Timeout | null = null;
  #failures = 0;
  #stopped = false;
  #whenIdle: (() => void) | null = null;

  constructor(options: OpenRingOptions) {
    const { disk, directory, geometry, alignedStart, events } = options;
    this.geometry = geometry;
    this.directory = directory;
    this.#disk = disk;
    this.#events = events;
    this.#commitGapMs = options.commitGapMs ?? 0;
    this.#zeroes = allocateAligned(Math.min(ZEROES_BYTES, geometry.slotBytes), alignedStart);
    const scratch = allocateAligned(BLOCK_BYTES * (geometry.slots + 1), alignedStart);
    this.#watermark = new WatermarkFile({
      disk,
      directory,
      alignedStart,
      hostEpoch: options.hostEpoch,
      events: {
        durable: (point) => events.watermarkDurable(point),
        failed: (error) => this.#fail(-1, error),
        idle: () => this.#settleIfIdle(),
      },
    });
    const lock = disk.lock(watermarkPath(directory));
    try {
      if (lock === null && options.afterFence === undefined) throw journalsLocked(directory);
      if (lock === null) options.afterFence?.bypassed(directory);
      const files = openJournals({ disk, directory, geometry, scratch });
      this.#writers = files.map(
        (file, slot) =>
          new JournalWriter({
            slot: { slot, slots: geometry.slots, slotBytes: geometry.slotBytes },
            path: journalPath(directory, slot),
            file,
            memory: createSlotMemory({ slot, geometry, alignedStart }),
            privateBlock: scratch.subarray(slot * BLOCK_BYTES, (slot + 1) * BLOCK_BYTES),
            zeroBlock: this.#zeroes.subarray(0, BLOCK_BYTES),
          }),
      );
    } catch (thrown) {
      lock?.release();
      this.#watermark.closeSync();
      throw thrown;
    }
    this.#lock = lock;
    this.buffers = this.#writers.map((writer) => writer.buffer);
  }

  get pendingBytes(): number {
    let pendingBytes = this.#watermark.pendingBytes;
    for (const writer of this.#writers) pendingBytes += writer.backlogBytes;
    return pendingBytes;
  }

  setIdentity(identity: JournalIdentity): void {
    this.#identity = identity;
  }

  openDataSet(options: { slot: number; dataSet: DataSetId; firstSequence: SequenceNumber }): void {
    const identity = this.#identity;
    assert(identity !== null, 'a data set is opened before the ring has an identity');
    assert(options.dataSet % this.geometry.slots === options.slot, `data set ${options.dataSet} does not belong into slot ${options.slot}`);
    this.#writer(options.slot).openDataSet(identity, options);
  }

  append(options: { slot: number; index: number; bytes: Uint8Array }): void {
    this.#writer(options.slot).append(options.index, options.bytes);
  }

  commit(): void {
    while (!this.#stopped && this.#commitsInFlight < LIMITS.commitsInFlightMax) {
      const writer = chooseJournal(this.#writers);
      if (writer === null) return;
      const startedAtMs = performance.now();
      if (this.#gathers(writer, startedAtMs)) return;
      this.#commitsInFlight += 1;
      this.#commitBeganAtMs = startedAtMs;
      writer.startCommit((error, written) => {
        if (error !== null) return this.#moveOrFail(writer, journalWrite(writer.path, error));
        const nowMs = performance.now();
        this.commitLatency.record(nowMs - startedAtMs, nowMs);
        this.#finishCommit(writer, [written]);
      });
    }
  }

  /** Whether this commit waits for more records; a complete flag never does, because destage waits for it. */
  #gathers(writer: JournalWriter, nowMs: number): boolean {
    const waitMs = this.#commitBeganAtMs + this.#commitGapMs - nowMs;
    if (waitMs <= 0 || writer.backlogBytes >= COMMIT_NOW_BYTES || writer.flagIsDue) return false;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = null;
      this.commit();
    }, waitMs);
    return true;
  }

  setCompleteFlag(options: { slot: number; point: HistoryPoint }): void {
    this.#writer(options.slot).setCompleteFlag(options.point);
    this.commit();
  }

  writeWatermark(point: HistoryPoint): void {
    assert(this.#identity !== null, 'a watermark is written before the ring has an identity');
    this.#watermark.write(this.#identity, point);
  }

  makeWatermarkDurable(done: Done): void {
    this.#watermark.makeDurable(done);
  }

  readWatermark(): StoredWatermark | null {
    return this.#watermark.read();
  }

  retire(slot: number): void {
    this.#writer(slot).retire();
  }

  scan(done: (error: Error | null, journals: readonly ScannedJournal[]) => void): void {
    const journals: ScannedJournal[] = [];
    const writers = this.#writers.values();
    let underWay = SCANS_AT_ONCE;
    let failure: Error | null = null;
    const next = (): void => {
      const writer = failure === null ? writers.next().value : undefined;
      if (writer !== undefined) return this.#scanSlot(writer, (error, scanned) => scannedOne(writer, error, scanned));
      // Not before the others have ended: whoever is told of a failure closes the files.
      underWay -= 1;
      if (underWay === 0) done(failure, failure === null ? journals : []);
    };
    const scannedOne = (writer: JournalWriter, error: Error | null, scanned: ScannedJournal | null): void => {
      if (error === null && scanned !== null) journals[writer.buffer.slot] = scanned;
      else failure ??= journalRead(writer.path, error);
      next();
    };
    for (let started = 0; started < SCANS_AT_ONCE; started += 1) next();
  }

  makeDurable(slot: number, done: Done, header?: RebuiltHeader): void {
    const writer = this.#writer(slot);
    writer.makeDurable(header ?? null, (error) => this.#finishRepair(writer, error, done));
  }

  discard(slot: number, done: Done): void {
    const writer = this.#writer(slot);
    writer.discard(this.#identity ?? UNBOUND_IDENTITY, (error) => this.#finishRepair(writer, error, done));
  }

  close(done: Done): void {
    assert(this.#whenIdle === null, 'the ring is closed twice');
    this.#stopped = true;
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#watermark.stop(new Error('the journals are closed'));
    this.#whenIdle = () => this.#closeFiles(done);
    this.#settleIfIdle();
  }

  #writer(slot: number): JournalWriter {
    const writer = this.#writers[slot];
    assert(writer !== undefined, 'slot % of %', slot, this.geometry.slots);
    return writer;
  }

  /** Read a slot's file piece by piece until the scan has seen its end; most slots hold little. */
  #scanSlot(writer: JournalWriter, done: (error: Error | null, scanned: ScannedJournal | null) => void): void {
    const { image, path, file } = writer;
    const records: ScannedRecord[] = [];
    const take = (record: DecodedRecord): void => void records.push(scannedRecord(record));
    const scan = new JournalScan(image, { slot: writer.buffer.slot, path, fileBytes: image.length, take });
    let readEnd = 0;
    const readNext = (): void => {
      const piece = image.subarray(readEnd, Math.min(readEnd + SCAN_READ_BYTES, image.length));
      file.read(piece, readEnd, (error, bytesRead) => {
        if (error !== null) return done(error, null);
        if (bytesRead !== piece.length) return done(new Error(`${bytesRead} bytes at ${readEnd}, expected ${piece.length} bytes`), null);
        readEnd += bytesRead;
        if (!scan.advance(readEnd)) return readNext();
        const scanned = { ...scan.result(), records };
        writer.restore(scanned, readEnd);
        done(null, scanned);
      });
    };
    readNext();
  }

  #finishCommit(writer: JournalWriter, written: readonly Written[]): void {
    this.#commitsInFlight -= 1;
    for (const part of written) {
      if (part.kind === 'records') this.#events.durable(part.dataSet, part.records);
      else this.#events.completeFlagDurable(part.dataSet);
    }
    this.#goOn(writer);
  }

  #finishRepair(writer: JournalWriter, error: Error | null, done: Done): void {
    done(error === null ? null : journalWrite(writer.path, error));
    this.#goOn(writer);
  }

  /** A discard that waited comes before the next commit, or it could wait for ever. */
  #goOn(writer: JournalWriter): void {
    writer.resumeWaiting();
    this.commit();
    this.#settleIfIdle();
  }

  /** The journal's write failed: move it whole into a new file, once (I10). */
  #moveOrFail(writer: JournalWriter, error: Error): void {
    this.#failures += 1;
    const slot = writer.buffer.slot;
    if (this.#failures > 1) return this.#failCommit(writer, error);
    const { plan, settle } = writer.planWhole();
    const { slotBytes } = this.geometry;
    const spare = { disk: this.#disk, directory: this.directory, path: writer.path, slotBytes, plan, zeroes: this.#zeroes };
    moveIntoSpare(spare, (moveError, file) => {
      if (file === null) {
        writer.busy = false;
        return this.#failCommit(writer, journalWrite(`${writer.path}.spare`, moveError));
      }
      const written = settle(file);
      this.#events.failed(slot, error, false);
      this.#finishCommit(writer, written);
    });
  }

  #failCommit(writer: JournalWriter, error: Error): void {
    this.#commitsInFlight -= 1;
    this.#fail(writer.buffer.slot, error);
    this.#goOn(writer);
  }

  #fail(slot: number, error: Error): void {
    this.#stopped = true;
    this.#watermark.stop(error);
    this.#events.failed(slot, error, true);
    this.#settleIfIdle();
  }

  #settleIfIdle(): void {
    const whenIdle = this.#whenIdle;
    if (whenIdle === null || this.#watermark.busy || this.#writers.some((writer) => writer.busy)) return;
    this.#whenIdle = null;
    whenIdle();
  }

  #closeFiles(done: Done): void {
    let left = this.#writers.length + 1;
    let first: Error | null = null;
    const closed = (error: Error | null): void => {
      first ??= error;
      left -= 1;
      if (left > 0) return;
      this.#lock?.release();
      done(first);
    };
    for (const writer of this.#writers) writer.file.close(closed);
    this.#watermark.close(closed);
  }
}
