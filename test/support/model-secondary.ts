/**
 * A far side made of plain sets, for tests of the primary machine: links that lose, delay and reorder, a window of slots, durability
 * that comes later than receipt, and restarts that forget what was not durable. It checks what the primary may never do.
 */
import * as assert from 'uvu/assert';
import type { HeldDataSet } from '../../src/model/handshake.ts';
import type { DataSetId, SequenceNumber, SequenceRange } from '../../src/model/ids.ts';
import type { PrimaryEffect, PrimaryEvent } from '../../src/protocol/primary-contract.ts';

interface ArrivingRecord {
  readonly dataSet: DataSetId;
  readonly sequence: SequenceNumber;
}

type Answer = Extract<PrimaryEvent, { event: 'acknowledged' | 'rejected' | 'progressReported' }>;

interface ModelLink {
  readonly link: number;
  /** On their way to the secondary; delivered from the front (one link keeps its order). */
  toSecondary: ArrivingRecord[];
  questions: (readonly number[])[];
  toPrimary: Answer[];
}

export interface ModelDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  finalSequence: SequenceNumber | null;
}

export class ModelSecondary {
  readonly slots: number;
  readonly links = new Map<number, ModelLink>();
  received = new Set<SequenceNumber>();
  durable = new Set<SequenceNumber>();
  destaged: DataSetId;
  readonly #firstDataSet: DataSetId;
  /** What the primary was told as acknowledged: never to be sent again. */
  readonly told = new Set<SequenceNumber>();
  /** The primary's own numbering, learnt from its effects. */
  readonly numbered: ModelDataSet[] = [];

  constructor(options: { readonly slots: number; readonly firstDataSet: DataSetId }) {
    this.slots = options.slots;
    this.#firstDataSet = options.firstDataSet;
    this.destaged = options.firstDataSet - 1;
  }

  get windowHigh(): DataSetId {
    return this.destaged + this.slots;
  }

  openLink(link: number): void {
    this.links.set(link, { link, toSecondary: [], questions: [], toPrimary: [] });
  }

  /** Take one effect of the primary, and check it. */
  carryOut(effect: PrimaryEffect, windowKnown: DataSetId | null): void {
    if (effect.effect === 'appendRecords' && this.numbered.at(-1)?.dataSet !== effect.dataSet) {
      this.numbered.push({ dataSet: effect.dataSet, firstSequence: effect.firstSequence, finalSequence: null });
    }
    if (effect.effect === 'closeDataSet') {
      const set = this.numbered.at(-1);
      assert.ok(set !== undefined && set.dataSet === effect.dataSet && set.finalSequence === null, 'the newest data set is closed once');
      assert.is(set.firstSequence, effect.firstSequence);
      set.finalSequence = effect.finalSequence;
    }
    if (effect.effect === 'requestProgress') this.links.get(effect.link)?.questions.push(effect.closedLinks);
    if (effect.effect === 'sendRecords') {
      assert.ok(windowKnown !== null && effect.dataSet <= windowKnown, `data set ${effect.dataSet} sent above the window ${windowKnown}`);
      const link = this.links.get(effect.link);
      assert.ok(link !== undefined, `sent on link ${effect.link}, which is not open`);
      for (let sequence = effect.from; sequence <= effect.to; sequence += 1) {
        assert.not(this.told.has(sequence), `acknowledged record ${sequence} sent again`);
        assert.not(this.#isInHands(sequence), `record ${sequence} sent on link ${effect.link} while another open link has it`);
        link.toSecondary.push({ dataSet: effect.dataSet, sequence });
      }
    }
  }

  #isInHands(sequence: SequenceNumber): boolean {
    for (const link of this.links.values()) if (link.toSecondary.some((record) => record.sequence === sequence)) return true;
    return false;
  }

  /** Receive the next records of a link; `damaged` ones are refused for their checksum. */
  deliver(linkId: number, count: number, damaged: (sequence: SequenceNumber) => boolean): void {
    const link = this.links.get(linkId);
    for (const { dataSet, sequence } of link?.toSecondary.splice(0, count) ?? []) {
      const refuse = (reason: 'window' | 'checksum'): void => {
        link?.toPrimary.push({ event: 'rejected', link: linkId, reason, dataSet, sequence, windowHigh: this.windowHigh });
      };
      if (damaged(sequence)) refuse('checksum');
      else if (dataSet > this.windowHigh) refuse('window');
      else if (dataSet <= this.destaged || this.durable.has(sequence)) this.#acknowledge(linkId, [sequence]);
      else this.received.add(sequence);
    }
    for (const closedLinks of link?.questions.splice(0) ?? []) {
      const { held, destaged, windowHigh } = this.handshake();
      link?.toPrimary.push({ event: 'progressReported', closedLinks, held, destaged, windowHigh });
    }
  }

