/**
 * The order of writes on a primary: runs the primary machine and carries its effects out (DESIGN section 2, steps 1-5).
 *
 * Events of one turn of the event loop are gathered and stepped together; the effects are carried out in their order. A store
 * that ends at once brings its `writeStored` event into the next round of the same turn, so a write that finds its pages
 * in memory is stored, numbered, encoded, replied to and handed to a link in one turn.
 */
import type { Application, ApplicationFlush, ApplicationWrite, WriteOrder } from '../application/application.ts';
import type { CutReason } from '../model/commands.ts';
import {
  BLOCK_BYTES,
  type Chain,
  type DataSetId,
  type Digest,
  type HistoryPoint,
  type SequenceNumber,
  type SequenceRange,
  type SessionId,
} from '../model/ids.ts';
import { assert } from '../model/assert.ts';
import type { HeldDataSet } from '../model/handshake.ts';
import { LIMITS } from '../model/limits.ts';
import type { AgreedCapacity, PrimaryCore, PrimaryEffect, PrimaryEvent } from '../protocol/primary-contract.ts';
import { digestHeld } from '../protocol/held-digest.ts';
import type { LinkId } from '../protocol/secondary-contract.ts';
import type { RecordStream } from '../record/contract.ts';
import { hashChain } from '../record/record.ts';
import { PositionHistory } from './position-history.ts';
import { ChunkPool, SendBuffer, type SendSlice } from './send-buffer.ts';
import type { StreamState } from './stream-state.ts';
import { encodedBytesOf, recordBytesOf } from './write-parts.ts';

/** How records and questions reach the other side; implemented by primary-links.ts. */
export interface RecordCarrier {
  sendRecords(link: LinkId, slice: SendSlice): void;
  requestProgress(link: LinkId, closedLinks: readonly LinkId[]): void;
  closeLink(link: LinkId, violation: string): void;
  /** Tell the machine again what the links can take. */
  refillBudgets(): void;
}

export interface ReplicatedOrderOptions {
  readonly application: Application;
  readonly machine: PrimaryCore;
  readonly stream: RecordStream;
  readonly session: SessionId;
  readonly chain: Chain;
  readonly chains: readonly HistoryPoint[];
  readonly acknowledged: HistoryPoint | null;
  readonly agreed: AgreedCapacity | null;
  readonly bytesTaken: number;
  readonly backlogLimitBytes: number;
  readonly writeBytesMax: number;
  readonly onFailed: (code: `ERR_${string}`, error: Error) => void;
}

/** Chains that are told in the handshake: 2 x slots of the largest ring (DESIGN section 6). */
const CHAINS_TOLD_MAX = 2 * LIMITS.slotsMax;
/** Of these, so many that were acknowledged before. */
const CHAINS_BEFORE_MAX = LIMITS.slotsMax;

