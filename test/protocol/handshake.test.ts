import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PrimaryFacts, SecondaryFacts } from '../../src/model/handshake.ts';
import { checkTable } from '../../src/protocol/decision-table.ts';
import { HANDSHAKE_SENTENCES } from '../../src/protocol/handshake-sentences.ts';
import { HANDSHAKE_TABLE } from '../../src/protocol/handshake-table.ts';
import { agree, decideHandshake } from '../../src/protocol/handshake.ts';
import type { HandshakeDecision, HandshakeQuestion } from '../../src/protocol/handshake.ts';
import {
  ALL,
  bits,
  blankAt,
  db1,
  digestAt,
  held,
  kept,
  point,
  points,
  primaryAt,
  primaryNew,
  promoted,
  secondaryAt,
  wal,
} from '../support/host-facts.ts';

/** Judge on both sides: they must agree on everything but whose other session is live. */
function judge(primary: PrimaryFacts, secondary: SecondaryFacts, more: Partial<HandshakeQuestion> = {}): HandshakeDecision {
  const question = { primary, secondary, liveOtherSession: false, ...more };
  const decision = decideHandshake({ ...question, judge: 'primary' });
  const other = decideHandshake({ ...question, judge: 'secondary' });
  assert.equal([other.label, other.outcome, other.code], [decision.label, decision.outcome, decision.code]);
  assert.ok(decision.sentence.length > 20 && decision.sentence.endsWith('.'));
  assert.not.match(decision.sentence, 'unknown.');
  return decision;
}

function refused(decision: HandshakeDecision, code: string, ...words: (string | RegExp)[]): void {
  assert.is(decision.outcome, 'refuse');
  assert.is(decision.code, code);
  for (const word of words) assert.match(decision.sentence, word);
}

function continues(decision: HandshakeDecision, label = 'same history'): void {
  assert.equal([decision.outcome, decision.code, decision.label], ['continue', null, label], decision.sentence);
}

test('every combination of inputs matches exactly one row, every row is reached and has a sentence', () => {
  const report = checkTable(HANDSHAKE_TABLE);
  assert.ok(report.combinations > 1_000_000);
  assert.equal({ ...report, combinations: 0 }, { combinations: 0, unmatched: [], ambiguous: [], unreachable: [] });
  assert.equal(Object.keys(HANDSHAKE_SENTENCES).sort(), HANDSHAKE_TABLE.rows.map((row) => row.label).sort());
  for (const row of HANDSHAKE_TABLE.rows) assert.is(row.then.code === null, row.then.outcome === 'continue', row.label);
});

test('a stream goes on: same sessions, secondary restarted, secondary restarted while it was partial', () => {
  continues(judge(primaryAt(), secondaryAt()));
  continues(judge(primaryAt(), secondaryAt({ session: 'c2' })));
  assert.equal(agree(primaryAt(), secondaryAt()), { dataSetBytesMax: 31 * 2 ** 20, recordsMax: 65_536, windowHigh: 24 });
});

test('a stream goes on after a clean stop of the primary, with the secondary down meanwhile, and with its partial sets', () => {
  const restarted = primaryAt({
    session: 'p2',
    sessionFirstSequence: 220,
    unacknowledged: [kept(19, ALL), kept(20, bits(0, 1)), kept(21, bits(0))],
    chains: points(6, 21),
    head: { dataSet: 22, sequence: 219, bytes: 1, timeMs: 0 },
  });
  continues(judge(restarted, secondaryAt()));
  continues(
    judge(
      restarted,
      secondaryAt({
        session: 'c2',
        held: [held(17, ALL), held(18, ALL), held(19, ALL), held(20, bits(0, 1), false), held(21, bits(0), false)],
      }),
    ),
  );
});

test('a stream goes on when acks were lost: the secondary has completed what the primary still keeps', () => {
  continues(judge(primaryAt(), secondaryAt({ watermark: point(20), complete: [], held: [held(21, bits(0, 1, 2), false)] })));
});

