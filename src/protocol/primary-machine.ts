/**
 * The primary machine (DESIGN sections 2, 3 and 7; Fig. 2, steps 1-4): numbering, cutting, window, sending. Pure.
 *
 * One `step`: **take** the events in their order (admit, number, cut, acknowledge); then **release** data sets that are
 * acknowledged with all before them, **admit** writes that waited, and **send** what is numbered on the links that are ready.
 *
 * It does not guarantee that a record is sent only once: after a lost link it is sent again unless the secondary said that it
 * has it (I7 makes that harmless). It does guarantee that an acknowledged record is not, and that nothing above the window is (I6).
 */
import { assert, unreachable } from '../model/assert.ts';
import type { CutReason } from '../model/commands.ts';
import type { Head, UnacknowledgedDataSet } from '../model/handshake.ts';
import { type DataSetId, ID_MAX, type SequenceNumber } from '../model/ids.ts';
import { Admission, type DataSetRoom, type WriteRequested } from './admission.ts';
import { ageOf, type CutTrigger, decideCut } from './cut-policy.ts';
import type { OutgoingDataSet } from './outgoing-data-set.ts';
import { OutgoingQueue } from './outgoing-queue.ts';
import type {
  AgreedCapacity,
  PrimaryCore,
  PrimaryEffect,
  PrimaryEvent,
  PrimaryMachineOptions,
  PrimaryPositions,
  RequestId,
  ThrottleReason,
} from './primary-contract.ts';
import { type EventOf, PrimaryDelivery } from './primary-delivery.ts';
import { PrimaryFlushes } from './primary-flushes.ts';

/** What happens on this host; the rest comes from the far side. */
type LocalEvent = EventOf<'writeRequested' | 'writeStored' | 'volumeFlushed' | 'volumeFailed' | 'clockTicked' | 'cutRequested'>;

export class PrimaryMachine implements PrimaryCore {
  readonly #options: PrimaryMachineOptions;
  readonly #queue = new OutgoingQueue();
  readonly #delivery: PrimaryDelivery;
  readonly #flushes = new PrimaryFlushes();
  readonly #admission: Admission;
  /** First ID and number that this machine knew: positions below them are those of `acknowledged`. */
  readonly #begin: { readonly dataSet: DataSetId; readonly sequence: SequenceNumber };
  /** The open data set's ID, or the next one's while none is open. */
  #dataSet: DataSetId;
  #nextSequence: SequenceNumber;
  #bytesTaken: number;
  #open: OutgoingDataSet | null = null;
  #openedAtMs = 0;
  /** Reason of a cut that waits for the window to move. */
  #due: 'flush' | 'fua' | null = null;
  #acknowledged: PrimaryMachineOptions['acknowledged'];
  #dataSetsClosed = 0;
  #failed = false;
  #nowMs = 0;
  #effects: PrimaryEffect[] = [];

