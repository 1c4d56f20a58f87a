/**
 * The machines of both hosts without anything around them, in a process of its own: the events of 4 KiB writes go into the primary's
 * machine, its records into the secondary's, and every disk answers at once. What is counted is the time inside `step`.
 */
import { CHAIN_START, type DataSetId } from '../../src/model/ids.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { geometryOf } from '../../journals/geometry.ts';
import type { PrimaryEffect, PrimaryEvent } from '../../src/protocol/primary-contract.ts';
import { PrimaryMachine } from '../../src/protocol/primary-machine.ts';
import type { ReceivedRecord, SecondaryEffect, SecondaryEvent } from '../../src/protocol/secondary-contract.ts';
import { SecondaryMachine } from '../../src/protocol/secondary-machine.ts';
import { encodedWriteBytes, hashChain, SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import { answer, taskOfProcess } from './alone.ts';

export interface CoreTask {
  /** Writes that one turn of the event loop brings. */
  readonly batchWrites: number;
  readonly seconds: number;
}

export interface MachineFigures {
  readonly steps: number;
  readonly events: number;
  readonly seconds: number;
}

export interface CoreAnswer {
  /** Numbered by the primary; records that the secondary took, syncs among them, and data sets that it destaged. */
  readonly writes: number;
  readonly taken: number;
  readonly destaged: number;
  readonly primary: MachineFigures;
  readonly secondary: MachineFigures;
}

const RECORD_BYTES = encodedWriteBytes(4096);
const RECORD_SIZES: readonly number[] = [RECORD_BYTES];
const INCARNATION = 'a'.repeat(16);
const BUDGET_BYTES = LIMITS.linkBufferedBytesMax;
const MAX_AGE_MS = 100;
/** Before it counts: the machines are compiled by then. */
const WARM_UP_SECONDS = 0.5;
const MIB = 1024 * 1024;

class Counted {
  steps = 0;
  events = 0;
  ms = 0;

  run<Event, Effect>(events: readonly Event[], step: (events: readonly Event[]) => Effect[]): Effect[] {
    const startedAt = performance.now();
    const effects = step(events);
    this.ms += performance.now() - startedAt;
    this.steps += 1;
    this.events += events.length;
    return effects;
  }

  get figures(): MachineFigures {
    return { steps: this.steps, events: this.events, seconds: this.ms / 1000 };
  }
}

class Pair {
  readonly #geometry = geometryOf({ slots: 16, slotBytes: 32 * MIB });
  readonly #primary = new PrimaryMachine({
    cutPolicy: { minAgeMs: 10, maxAgeMs: MAX_AGE_MS, maxSizeBytes: 31 * MIB, recordsMax: this.#geometry.recordsMax },
    backlogLimitBytes: 256 * MIB,
    flushReply: 'local',
    batchBytesMax: LIMITS.batchBytesMax,
    syncRecordBytes: SYNC_RECORD_BYTES,
    nextDataSet: 0,
    nextSequence: 0,
    bytesTaken: 0,
    restored: [],
    acknowledged: null,
  });
  readonly #secondary = new SecondaryMachine({
    geometry: this.#geometry,
    origin: { dataSet: 0, firstSequence: 0, chain: CHAIN_START },
    restored: [],
    hashChain,
  });
  counted = { primary: new Counted(), secondary: new Counted() };
  writes = 0;
  taken = 0;
  destaged = 0;
  #request = 0;
  #chain = CHAIN_START;
  /** Header checksums of the open data set's writes. */
  #checksums: number[] = [];
  #syncs = new Map<number, ReceivedRecord>();
  #appended = new Map<DataSetId, number>();
  #toPrimary: PrimaryEvent[] = [];
  #toSecondary: SecondaryEvent[] = [];
  #lastCutMs = 0;

  constructor() {
    const { slots, capacityBytes, recordsMax } = this.#geometry;
    this.#stepPrimary([
      { event: 'sessionEstablished', windowHigh: slots - 1, dataSetBytesMax: capacityBytes, recordsMax, held: [], destaged: null },
      { event: 'linkOpened', link: 1 },
      { event: 'linkReady', link: 1, budgetBytes: BUDGET_BYTES },
    ]);
  }

  /** One turn: writes arrive, are stored, sent, journaled, acknowledged, and now and then destaged. */
  turn(batchWrites: number, nowMs: number): void {
    const events: PrimaryEvent[] = [];
    for (let index = 0; index < batchWrites; index += 1) {
      this.#request += 1;
      events.push({ event: 'writeRequested', request: this.#request, records: 1, encodedBytes: RECORD_BYTES, fua: false });
    }
    if (nowMs - this.#lastCutMs >= MAX_AGE_MS) {
      this.#lastCutMs = nowMs;
      events.push({ event: 'clockTicked' });
    }
    this.#stepPrimary(events, nowMs);
    this.#toPrimary.push({ event: 'linkReady', link: 1, budgetBytes: BUDGET_BYTES });
    while (this.#toSecondary.length > 0 || this.#toPrimary.length > 0) {
      this.#stepSecondary();
      this.#stepPrimary(this.#toPrimary.splice(0), nowMs);
    }
  }

  #stepPrimary(events: readonly PrimaryEvent[], nowMs = 0): void {
    if (events.length === 0) return;
    const stored: PrimaryEvent[] = [];
    for (const effect of this.counted.primary.run(events, (taken) => this.#primary.step(taken, nowMs))) {
      if (effect.effect === 'storeWrite') stored.push({ event: 'writeStored', request: effect.request, recordBytes: RECORD_SIZES });
      else this.#carryOut(effect);
    }
    this.#stepPrimary(stored, nowMs);
  }

  #carryOut(effect: PrimaryEffect): void {
    switch (effect.effect) {
      case 'appendRecords':
        this.#checksums.push(effect.sequence >>> 0);
        this.writes += 1;
        return;
      case 'closeDataSet': {
        const { dataSet, firstSequence, finalSequence, reason } = effect;
        this.#chain = hashChain(this.#chain, Uint32Array.from(this.#checksums.splice(0)), INCARNATION);
        const sync = { reason, chain: this.#chain, incarnation: INCARNATION, headBytes: 0 };
        this.#syncs.set(finalSequence, {
          ...recordOf(dataSet, firstSequence, finalSequence),
          type: 'sync',
          encodedBytes: SYNC_RECORD_BYTES,
          sync,
        });
        return;
      }
      case 'sendRecords': {
        const records: ReceivedRecord[] = [];
        for (let sequence = effect.from; sequence <= effect.to; sequence += 1) {
          const sync = this.#syncs.get(sequence);
          if (sync !== undefined) this.#syncs.delete(sequence);
          records.push(sync ?? recordOf(effect.dataSet, this.#firstOf(effect.dataSet, effect.from), sequence));
        }
        this.#toSecondary.push({ event: 'recordsReceived', link: 1, records });
        return;
      }
      case 'reply':
      case 'releaseDataSet':
        return;
      default:
        throw new Error(`not expected here: ${JSON.stringify(effect)}`);
    }
  }

  readonly #firsts = new Map<DataSetId, number>();

  /** What is sent of a data set for the first time begins with its first number. */
  #firstOf(dataSet: DataSetId, from: number): number {
    const first = this.#firsts.get(dataSet) ?? from;
    this.#firsts.set(dataSet, first);
    return first;
  }

  #stepSecondary(): void {
    const events = this.#toSecondary.splice(0);
    if (events.length === 0) return;
    for (const effect of this.counted.secondary.run(events, (taken) => this.#secondary.step(taken))) this.#carryOutSecondary(effect);
    for (const [dataSet, records] of this.#appended) this.#toSecondary.push({ event: 'journalDurable', dataSet, records });
    for (const dataSet of this.#appended.keys()) this.#totals.set(dataSet, this.#appended.get(dataSet) ?? 0);
    this.#appended.clear();
  }

  /** Records appended so far, by data set. */
  readonly #totals = new Map<DataSetId, number>();

  #carryOutSecondary(effect: SecondaryEffect): void {
    const { windowHigh } = this.#secondary;
    switch (effect.effect) {
      case 'appendJournal':
        this.taken += 1;
        this.#appended.set(effect.dataSet, (this.#appended.get(effect.dataSet) ?? this.#totals.get(effect.dataSet) ?? 0) + 1);
        return;
      case 'setCompleteFlag':
        this.#toSecondary.push({ event: 'completeFlagDurable', dataSet: effect.point.dataSet });
        return;
      case 'destage':
        this.destaged += 1;
        this.#toSecondary.push({ event: 'destaged', dataSet: effect.dataSet });
        return;
      case 'writeWatermark':
        this.#toSecondary.push({ event: 'watermarkDurable', dataSet: effect.point.dataSet });
        return;
      case 'acknowledge':
        this.#toPrimary.push({ event: 'acknowledged', link: 1, ranges: effect.ranges, windowHigh });
        return;
      case 'announceWindow':
        this.#toPrimary.push({ event: 'acknowledged', link: 1, ranges: [], windowHigh });
        return;
      case 'retireJournal':
        this.#totals.delete(effect.dataSet);
        this.#firsts.delete(effect.dataSet);
        return;
      case 'openJournal':
        return;
      default:
        throw new Error(`not expected here: ${JSON.stringify(effect)}`);
    }
  }
}

const NOTHING = new Uint8Array(0);

function recordOf(dataSet: DataSetId, firstSequence: number, sequence: number): ReceivedRecord {
  const headerChecksum = sequence >>> 0;
  return { type: 'write', dataSet, firstSequence, sequence, encodedBytes: RECORD_BYTES, headerChecksum, sync: null, bytes: NOTHING };
}

const task = taskOfProcess() as CoreTask;
const pair = new Pair();
run(WARM_UP_SECONDS);
pair.counted = { primary: new Counted(), secondary: new Counted() };
pair.writes = 0;
pair.taken = 0;
pair.destaged = 0;
run(task.seconds);
const { primary, secondary } = pair.counted;
const { writes, taken, destaged } = pair;
answer({ writes, taken, destaged, primary: primary.figures, secondary: secondary.figures } satisfies CoreAnswer);

function run(seconds: number): void {
  const deadline = performance.now() + seconds * 1000;
  for (let nowMs = performance.now(); nowMs < deadline; nowMs = performance.now()) pair.turn(task.batchWrites, nowMs);
}
