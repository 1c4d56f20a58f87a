/**
 * A model shell around the secondary machine: journals, complete flags, source volume and watermark in memory, each made
 * durable on demand (or at once), so that tests decide the order. It carries effects out and throws when one breaks an
 * invariant: an early ack (I2), an early destage (I3, I4), a slot used again too early (I5).
 */
import type { DataSetId, Geometry, HistoryPoint, SequenceNumber } from '../../src/model/ids.ts';
import type { HistoryOrigin } from '../../src/model/handshake.ts';
import type {
  ReceivedRecord,
  RestoredDataSet,
  SecondaryCore,
  SecondaryEffect,
  SecondaryEvent,
} from '../../src/protocol/secondary-contract.ts';
import { SecondaryMachine } from '../../src/protocol/secondary-machine.ts';
import { blockWriteOf, hashChainForTest, RECORD_BYTES, showImage } from './secondary-history.ts';
import type { SecondaryHistory } from './secondary-history.ts';

export interface ModelJournal {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  /** In order of append: Figure 13's memory buffer. */
  readonly records: ReceivedRecord[];
  durableRecords: number;
  flag: 'no' | 'told' | 'durable';
  retired: boolean;
}

/** What outlives the process. */
export interface DurableState {
  readonly journals: Map<number, ModelJournal>;
  readonly volume: Map<string, string>;
  readonly watermark: HistoryPoint | null;
  /** Highest data set of which a byte may be in the volume: until it is destaged, volume and journals are whole only together. */
  readonly mixedThrough: DataSetId;
}

export interface HarnessOptions {
  readonly history: SecondaryHistory;
  readonly slots?: number;
  readonly recordsMax?: number;
  readonly capacityBytes?: number;
  /** Everything becomes durable at once. */
  readonly instant?: boolean;
  readonly from?: DurableState;
}

export function makeGeometry(options: { slots?: number; recordsMax?: number; capacityBytes?: number } = {}): Geometry {
  const capacityBytes = options.capacityBytes ?? 64 * RECORD_BYTES;
  return { slots: options.slots ?? 4, slotBytes: capacityBytes + 4096, capacityBytes, recordsMax: options.recordsMax ?? 65 };
}

export class SecondaryHarness {
  readonly machine: SecondaryCore;
  readonly geometry: Geometry;
  readonly journals: Map<number, ModelJournal>;
  readonly volume: Map<string, string>;
  readonly acknowledged = new Set<SequenceNumber>();
  readonly rejected: SequenceNumber[] = [];
  readonly closed: { link: number; violation: string }[] = [];
  readonly failures: string[] = [];
  /** Data sets in the order in which the shell was told to destage them. */
  readonly destageOrder: DataSetId[] = [];
  readonly pendingDestages: DataSetId[] = [];
  windowAnnounced = 0;
  watermark: HistoryPoint | null;
  pendingWatermark: HistoryPoint | null = null;
  #mixedThrough: DataSetId;
  readonly #history: SecondaryHistory;
  readonly #instant: boolean;

