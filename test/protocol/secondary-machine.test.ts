import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CHAIN_START } from '../../src/model/ids.ts';
import { LIMITS } from '../../src/model/limits.ts';
import type { ReceivedRecord, SecondaryEffect } from '../../src/protocol/secondary-contract.ts';
import { SecondaryMachine } from '../../src/protocol/secondary-machine.ts';
import { makeGeometry, SecondaryHarness } from '../support/secondary-harness.ts';
import { figure3History, hashChainForTest, INCARNATION, makeRecord, SecondaryHistory } from '../support/secondary-history.ts';

const names = (effects: readonly SecondaryEffect[]): string[] => effects.map(({ effect }) => effect);

function harness3(options: { slots?: number; instant?: boolean } = {}): SecondaryHarness {
  return new SecondaryHarness({ history: figure3History(), ...options });
}

/** Data sets 0 and 1 of Figure 3 are in the source volume and covered by the watermark. */
function afterTwo(): SecondaryHarness {
  const harness = harness3({ instant: true });
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140, 141, 142);
  return harness;
}

function syncOf(sequence: number, dataSet: number, firstSequence: number, chain = CHAIN_START): ReceivedRecord {
  return makeRecord({ dataSet, firstSequence, sequence, sync: { reason: 'flush', chain, incarnation: INCARNATION, headBytes: 0 } });
}

test('I7: a duplicate that is durable is acknowledged again and changes nothing', () => {
  const harness = harness3();
  harness.receiveNumbers(134);
  harness.commit(0);
  assert.equal(harness.receiveNumbers(134), [{ effect: 'acknowledge', ranges: [{ from: 134, to: 134 }] }]);
  assert.is(harness.machine.counters.duplicates, 1);
});

test('I2: a duplicate that is received but not durable yields nothing, also inside one batch', () => {
  const harness = harness3();
  assert.equal(names(harness.receiveNumbers(134, 134)), ['openJournal', 'appendJournal']);
  assert.equal(harness.receiveNumbers(134), []);
  assert.is(harness.machine.counters.duplicates, 2);
  assert.equal(harness.commit(0), [{ effect: 'acknowledge', ranges: [{ from: 134, to: 134 }] }]);
});

test('I6: a record at or below the watermark is acknowledged and dropped', () => {
  const harness = afterTwo();
  assert.equal(harness.receiveNumbers(142, 141, 139), [
    {
      effect: 'acknowledge',
      ranges: [
        { from: 139, to: 139 },
        { from: 141, to: 142 },
      ],
    },
  ]);
  assert.is(harness.machine.counters.dropped, 3);
});

const BELOW: readonly (readonly [string, ReceivedRecord])[] = [
  ['a number that is not in the source volumes', makeRecord({ dataSet: 1, firstSequence: 141, sequence: 143, write: ['A', 'X'] })],
  ['a first number above its own', makeRecord({ dataSet: 1, firstSequence: 142, sequence: 141, write: ['A', 'X'] })],
  ['another final number of the newest data set', syncOf(141, 1, 141)],
];
for (const [name, record] of BELOW) {
  test(`below the watermark, a violation is not acknowledged: ${name}`, () => {
    const harness = afterTwo();
    assert.equal(names(harness.receive([record])), ['closeLink']);
    assert.is(harness.machine.counters.dropped, 0);
  });
}

test('I6: above the window a record is rejected and the window does not move by it', () => {
  const harness = harness3({ slots: 2 });
  assert.equal(
    harness.receiveNumbers(146, 134).map((effect) => effect.effect),
    ['reject', 'openJournal', 'appendJournal'],
  );
  assert.is(harness.machine.windowHigh, 1);
  assert.equal(harness.rejected, [146]);
});

test('a moved window is announced, unless an acknowledgement of the same step carries it', () => {
  const harness = harness3();
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140, 141);
  harness.commit(0);
  harness.makeFlagDurable(0);
  harness.finishDestage(0);
  harness.journalOf(1).durableRecords = 1;
  harness.watermark = harness.pendingWatermark;
  const effects = harness.step([
    { event: 'watermarkDurable', dataSet: 0 },
    { event: 'journalDurable', dataSet: 1, records: 1 },
  ]);
  assert.equal(names(effects), ['retireJournal', 'acknowledge']);
});

