/**
 * The primary machine and the secondary machine together, with nothing between them but links that overtake each other, get lost and
 * are opened again: everything written is destaged once, in order, and nothing stays behind.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CHAIN_START, type DataSetId, type SequenceNumber } from '../../src/model/ids.ts';
import type { PrimaryEffect, PrimaryEvent } from '../../src/protocol/primary-contract.ts';
import type { ReceivedRecord, SecondaryEffect, SecondaryEvent } from '../../src/protocol/secondary-contract.ts';
import { SecondaryMachine } from '../../src/protocol/secondary-machine.ts';
import { makeMachine } from '../support/primary-harness.ts';

const INCARNATION = 'aaaaaaaaaaaaaaaa';
const CAPACITY_BYTES = 6000;

function hashChain(previous: string, headerChecksums: Uint32Array): string {
  let hash = Number.parseInt(previous.slice(0, 8), 16);
  for (const checksum of headerChecksums) hash = (Math.imul(hash, 31) + checksum) >>> 0;
  return hash.toString(16).padStart(32, '0');
}

type ToPrimary = Extract<PrimaryEvent, { event: 'acknowledged' | 'rejected' | 'progressReported' }>;

interface Pipe {
  toSecondary: ReceivedRecord[];
  questions: (readonly number[])[];
  toPrimary: ToPrimary[];
}

/** Both cores with the smallest shells that carry their effects out. */
class Pair {
  readonly primary = makeMachine({
    cutPolicy: { maxSizeBytes: CAPACITY_BYTES, recordsMax: 40 },
    backlogLimitBytes: 30_000,
    batchBytesMax: 2500,
  });
  readonly secondary = new SecondaryMachine({
    geometry: { slots: 3, slotBytes: 8192, capacityBytes: CAPACITY_BYTES, recordsMax: 40 },
    origin: { dataSet: 0, firstSequence: 0, chain: CHAIN_START },
    restored: [],
    hashChain,
  });
  readonly destaged: DataSetId[] = [];
  readonly pipes = new Map<number, Pipe>();
  readonly #records = new Map<SequenceNumber, ReceivedRecord>();
  readonly #appended = new Map<DataSetId, number>();
  #disk: SecondaryEvent[] = [];
  #chain = CHAIN_START;
  #checksums: number[] = [];
  #nowMs = 0;
  #links = 0;
  #requests = 0;
  #replies = 0;

