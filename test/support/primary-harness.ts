/** A primary machine with small numbers, and short names for its events: tests read as tables of events and effects. */
import type { DataSetId, SequenceNumber, SequenceRange } from '../../src/model/ids.ts';
import { PrimaryMachine } from '../../src/protocol/primary-machine.ts';
import type { CutPolicy, PrimaryEffect, PrimaryEvent, PrimaryMachineOptions, RequestId } from '../../src/protocol/primary-contract.ts';
import type { HeldDataSet } from '../../src/model/handshake.ts';

export const SYNC_BYTES = 96;
export const RECORD_BYTES = 1000;

export type PrimarySetup = Partial<Omit<PrimaryMachineOptions, 'cutPolicy'>> & { readonly cutPolicy?: Partial<CutPolicy> };

export function makeMachine(setup: PrimarySetup = {}): PrimaryMachine {
  return new PrimaryMachine({
    backlogLimitBytes: 1_000_000,
    flushReply: 'local',
    batchBytesMax: 100_000,
    syncRecordBytes: SYNC_BYTES,
    nextDataSet: 0,
    nextSequence: 0,
    bytesTaken: 0,
    restored: [],
    acknowledged: null,
    ...setup,
    cutPolicy: { minAgeMs: 10, maxAgeMs: 100, maxSizeBytes: 100_000, recordsMax: 1000, ...setup.cutPolicy },
  });
}

export interface HarnessWrite {
  readonly records?: number;
  readonly recordBytes?: number;
  readonly fua?: boolean;
}

/** A machine, its clock, and the log of its effects as short lines. */
export class PrimaryHarness {
  readonly machine: PrimaryMachine;
  nowMs = 0;
  #requests = 0;
  #sizes = new Map<RequestId, number[]>();

  constructor(setup: PrimarySetup = {}) {
    this.machine = makeMachine(setup);
  }

  /** Step one turn; effects as lines such as `send link 1: 0/5-7`. */
  step(...events: PrimaryEvent[]): string[] {
    return this.machine.step(events, this.nowMs).map(describeEffect);
  }

  /** Make an event that asks for a write. */
  request({ records = 1, recordBytes = RECORD_BYTES, fua = false }: HarnessWrite = {}): PrimaryEvent & { request: RequestId } {
    this.#requests += 1;
    this.#sizes.set(
      this.#requests,
      Array.from({ length: records }, () => recordBytes),
    );
    return { event: 'writeRequested', request: this.#requests, records, encodedBytes: records * recordBytes, fua };
  }

  /** Make the event that a request was stored. */
  stored(request: RequestId): PrimaryEvent {
    return { event: 'writeStored', request, recordBytes: this.#sizes.get(request) ?? [] };
  }

  /** Ask for a write and store it in one turn; effects without the store's and the application's. */
  write(options: HarnessWrite = {}): string[] {
    const event = this.request(options);
    return this.step(event, this.stored(event.request)).filter((line) => !/^(store|reply|append)/.test(line));
  }

  flush(request = 9000): string[] {
    return this.step({ event: 'volumeFlushed', request, kind: 'flush' });
  }

  tick(nowMs: number): string[] {
    this.nowMs = nowMs;
    return this.step({ event: 'clockTicked' });
  }

  acknowledge(ranges: readonly (readonly [SequenceNumber, SequenceNumber])[], windowHigh: DataSetId = 0, link = 1): string[] {
    return this.step({ event: 'acknowledged', link, ranges: ranges.map(([from, to]): SequenceRange => ({ from, to })), windowHigh });
  }

  /** Agree a session, then open links that can take any amount. */
  connect({ windowHigh = 15, links = [1], held = [], destaged = null, budgetBytes = 1e9 }: ConnectOptions = {}): string[] {
    return this.step(
      { event: 'sessionEstablished', windowHigh, dataSetBytesMax: 1e9, recordsMax: 65_536, held, destaged },
      ...links.flatMap((link): PrimaryEvent[] => [
        { event: 'linkOpened', link },
        { event: 'linkReady', link, budgetBytes },
      ]),
    );
  }
}

export interface ConnectOptions {
  readonly windowHigh?: DataSetId;
  readonly links?: readonly number[];
  readonly held?: readonly HeldDataSet[];
  readonly destaged?: DataSetId | null;
  readonly budgetBytes?: number;
}

/** What a secondary holds of a data set, from lists of numbers. */
export function heldOf(
  dataSet: DataSetId,
  firstSequence: SequenceNumber,
  received: readonly number[],
  durable: readonly number[],
): HeldDataSet {
  return {
    dataSet,
    firstSequence,
    finalSequence: null,
    received: bitsOf(firstSequence, [...received, ...durable]),
    durable: bitsOf(firstSequence, durable),
  };
}

function bitsOf(firstSequence: SequenceNumber, numbers: readonly number[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil((Math.max(firstSequence, ...numbers) - firstSequence + 1) / 8));
  for (const number of numbers) {
    const index = number - firstSequence;
    bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return bits;
}

/** Show an effect as one line. */
export function describeEffect(effect: PrimaryEffect): string {
  switch (effect.effect) {
    case 'storeWrite':
      return `store ${effect.request}`;
    case 'appendRecords':
      return `append ${effect.request}: ${effect.dataSet}/${effect.sequence}`;
    case 'closeDataSet':
      return `close ${effect.dataSet}: ${effect.firstSequence}-${effect.finalSequence} ${effect.reason}`;
    case 'reply':
      return `reply ${effect.request}`;
    case 'sendRecords':
      return `${effect.again ? 'resend' : 'send'} link ${effect.link}: ${effect.dataSet}/${effect.from}-${effect.to}`;
    case 'releaseDataSet':
      return `release ${effect.dataSet}: ${effect.finalSequence}`;
    case 'requestProgress':
      return `ask link ${effect.link}: ${effect.closedLinks.join(',')}`;
    case 'verifyRecord':
      return `verify ${effect.dataSet}/${effect.sequence}`;
    case 'closeLink':
      return `close link ${effect.link}: ${effect.violation}`;
    case 'failGroup':
      return `fail ${effect.code}`;
  }
}