  /** Make what was received durable, as far as `chosen` says, destage what is complete, and acknowledge on this link. */
  commit(linkId: number, chosen: (sequence: SequenceNumber) => boolean): void {
    const fresh = [...this.received].filter((sequence) => !this.durable.has(sequence) && chosen(sequence));
    for (const sequence of fresh) this.durable.add(sequence);
    for (const set of this.numbered) {
      if (set.dataSet === this.destaged + 1 && this.#isComplete(set)) this.destaged = set.dataSet;
    }
    this.#acknowledge(linkId, fresh);
  }

  #isComplete({ firstSequence, finalSequence }: ModelDataSet): boolean {
    if (finalSequence === null) return false;
    for (let sequence = firstSequence; sequence <= finalSequence; sequence += 1) if (!this.durable.has(sequence)) return false;
    return true;
  }

  #acknowledge(link: number, sequences: readonly SequenceNumber[]): void {
    const ranges: SequenceRange[] = sequences.map((sequence) => ({ from: sequence, to: sequence }));
    this.links.get(link)?.toPrimary.push({ event: 'acknowledged', link, ranges, windowHigh: this.windowHigh });
  }

  /** The next message of a link to the primary; what it says as acknowledged counts as told from now on. Only acknowledgements can
   * come `again` (a duplicate record is acknowledged once more): a link repeats nothing by itself. */
  answer(linkId: number, again: boolean): Answer | null {
    const queue = this.links.get(linkId)?.toPrimary;
    const message = again && queue?.[0]?.event === 'acknowledged' ? queue[0] : queue?.shift();
    if (message === undefined) return null;
    if (message.event === 'acknowledged') for (const { from } of message.ranges) this.told.add(from);
    if (message.event === 'progressReported') this.#tell(message);
    return message;
  }

  #tell({ held, destaged }: { readonly held: readonly HeldDataSet[]; readonly destaged: DataSetId | null }): void {
    for (const { firstSequence, durable } of held) {
      for (let index = 0; index < durable.length * 8; index += 1) {
        if ((((durable[index >> 3] ?? 0) >> (index & 7)) & 1) === 1) this.told.add(firstSequence + index);
      }
    }
    for (const set of this.numbered) {
      if (destaged === null || set.dataSet > destaged || set.finalSequence === null) continue;
      for (let sequence = set.firstSequence; sequence <= set.finalSequence; sequence += 1) this.told.add(sequence);
    }
  }

  /** Forget what is not durable, as a killed host does. */
  restart(): void {
    this.received = new Set(this.durable);
  }

  /** What a session begins with. */
  handshake(): { held: HeldDataSet[]; destaged: DataSetId | null; windowHigh: DataSetId } {
    const held = this.numbered
      .filter((set) => set.dataSet > this.destaged && set.dataSet <= this.windowHigh)
      .map(({ dataSet, firstSequence }, index, sets): HeldDataSet => {
        const end = sets[index + 1]?.firstSequence ?? Math.max(firstSequence, ...this.received) + 1;
        const bits = (numbers: ReadonlySet<number>): Uint8Array => {
          const bytes = new Uint8Array(Math.ceil((end - firstSequence) / 8));
          for (let sequence = firstSequence; sequence < end; sequence += 1) {
            const at = sequence - firstSequence;
            if (numbers.has(sequence)) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7));
          }
          return bytes;
        };
        return { dataSet, firstSequence, finalSequence: null, received: bits(this.received), durable: bits(this.durable) };
      });
    return { held, destaged: this.destaged < this.#firstDataSet ? null : this.destaged, windowHigh: this.windowHigh };
  }

  /** The handshake, told to the primary. */
  establish(): ReturnType<ModelSecondary['handshake']> {
    const facts = this.handshake();
    this.#tell(facts);
    return facts;
  }
}
