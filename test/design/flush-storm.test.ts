/**
 * Flush storm: every write is flushed, over a link with a round trip of 50 ms, for 60 s of virtual time (PostgreSQL sends about one
 * FLUSH per write). DESIGN section 2, step 5: data sets grow instead of becoming more numerous, and *behind* stays bounded.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DataSetId, SequenceRange } from '../../src/model/ids.ts';
import type { PrimaryEffect, PrimaryEvent } from '../../src/protocol/primary-contract.ts';
import { makeMachine } from '../support/primary-harness.ts';

const ROUND_TRIP_MS = 50;
const DURATION_MS = 60_000;
const SLOTS = 16;
const WRITES_PER_MS = 4;
const WRITE_BYTES = 4096 + 96;
/** Bytes that the link carries in a millisecond: more than the application writes, and less. */
const FAST_LINK_BYTES_PER_MS = 40_000;
const SLOW_LINK_BYTES_PER_MS = 8_000;
const BACKLOG_BYTES = 4_000_000;

interface StormResult {
  writes: number;
  flushes: number;
  dataSets: number;
  /** Highest bytes numbered and not acknowledged. */
  behindBytes: number;
  recordsPerDataSet: number[];
  /** Writes that had to wait at the end of a millisecond. */
  waited: number;
}

/** A far side that answers half a round trip after it received, destages at once, and has 16 slots. */
class DelayedSecondary {
  readonly #inFlight: { readonly atMs: number; readonly range: SequenceRange }[] = [];
  readonly #answers: { readonly atMs: number; readonly event: PrimaryEvent }[] = [];
  readonly #sets: { readonly dataSet: DataSetId; readonly finalSequence: number }[] = [];
  #received = -1;
  #destaged = -1;

  take(effect: PrimaryEffect, nowMs: number): void {
    if (effect.effect === 'closeDataSet') this.#sets.push({ dataSet: effect.dataSet, finalSequence: effect.finalSequence });
    if (effect.effect === 'sendRecords')
      this.#inFlight.push({ atMs: nowMs + ROUND_TRIP_MS / 2, range: { from: effect.from, to: effect.to } });
  }

