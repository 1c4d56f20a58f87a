import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Head } from '../../src/model/handshake.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import { firstGenerations, originAfter } from '../../src/protocol/generations.ts';
import {
  compareResumed,
  planPromotion,
  PROMOTION_STEPS,
  promotionOfHeld,
  promotionOfRecovery,
  resumedLess,
  resumePromotion,
} from '../../src/protocol/promotion-plan.ts';
import type { PromotionDataSet, PromotionFacts } from '../../src/protocol/promotion-plan.ts';
import { planRecovery } from '../../src/protocol/recovery-plan.ts';
import type { JournalFacts, RecordFacts } from '../../src/protocol/recovery-facts.ts';

/** Data set d has the numbers 10 d .. 10 d + 9. */
const point = (dataSet: number): HistoryPoint => ({ dataSet, finalSequence: dataSet * 10 + 9, chain: `r${dataSet}` });
const heldSet = (dataSet: number, records: number, changes: Partial<PromotionDataSet> = {}): PromotionDataSet => ({
  dataSet,
  firstSequence: dataSet * 10,
  finalSequence: dataSet * 10 + 9,
  highestSequence: dataSet * 10 + 9,
  records,
  bytes: records * 1000,
  ...changes,
});
const headAt = (dataSet: number, sequence: number, bytes: number, timeMs: number): Head => ({ dataSet, sequence, bytes, timeMs });
const generations = firstGenerations('1'.repeat(16));
const NOW = Date.UTC(2026, 0, 2);

/** Destaged 16, complete 17 and 18, 19 partial, 20 complete behind the gap, 21 just begun. */
function factsAt(changes: Partial<PromotionFacts> = {}): PromotionFacts {
  return {
    generations,
    generationId: '2'.repeat(16),
    watermark: point(16),
    origin: originAfter(point(16), generations),
    complete: [point(17), point(18)],
    held: [
      heldSet(17, 10),
      heldSet(18, 10),
      heldSet(19, 4),
      heldSet(20, 10),
      heldSet(21, 2, { finalSequence: null, highestSequence: 214 }),
    ],
    knownHead: { head: headAt(23, 235, 236_000, NOW - 3000), receivedAtMs: NOW - 2000 },
    keptBytes: 190_000,
    keptTimeMs: NOW - 8000,
    nowMs: NOW,
    ...changes,
  };
}

test('the complete prefix is kept, the rest is given up and counted', () => {
  const plan = planPromotion(factsAt());
  assert.equal(plan.keep, point(18));
  assert.equal(plan.destage, [17, 18]);
  assert.equal(plan.discard, [
    { dataSet: 19, reason: 'partial', records: 4, bytes: 4000, missing: 6, missingAtLeast: false },
    { dataSet: 20, reason: 'complete behind a gap', records: 10, bytes: 10_000, missing: 0, missingAtLeast: false },
    { dataSet: 21, reason: 'partial', records: 2, bytes: 2000, missing: 4, missingAtLeast: true },
  ]);
  assert.equal(plan.loss, { dataSets: 4, records: 46, bytes: 46_000, seconds: 5, headAgeSeconds: 2 });
  const text = plan.lines.join('\n');
  for (const words of [
    'keeps everything through data set 18 (number 189)',
    'last write kept: 2026-01-01T23:59:52.000Z',
    '2 complete data sets first (17-18)',
    'data set 19, partial: 4 records',
    '6 missing',
    'data set 20, complete behind a gap',
    'at least 4 missing',
    'at least 4 data sets, 46 commands',
    '5.0 s of the',
    '2.0 s old',
    'begins generation 2 at data set 24, number 236',
  ]) {
    assert.match(text, words);
  }
});

test('the new generation numbers above everything that was heard of, the head included', () => {
  const { generation } = planPromotion(factsAt());
  assert.equal(generation, {
    number: 2,
    id: '2'.repeat(16),
    afterDataSet: 18,
    afterSequence: 189,
    chain: 'r18',
    firstDataSet: 24,
    firstSequence: 236,
  });
  const unknown = planPromotion(factsAt({ knownHead: null }));
  assert.equal([unknown.generation.firstDataSet, unknown.generation.firstSequence], [22, 215]);
  assert.equal([unknown.loss.dataSets, unknown.loss.records, unknown.loss.bytes, unknown.loss.headAgeSeconds], [3, 25, 16_000, null]);
  assert.match(unknown.lines.join('\n'), 'no head of the primary is known');
});

test('nothing above the watermark: the head alone tells what is lost', () => {
  const quiet = factsAt({
    complete: [],
    held: [],
    watermark: point(18),
    origin: originAfter(point(18), generations),
    knownHead: { head: headAt(19, 189, 190_000, NOW), receivedAtMs: NOW },
  });
  assert.equal(planPromotion(quiet).loss, { dataSets: 0, records: 0, bytes: 0, seconds: 0, headAgeSeconds: 0 });
  assert.match(planPromotion(quiet).lines.join('\n'), 'loses nothing that is known');
  const open = planPromotion({ ...quiet, knownHead: { head: headAt(19, 191, 192_000, NOW), receivedAtMs: NOW } });
  assert.equal([open.loss.dataSets, open.loss.records, open.loss.bytes], [1, 2, 2000]);
  const closed = planPromotion({ ...quiet, knownHead: { head: headAt(20, 199, 200_000, NOW), receivedAtMs: NOW } });
  assert.equal([closed.loss.dataSets, closed.loss.records], [1, 10], 'the head names the next data set while none is open');
});