  constructor(options: HarnessOptions) {
    this.#history = options.history;
    this.#instant = options.instant ?? false;
    this.geometry = makeGeometry(options);
    this.journals = options.from?.journals ?? new Map();
    this.volume = options.from?.volume ?? new Map();
    this.watermark = options.from?.watermark ?? null;
    this.#mixedThrough = options.from?.mixedThrough ?? -1;
    const origin = this.#origin();
    this.machine = new SecondaryMachine({ geometry: this.geometry, origin, restored: this.#restored(origin), hashChain: hashChainForTest });
  }

  /** Go on with what was restored (Fig. 11). */
  resume(): SecondaryEffect[] {
    return this.#carryOutAll(this.machine.resume());
  }

  receive(records: readonly ReceivedRecord[], link = 1): SecondaryEffect[] {
    return this.step([{ event: 'recordsReceived', link, records }]);
  }

  /** Receive the records with these numbers from the history. */
  receiveNumbers(...sequences: SequenceNumber[]): SecondaryEffect[] {
    return this.receive(sequences.map((sequence) => this.#history.at(sequence)));
  }

  step(events: readonly SecondaryEvent[]): SecondaryEffect[] {
    return this.#carryOutAll(this.machine.step(events));
  }

  journalOf(dataSet: DataSetId): ModelJournal {
    const journal = this.journals.get(dataSet % this.geometry.slots);
    if (journal === undefined || journal.dataSet !== dataSet || journal.retired) throw new Error(`data set ${dataSet} has no journal`);
    return journal;
  }

  /** Make the first `records` records of a journal durable; all of them without a number. */
  commit(dataSet: DataSetId, records = this.journalOf(dataSet).records.length): SecondaryEffect[] {
    this.journalOf(dataSet).durableRecords = records;
    return this.step([{ event: 'journalDurable', dataSet, records }]);
  }

  makeFlagDurable(dataSet: DataSetId): SecondaryEffect[] {
    this.journalOf(dataSet).flag = 'durable';
    return this.step([{ event: 'completeFlagDurable', dataSet }]);
  }

  /** Store the pending data sets through this one and flush the volume. */
  finishDestage(dataSet: DataSetId): SecondaryEffect[] {
    for (let next = this.pendingDestages[0]; next !== undefined && next <= dataSet; next = this.pendingDestages[0]) {
      this.pendingDestages.shift();
      this.store(next);
      this.#expectVolumeAt(next);
    }
    return this.step([{ event: 'destaged', dataSet }]);
  }

  /** Store the first `records` writes of a data set in sequence order, as a destage does (Fig. 9, step 304). */
  store(dataSet: DataSetId, records = Number.POSITIVE_INFINITY): void {
    const inOrder = this.journalOf(dataSet)
      .records.filter((record) => record.type !== 'sync')
      .toSorted((left, right) => left.sequence - right.sequence);
    for (const record of inOrder.slice(0, records)) this.volume.set(...blockWriteOf(record));
    this.#mixedThrough = Math.max(this.#mixedThrough, dataSet);
  }

  finishWatermark(): SecondaryEffect[] {
    if (this.pendingWatermark === null) throw new Error('no watermark is being written');
    this.watermark = this.pendingWatermark;
    this.pendingWatermark = null;
    return this.step([{ event: 'watermarkDurable', dataSet: this.watermark.dataSet }]);
  }

  /** What the shell could do now, in a fixed order. */
  actions(): (() => SecondaryEffect[])[] {
    const actions: (() => SecondaryEffect[])[] = [];
    for (const journal of this.journals.values()) {
      if (journal.retired) continue;
      if (journal.durableRecords < journal.records.length) actions.push(() => this.commit(journal.dataSet));
      if (journal.flag === 'told') actions.push(() => this.makeFlagDurable(journal.dataSet));
    }
    const lastDestage = this.pendingDestages.at(-1);
    if (lastDestage !== undefined) actions.push(() => this.finishDestage(lastDestage));
    if (this.pendingWatermark !== null) actions.push(() => this.finishWatermark());
    return actions;
  }

  /** Carry everything out until nothing is pending. */
  settle(): SecondaryEffect[] {
    const effects: SecondaryEffect[] = [];
    for (let [next] = this.actions(); next !== undefined; [next] = this.actions()) effects.push(...next());
    return effects;
  }

  /** What recovery would find after a crash that kept everything durable; `more` says how many further records survived. */
  crash(more: (journal: ModelJournal) => { records: number; flag: boolean } = () => ({ records: 0, flag: false })): DurableState {
    const journals = new Map<number, ModelJournal>();
    for (const [slot, journal] of this.journals) {
      const kept = more(journal);
      const records = journal.records.slice(0, journal.durableRecords + kept.records);
      const flag = journal.flag === 'durable' || (journal.flag === 'told' && kept.flag) ? 'durable' : 'no';
      if (records.length > 0) journals.set(slot, { ...journal, records, durableRecords: records.length, flag, retired: false });
    }
    return { journals, volume: new Map(this.volume), watermark: this.watermark, mixedThrough: this.#mixedThrough };
  }

  /** I1: the volume is the history's as of this data set, unless a torn destage of later ones has to be done again first. */
  #expectVolumeAt(dataSet: DataSetId): void {
    if (dataSet < this.#mixedThrough) return;
    const found = showImage(this.volume);
    const expected = showImage(this.#history.imageAfter(dataSet));
    expect(found === expected, `I1: the volume after data set ${dataSet}: found ${found}, expected ${expected}`);
  }

  #origin(): HistoryOrigin {
    if (this.watermark === null) return this.#history.origin;
    return { dataSet: this.watermark.dataSet + 1, firstSequence: this.watermark.finalSequence + 1, chain: this.watermark.chain };
  }

  #restored(origin: HistoryOrigin): RestoredDataSet[] {
    const restored: RestoredDataSet[] = [];
    for (const journal of this.journals.values()) {
      // A journal at or below the watermark is done already (DESIGN section 6).
      if (journal.dataSet < origin.dataSet) journal.retired = true;
      else
        restored.push({
          dataSet: journal.dataSet,
          firstSequence: journal.firstSequence,
          completeFlag: journal.flag === 'durable',
          records: journal.records,
        });
    }
    return restored;
  }

  #carryOutAll(effects: SecondaryEffect[]): SecondaryEffect[] {
    for (const effect of effects) this.#carryOut(effect);
    return this.#instant ? [...effects, ...this.settle()] : effects;
  }

  #carryOut(effect: SecondaryEffect): void {
    switch (effect.effect) {
      case 'openJournal':
        expect(effect.slot === effect.dataSet % this.geometry.slots, 'I6: slot = ID mod slots');
        expect(this.journals.get(effect.slot)?.retired ?? true, `I5: slot ${effect.slot} is used again before it was retired`);
        this.journals.set(effect.slot, {
          dataSet: effect.dataSet,
          firstSequence: effect.firstSequence,
          records: [],
          durableRecords: 0,
          flag: 'no',
          retired: false,
        });
        return;
      case 'appendJournal':
        expect(effect.index === effect.record.sequence - effect.record.firstSequence, 'the index is sequence - firstSequence');
        this.journalOf(effect.dataSet).records.push(effect.record);
        return;
      case 'setCompleteFlag': {
        const journal = this.journalOf(effect.dataSet);
        expect(
          journal.durableRecords === journal.records.length,
          `I3: data set ${effect.dataSet} is flagged before its records are durable`,
        );
        journal.flag = 'told';
        return;
      }
      case 'destage':
        expect(
          effect.dataSet === (this.destageOrder.at(-1) ?? this.watermark?.dataSet ?? this.#history.origin.dataSet - 1) + 1,
          'I4: destage in ascending order',
        );
        expect(this.journalOf(effect.dataSet).flag === 'durable', 'I3: destage only after the complete flag is durable');
        expect(effect.writes === this.journalOf(effect.dataSet).records.length - 1, 'a destage has every record but the sync');
        this.destageOrder.push(effect.dataSet);
        this.pendingDestages.push(effect.dataSet);
        return;
      case 'writeWatermark':
        expect(this.pendingWatermark === null, 'one watermark at a time');
        this.#expectVolumeAt(effect.point.dataSet);
        this.pendingWatermark = effect.point;
        return;
      case 'retireJournal':
        expect(this.watermark !== null && effect.dataSet <= this.watermark.dataSet, 'I5: retire only below a durable watermark');
        this.journalOf(effect.dataSet).retired = true;
        return;
      case 'acknowledge':
        for (const range of effect.ranges) this.#acknowledge(range.from, range.to);
        return;
      case 'reject':
        this.rejected.push(effect.sequence);
        return;
      case 'announceWindow':
        this.windowAnnounced += 1;
        return;
      case 'closeLink':
        this.closed.push({ link: effect.link, violation: effect.violation });
        return;
      case 'fail':
        this.failures.push(effect.code);
    }
  }

  #acknowledge(from: SequenceNumber, to: SequenceNumber): void {
    for (let sequence = from; sequence <= to; sequence += 1) {
      const { dataSet } = this.#history.at(sequence);
      if (this.watermark === null || dataSet > this.watermark.dataSet) {
        const { records, durableRecords } = this.journalOf(dataSet);
        expect(
          records.slice(0, durableRecords).some((record) => record.sequence === sequence),
          `I2: ${sequence} is acknowledged before it is durable`,
        );
      }
      this.acknowledged.add(sequence);
    }
  }
}

function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