test('a blank secondary joins a primary that holds everything from the first record, and no other', () => {
  continues(judge(primaryNew(), blankAt()), 'first contact');
  continues(
    judge(primaryNew({ chains: [], unacknowledged: [], head: { dataSet: 0, sequence: -1, bytes: 0, timeMs: 0 } }), blankAt()),
    'first contact',
  );
  assert.is(agree(primaryNew(), blankAt()).windowHigh, 7);
  refused(judge(primaryAt(), blankAt()), 'ERR_HANDSHAKE_BLANK', 'wiped', 'data set 18', 'resync');
  refused(
    judge(primaryNew({ unacknowledged: [kept(0, bits(3)), kept(1, bits(), false)] }), blankAt()),
    'ERR_HANDSHAKE_BLANK',
    'another copy',
  );
  refused(judge(primaryNew({ unacknowledged: [kept(1, bits(), false)] }), blankAt()), 'ERR_HANDSHAKE_BLANK', 'data set 1');
  refused(judge(primaryNew({ generations: promoted('2', 18) }), blankAt()), 'ERR_HANDSHAKE_BLANK', 'generation 2');
  refused(judge(primaryAt(), blankAt({ held: [held(0, bits(1), false)] })), 'ERR_HANDSHAKE_FACTS', 'belongs to no group');
});

test('bound at first contact and crashed before the first record: continues', () => {
  continues(judge(primaryNew({ session: 'p1' }), secondaryAt({ watermark: null, complete: [], held: [], lastPrimarySession: null })));
});

test('the primary was re-initialised under the same name', () => {
  refused(judge(primaryNew({ groupId: 'g2' }), secondaryAt()), 'ERR_HANDSHAKE_GROUP', 'g2', 'g1', 'initialised again');
});

test('two primaries behind the two addresses: another group is refused, another session of the same waits', () => {
  refused(judge(primaryAt({ groupId: 'g9' }), secondaryAt(), { liveOtherSession: true }), 'ERR_HANDSHAKE_GROUP');
  const waits = judge(primaryAt(), secondaryAt(), { liveOtherSession: true });
  assert.equal([waits.outcome, waits.code], ['wait', 'ERR_HANDSHAKE_BUSY']);
  assert.is(judge(primaryNew(), blankAt(), { liveOtherSession: true }).outcome, 'wait');
});

test('the primary was restored from a copy an hour old and not written to', () => {
  const old = primaryAt({
    session: 'p2',
    sessionFirstSequence: 100,
    chains: points(0, 9),
    acknowledged: point(9),
    unacknowledged: [],
    head: { dataSet: 10, sequence: 99, bytes: 1, timeMs: 0 },
  });
  refused(judge(old, secondaryAt()), 'ERR_HANDSHAKE_AHEAD', 'ahead', 'data set 19', 'from 10 on', 'promote');
});

test('the primary was restored from a copy and written to, not as far as the copy', () => {
  const old = primaryAt({
    session: 'p2',
    sessionFirstSequence: 100,
    chains: points(0, 12, 'x'),
    acknowledged: point(9),
    unacknowledged: [kept(10), kept(11), kept(12)],
    head: { dataSet: 13, sequence: 129, bytes: 1, timeMs: 0 },
  });
  refused(judge(old, secondaryAt()), 'ERR_HANDSHAKE_AHEAD');
});

test('the primary was restored from a copy and written to, past the watermark and past everything', () => {
  const sets = Array.from({ length: 20 }, (_, i) => kept(10 + i));
  const old = primaryAt({
    session: 'p2',
    sessionFirstSequence: 100,
    chains: [...points(0, 9), ...points(10, 29, 'x')],
    acknowledged: point(9),
    unacknowledged: sets,
    head: { dataSet: 30, sequence: 299, bytes: 1, timeMs: 0 },
  });
  refused(judge(old, secondaryAt()), 'ERR_HANDSHAKE_OTHER_RUN', 'number 210', 'p1', 'p2', 'from 100 on', 'restored');
  const lying = { ...old, session: 'p1', sessionFirstSequence: 0 };
  refused(judge(lying, secondaryAt()), 'ERR_HANDSHAKE_CHAIN', 'data set 19', 'x19', 'r19', 'number 199');
});

