/**
 * The copy on a secondary: runs the secondary machine over journals, destage and watermark, without knowing links (Figures 8, 9, 10
 * and 13). Events of one turn are stepped together; their effects are carried out in order, then the journals commit once.
 *
 * Recovery and promotion run the same machine with nobody to acknowledge to.
 */
import type { JournalPoolEvents, JournalRing } from '../../journals/contract.ts';
import type { DataSetId, HistoryPoint, SequenceRange } from '../model/ids.ts';
import type { LatencyHistogram } from '../model/latency-histogram.ts';
import type {
  LinkId,
  ReceivedRecord,
  RestoredDataSet,
  SecondaryCore,
  SecondaryEffect,
  SecondaryEvent,
} from '../protocol/secondary-contract.ts';
import { Destager, type DestagerEvents, type OpenCarrier } from './destager.ts';
import type { WriteLease } from './write-lease.ts';

/** Where acknowledgements and refusals go; replaced when links come and go. */
export interface ReplicaOutlet {
  acknowledge(ranges: readonly SequenceRange[]): void;
  reject(reject: Extract<SecondaryEffect, { effect: 'reject' }>): void;
  closeLink(link: LinkId, violation: string): void;
}

export interface ReplicaEvents {
  /** The stream contradicts the copy, or journals or volumes failed a second time: nothing more is acknowledged. */
  failed(code: string, message: string): void;
  /** One journal or store failed and was mended (I10). */
  mended(message: string): void;
  /** Something moved; for status and for those who wait. */
  moved(): void;
}

/** Whoever is told of every record on its way into the journals: the mirror of a host in write-back mode. */
export interface ReplicaTap {
  /** `journaled`: records of this data set that recovery has made durable. */
  opened(dataSet: DataSetId, journaled: number): void;
  appended(dataSet: DataSetId, record: Pick<ReceivedRecord, 'bytes'>): void;
  journaled(dataSet: DataSetId, records: number): void;
  retired(dataSet: DataSetId): void;
  /** After the effects of one turn. */
  endTurn(): void;
}

const NOBODY: ReplicaOutlet = { acknowledge: () => {}, reject: () => {}, closeLink: () => {} };

export class Replica {
  readonly machine: SecondaryCore;
  readonly ring: JournalRing;
  outlet: ReplicaOutlet = NOBODY;
  /** The newest watermark that is durable; null before the first. */
  watermarkPoint: HistoryPoint | null;
  journalFailures = 0;
  failed = false;
  /** Encoded bytes that are held of each active data set. */
  readonly #heldBytes = new Map<DataSetId, number>();
  readonly #destager: Destager;
  readonly #events: ReplicaEvents;
  readonly #tap: ReplicaTap | null;
  #queue: SecondaryEvent[] = [];
  #draining = false;
  #closed = false;