  turn(nowMs: number): PrimaryEvent[] {
    const ranges: SequenceRange[] = [];
    while ((this.#inFlight[0]?.atMs ?? Infinity) <= nowMs) {
      const { range } = this.#inFlight.shift() ?? { range: { from: 0, to: 0 } };
      ranges.push(range);
      this.#received = range.to;
    }
    while ((this.#sets[0]?.finalSequence ?? Infinity) <= this.#received) this.#destaged = this.#sets.shift()?.dataSet ?? this.#destaged;
    if (ranges.length > 0) {
      const event: PrimaryEvent = { event: 'acknowledged', link: 1, ranges, windowHigh: this.#destaged + SLOTS };
      this.#answers.push({ atMs: nowMs + ROUND_TRIP_MS / 2, event });
    }
    const events: PrimaryEvent[] = [];
    while ((this.#answers[0]?.atMs ?? Infinity) <= nowMs) {
      const answer = this.#answers.shift();
      if (answer !== undefined) events.push(answer.event);
    }
    return events;
  }
}

/** Run the storm; each write is requested, stored and flushed in its millisecond unless the machine lets it wait. */
function runStorm({ minAgeMs = 0, linkBytesPerMs = FAST_LINK_BYTES_PER_MS } = {}): StormResult {
  const machine = makeMachine({
    cutPolicy: { minAgeMs, maxAgeMs: 100, maxSizeBytes: 1_000_000, recordsMax: 10_000 },
    backlogLimitBytes: BACKLOG_BYTES,
  });
  const far = new DelayedSecondary();
  const result: StormResult = { writes: 0, flushes: 0, dataSets: 0, behindBytes: 0, recordsPerDataSet: [], waited: 0 };
  const stored: number[] = [];
  let requested = 0;
  // A record may take the budget below zero; what it took is missing in the next millisecond.
  let budgetBytes = 0;
  const step = (events: PrimaryEvent[], nowMs: number): void => {
    for (const effect of machine.step(events, nowMs)) {
      far.take(effect, nowMs);
      if (effect.effect === 'sendRecords') budgetBytes -= (effect.to - effect.from + 1) * WRITE_BYTES;
      if (effect.effect === 'storeWrite') stored.push(effect.request);
      if (effect.effect === 'reply') result.flushes += 1;
      if (effect.effect === 'closeDataSet') result.recordsPerDataSet.push(effect.finalSequence - effect.firstSequence);
    }
    result.behindBytes = Math.max(result.behindBytes, machine.unacknowledgedBytes);
  };
  step([{ event: 'sessionEstablished', windowHigh: SLOTS - 1, dataSetBytesMax: 1e9, recordsMax: 65_536, held: [], destaged: null }], 0);
  step([{ event: 'linkOpened', link: 1 }], 0);
  for (let nowMs = 1; nowMs <= DURATION_MS; nowMs += 1) {
    budgetBytes = Math.min(linkBytesPerMs, budgetBytes + linkBytesPerMs);
    step([...far.turn(nowMs), { event: 'linkReady', link: 1, budgetBytes }, { event: 'clockTicked' }], nowMs);
    for (let count = 0; count < WRITES_PER_MS; count += 1) {
      if (machine.throttle !== null) {
        result.waited += 1;
        continue;
      }
      requested += 1;
      step([{ event: 'writeRequested', request: requested, records: 1, encodedBytes: WRITE_BYTES, fua: false }], nowMs);
      for (const request of stored.splice(0)) {
        result.writes += 1;
        step(
          [
            { event: 'writeStored', request, recordBytes: [WRITE_BYTES] },
            { event: 'volumeFlushed', request: -requested, kind: 'flush' },
          ],
          nowMs,
        );
      }
    }
  }
  result.dataSets = machine.counters.dataSetsClosed;
  return result;
}

test('without a minimum age the window alone holds the number of data sets to its slots per round trip', () => {
  const storm = runStorm();
  const perRoundTripMax = SLOTS * (DURATION_MS / ROUND_TRIP_MS) + SLOTS;
  assert.ok(storm.flushes > 10 * storm.dataSets, `${storm.flushes} replies, ${storm.dataSets} data sets`);
  assert.ok(storm.dataSets <= perRoundTripMax, `${storm.dataSets} data sets, at most ${perRoundTripMax} round trips' worth`);
  assert.ok(storm.dataSets >= perRoundTripMax / 4, `${storm.dataSets} data sets: the window is used`);
  assert.ok(Math.max(...storm.recordsPerDataSet) > 20, 'data sets grow while the window is shut');
});

test('with minAge there are at most duration / minAge data sets', () => {
  const storm = runStorm({ minAgeMs: 10 });
  assert.ok(storm.dataSets <= DURATION_MS / 10, `${storm.dataSets} data sets`);
});

test('behind stays bounded by what a few round trips carry, and the application is not slowed down', () => {
  const storm = runStorm();
  assert.is(storm.waited, 0);
  assert.is(storm.writes, DURATION_MS * WRITES_PER_MS);
  const roundTripBytes = ROUND_TRIP_MS * WRITES_PER_MS * WRITE_BYTES;
  assert.ok(storm.behindBytes <= 3 * roundTripBytes, `${storm.behindBytes} bytes behind, ${roundTripBytes} written in a round trip`);
});

test('on a link that carries less than is written, the application is slowed down to what it carries, and no further', () => {
  const storm = runStorm({ linkBytesPerMs: SLOW_LINK_BYTES_PER_MS });
  const carried = (DURATION_MS * SLOW_LINK_BYTES_PER_MS) / WRITE_BYTES;
  assert.ok(storm.waited > 0, 'it is slowed down');
  assert.ok(storm.writes >= 0.95 * carried, `${storm.writes} writes, the link carries ${Math.floor(carried)}`);
  assert.ok(storm.behindBytes <= BACKLOG_BYTES + 96 * 2 * SLOTS, `${storm.behindBytes} bytes behind`);
  assert.ok(storm.dataSets <= SLOTS * (DURATION_MS / ROUND_TRIP_MS) + SLOTS);
});

test.run();
