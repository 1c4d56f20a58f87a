/** The replica between machine and ring: what is told when, in which order, and to whom. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JournalRing } from '../../journals/contract.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import type { ReceivedRecord, SecondaryCore, SecondaryEffect, SecondaryEvent } from '../../src/protocol/secondary-contract.ts';
import type { DestageOrder, DestageReport } from '../../src/secondary/destage-order.ts';
import { Replica } from '../../src/secondary/replica.ts';

const point = (dataSet: number): HistoryPoint => ({ dataSet, finalSequence: dataSet * 10, chain: '0'.repeat(32) });
const record = (dataSet: number, encodedBytes: number): ReceivedRecord => ({
  type: 'write',
  dataSet,
  firstSequence: 0,
  sequence: 1,
  encodedBytes,
  headerChecksum: 1,
  sync: null,
  bytes: new Uint8Array(encodedBytes),
});

/** A replica over a machine that answers as the test says, and a ring that only notes what it is told. */
class Bench {
  readonly told: string[] = [];
  readonly turns: SecondaryEvent[][] = [];
  answer: (events: readonly SecondaryEvent[]) => SecondaryEffect[] = () => [];
  complete: HistoryPoint[] = [];
  report: (report: DestageReport) => void = () => {};
  readonly orders: DestageOrder[] = [];
  readonly ring = { pendingBytes: 0 };
  readonly replica: Replica;