test('a host that took over does not know the run of its newest records: what is proven decides', () => {
  const tookOver = secondaryAt({ lastPrimarySession: null, hostEpoch: 1 });
  continues(judge(primaryAt({ session: 'p2', sessionFirstSequence: 100 }), tookOver));
  const restored = primaryAt({
    session: 'p2',
    sessionFirstSequence: 100,
    chains: [...points(0, 9), ...points(10, 29, 'x')],
    acknowledged: point(9),
    unacknowledged: Array.from({ length: 20 }, (_, i) => kept(10 + i)),
    head: { dataSet: 30, sequence: 299, bytes: 1, timeMs: 0 },
  });
  refused(judge(restored, tookOver), 'ERR_HANDSHAKE_CHAIN', 'data set 19');
});

test('a data set that is closed in the copy and open on the primary, or closed at another number', () => {
  const open = primaryAt({
    chains: points(5, 18),
    unacknowledged: [kept(19, bits(), false)],
    head: { dataSet: 19, sequence: 199, bytes: 1, timeMs: 0 },
  });
  const level = secondaryAt({ watermark: point(19), complete: [], held: [] });
  refused(judge(open, level), 'ERR_HANDSHAKE_AHEAD', 'data set 19 complete');
  const shorter = { ...point(19), finalSequence: 198 };
  refused(judge(primaryAt(), { ...level, watermark: shorter }), 'ERR_HANDSHAKE_CHAIN', 'number 199', 'number 198');
});

test('a clone of the primary: same state, two sessions', () => {
  const clone = primaryAt({ session: 'p3', sessionFirstSequence: 210 });
  refused(judge(clone, secondaryAt()), 'ERR_HANDSHAKE_OTHER_RUN', 'cloned');
});

test('the secondary was restored from an older copy, or lost what it had acknowledged', () => {
  const old = secondaryAt({ session: 'c2', watermark: point(10), complete: [], held: [held(11, ALL), held(12, bits(0, 1), false)] });
  refused(judge(primaryAt(), old), 'ERR_HANDSHAKE_MISSING', 'number 122', 'data set 18', 'data set 10', 'restored from an older copy');
  const older = secondaryAt({ session: 'c2', watermark: point(2), complete: [], held: [] });
  refused(judge(primaryAt(), older), 'ERR_HANDSHAKE_MISSING', 'number 30');
  refused(judge(primaryAt(), secondaryAt({ watermark: null, complete: [], held: [] })), 'ERR_HANDSHAKE_MISSING', 'number 0');
  const eaten = secondaryAt({ held: [held(17, ALL), held(18, ALL), held(19, ALL), held(20, bits(0, 4), false), held(21, bits(0), false)] });
  refused(judge(primaryAt(), eaten), 'ERR_HANDSHAKE_MISSING', 'number 201');
  const gone = secondaryAt({ held: [held(17, ALL), held(18, ALL), held(19, ALL), held(20, bits(0, 1), false)] });
  refused(judge(primaryAt(), gone), 'ERR_HANDSHAKE_MISSING', 'number 210');
  const volatileOnly = secondaryAt({ held: [...secondaryAt().held.slice(0, 4), { ...held(21, bits(), false), received: bits(0) }] });
  refused(judge(primaryAt(), volatileOnly), 'ERR_HANDSHAKE_MISSING', 'number 210');
});

test('an idle group: a secondary restored from a copy of the same moment continues', () => {
  const idle = primaryAt({ unacknowledged: [], acknowledged: point(20), head: { dataSet: 21, sequence: 209, bytes: 1, timeMs: 0 } });
  continues(judge(idle, secondaryAt({ session: 'c7', watermark: point(20), complete: [], held: [] })));
});