test('a violation closes the link, forgets the rest of its batch and keeps what came before', () => {
  const harness = harness3();
  const wrong = makeRecord({ dataSet: 0, firstSequence: 133, sequence: 136, write: ['A', 'X'] });
  const effects = harness.step([
    { event: 'recordsReceived', link: 5, records: [figure3History().at(134), wrong, figure3History().at(135)] },
    { event: 'recordsReceived', link: 6, records: [figure3History().at(138)] },
    { event: 'recordsReceived', link: 5, records: [figure3History().at(137)] },
  ]);
  assert.equal(names(effects), ['openJournal', 'appendJournal', 'closeLink', 'appendJournal']);
  assert.is(harness.closed[0]?.link, 5);
  assert.equal(
    harness.journalOf(0).records.map(({ sequence }) => sequence),
    [134, 138],
  );
  assert.equal(names(harness.receiveNumbers(135)), ['appendJournal'], 'on another link the data set goes on');
});

test('a first record that breaks the protocol opens nothing', () => {
  const harness = harness3();
  const tooFar = makeRecord({ dataSet: 1, firstSequence: 141, sequence: 141 + harness.geometry.recordsMax, write: ['A', 'X'] });
  assert.equal(names(harness.receive([tooFar])), ['closeLink']);
  assert.equal(harness.machine.activity(), { active: 0, partial: 0 });
  assert.equal(names(harness.receiveNumbers(141)), ['openJournal', 'appendJournal'], 'the slot was not spoilt');
  assert.equal(names(harness.receiveNumbers(134, 140)), ['openJournal', 'appendJournal', 'appendJournal']);
});

test('a first number that does not follow the previous final number is a violation', () => {
  const harness = harness3();
  harness.receiveNumbers(140);
  assert.equal(names(harness.receive([makeRecord({ dataSet: 1, firstSequence: 142, sequence: 142, write: ['A', 'X'] })])), ['closeLink']);
  assert.match(harness.closed[0]?.violation ?? '', /data set 1 begins at 141 by what came before it; the record says 142/);
});

test('a sync that comes after the next data set began is checked against it', () => {
  const harness = harness3();
  harness.receiveNumbers(141);
  assert.equal(names(harness.receive([syncOf(139, 0, 134)])), ['closeLink']);
  assert.equal(names(harness.receiveNumbers(140)), ['openJournal', 'appendJournal']);
});

test('a data set that is open learns where the next one begins', () => {
  const harness = harness3();
  harness.receiveNumbers(134);
  harness.receiveNumbers(141);
  assert.equal(names(harness.receive([makeRecord({ dataSet: 0, firstSequence: 134, sequence: 140, write: ['A', 'X'] })], 2)), [
    'closeLink',
  ]);
  assert.equal(names(harness.receive([syncOf(139, 0, 134)], 3)), ['closeLink']);
  assert.equal(names(harness.receiveNumbers(140)), ['appendJournal']);
});

test('a data set that begins inside an earlier one is a violation', () => {
  const harness = harness3();
  harness.receiveNumbers(139);
  assert.equal(names(harness.receive([makeRecord({ dataSet: 1, firstSequence: 139, sequence: 139, write: ['A', 'X'] })])), ['closeLink']);
});

test('an empty data set is complete with its sync alone', () => {
  const history = new SecondaryHistory([[], [['A', 'A0']], []]);
  const harness = new SecondaryHarness({ history, instant: true });
  harness.receive(history.records.toReversed());
  assert.equal(harness.destageOrder, [0, 1, 2]);
});

test('another chain fails the machine before the last record is acknowledged, and no byte reaches a volume', () => {
  const harness = harness3();
  harness.receiveNumbers(134, 135, 136, 137, 138, 139);
  harness.commit(0);
  assert.equal(names(harness.receive([syncOf(140, 0, 134, 'f'.repeat(32))])), ['appendJournal', 'fail']);
  assert.equal(harness.commit(0), []);
  assert.equal(harness.failures, ['ERR_CHAIN_MISMATCH']);
  assert.not.ok(harness.acknowledged.has(140), 'I1: the data set must not count as acknowledged complete');
  assert.is(harness.volume.size, 0);
});

