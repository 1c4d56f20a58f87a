/** The two traps in the text of the patent, each shown with a mutant that lacks the cure. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IdentifierBitmap } from '../../src/protocol/identifier-bitmap.ts';
import type { ReceivedRecord, SecondaryEffect, SecondaryEvent } from '../../src/protocol/secondary-contract.ts';
import { SecondaryMachine } from '../../src/protocol/secondary-machine.ts';
import { makeGeometry, SecondaryHarness } from '../support/secondary-harness.ts';
import { figure3History, hashChainForTest } from '../support/secondary-history.ts';

const SLOTS = 2;
const ROUNDS_MAX = 50;

/** A secondary to which a primary delivers records; it says which were rejected. */
interface Receiver {
  deliver(records: readonly ReceivedRecord[]): ReceivedRecord[];
  readonly destaged: readonly number[];
}

/** Figure 8, steps 76-82, to the letter: "checks for availability of a data structure", and any free one will do. */
class FirstComeSecondary implements Receiver {
  readonly destaged: number[] = [];
  readonly #slots = new Map<number, { bitmap: IdentifierBitmap; records: number | null }>();

  deliver(records: readonly ReceivedRecord[]): ReceivedRecord[] {
    return records.filter((record) => !this.#accept(record));
  }

  #accept(record: ReceivedRecord): boolean {
    if (!this.#slots.has(record.dataSet)) {
      if (this.#slots.size === SLOTS) return false;
      this.#slots.set(record.dataSet, { bitmap: new IdentifierBitmap(64), records: null });
    }
    const slot = this.#slots.get(record.dataSet);
    const index = record.sequence - record.firstSequence;
    slot?.bitmap.set(index);
    if (slot !== undefined && record.type === 'sync') slot.records = index + 1;
    for (let next = this.destaged.length; ; next += 1) {
      const lowest = this.#slots.get(next);
      if (lowest === undefined || lowest.records === null || !lowest.bitmap.allSetThrough(lowest.records - 1)) return true;
      this.destaged.push(next);
      this.#slots.delete(next);
    }
  }
}

/** The production machine behind the same interface. */
class WindowSecondary implements Receiver {
  readonly #harness = new SecondaryHarness({ history: figure3History(), slots: SLOTS, instant: true });

  deliver(records: readonly ReceivedRecord[]): ReceivedRecord[] {
    const before = this.#harness.rejected.length;
    this.#harness.receive(records);
    const rejected = new Set(this.#harness.rejected.slice(before));
    return records.filter((record) => rejected.has(record.sequence));
  }

  get destaged(): readonly number[] {
    return this.#harness.destageOrder;
  }
}

/** A primary that sends in this order and sends what is rejected again, round after round. */
function deliverAll(receiver: Receiver, order: readonly number[]): { rounds: number; left: number } {
  const history = figure3History();
  let waiting = order.flatMap((dataSet) => [...history.dataSet(dataSet).records]);
  let rounds = 0;
  while (waiting.length > 0 && rounds < ROUNDS_MAX) {
    waiting = receiver.deliver(waiting);
    rounds += 1;
  }
  return { rounds, left: waiting.length };
}

test('trap 1: slots taken first come first served lock the lowest data set out for ever', () => {
  const mutant = new FirstComeSecondary();
  const { rounds, left } = deliverAll(mutant, [1, 2, 3, 0]);
  assert.is(rounds, ROUNDS_MAX, 'the primary never comes to an end');
  assert.equal(mutant.destaged, [], 'data sets 1 and 2 hold both slots and wait for data set 0, which finds none');
  assert.is(left, 10, 'data sets 0 and 3 are never admitted');
});

test('trap 1, the mutant is fair otherwise: in order it delivers everything', () => {
  const mutant = new FirstComeSecondary();
  assert.equal(deliverAll(mutant, [0, 1, 2, 3]), { rounds: 1, left: 0 });
  assert.equal(mutant.destaged, [0, 1, 2, 3]);
});

test('trap 1, cure (I6): the window keeps the slot of the lowest data set', () => {
  for (const order of [
    [1, 2, 3, 0],
    [3, 2, 1, 0],
    [2, 1, 3, 0],
    [0, 1, 2, 3],
  ]) {
    const production = new WindowSecondary();
    const { rounds, left } = deliverAll(production, order);
    assert.is(left, 0, `order ${order.join(' ')}`);
    assert.ok(rounds <= 4);
    assert.equal(production.destaged, [0, 1, 2, 3]);
  }
});

/** The production machine, but with Figure 8's one bitmap: what is received before is acknowledged at once. */
class OneBitmapMachine {
  readonly #machine: SecondaryMachine;
  readonly #received = new IdentifierBitmap(1024);

  constructor() {
    const { origin } = figure3History();
    this.#machine = new SecondaryMachine({ geometry: makeGeometry(), origin, restored: [], hashChain: hashChainForTest });
  }

  step(events: readonly SecondaryEvent[]): SecondaryEffect[] {
    const early: SecondaryEffect[] = [];
    for (const event of events) {
      if (event.event !== 'recordsReceived') continue;
      for (const { sequence } of event.records) {
        if (!this.#received.set(sequence)) early.push({ effect: 'acknowledge', ranges: [{ from: sequence, to: sequence }] });
      }
    }
    return [...this.#machine.step(events), ...early];
  }
}

/** Send a record, send it again before its journal is durable, report durability: the acks after each. */
function acksOfRetransmit(machine: { step(events: readonly SecondaryEvent[]): SecondaryEffect[] }): boolean[] {
  const record = figure3History().at(134);
  const events: readonly SecondaryEvent[] = [
    { event: 'recordsReceived', link: 1, records: [record] },
    { event: 'recordsReceived', link: 2, records: [record] },
    { event: 'journalDurable', dataSet: 0, records: 1 },
    { event: 'recordsReceived', link: 2, records: [record] },
  ];
  return events.map((event) => machine.step([event]).some(({ effect }) => effect === 'acknowledge'));
}

test('trap 2: one bitmap for received and durable acknowledges a retransmit that a crash would still lose', () => {
  assert.equal(acksOfRetransmit(new OneBitmapMachine()), [false, true, true, true], 'the second one is early');
});

test('trap 2, cure (I2): with two bitmaps a retransmit is acknowledged only when it is durable', () => {
  const { origin } = figure3History();
  const machine = new SecondaryMachine({ geometry: makeGeometry(), origin, restored: [], hashChain: hashChainForTest });
  assert.equal(acksOfRetransmit(machine), [false, false, true, true]);
});

test('trap 2, what is at stake: after the crash the early acknowledged record is gone', () => {
  const history = figure3History();
  const harness = new SecondaryHarness({ history });
  harness.receiveNumbers(134);
  harness.receiveNumbers(134);
  assert.is(harness.acknowledged.size, 0);
  const after = new SecondaryHarness({ history, from: harness.crash() });
  assert.equal(after.machine.held(), [], 'a primary that had seen the mutant ack would have dropped 134 from its send buffer');
});

test.run();