test('a history that the primary no longer knows is never merged', () => {
  const forgetful = primaryAt({ chains: points(20, 20), acknowledged: null, unacknowledged: [] });
  refused(judge(forgetful, secondaryAt()), 'ERR_HANDSHAKE_CHAIN_UNKNOWN', 'data set 19', '20 to 20');
});

test('held data sets that contradict the primary are refused', () => {
  const moved = { ...held(20, bits(0, 1, 4), false), firstSequence: 199 };
  refused(
    judge(
      primaryAt({ unacknowledged: [kept(19, ALL), kept(20), kept(21, bits(0), false)] }),
      secondaryAt({ held: [...secondaryAt().held.slice(0, 3), moved, held(21, bits(0), false)] }),
    ),
    'ERR_HANDSHAKE_CONTRADICTION',
    'begins at number 200',
    '199',
  );
  const longer = { ...held(20, bits(0, 1), false), finalSequence: 208 };
  refused(
    judge(primaryAt(), secondaryAt({ held: [...secondaryAt().held.slice(0, 3), longer, held(21, bits(0), false)] })),
    'ERR_HANDSHAKE_CONTRADICTION',
    'ends at number 209',
    '208',
  );
  refused(
    judge(primaryAt({ unacknowledged: [kept(19, ALL), kept(21, bits(0), false)] }), secondaryAt()),
    'ERR_HANDSHAKE_CONTRADICTION',
    'data set 20',
  );
  refused(
    judge(primaryAt(), secondaryAt({ held: [...secondaryAt().held.slice(0, 4), { ...held(21, bits(0, 1), false), finalSequence: 211 }] })),
    'ERR_HANDSHAKE_AHEAD',
    'data set 21',
  );
  refused(
    judge(primaryAt(), secondaryAt({ held: [...secondaryAt().held.slice(0, 4), held(21, bits(0, 1, 2, 3), false)] })),
    'ERR_HANDSHAKE_AHEAD',
    'number 213',
    '212',
  );
});

test('a partial data set with the same numbers and other commands is refused by the primary, which alone can tell', () => {
  const digestOf = ({ dataSet }: { dataSet: number }): string | null => (dataSet < 20 ? null : digestAt(dataSet));
  const decide = (secondary: SecondaryFacts, more: Partial<HandshakeQuestion> = {}): HandshakeDecision =>
    decideHandshake({ primary: primaryAt(), secondary, judge: 'primary', liveOtherSession: false, digestOf, ...more });
  continues(decide(secondaryAt()));
  const [first, second] = [held(20, bits(0, 1, 4), false), held(21, bits(0), false)];
  for (const other of [
    [{ ...first, digest: digestAt(20, 'x') }, second],
    [first, { ...second, digest: digestAt(21, 'x') }],
  ]) {
    const secondary = secondaryAt({ held: [...secondaryAt().held.slice(0, 3), ...other] });
    refused(decide(secondary), 'ERR_HANDSHAKE_CONTRADICTION', 'others than those that the primary gave');
    continues(decide(secondary, { agreedBefore: true }), 'further link');
  }
  // What is complete is proven by its chain, and the primary may have released it.
  continues(decide(secondaryAt({ held: [held(17, ALL), { ...held(18, ALL), digest: '-' }, ...secondaryAt().held.slice(2)] })));
});

test('swapped VLUN numbers, another size, a missing volume', () => {
  const swapped = [
    { ...db1, vlun: 1 },
    { ...wal, vlun: 0 },
  ];
  refused(judge(primaryAt(), secondaryAt({ volumes: swapped })), 'ERR_HANDSHAKE_VOLUMES', 'VLUN 0 is "db1"', '"wal"');
  refused(judge(primaryAt(), secondaryAt({ volumes: [db1, { ...wal, sizeBytes: 5 }] })), 'ERR_HANDSHAKE_VOLUMES', 'VLUN 1', '5 bytes');
  refused(judge(primaryNew(), blankAt({ volumes: [db1] })), 'ERR_HANDSHAKE_VOLUMES', 'no volume');
  continues(judge(primaryAt(), secondaryAt({ volumes: [wal, db1] })));
});