test('a failed machine takes nothing in and acknowledges nothing, but destages what was flagged', () => {
  const harness = harness3();
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140, 141, 143);
  harness.commit(0);
  assert.equal(names(harness.receive([syncOf(142, 1, 141, 'f'.repeat(32))])), ['appendJournal', 'fail']);
  assert.equal(harness.commit(1), [], 'durable, but not acknowledged');
  assert.equal(harness.receiveNumbers(144), [], 'not journaled');
  assert.equal(harness.receiveNumbers(134), [], 'not acknowledged');
  assert.equal(harness.commit(2), [], 'durable, but not acknowledged');
  assert.equal(names(harness.makeFlagDurable(0)), ['destage']);
  harness.settle();
  assert.is(harness.watermark?.dataSet, 0);
  assert.equal(
    harness.machine.held().map(({ dataSet }) => dataSet),
    [1, 2],
    'everything is kept',
  );
  assert.equal(harness.failures, ['ERR_CHAIN_MISMATCH'], 'told once');
});

test('a sync that contradicts a durable one closes the link, and fails the machine when it comes again and again', () => {
  const harness = harness3();
  harness.receiveNumbers(142);
  harness.commit(1);
  const other = syncOf(143, 1, 141);
  for (let count = 1; count < LIMITS.syncContradictionsMax; count += 1) assert.equal(names(harness.receive([other], count)), ['closeLink']);
  assert.equal(names(harness.receive([other], 99)), ['closeLink', 'fail']);
  assert.equal(harness.failures, ['ERR_SYNC_CONTRADICTION']);
});

test('a sync that contradicts what is not durable only closes the link, however often it comes', () => {
  const harness = harness3();
  harness.receiveNumbers(142);
  const other = syncOf(143, 1, 141);
  for (let count = 1; count <= LIMITS.syncContradictionsMax + 1; count += 1)
    assert.equal(names(harness.receive([other], count)), ['closeLink']);
  assert.equal(harness.failures, []);
});

test('positions: null before the first, then each in its own order', () => {
  const harness = harness3();
  const nothing = { received: null, durable: null, complete: null, destaged: null };
  assert.equal(harness.machine.positions(), { ...nothing, sequence: nothing });
  harness.receiveNumbers(134, 135, 137, 146);
  harness.commit(0, 2);
  assert.equal(harness.machine.positions(), { ...nothing, received: 3, sequence: { ...nothing, received: 146, durable: 135 } });
  harness.commit(0);
  assert.is(harness.machine.positions().durable, 0);
  harness.receiveNumbers(136, 138, 139, 140, 141);
  harness.commit(0);
  harness.commit(1);
  assert.equal(harness.machine.positions(), {
    received: 3,
    durable: 1,
    complete: 0,
    destaged: null,
    sequence: { received: 146, durable: 141, complete: 140, destaged: null },
  });
  harness.settle();
  assert.equal([harness.machine.positions().destaged, harness.machine.positions().sequence.destaged], [0, 140]);
});

test('held: both bitmaps have the same shape; complete ones are told until they are retired', () => {
  const harness = harness3();
  harness.receiveNumbers(134, 135, 136, 137, 138, 139, 140, 144);
  harness.commit(0, 3);
  assert.equal(
    harness.machine.held().map((set) => [set.dataSet, set.firstSequence, set.finalSequence, [...set.received], [...set.durable]]),
    [
      [0, 134, 140, [0b111_1111], [0b111]],
      [2, 143, null, [0b10], [0]],
    ],
  );
  harness.settle();
  assert.equal(
    harness.machine.held().map(({ dataSet }) => dataSet),
    [2],
  );
});

test('complete: the points of the history above the watermark', () => {
  const history = figure3History();
  const harness = harness3();
  harness.receive(history.records.slice(0, 12));
  for (const dataSet of [0, 1, 2]) harness.commit(dataSet);
  assert.equal(
    harness.machine.complete(),
    [0, 1, 2].map((dataSet) => ({ dataSet, finalSequence: history.dataSet(dataSet).finalSequence, chain: history.dataSet(dataSet).chain })),
  );
});