  constructor(options: {
    machine: SecondaryCore;
    ring: JournalRing;
    openCarrier: OpenCarrier;
    watermarkPoint: HistoryPoint | null;
    restored: readonly RestoredDataSet[];
    events: ReplicaEvents;
    tap?: ReplicaTap | null;
    /** Of the storage that the volumes are on. */
    lease?: WriteLease | null;
  }) {
    this.machine = options.machine;
    this.ring = options.ring;
    this.watermarkPoint = options.watermarkPoint;
    this.#tap = options.tap ?? null;
    for (const set of options.restored) {
      this.#heldBytes.set(
        set.dataSet,
        set.records.reduce((sum, record) => sum + record.encodedBytes, 0),
      );
      this.#tap?.opened(set.dataSet, set.records.length);
    }
    this.#events = options.events;
    const destaging: DestagerEvents = {
      destaged: (dataSet) => this.step({ event: 'destaged', dataSet }),
      failed: (error, fatal) => {
        if (fatal) this.#fail('ERR_DESTAGE_FAILED', `the source volumes failed a second time: ${error.message}`);
        else this.#events.mended(`the source volumes failed (${error.message}); every data set above the watermark is stored again`);
      },
    };
    this.#destager = new Destager(options.openCarrier, destaging, options.lease);
  }

  /** What the ring of journals reports to; handed over when the ring is opened. */
  static journalEvents(replica: () => Replica | null): JournalPoolEvents {
    return {
      durable: (dataSet, records) => replica()?.journalDurable(dataSet, records),
      completeFlagDurable: (dataSet) => replica()?.step({ event: 'completeFlagDurable', dataSet }),
      watermarkDurable: (point) => replica()?.watermarkDurable(point),
      failed: (slot, error, fatal) => replica()?.journalFailed(slot, error, fatal),
    };
  }

  /** Fig. 11: go on with what recovery has restored. */
  resume(): void {
    this.#draining = true;
    for (const effect of this.machine.resume()) this.#carryOut(effect);
    this.#draining = false;
    this.#endTurn();
  }

  /** Hand one event to the machine and carry out what follows. */
  step(event: SecondaryEvent): void {
    this.#queue.push(event);
    if (this.#draining || this.#closed) return;
    this.#draining = true;
    try {
      while (this.#queue.length > 0) {
        const events = this.#queue;
        this.#queue = [];
        for (const effect of this.machine.step(events)) this.#carryOut(effect);
      }
    } finally {
      this.#draining = false;
    }
    this.#endTurn();
  }

  journalDurable(dataSet: DataSetId, records: number): void {
    this.#tap?.journaled(dataSet, records);
    this.step({ event: 'journalDurable', dataSet, records });
  }

  watermarkDurable(point: HistoryPoint): void {
    this.watermarkPoint = point;
    this.#destager.covered(point.dataSet);
    this.step({ event: 'watermarkDurable', dataSet: point.dataSet });
  }

  journalFailed(slot: number, error: Error, fatal: boolean): void {
    this.journalFailures += 1;
    if (fatal) this.#fail('ERR_JOURNAL_FAILED', `the journal of slot ${slot} failed and could not be moved: ${error.message}`);
    else this.#events.mended(`the journal of slot ${slot} failed (${error.message}); its memory buffer was moved whole into a new file`);
  }

  /** Encoded bytes held of a data set that is not destaged. */
  heldBytes(dataSet: DataSetId): number {
    return this.#heldBytes.get(dataSet) ?? 0;
  }

  /** From the order to store a data set until it is in the volumes, durably. */
  get destageLatency(): LatencyHistogram {
    return this.#destager.latency;
  }

  /** Everything complete is destaged and covered by the watermark, and no journal has anything under way. */
  get isSettled(): boolean {
    return this.ring.pendingBytes === 0 && this.machine.complete().length === 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#destager.close();
  }

  #endTurn(): void {
    if (this.#closed) return;
    this.#tap?.endTurn();
    this.ring.commit();
    this.#destager.start();
    this.#events.moved();
  }

  #carryOut(effect: SecondaryEffect): void {
    switch (effect.effect) {
      case 'openJournal':
        this.ring.openDataSet(effect);
        this.#tap?.opened(effect.dataSet, 0);
        return;
      case 'appendJournal':
        this.ring.append({ slot: effect.slot, index: effect.index, bytes: effect.record.bytes });
        this.#heldBytes.set(effect.dataSet, this.heldBytes(effect.dataSet) + effect.record.encodedBytes);
        this.#tap?.appended(effect.dataSet, effect.record);
        return;
      case 'setCompleteFlag':
        this.ring.setCompleteFlag(effect);
        return;
      case 'destage':
        this.#destager.destage(effect);
        return;
      case 'writeWatermark':
        this.ring.writeWatermark(effect.point);
        return;
      case 'retireJournal':
        this.ring.retire(effect.slot);
        this.#heldBytes.delete(effect.dataSet);
        this.#tap?.retired(effect.dataSet);
        return;
      case 'acknowledge':
        this.outlet.acknowledge(effect.ranges);
        return;
      case 'announceWindow':
        this.outlet.acknowledge([]);
        return;
      case 'reject':
        this.outlet.reject(effect);
        return;
      case 'closeLink':
        this.outlet.closeLink(effect.link, effect.violation);
        return;
      case 'fail':
        this.#fail(effect.code, effect.message);
        return;
    }
  }

  #fail(code: string, message: string): void {
    if (this.failed) return;
    this.failed = true;
    this.#events.failed(code, message);
  }
}