  constructor(options: PrimaryMachineOptions) {
    this.#options = options;
    this.#delivery = new PrimaryDelivery({ queue: this.#queue, batchBytesMax: options.batchBytesMax });
    this.#dataSet = options.nextDataSet;
    this.#nextSequence = options.nextSequence;
    this.#bytesTaken = options.bytesTaken;
    this.#acknowledged = options.acknowledged;
    this.#queue.restore(options.restored, { dataSet: options.nextDataSet, sequence: options.nextSequence });
    const lowest = options.restored[0];
    this.#begin = { dataSet: lowest?.dataSet ?? options.nextDataSet, sequence: lowest?.firstSequence ?? options.nextSequence };
    this.#admission = new Admission({
      room: this.#roomOf(options.agreed ?? null),
      backlogLimitBytes: options.backlogLimitBytes,
      numbered: this,
    });
  }

  step(events: readonly PrimaryEvent[], nowMs: number): PrimaryEffect[] {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#effects = [];
    this.#delivery.effects = this.#effects;
    for (const event of events) this.#take(event);
    this.#release();
    this.#admit();
    if (!this.#failed) this.#delivery.send();
    return this.#effects;
  }

  #take(event: PrimaryEvent): void {
    switch (event.event) {
      case 'writeRequested':
        return this.#writeRequested(event);
      case 'writeStored':
        return this.#writeStored(event);
      case 'volumeFlushed':
        return this.#volumeFlushed(event);
      case 'volumeFailed':
        return this.#fail();
      case 'clockTicked':
        return this.#considerCut('clock', 'age');
      case 'cutRequested':
        return this.#considerCut('request', event.reason);
      case 'acknowledged':
      case 'rejected':
      case 'recordVerified':
      case 'sessionEstablished':
      case 'sessionLost':
      case 'linkOpened':
      case 'linkReady':
      case 'linkClosed':
      case 'progressReported':
        return this.#takeFromFarSide(event);
      default:
        return unreachable(event);
    }
  }

  #takeFromFarSide(event: Exclude<PrimaryEvent, LocalEvent>): void {
    const { windowHigh } = this.#delivery;
    switch (event.event) {
      case 'acknowledged':
        this.#delivery.acknowledged(event, this.#nextSequence);
        break;
      case 'rejected':
        this.#delivery.rejected(event, this.#nextSequence);
        break;
      case 'recordVerified':
        return this.#recordVerified(event);
      case 'sessionEstablished':
        this.#sessionEstablished(event);
        break;
      case 'sessionLost':
        return this.#delivery.sessionLost();
      case 'linkOpened':
        return this.#delivery.linkOpened(event.link);
      case 'linkReady':
        return this.#delivery.linkReady(event);
      case 'linkClosed':
        return this.#delivery.linkClosed(event.link);
      case 'progressReported':
        this.#delivery.progressReported(event);
        break;
      default:
        return unreachable(event);
    }
    this.#windowMoved(windowHigh);
  }

  // --- Writes: admitted in order, numbered when they are stored.

  #writeRequested(event: WriteRequested): void {
    if (this.#failed) return;
    this.#admission.request(event);
    if (this.#admission.waiting === 1) this.#admit();
  }

  #admit(): void {
    for (let head = this.#admission.head; head !== null; head = this.#admission.head) {
      const verdict = this.#admission.judge(head);
      if (verdict === 'cut') this.#considerCut('full', 'size');
      else if (verdict === 'admit') this.#effects.push({ effect: 'storeWrite', request: this.#admission.admit().request });
      else return;
    }
  }

  #writeStored({ request, recordBytes }: EventOf<'writeStored'>): void {
    if (this.#failed) return;
    const stored = this.#admission.stored(request);
    if (!this.#admission.fits(stored)) this.#considerCut('full', 'size');
    const set = this.#open ?? this.#openDataSet();
    const sequence = this.#nextSequence;
    let bytes = 0;
    for (const one of recordBytes) {
      bytes += one;
      this.#queue.append(set, one);
    }
    assert(
      recordBytes.length === stored.records && bytes === stored.encodedBytes,
      'request % was stored with another size than asked for',
      request,
    );
    this.#nextSequence += recordBytes.length;
    this.#bytesTaken += bytes;
    this.#effects.push({ effect: 'appendRecords', request, dataSet: set.dataSet, firstSequence: set.firstSequence, sequence });
    if (stored.fua) this.#flushes.noteFua(request, set.dataSet);
    else this.#reply(request);
  }

  #openDataSet(): OutgoingDataSet {
    assert(this.#nextSequence <= ID_MAX - this.#options.cutPolicy.recordsMax, 'sequence numbers are used up');
    this.#open = this.#queue.add({ dataSet: this.#dataSet, firstSequence: this.#nextSequence });
    this.#openedAtMs = this.#nowMs;
    return this.#open;
  }

  #reply(request: RequestId): void {
    this.#effects.push({ effect: 'reply', request });
  }

  #volumeFlushed({ request, kind }: EventOf<'volumeFlushed'>): void {
    if (this.#failed) return;
    const fuaDataSet = kind === 'fua' ? this.#flushes.takeFua(request) : undefined;
    assert(kind === 'flush' || fuaDataSet !== undefined, `FUA request ${request} was not numbered`);
    if (this.#options.flushReply === 'local') {
      this.#reply(request);
      this.#considerCut('flush', kind);
      return;
    }
    const target = fuaDataSet ?? (this.#open === null ? this.#dataSet - 1 : this.#dataSet);
    if (target === this.#dataSet) this.#considerCut('remoteFlush', kind);
    if (this.#queue.isEmpty) this.#reply(request);
    else this.#flushes.wait(request, target);
  }

  // --- Cutting.

  get #nextInWindow(): boolean {
    const { windowHigh } = this.#delivery;
    return windowHigh !== null && this.#dataSet < windowHigh;
  }

  #considerCut(trigger: CutTrigger, reason: CutReason): void {
    if (this.#open === null || this.#failed) return;
    const nextInWindow = this.#nextInWindow;
    const age = ageOf(this.#nowMs - this.#openedAtMs, this.#options.cutPolicy);
    const { verdict } = decideCut({ trigger, empty: false, age, nextInWindow, due: this.#due !== null });
    if (verdict === 'cut') this.#close(this.#open, reason);
    if (verdict === 'remember') this.#due ??= reason === 'fua' ? 'fua' : 'flush';
  }

  /** Number the sync command (Fig. 4): its sequence number is the data set's final one. */
  #close(set: OutgoingDataSet, reason: CutReason): void {
    this.#queue.append(set, this.#options.syncRecordBytes);
    set.closed = true;
    const { dataSet, firstSequence, lastSequence: finalSequence } = set;
    this.#effects.push({ effect: 'closeDataSet', dataSet, firstSequence, finalSequence, reason });
    this.#nextSequence += 1;
    this.#bytesTaken += this.#options.syncRecordBytes;
    this.#dataSet += 1;
    this.#open = null;
    this.#due = null;
    this.#dataSetsClosed += 1;
  }

  #windowMoved(before: DataSetId | null): void {
    if (this.#delivery.windowHigh !== before) this.#considerCut('window', this.#due ?? 'age');
  }

  // --- The far side.

  #sessionEstablished(event: EventOf<'sessionEstablished'>): void {
    const { dataSetBytesMax, recordsMax } = event;
    const needed = this.capacityNeeded();
    assert(
      needed.bytes <= dataSetBytesMax && needed.records <= recordsMax,
      'a handshake with too small a capacity is refused by the shell',
    );
    this.#admission.room = this.#roomOf(event);
    this.#delivery.sessionEstablished(event);
  }

  /** One data set without its sync: the smaller of this host's own maxima and what was agreed. */
  #roomOf(agreed: AgreedCapacity | null): DataSetRoom {
    const { maxSizeBytes, recordsMax } = this.#options.cutPolicy;
    return {
      bytes: Math.min(maxSizeBytes, agreed?.dataSetBytesMax ?? maxSizeBytes),
      records: Math.min(recordsMax, agreed?.recordsMax ?? recordsMax) - 1,
    };
  }

  #recordVerified(event: EventOf<'recordVerified'>): void {
    if (this.#delivery.verified(event) || this.#failed) return;
    this.#fail();
    const message = `record ${event.sequence} of data set ${event.dataSet} is damaged in this host's send buffer`;
    this.#effects.push({ effect: 'failGroup', code: 'ERR_SEND_BUFFER_CORRUPT', message });
  }

  /** Release in ascending order what is acknowledged with all before it, and answer the flushes that waited for it. */
  #release(): void {
    for (let set = this.#queue.lowestAcknowledged(); set !== null; set = this.#queue.lowestAcknowledged()) {
      const { dataSet, lastSequence: finalSequence } = set;
      this.#queue.release();
      this.#acknowledged = { dataSet, finalSequence };
      this.#effects.push({ effect: 'releaseDataSet', dataSet, finalSequence });
      for (const request of this.#flushes.takeThrough(dataSet)) this.#reply(request);
    }
  }

  /** Stop for good: nothing more is admitted, numbered, cut, sent or replied to (I10). Acknowledgements are still counted. */
  #fail(): void {
    this.#failed = true;
    this.#admission.clear();
    this.#flushes.clear();
  }

  // --- What the shell may ask.

  get openBytes(): number {
    return this.#open === null ? 0 : this.#open.bytes;
  }

  get openRecords(): number {
    return this.#open === null ? 0 : this.#open.count;
  }

  get counters(): PrimaryCore['counters'] {
    return { ...this.#delivery.counters, dataSetsClosed: this.#dataSetsClosed };
  }

  get unacknowledgedBytes(): number {
    return this.#queue.unacknowledgedBytes;
  }

  get windowHigh(): DataSetId | null {
    return this.#delivery.windowHigh;
  }

  get throttle(): ThrottleReason {
    const { head } = this.#admission;
    if (head === null || this.#admission.judge(head) !== 'backlog') return null;
    const unsent = this.#queue.firstUnsent();
    const { windowHigh, hasLinks } = this.#delivery;
    return hasLinks && windowHigh !== null && unsent !== null && unsent.dataSet > windowHigh ? 'window' : 'backlog';
  }

  nextTickMs(nowMs: number): number | null {
    if (this.#open === null || this.#failed || !this.#nextInWindow) return null;
    return Math.max(0, this.#openedAtMs + this.#options.cutPolicy.maxAgeMs - nowMs);
  }

  head(timeMs: number): Head {
    return { dataSet: this.#dataSet, sequence: this.#nextSequence - 1, bytes: this.#bytesTaken, timeMs };
  }

  unacknowledged(): UnacknowledgedDataSet[] {
    return this.#queue.unacknowledged();
  }

  positions(): PrimaryPositions {
    const unsent = this.#queue.firstUnsent();
    const sentDataSet = (unsent?.dataSet ?? this.#dataSet) - 1;
    const sentSequence = (unsent === null ? this.#nextSequence : unsent.firstSequence + unsent.unsentFrom) - 1;
    const acknowledged = this.#acknowledged?.dataSet ?? null;
    const acknowledgedSequence = this.#acknowledged?.finalSequence ?? null;
    return {
      open: this.#open?.dataSet ?? null,
      sent: sentDataSet >= this.#begin.dataSet ? sentDataSet : acknowledged,
      acknowledged,
      sequence: {
        open: this.#open?.lastSequence ?? null,
        sent: sentSequence >= this.#begin.sequence ? sentSequence : acknowledgedSequence,
        acknowledged: acknowledgedSequence,
      },
    };
  }

  capacityNeeded(): { bytes: number; records: number } {
    const outgoing = this.#queue.largest(this.#options.syncRecordBytes);
    const requests = this.#admission.largest();
    return {
      bytes: Math.max(outgoing.bytes, requests.bytes),
      records: Math.max(outgoing.records, requests.records === 0 ? 0 : requests.records + 1),
    };
  }
}