  constructor(resume: SecondaryEffect[] = []) {
    const note =
      (name: string) =>
      (options: unknown): void =>
        void this.told.push(`${name} ${JSON.stringify(options)}`);
    const calls = {
      openDataSet: ({ dataSet }: { dataSet: number }) => void this.told.push(`open ${dataSet}`),
      append: ({ index }: { index: number }) => void this.told.push(`append ${index}`),
      commit: () => void this.told.push('commit'),
      setCompleteFlag: ({ point: of }: { point: HistoryPoint }) => void this.told.push(`flag ${of.dataSet}`),
      writeWatermark: (of: HistoryPoint) => void this.told.push(`watermark ${of.dataSet}`),
      retire: (slot: number) => void this.told.push(`retire slot ${slot}`),
    };
    const machine = {
      step: (events: readonly SecondaryEvent[]) => {
        this.turns.push([...events]);
        return this.answer(events);
      },
      resume: () => resume,
      complete: () => this.complete,
    } as unknown as SecondaryCore;
    this.replica = new Replica({
      machine,
      ring: Object.assign(this.ring, calls) as unknown as JournalRing,
      openCarrier: (report) => {
        this.report = report;
        return { start: (order) => void this.orders.push(order), close: () => Promise.resolve() };
      },
      watermarkPoint: null,
      restored: [{ dataSet: 0, firstSequence: 0, completeFlag: false, records: [record(0, 80), record(0, 592)] }],
      events: { failed: note('failed'), mended: note('mended'), moved: () => void this.told.push('moved') },
    });
    this.replica.outlet = {
      acknowledge: (ranges) => void this.told.push(`acknowledge ${ranges.map(({ from, to }) => `${from}-${to}`).join(' ')}`),
      reject: ({ sequence }) => void this.told.push(`reject ${sequence}`),
      closeLink: (link) => void this.told.push(`close link ${link}`),
    };
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

test('effects are carried out in their order, and one commit ends the turn', () => {
  const bench = new Bench();
  bench.answer = () => [
    { effect: 'openJournal', dataSet: 1, slot: 1, firstSequence: 10 },
    { effect: 'appendJournal', dataSet: 1, slot: 1, index: 3, record: record(1, 96) },
    { effect: 'reject', link: 2, reason: 'window', dataSet: 9, sequence: 99 },
    { effect: 'closeLink', link: 2, violation: 'x' },
    { effect: 'setCompleteFlag', dataSet: 0, slot: 0, point: point(0) },
    { effect: 'acknowledge', ranges: [{ from: 3, to: 5 }] },
  ];
  bench.replica.step({ event: 'recordsReceived', link: 2, records: [] });
  assert.equal(bench.take(), ['open 1', 'append 3', 'reject 99', 'close link 2', 'flag 0', 'acknowledge 3-5', 'commit', 'moved']);
});

test('a moved window is told although there is nothing to acknowledge', () => {
  const bench = new Bench();
  bench.answer = () => [{ effect: 'announceWindow' }];
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  assert.equal(bench.take(), ['acknowledge ', 'commit', 'moved']);
});

test('events that come while effects are carried out wait for the next step of the machine', () => {
  const bench = new Bench();
  let first = true;
  bench.answer = () => {
    if (!first) return [];
    first = false;
    return [{ effect: 'acknowledge', ranges: [{ from: 1, to: 1 }] }];
  };
  bench.replica.outlet = {
    acknowledge: () => {
      bench.replica.step({ event: 'destaged', dataSet: 1 });
      bench.replica.step({ event: 'destaged', dataSet: 2 });
    },
    reject: () => {},
    closeLink: () => {},
  };
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  assert.equal(
    bench.turns.map((events) => events.length),
    [1, 2],
  );
  assert.equal(bench.take(), ['commit', 'moved']);
});

test('what the ring reports reaches the machine as events, the watermark also the destager', () => {
  const bench = new Bench([
    { effect: 'destage', dataSet: 4, slot: 0, writes: 2 },
    { effect: 'destage', dataSet: 5, slot: 1, writes: 1 },
  ]);
  bench.replica.resume();
  const events = Replica.journalEvents(() => bench.replica);
  events.durable(4, 7);
  events.completeFlagDurable(4);
  bench.report({ destaged: 4, error: null });
  assert.is(bench.orders.length, 1, 'the next one waits for the watermark');
  events.watermarkDurable(point(4));
  assert.is(bench.orders.length, 2);
  assert.equal(bench.turns.flat(), [
    { event: 'journalDurable', dataSet: 4, records: 7 },
    { event: 'completeFlagDurable', dataSet: 4 },
    { event: 'destaged', dataSet: 4 },
    { event: 'watermarkDurable', dataSet: 4 },
  ]);
  assert.equal(bench.replica.watermarkPoint, point(4));
  // Before a replica exists nobody is told.
  Replica.journalEvents(() => null).durable(1, 1);
});

test('destage: told orders start at the end of the turn, and the report is an event', () => {
  const bench = new Bench([
    { effect: 'destage', dataSet: 0, slot: 0, writes: 2 },
    { effect: 'destage', dataSet: 1, slot: 1, writes: 3 },
  ]);
  bench.replica.resume();
  assert.equal(bench.orders, [{ set: { effect: 'destage', dataSet: 0, slot: 0, writes: 2 }, reopen: false }]);
  bench.report({ destaged: 0, error: null });
  assert.equal(bench.turns, [[{ event: 'destaged', dataSet: 0 }]]);
});

test('a slot is given back only by the machine, and what it held is no longer counted', () => {
  const bench = new Bench();
  assert.is(bench.replica.heldBytes(0), 672);
  bench.answer = () => [{ effect: 'appendJournal', dataSet: 0, slot: 0, index: 1, record: record(0, 96) }];
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  assert.is(bench.replica.heldBytes(0), 768);
  bench.answer = () => [{ effect: 'retireJournal', dataSet: 0, slot: 0 }];
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  assert.is(bench.replica.heldBytes(0), 0);
  assert.ok(bench.take().includes('retire slot 0'));
});

test('a failure that was mended is told; a final one is told once, whatever follows', () => {
  const bench = new Bench();
  const events = Replica.journalEvents(() => bench.replica);
  events.failed(2, new Error('EIO'), false);
  assert.not(bench.replica.failed);
  events.failed(2, new Error('EIO'), true);
  assert.ok(bench.replica.failed);
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  bench.answer = () => [{ effect: 'fail', code: 'ERR_CHAIN_MISMATCH', message: 'other' }];
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  const told = bench.take();
  assert.is(told.filter((line) => line.startsWith('mended')).length, 1);
  assert.equal(
    told.filter((line) => line.startsWith('failed')),
    ['failed "ERR_JOURNAL_FAILED"'],
  );
  assert.is(bench.replica.journalFailures, 2);
});

test('settled: nothing complete above the watermark, and nothing under way', () => {
  const bench = new Bench();
  assert.ok(bench.replica.isSettled);
  bench.complete = [point(0)];
  assert.not(bench.replica.isSettled);
  bench.complete = [];
  bench.ring.pendingBytes = 4096;
  assert.not(bench.replica.isSettled);
});

test('closed, it steps no more', async () => {
  const bench = new Bench();
  await bench.replica.close();
  bench.replica.step({ event: 'destaged', dataSet: 0 });
  assert.equal([bench.turns.length, bench.take().length], [0, 0]);
});

test.run();