test('the old primary returns after a promotion; a secondary of an old generation; two promotions', () => {
  const after = promoted('2', 18);
  refused(
    judge(primaryAt(), secondaryAt({ generations: after, stream: 's2' })),
    'ERR_HANDSHAKE_SUPERSEDED',
    'superseded',
    'generation 1',
    'generation 2',
    'data set 18',
  );
  refused(
    judge(primaryAt({ generations: after, stream: 's2' }), secondaryAt()),
    'ERR_HANDSHAKE_OLD_GENERATION',
    'generation 1',
    'generation 2',
    'resync',
  );
  refused(
    judge(primaryAt({ generations: after, stream: 's2' }), secondaryAt({ generations: promoted('3', 18), stream: 's3' })),
    'ERR_HANDSHAKE_FORKED',
    '2222',
    '3333',
  );
});

test('a promoted primary and a secondary of the same generation continue where the generation began', () => {
  const generations = promoted('2', 18);
  const primary = primaryAt({
    generations,
    acknowledged: null,
    chains: [],
    unacknowledged: [],
    sessionFirstSequence: 210,
    head: { dataSet: 21, sequence: 209, bytes: 0, timeMs: 0 },
  });
  const secondary = secondaryAt({ generations, watermark: point(18), complete: [], held: [] });
  continues(judge(primary, secondary));
  assert.is(agree(primary, secondary).windowHigh, 28);
  refused(
    judge(primary, secondaryAt({ generations, watermark: point(17), complete: [], held: [] })),
    'ERR_HANDSHAKE_MISSING',
    'number 180',
  );
});

test('states of the primary', () => {
  refused(judge(primaryAt({ state: 'failed' }), secondaryAt()), 'ERR_HANDSHAKE_PRIMARY_FAILED');
  refused(judge(primaryAt({ state: 'superseded' }), secondaryAt()), 'ERR_HANDSHAKE_SUPERSEDED');
  refused(
    judge(primaryAt({ state: 'standalone', stream: 's9' }), secondaryAt()),
    'ERR_HANDSHAKE_STANDALONE',
    'diverged from data set 18',
    'resync',
  );
  assert.equal(judge(primaryAt({ state: 'stopping' }), secondaryAt()).outcome, 'wait');
  refused(judge(primaryNew({ state: 'failed' }), blankAt()), 'ERR_HANDSHAKE_PRIMARY_FAILED');
});

test('another version, wrong roles, another stream, a superseded host, contradictory facts', () => {
  refused(judge(primaryAt(), secondaryAt({ protocolVersion: 2 })), 'ERR_HANDSHAKE_VERSION', 'version 1', 'version 2');
  refused(judge(primaryAt(), { ...secondaryAt(), role: 'primary' } as unknown as SecondaryFacts), 'ERR_HANDSHAKE_ROLES');
  refused(judge(primaryAt(), secondaryAt({ stream: 's0' })), 'ERR_HANDSHAKE_STREAM', 's0', 's1');
  refused(judge(primaryAt(), secondaryAt({ stream: null })), 'ERR_HANDSHAKE_STREAM');
  refused(judge(primaryAt({ hostEpoch: 3 }), secondaryAt({ hostEpoch: 2 })), 'ERR_HANDSHAKE_HOST_EPOCH', 'epoch 2', '3');
  refused(judge(primaryAt({ generations: [] }), secondaryAt()), 'ERR_HANDSHAKE_FACTS', 'empty');
  refused(
    judge(primaryAt(), secondaryAt({ held: [{ ...held(20, bits(1), false), received: bits(0) }] })),
    'ERR_HANDSHAKE_FACTS',
    'data set 20',
  );
  refused(judge(primaryAt(), secondaryAt({ held: [held(16, ALL)] })), 'ERR_HANDSHAKE_FACTS', 'data set 16');
});