test('a copy that never completed a data set is served as it was initialised; a blank host is refused', () => {
  const plan = planPromotion(
    factsAt({ watermark: null, complete: [], held: [heldSet(0, 3)], origin: originAfter(null, generations), knownHead: null }),
  );
  assert.is(plan.keep, null);
  assert.equal([plan.generation.afterDataSet, plan.generation.firstDataSet, plan.generation.firstSequence], [null, 1, 10]);
  assert.match(plan.lines[0] ?? '', 'as they were initialised');
  assert.throws(
    () => planPromotion(factsAt({ generations: [] })),
    (error: { code: string; exitCode: number }) => error.code === 'ERR_PROMOTION_BLANK' && error.exitCode === 5,
  );
});

test('a second promotion right after the first follows the same data set and goes on above its numbers', () => {
  const first = planPromotion(factsAt());
  const second = planPromotion(
    factsAt({
      generations: first.generations,
      generationId: '3'.repeat(16),
      watermark: point(18),
      complete: [],
      held: [],
      origin: originAfter(point(18), first.generations),
      knownHead: null,
    }),
  );
  assert.equal(second.loss.records, 0, 'numbers between the generations were never given');
  assert.equal(second.generation, { ...first.generation, number: 3, id: '3'.repeat(16), firstDataSet: 24, firstSequence: 236 });
});

test('the steps are in the crash-safe order, and a restarted host goes on behind the last durable one', () => {
  assert.equal(
    PROMOTION_STEPS.map(({ step, name }) => `${step} ${name}`),
    ['1 refuse links', '2 write promoting', '3 destage', '4 discard', '5 write promoted', '6 serve'],
  );
  assert.equal(resumePromotion('secondary'), []);
  assert.equal(
    resumePromotion('promoting').map(({ step }) => step),
    [1, 3, 4, 5, 6],
  );
  assert.equal(
    resumePromotion('promoted').map(({ step }) => step),
    [6],
  );
});

test('a resumed promotion compares what it finds with what it wrote', () => {
  const { generation } = planPromotion(factsAt());
  assert.is(compareResumed(generation, point(18)), 'same');
  assert.is(compareResumed(generation, point(20)), 'more');
  assert.is(compareResumed(generation, point(17)), 'less');
  assert.is(compareResumed(generation, { ...point(18), chain: 'x' }), 'less');
  assert.is(compareResumed({ ...generation, afterDataSet: null, afterSequence: null }, null), 'same');
  assert.is(resumedLess(generation, point(17)).code, 'ERR_PROMOTION_LOST_PREFIX');
  assert.match(resumedLess(generation, null).message, 'through data set 18');
});

test('a stopped secondary is promoted from recovery, a running one from its machine', () => {
  const common = { generation: 1, stream: 's', encodedBytes: 100, headerChecksum: 1, offset: 8192 };
  const recordsOf = (dataSet: number, count: number): RecordFacts[] =>
    Array.from({ length: count }, (_, i) => ({
      ...common,
      type: i === 9 ? 'sync' : 'write',
      dataSet,
      firstSequence: dataSet * 10,
      sequence: dataSet * 10 + i,
      sync: i === 9 ? { reason: 'flush', chain: `r${dataSet}`, incarnation: 'p', headBytes: 0 } : null,
    }));
  const journals: JournalFacts[] = [0, 1, 2, 3].map((slot) => {
    const dataSet = slot === 0 ? 20 : 16 + slot;
    const header = {
      verdict: 'readable',
      groupId: 'g',
      generation: 1,
      stream: 's',
      slot,
      slots: 4,
      slotBytes: 1,
      dataSet,
      firstSequence: dataSet * 10,
    } as const;
    return {
      slot,
      path: `${slot}`,
      header,
      completeMark: { verdict: 'not-set' },
      records: recordsOf(dataSet, dataSet === 19 ? 4 : 10),
      tail: { verdict: 'clean-end', offset: 0 },
    };
  });
  const geometry = { slots: 4, slotBytes: 1, capacityBytes: 1, recordsMax: 50 };
  const chains = (previous: string): string => `r${Number(previous.slice(1)) + 1}`;
  const recovery = planRecovery({
    identity: { groupId: 'g', generation: 1, stream: 's' },
    geometry,
    watermark: point(16),
    origin: originAfter(point(16), generations),
    journals,
    hashChain: chains,
    mode: 'promote',
  });
  const plan = planPromotion(factsAt({ ...promotionOfRecovery(recovery), knownHead: null }));
  assert.equal([plan.keep, plan.destage], [point(18), [17, 18]]);
  assert.equal(
    plan.discard.map(({ dataSet, reason, records, missing, missingAtLeast }) => [dataSet, reason, records, missing, missingAtLeast]),
    [
      [19, 'partial', 4, 1, true],
      [20, 'complete behind a gap', 10, 0, false],
    ],
  );
  assert.equal(recovery.discard, [0, 3]);

  const machine = promotionOfHeld(
    [{ dataSet: 21, firstSequence: 210, finalSequence: null, received: Uint8Array.of(0b1_0011), durable: Uint8Array.of(0b11) }],
    () => 77,
  );
  assert.equal(machine, [{ dataSet: 21, firstSequence: 210, finalSequence: null, highestSequence: 214, records: 2, bytes: 77 }]);
});

test.run();
