/**
 * Random histories, orders, duplicates, durability and crashes. The harness checks at each effect: no ack before durability
 * (I2), no destage before the flag (I3), ascending (I4), no slot too early (I5), the volume at each destage and watermark (I1).
 */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReceivedRecord } from '../../src/protocol/secondary-contract.ts';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { SecondaryHistory, showImage } from '../support/secondary-history.ts';
import type { BlockWrite } from '../support/secondary-history.ts';

const RUNS = 150;

/** A small generator of numbers, so that one seed is one whole run (mulberry32). */
function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function pick<Item>(items: readonly Item[], random: (below: number) => number): Item {
  const item = items[random(items.length)];
  if (item === undefined) throw new Error('there is nothing to pick');
  return item;
}

function makeHistory(random: (below: number) => number): SecondaryHistory {
  let value = 0;
  const sets = Array.from({ length: 1 + random(14) }, () => {
    const length = random(4) === 0 ? random(40) : random(5);
    return Array.from({ length }, (): BlockWrite => [`block ${random(6)}`, `value ${(value += 1)}`]);
  });
  return new SecondaryHistory(sets, { dataSet: random(3), firstSequence: random(1000) });
}

interface Run {
  readonly random: (below: number) => number;
  readonly history: SecondaryHistory;
  readonly slots: number;
  /** What the primary has not seen acknowledged by this or an earlier process. */
  readonly unacknowledged: Map<number, ReceivedRecord>;
  harness: SecondaryHarness;
  crashes: number;
}

function deliverSome(run: Run): void {
  const { random, harness } = run;
  const waiting = [...run.unacknowledged.values()];
  const batch: ReceivedRecord[] = [];
  for (let count = 1 + random(8); count > 0 && waiting.length > 0; count -= 1) {
    // Mostly near the lowest missing number, sometimes anywhere, sometimes one that was acknowledged before.
    const reach = random(4) === 0 ? waiting.length : Math.min(waiting.length, 12);
    batch.push(pick(waiting.slice(0, reach), random));
    if (random(10) === 0) batch.push(pick(run.history.records, random));
  }
  harness.receive(batch, random(3));
}

function crash(run: Run): void {
  const { random, harness } = run;
  run.crashes += 1;
  // A destage under way is torn: some data sets are stored wholly, the next in part.
  const whole = random(harness.pendingDestages.length + 1);
  for (const [position, dataSet] of harness.pendingDestages.entries()) {
    if (position < whole) harness.store(dataSet);
    else if (position === whole) harness.store(dataSet, random(5));
  }
  if (harness.pendingWatermark !== null && random(2) === 0) harness.watermark = harness.pendingWatermark;
  const state = harness.crash((journal) => ({
    records: random(journal.records.length - journal.durableRecords + 1),
    flag: random(2) === 0,
  }));
  run.harness = new SecondaryHarness({ history: run.history, slots: run.slots, from: state });
  run.harness.resume();
}

/** After a restart nothing acknowledged may be missing: it is below the watermark or durable in a journal. */
function checkAcknowledged(run: Run, acknowledged: ReadonlySet<number>): void {
  const held = new Map(run.harness.machine.held().map((set) => [set.dataSet, set]));
  for (const sequence of acknowledged) {
    const { dataSet, firstSequence } = run.history.at(sequence);
    if (dataSet < run.harness.machine.origin.dataSet) continue;
    const index = sequence - firstSequence;
    assert.ok(((held.get(dataSet)?.durable[index >> 3] ?? 0) >> (index & 7)) & 1, `acknowledged ${sequence} is lost`);
  }
}

function runOne(seed: number): void {
  const random = makeRandom(seed);
  const history = makeHistory(random);
  const slots = 2 + random(5);
  const run: Run = {
    random,
    history,
    slots,
    unacknowledged: new Map(history.records.map((record) => [record.sequence, record])),
    harness: new SecondaryHarness({ history, slots }),
    crashes: 0,
  };
  const acknowledged = new Set<number>();
  for (let tick = 0; run.unacknowledged.size > 0; tick += 1) {
    assert.ok(tick < 20_000, 'everything completes when everything is delivered');
    const actions = run.harness.actions();
    const choice = random(100);
    if (choice < 2 && run.crashes < 6) {
      crash(run);
      checkAcknowledged(run, acknowledged);
    } else if (choice < 50 && actions.length > 0) {
      pick(actions, random)();
    } else {
      deliverSome(run);
    }
    for (const sequence of run.harness.acknowledged) {
      acknowledged.add(sequence);
      run.unacknowledged.delete(sequence);
    }
  }
  run.harness.settle();
  const last = history.dataSets.at(-1);
  assert.is(run.harness.watermark?.dataSet, last?.dataSet);
  assert.is(run.harness.watermark?.chain, last?.chain);
  assert.is(showImage(run.harness.volume), showImage(last?.image ?? new Map()));
  assert.equal(run.harness.machine.activity(), { active: 0, partial: 0 }, 'no slot is left taken');
  assert.equal(run.harness.machine.held(), []);
  assert.equal([run.harness.closed, run.harness.failures], [[], []]);
}

test('random orders, duplicates, durability and crashes: everything acknowledged is kept, everything delivered is destaged in order', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), runOne), { numRuns: RUNS, includeErrorInReport: true });
});

test('random records that contradict the history are never acknowledged and never fail an honest stream', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (seed) => {
      const random = makeRandom(seed);
      const history = makeHistory(random);
      const harness = new SecondaryHarness({ history, slots: 4, instant: true });
      for (const record of history.records) {
        const { dataSet } = record;
        // Garbage within what is known already: another first number, a number of another data set, a changed content.
        const garbage: ReceivedRecord[] = [
          { ...record, firstSequence: record.firstSequence + 1 + random(3) },
          { ...record, dataSet: Math.max(history.origin.dataSet, dataSet - 1 - random(2)), sequence: record.sequence + 1000 },
        ];
        harness.receive([record]);
        const closedBefore = harness.closed.length + harness.machine.counters.dropped;
        const acknowledgedBefore = harness.acknowledged.size;
        const effects = harness.receive([pick(garbage, random)]);
        // Of a data set in the source volumes only the number counts: an old number is acknowledged again and dropped.
        assert.is(harness.acknowledged.size, acknowledgedBefore, 'no new number is acknowledged');
        assert.is(harness.closed.length + harness.machine.counters.dropped, closedBefore + 1, JSON.stringify(effects));
      }
      assert.equal(harness.failures, []);
      assert.is(harness.watermark?.dataSet, history.dataSets.at(-1)?.dataSet);
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  );
});

test.run();