test('a higher host epoch is recorded only for a host that has proven its history, and takes the place of a live one', () => {
  const primary = primaryAt({ hostEpoch: 3 });
  const taken = judge(primary, secondaryAt({ hostEpoch: 4 }));
  continues(taken);
  assert.is(taken.hostEpochRaised, 4);
  assert.is(judge(primary, secondaryAt({ hostEpoch: 3 })).hostEpochRaised, null);
  const live = judge(primary, secondaryAt({ hostEpoch: 4 }), { liveOtherSession: true });
  assert.equal([live.outcome, live.label, live.hostEpochRaised], ['wait', 'takes the place of a live host', 4]);
  const equal = judge(primary, secondaryAt({ hostEpoch: 3 }), { liveOtherSession: true });
  assert.equal([equal.outcome, equal.label, equal.hostEpochRaised], ['wait', 'other session is live', null]);
  for (const unproven of [
    secondaryAt({ hostEpoch: 4, watermark: point(12), complete: [], held: [] }),
    secondaryAt({ hostEpoch: 4, groupId: 'ff' }),
    secondaryAt({ hostEpoch: 4, stream: 's0' }),
    secondaryAt({ hostEpoch: 4, protocolVersion: 2 }),
  ]) {
    for (const liveOtherSession of [false, true]) {
      const decision = judge(primary, unproven, { liveOtherSession });
      assert.equal([decision.outcome, decision.hostEpochRaised], ['refuse', null], decision.label);
    }
  }
  refused(judge(primary, secondaryAt({ hostEpoch: 4 }), { agreedBefore: true }), 'ERR_HANDSHAKE_FACTS', 'one run', '4');
  const stopping = judge(primaryAt({ hostEpoch: 3, state: 'stopping' }), secondaryAt({ hostEpoch: 4 }));
  assert.equal([stopping.outcome, stopping.hostEpochRaised], ['wait', null], 'it is recorded at the next start');
});

test('journals that are too small', () => {
  const geometry = { slots: 4, slotBytes: 65_536, capacityBytes: 60_000, recordsMax: 500 };
  refused(judge(primaryAt(), secondaryAt({ geometry })), 'ERR_HANDSHAKE_GEOMETRY', 'one record', 'journals.size');
  continues(judge(primaryAt({ dataSetBytesMax: 50_000 }), secondaryAt({ geometry })));
  refused(
    judge(primaryAt({ dataSetBytesMax: 50_000 }), secondaryAt({ geometry: { ...geometry, recordsMax: 9 } })),
    'ERR_HANDSHAKE_GEOMETRY',
    'data set 19',
    '10 records',
  );
  refused(
    judge(primaryAt(), secondaryAt({ geometry: { ...geometry, slots: 1, capacityBytes: 2 ** 25 } })),
    'ERR_HANDSHAKE_GEOMETRY',
    '1 journal slots',
  );
  refused(judge(primaryAt(), secondaryAt(), { largestKeptBytes: 2 ** 26 }), 'ERR_HANDSHAKE_GEOMETRY', '64.0 MiB');
  assert.equal(agree(primaryAt(), secondaryAt({ geometry })), { dataSetBytesMax: 60_000, recordsMax: 500, windowHigh: 20 });
});

test('a further link of an agreed pair is not compared: the facts of the secondary may be older than the acks', () => {
  const behind = secondaryAt({ watermark: point(12), complete: [], held: [] });
  refused(judge(primaryAt(), behind), 'ERR_HANDSHAKE_MISSING');
  continues(judge(primaryAt(), behind, { agreedBefore: true }), 'further link');
  continues(judge(primaryAt(), blankAt(), { agreedBefore: true }), 'further link');
  refused(judge(primaryAt({ state: 'failed' }), behind, { agreedBefore: true }), 'ERR_HANDSHAKE_PRIMARY_FAILED');
  assert.is(judge(primaryAt({ state: 'stopping' }), behind, { agreedBefore: true }).outcome, 'wait');
});

test('another group name with the same ID is only for people', () => {
  continues(judge(primaryAt({ groupName: 'demo' }), secondaryAt({ groupName: 'renamed' })));
});

test.run();