export class ReplicatedOrder implements WriteOrder {
  /** Follows what the secondary's slots hold; a longer write is stored and numbered in parts. */
  writeBytesMax: number;
  readonly machine: PrimaryCore;
  readonly positions: PositionHistory;
  carrier: RecordCarrier | null = null;
  acknowledged: HistoryPoint | null;
  /** What the newest handshake agreed; kept over clean stops. */
  agreed: AgreedCapacity | null;
  lastCut: { dataSet: DataSetId; reason: CutReason; timeMs: number } | null = null;
  chain: Chain;
  /** Of every data set that is not acknowledged, however many a long outage made, and of some before. */
  readonly chains: HistoryPoint[];
  readonly buffers = new Map<DataSetId, SendBuffer>();
  /** Called after every round, for status and for those who wait. */
  onStepped: (() => void) | null = null;
  readonly #options: ReplicatedOrderOptions;
  readonly #pool: ChunkPool;
  readonly #open = new Map<number, ApplicationWrite | ApplicationFlush>();
  #events: PrimaryEvent[] = [];
  #draining = false;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(options: ReplicatedOrderOptions) {
    this.#options = options;
    this.machine = options.machine;
    this.writeBytesMax = options.writeBytesMax;
    this.chain = options.chain;
    this.chains = [...options.chains];
    this.acknowledged = options.acknowledged;
    this.agreed = options.agreed;
    this.positions = new PositionHistory(options.bytesTaken);
    this.#pool = new ChunkPool(options.backlogLimitBytes);
  }

  /** Chunks of memory that send buffers and sockets hold. */
  get chunksInUse(): number {
    return this.#pool.chunksInUse;
  }

  /** Begin the send buffer of a data set: of the open one, or of one that a clean stop left unacknowledged. */
  openBuffer(dataSet: DataSetId, firstSequence: SequenceNumber, openedAtMs: number): SendBuffer {
    this.positions.opened(dataSet, openedAtMs);
    const buffer = new SendBuffer({ dataSet, firstSequence, stream: this.#options.stream, pool: this.#pool });
    this.buffers.set(dataSet, buffer);
    return buffer;
  }

  /** The chains around the newest acknowledged data set: there the secondary is, whatever was taken since. */
  get chainsTold(): readonly HistoryPoint[] {
    return this.chains.slice(0, CHAINS_TOLD_MAX);
  }

  requested(write: ApplicationWrite): void {
    this.#open.set(write.id, write);
    const records = write.data === null ? 1 : Math.ceil(write.data.length / LIMITS.recordDataBytesMax);
    this.#events.push({
      event: 'writeRequested',
      request: write.id,
      records,
      encodedBytes: encodedBytesOf(write.data),
      fua: write.request.fua && write.last,
    });
  }

  stored(write: ApplicationWrite): void {
    this.#events.push({ event: 'writeStored', request: write.id, recordBytes: recordBytesOf(write.data) });
  }

  flushed(done: ApplicationFlush | ApplicationWrite, kind: 'flush' | 'fua'): void {
    this.#open.set(done.id, done);
    this.step({ event: 'volumeFlushed', request: done.id, kind });
  }

  failed(error: Error): void {
    // Before what this turn has stored: nothing more is numbered, cut or sent (I10).
    this.#events.unshift({ event: 'volumeFailed' });
    this.#drain();
    this.#options.onFailed('ERR_VOLUME_FAILED', error);
  }

  turnEnded(): void {
    this.#drain();
  }

  /** Hand one event to the machine and carry out what follows. */
  step(event: PrimaryEvent): void {
    this.#events.push(event);
    this.#drain();
  }

  /** What a clean stop writes down, together with `backlog` (DESIGN section 7). Called when nothing is open any more. */
  streamState(state: { groupId: string | null; stream: string | null }): Omit<StreamState, 'backlogBytes' | 'backlogSha256'> {
    const unacknowledged = this.machine.unacknowledged();
    const head = this.machine.head(Date.now());
    return {
      formatVersion: 1,
      groupId: state.groupId ?? '',
      stream: state.stream ?? '',
      generation: this.#options.stream.generation,
      nextDataSet: head.dataSet,
      nextSequence: head.sequence + 1,
      bytesTaken: head.bytes,
      chain: this.chain,
      chains: this.chains,
      acknowledged: this.acknowledged,
      agreed: this.agreed,
      dataSets: unacknowledged.map((set) => ({
        dataSet: set.dataSet,
        firstSequence: set.firstSequence,
        records: this.#buffer(set.dataSet).count,
        acknowledged: rangesOfBits(set.acknowledged, set.firstSequence, this.#buffer(set.dataSet).count),
      })),
    };
  }

  /** The encoded records of every data set that is not acknowledged complete, in the order of their numbers. */
  backlog(): Uint8Array[] {
    return this.machine.unacknowledged().flatMap((set) => {
      const buffer = this.#buffer(set.dataSet);
      return buffer.slices(set.firstSequence, set.firstSequence + buffer.count - 1).map((slice) => slice.bytes);
    });
  }

  /** Check every record that is kept; a damaged one fails the group, because nothing here can mend it (I9). */
  verifyBuffers(): void {
    for (const buffer of this.buffers.values()) {
      const damaged = buffer.firstDamaged();
      if (damaged === null) continue;
      this.#options.onFailed(
        'ERR_SEND_BUFFER_CORRUPT',
        new Error(`record ${damaged} of data set ${buffer.dataSet} is damaged in this host's memory`),
      );
      return;
    }
  }

  /** The digest of this primary's own records of the numbers that the secondary received; null: they are no longer kept. */
  digestOf({ dataSet, received }: HeldDataSet): Digest | null {
    const buffer = this.buffers.get(dataSet);
    return buffer === undefined ? null : digestHeld(received, buffer.headerChecksums(), hashChain);
  }

  /** Stop stepping: the shell ends, or replication is given up. */
  end(): void {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #drain(): void {
    if (this.#draining || this.#ended) return;
    this.#draining = true;
    try {
      while (this.#events.length > 0) {
        const events = this.#events;
        this.#events = [];
        for (const effect of this.machine.step(events, performance.now())) this.#carryOut(effect);
        if (this.#events.length === 0) this.carrier?.refillBudgets();
      }
    } finally {
      this.#draining = false;
    }
    this.#setTimer();
    this.onStepped?.();
  }

  #setTimer(): void {
    if (this.#timer !== null || this.#ended) return;
    const waitMs = this.machine.nextTickMs(performance.now());
    if (waitMs === null) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.step({ event: 'clockTicked' });
      },
      Math.max(1, Math.ceil(waitMs)),
    );
  }

  #carryOut(effect: PrimaryEffect): void {
    switch (effect.effect) {
      case 'storeWrite':
        this.#options.application.store(this.#open.get(effect.request) as ApplicationWrite);
        return;
      case 'appendRecords':
        this.#appendRecords(effect);
        return;
      case 'closeDataSet':
        this.#closeDataSet(effect);
        return;
      case 'reply': {
        const done = this.#open.get(effect.request);
        this.#open.delete(effect.request);
        if (done !== undefined) this.#options.application.finish(done);
        return;
      }
      case 'sendRecords':
        for (const slice of this.#buffer(effect.dataSet).slices(effect.from, effect.to)) this.#send(effect.link, slice);
        return;
      case 'releaseDataSet':
        this.#release(effect.dataSet);
        return;
      case 'requestProgress':
        this.carrier?.requestProgress(effect.link, effect.closedLinks);
        return;
      case 'verifyRecord': {
        const intact = this.#buffer(effect.dataSet).isIntact(effect.sequence);
        this.#events.push({ event: 'recordVerified', dataSet: effect.dataSet, sequence: effect.sequence, intact });
        return;
      }
      case 'closeLink':
        this.carrier?.closeLink(effect.link, effect.violation);
        return;
      case 'failGroup':
        this.#options.onFailed(effect.code, new Error(effect.message));
        return;
    }
  }

  #appendRecords(effect: Extract<PrimaryEffect, { effect: 'appendRecords' }>): void {
    const write = this.#open.get(effect.request) as ApplicationWrite;
    const { type, volume, timeUs } = write;
    let buffer = this.buffers.get(effect.dataSet);
    if (buffer === undefined) {
      buffer = this.openBuffer(effect.dataSet, effect.firstSequence, timeUs / 1000);
    }
    const { vlun } = volume.entry;
    if (write.data === null) {
      buffer.appendWrite(
        { type, vlun, lba: write.offset / BLOCK_BYTES, lengthBytes: write.lengthBytes, timeUs, payload: null },
        effect.sequence,
      );
      return;
    }
    let sequence = effect.sequence;
    for (let begin = 0; begin < write.data.length; begin += LIMITS.recordDataBytesMax) {
      const whole = write.data.length <= LIMITS.recordDataBytesMax;
      const payload = whole ? write.data : write.data.subarray(begin, begin + LIMITS.recordDataBytesMax);
      buffer.appendWrite({ type, vlun, lba: (write.offset + begin) / BLOCK_BYTES, lengthBytes: payload.length, timeUs, payload }, sequence);
      sequence += 1;
    }
  }

  #closeDataSet(effect: Extract<PrimaryEffect, { effect: 'closeDataSet' }>): void {
    const { dataSet, finalSequence, reason } = effect;
    const buffer = this.#buffer(dataSet);
    const timeMs = Date.now();
    this.chain = hashChain(this.chain, buffer.headerChecksums(), this.#options.session);
    this.chains.push({ dataSet, finalSequence, chain: this.chain });
    const { bytes } = this.machine.head(timeMs);
    buffer.appendSync({
      finalSequence,
      reason,
      chain: this.chain,
      incarnation: this.#options.session,
      headBytes: bytes,
      timeUs: timeMs * 1000,
    });
    this.positions.closed({ dataSet, finalSequence, bytes });
    this.lastCut = { dataSet, reason, timeMs };
  }

  #release(dataSet: DataSetId): void {
    this.#buffer(dataSet).release();
    this.buffers.delete(dataSet);
    const point = this.chains.find((candidate) => candidate.dataSet === dataSet);
    assert(point !== undefined, `the chain of data set ${dataSet} is known`);
    this.acknowledged = point;
    while ((this.chains[0]?.dataSet ?? dataSet) < dataSet - CHAINS_BEFORE_MAX) this.chains.shift();
  }

  #send(link: LinkId, slice: SendSlice): void {
    if (this.carrier === null) slice.done();
    else this.carrier.sendRecords(link, slice);
  }

  #buffer(dataSet: DataSetId): SendBuffer {
    const buffer = this.buffers.get(dataSet);
    assert(buffer !== undefined, 'data set % has a send buffer', dataSet);
    return buffer;
  }
}

/** The set bits as ranges of sequence numbers. */
function rangesOfBits(bits: Uint8Array, firstSequence: SequenceNumber, count: number): SequenceRange[] {
  const ranges: { from: SequenceNumber; to: SequenceNumber }[] = [];
  for (let index = 0; index < count; index += 1) {
    if (((bits[index >> 3] ?? 0) & (1 << (index & 7))) === 0) continue;
    const sequence = firstSequence + index;
    const newest = ranges.at(-1);
    if (newest !== undefined && newest.to === sequence - 1) newest.to = sequence;
    else ranges.push({ from: sequence, to: sequence });
  }
  return ranges;
}