  stepPrimary(...events: PrimaryEvent[]): void {
    const afterwards: PrimaryEvent[] = [];
    for (const effect of this.primary.step(events, this.#nowMs)) {
      if (effect.effect === 'storeWrite') afterwards.push({ event: 'writeStored', request: effect.request, recordBytes: [600] });
      else this.#carryOut(effect);
    }
    if (afterwards.length > 0) this.stepPrimary(...afterwards);
  }

  #carryOut(effect: PrimaryEffect): void {
    switch (effect.effect) {
      case 'appendRecords':
        this.#checksums.push(effect.sequence * 7);
        return this.#encode(effect.dataSet, effect.firstSequence, effect.sequence, null);
      case 'closeDataSet':
        this.#chain = hashChain(this.#chain, Uint32Array.from(this.#checksums.splice(0)));
        return this.#encode(effect.dataSet, effect.firstSequence, effect.finalSequence, {
          reason: effect.reason,
          chain: this.#chain,
          incarnation: INCARNATION,
          headBytes: 0,
        });
      case 'sendRecords':
        for (let sequence = effect.from; sequence <= effect.to; sequence += 1) {
          const record = this.#records.get(sequence);
          assert.ok(record !== undefined, `record ${sequence} was sent before it was encoded`);
          this.pipes.get(effect.link)?.toSecondary.push(record);
        }
        return;
      case 'requestProgress':
        this.pipes.get(effect.link)?.questions.push(effect.closedLinks);
        return;
      case 'reply':
        this.#replies += 1;
        return;
      case 'releaseDataSet':
        return;
      default:
        assert.unreachable(JSON.stringify(effect));
    }
  }

  #encode(dataSet: DataSetId, firstSequence: SequenceNumber, sequence: SequenceNumber, sync: ReceivedRecord['sync']): void {
    const type = sync === null ? 'write' : 'sync';
    const encodedBytes = sync === null ? 600 : 96;
    const bytes = new Uint8Array(0);
    this.#records.set(sequence, { type, dataSet, firstSequence, sequence, encodedBytes, headerChecksum: sequence * 7, sync, bytes });
  }

  /** Step the secondary; what its disks finish is reported by `commit`, what it says goes out on `link`. */
  stepSecondary(link: number, ...events: SecondaryEvent[]): void {
    for (const effect of this.secondary.step(events)) this.#carryOutSecondary(effect, this.pipes.get(link));
  }

  #carryOutSecondary(effect: SecondaryEffect, pipe: Pipe | undefined): void {
    const { windowHigh } = this.secondary;
    switch (effect.effect) {
      case 'appendJournal':
        this.#appended.set(effect.dataSet, (this.#appended.get(effect.dataSet) ?? 0) + 1);
        this.#disk.push({ event: 'journalDurable', dataSet: effect.dataSet, records: this.#appended.get(effect.dataSet) ?? 0 });
        return;
      case 'setCompleteFlag':
        this.#disk.push({ event: 'completeFlagDurable', dataSet: effect.point.dataSet });
        return;
      case 'destage':
        this.destaged.push(effect.dataSet);
        this.#disk.push({ event: 'destaged', dataSet: effect.dataSet });
        return;
      case 'writeWatermark':
        this.#disk.push({ event: 'watermarkDurable', dataSet: effect.point.dataSet });
        return;
      case 'acknowledge':
        pipe?.toPrimary.push({ event: 'acknowledged', link: 1, ranges: effect.ranges, windowHigh });
        return;
      case 'announceWindow':
        pipe?.toPrimary.push({ event: 'acknowledged', link: 1, ranges: [], windowHigh });
        return;
      case 'reject':
        pipe?.toPrimary.push({
          event: 'rejected',
          link: effect.link,
          reason: effect.reason,
          dataSet: effect.dataSet,
          sequence: effect.sequence,
          windowHigh,
        });
        return;
      case 'openJournal':
      case 'retireJournal':
        return;
      default:
        assert.unreachable(JSON.stringify(effect));
    }
  }

  get #facts(): { held: ReturnType<SecondaryMachine['held']>; destaged: DataSetId | null; windowHigh: DataSetId } {
    const destaged = this.secondary.origin.dataSet - 1;
    return { held: this.secondary.held(), destaged: destaged < 0 ? null : destaged, windowHigh: this.secondary.windowHigh };
  }

  openLink(): void {
    if (this.pipes.size >= 3) return;
    this.#links += 1;
    const link = this.#links;
    const events: PrimaryEvent[] = [];
    if (this.pipes.size === 0)
      events.push({ event: 'sessionEstablished', ...this.#facts, dataSetBytesMax: CAPACITY_BYTES, recordsMax: 40 });
    this.pipes.set(link, { toSecondary: [], questions: [], toPrimary: [] });
    this.stepPrimary(...events, { event: 'linkOpened', link }, { event: 'linkReady', link, budgetBytes: 5000 });
  }

  loseLink(link: number): void {
    this.pipes.delete(link);
    this.stepPrimary({ event: 'linkClosed', link }, ...(this.pipes.size === 0 ? [{ event: 'sessionLost' } as const] : []));
  }

  write(): void {
    this.#requests += 1;
    this.stepPrimary({ event: 'writeRequested', request: this.#requests, records: 1, encodedBytes: 600, fua: false });
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    this.stepPrimary({ event: 'clockTicked' });
  }

  deliver(link: number, count: number): void {
    const pipe = this.pipes.get(link);
    const records = pipe?.toSecondary.splice(0, count) ?? [];
    this.stepSecondary(link, { event: 'recordsReceived', link, records });
    for (const closedLinks of pipe?.questions.splice(0) ?? [])
      pipe?.toPrimary.push({ event: 'progressReported', closedLinks, ...this.#facts });
  }

  /** Let the secondary's disks finish the oldest few of what they were asked for. */
  commit(link: number, count: number): void {
    this.stepSecondary(link, ...this.#disk.splice(0, count));
  }

  answer(link: number): void {
    const message = this.pipes.get(link)?.toPrimary.shift();
    if (message !== undefined) this.stepPrimary(message.event === 'acknowledged' ? { ...message, link } : message);
  }

  drain(): void {
    for (let turn = 0; turn < 300 && this.primary.unacknowledged().length + this.#requests - this.#replies > 0; turn += 1) {
      if (this.pipes.size === 0) this.openLink();
      this.pass(200);
      for (const link of this.pipes.keys()) {
        this.stepPrimary({ event: 'linkReady', link, budgetBytes: 10_000 });
        this.deliver(link, 100);
        this.commit(link, 1000);
        for (let message = 0; message < 20; message += 1) this.answer(link);
      }
    }
    for (let turn = 0; turn < 10; turn += 1) this.commit(0, 1000);
    assert.equal([this.primary.unacknowledgedBytes, this.#replies], [0, this.#requests], JSON.stringify(this.primary.positions()));
    assert.equal(
      this.destaged,
      Array.from({ length: this.primary.counters.dataSetsClosed }, (_, dataSet) => dataSet),
      'every data set destaged once, ascending',
    );
  }
}

const turn = fc.record({
  what: fc.constantFrom(
    'write',
    'write',
    'write',
    'write',
    'deliver',
    'deliver',
    'commit',
    'commit',
    'answer',
    'answer',
    'answer',
    'ready',
    'pass',
    'open',
    'lose',
  ),
  pick: fc.nat(5),
  count: fc.nat(10),
});

test('everything written arrives, whatever the links do', () => {
  fc.assert(
    fc.property(fc.array(turn, { minLength: 50, maxLength: 400, size: 'max' }), (turns) => {
      const pair = new Pair();
      pair.openLink();
      for (const { what, pick, count } of turns) {
        const links = [...pair.pipes.keys()];
        const link = links[pick % Math.max(1, links.length)] ?? 0;
        if (what === 'write') pair.write();
        else if (what === 'deliver') pair.deliver(link, count);
        else if (what === 'commit') pair.commit(link, count);
        else if (what === 'answer') pair.answer(link);
        else if (what === 'ready') pair.stepPrimary({ event: 'linkReady', link, budgetBytes: count * 500 });
        else if (what === 'pass') pair.pass(count * 10);
        else if (what === 'open') pair.openLink();
        else if (links.length > 0 && count < 3) pair.loseLink(link);
      }
      pair.drain();
    }),
    { numRuns: 200 },
  );
});

test.run();