test('restored records count as appended: the journal goes on behind them', () => {
  const before = harness3();
  before.receiveNumbers(137, 134);
  before.commit(0);
  const after = new SecondaryHarness({ history: figure3History(), from: before.crash() });
  assert.equal(after.resume(), [], 'nothing is acknowledged again by itself');
  assert.equal(names(after.receiveNumbers(135)), ['appendJournal'], 'the journal is open already');
  assert.equal(after.commit(0, 3), [{ effect: 'acknowledge', ranges: [{ from: 135, to: 135 }] }]);
  assert.equal(
    after.receiveNumbers(137),
    [{ effect: 'acknowledge', ranges: [{ from: 137, to: 137 }] }],
    'a retransmit of a restored record',
  );
});

test('restored journals that contradict one another fail the machine', () => {
  const { origin, dataSets } = figure3History();
  const [zero, one] = dataSets;
  const restored = [
    { dataSet: 0, firstSequence: 134, completeFlag: false, records: zero?.records ?? [] },
    {
      dataSet: 1,
      firstSequence: 142,
      completeFlag: false,
      records: (one?.records ?? []).map((record) => ({ ...record, firstSequence: 142 })),
    },
  ];
  const machine = new SecondaryMachine({ geometry: makeGeometry(), origin, restored, hashChain: hashChainForTest });
  const failure = machine.resume().find(({ effect }) => effect === 'fail');
  assert.ok(failure?.effect === 'fail');
  assert.is(failure.code, 'ERR_SYNC_CONTRADICTION');
  assert.match(failure.message, /restored: data set 1 begins at 141/);
});

test('restored data sets outside the window, or twice, fail the machine', () => {
  const { origin, dataSets } = figure3History();
  const restored = dataSets.map((set) => ({
    dataSet: set.dataSet,
    firstSequence: set.firstSequence,
    completeFlag: false,
    records: set.records,
  }));
  const failureOf = (slots: number, sets: typeof restored): string => {
    const machine = new SecondaryMachine({ geometry: makeGeometry({ slots }), origin, restored: sets, hashChain: hashChainForTest });
    const [failure] = machine.resume();
    return failure?.effect === 'fail' ? failure.message : 'no failure';
  };
  assert.is(failureOf(4, restored), 'no failure');
  assert.match(failureOf(2, restored), /data set 2 is outside the window 0 to 1/);
  assert.match(failureOf(4, [...restored.slice(0, 2), ...restored.slice(1, 2)]), /two journals hold data set 1/);
});

test('I3: a restored flag behind an incomplete data set fails the machine, it is not skipped', () => {
  const { origin, dataSets } = figure3History();
  const restored = [{ dataSet: 1, firstSequence: 141, completeFlag: true, records: dataSets[1]?.records ?? [] }];
  const machine = new SecondaryMachine({ geometry: makeGeometry(), origin, restored, hashChain: hashChainForTest });
  const effects = machine.resume();
  assert.equal(names(effects), ['fail']);
});

test('a shell that reports what it was not told breaks an invariant', () => {
  const harness = harness3();
  harness.receiveNumbers(134);
  assert.throws(() => harness.machine.step([{ event: 'journalDurable', dataSet: 0, records: 2 }]), /only as far as it was appended/);
  assert.throws(() => harness.machine.step([{ event: 'journalDurable', dataSet: 1, records: 1 }]), /told to open/);
  assert.throws(() => harness.machine.step([{ event: 'completeFlagDurable', dataSet: 0 }]), /after it was set/);
  assert.throws(() => harness.machine.step([{ event: 'destaged', dataSet: 0 }]), /told to destage/);
  assert.throws(() => harness.machine.step([{ event: 'watermarkDurable', dataSet: 0 }]), /after it was told/);
});

test('late reports on a retired data set are ignored', () => {
  const harness = afterTwo();
  assert.equal(
    harness.machine.step([
      { event: 'journalDurable', dataSet: 0, records: 7 },
      { event: 'completeFlagDurable', dataSet: 0 },
      { event: 'watermarkDurable', dataSet: 0 },
    ]),
    [],
  );
});

test.run();
