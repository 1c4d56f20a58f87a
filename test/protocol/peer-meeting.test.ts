import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkTable } from '../../src/protocol/decision-table.ts';
import { decidePeering } from '../../src/protocol/peer-meeting.ts';
import type { PeeringDecision, PeeringQuestion } from '../../src/protocol/peer-meeting.ts';
import { PEERING_SENTENCES } from '../../src/protocol/peer-sentences.ts';
import { PEERING_TABLE } from '../../src/protocol/peer-table.ts';
import type { PeeredFacts, PeerFacts } from '../../src/model/peer.ts';
import { peeredAt, peerAt, peerNew, REGIONS, secondGeneration } from '../support/peer-facts.ts';

/** Judge on both sides, as far as both know the same: they must agree. */
function judge(secondary: PeeredFacts | null, peer: PeerFacts, more: Partial<PeeringQuestion> = {}): PeeringDecision {
  const question = { secondary, peer, marked: null, liveOtherPeer: false, ...more };
  const decision = decidePeering({ ...question, judge: 'secondary' });
  const other = decidePeering({ ...question, judge: 'peer' });
  assert.equal([other.label, other.outcome, other.code], [decision.label, decision.outcome, decision.code]);
  for (const { sentence } of [decision, other]) {
    assert.ok(sentence.length > 60 && sentence.endsWith('.') && !sentence.endsWith('..'), sentence);
    assert.not.match(sentence, /undefined|null|""/);
  }
  return decision;
}

function refused(decision: PeeringDecision, code: string, ...words: (string | RegExp)[]): void {
  assert.equal([decision.outcome, decision.code], ['refuse', code], decision.sentence);
  for (const word of words) assert.match(decision.sentence, word);
}

function waits(decision: PeeringDecision, code: string, ...words: (string | RegExp)[]): void {
  assert.equal([decision.outcome, decision.code], ['wait', code], decision.sentence);
  for (const word of words) assert.match(decision.sentence, word);
}

function continues(decision: PeeringDecision, label: string): void {
  assert.equal([decision.outcome, decision.code, decision.label], ['continue', null, label], decision.sentence);
}

test('every combination of inputs matches exactly one row, every row is reached and has a sentence', () => {
  const report = checkTable(PEERING_TABLE);
  assert.is(report.combinations, 2 * 2 * 2 * 2 * 3 * 2 * 4 * 2 * 4 * 2);
  assert.equal({ ...report, combinations: 0 }, { combinations: 0, unmatched: [], ambiguous: [], unreachable: [] });
  assert.equal(Object.keys(PEERING_SENTENCES).sort(), PEERING_TABLE.rows.map((row) => row.label).sort());
  for (const row of PEERING_TABLE.rows) assert.is(row.then.code === null, row.then.outcome === 'continue', row.label);
});

test('a new peer joins at first contact, and goes on after it, with records and without', () => {
  continues(judge(peeredAt(), peerNew()), 'first contact');
  continues(judge(peeredAt(), peerAt()), 'same group');
  continues(judge(peeredAt(), peerAt({ tail: 90, head: 90 })), 'same group');
  continues(judge(peeredAt({ session: '00000000000000d2' }), peerAt({ session: '00000000000000e2' })), 'same group');
  continues(judge(peeredAt({ hostEpoch: 3 }), peerAt({ hostEpoch: 1 })), 'same group');
});

test('a peer that dials before the secondary has met its primary waits', () => {
  waits(judge(null, peerNew()), 'ERR_PEERING_BLANK', 'no group yet');
  waits(judge(null, peerAt()), 'ERR_PEERING_BLANK');
  refused(judge(null, peerAt({ protocolVersion: 2 })), 'ERR_HANDSHAKE_VERSION', 'version 2');
});

test('another release on either host is refused', () => {
  refused(judge(peeredAt({ protocolVersion: 2 }), peerAt()), 'ERR_HANDSHAKE_VERSION', 'same release');
});

test('a host that is not what the address is for is refused', () => {
  refused(judge(peeredAt(), { ...peerAt(), role: 'secondary' } as unknown as PeerFacts), 'ERR_PEERING_ROLES', 'peer.connect');
});

test('a host that contradicts itself is not believed', () => {
  const wrong = (peer: Partial<PeerFacts>, word: string): void => refused(judge(peeredAt(), peerAt(peer)), 'ERR_HANDSHAKE_FACTS', word);
  wrong({ stream: null }, 'without a stream');
  wrong({ generation: null }, 'without a stream');
  wrong({ groupId: null }, 'stream without a group');
  wrong({ tail: 12, head: 11 }, 'lies beyond');
  wrong({ lostRegions: [REGIONS.own] }, 'has lost its region');
  wrong({ groupId: null, stream: null, generation: null }, 'no group, yet it holds records');
  refused(judge(peeredAt({ generations: [] }), peerAt()), 'ERR_HANDSHAKE_FACTS', 'empty');
});

test('a peer of another group is refused, whatever it holds', () => {
  refused(judge(peeredAt(), peerAt({ groupId: 'f'.repeat(32) })), 'ERR_HANDSHAKE_GROUP', 'f'.repeat(32), 'initialise the peer again');
  refused(judge(peeredAt(), peerAt({ groupId: 'f'.repeat(32), tail: 90 })), 'ERR_HANDSHAKE_GROUP');
});

test('a secondary whose place another host has taken is told so by the peer that knows the higher host epoch', () => {
  refused(judge(peeredAt({ hostEpoch: 1 }), peerAt({ hostEpoch: 2 })), 'ERR_HOST_SUPERSEDED', 'host epoch 2', 'Do not start');
  continues(judge(peeredAt({ hostEpoch: 2 }), peerAt({ hostEpoch: 2 })), 'same group');
});

test('a peer of an older stream is taken when it holds nothing of it, and keeps it otherwise', () => {
  const newer = peeredAt({ generations: secondGeneration(), stream: '00000000000000a2' });
  refused(judge(newer, peerAt()), 'ERR_PEERING_STREAM', '10 records of generation 1', 'only copies');
  continues(judge(newer, peerAt({ tail: 90 })), 'new stream');
  refused(judge(peeredAt({ stream: '00000000000000a2' }), peerAt()), 'ERR_PEERING_STREAM', '00000000000000a2');
  continues(judge(peeredAt({ stream: '00000000000000a2' }), peerAt({ tail: 90 })), 'new stream');
});

test('a secondary that a promotion has left behind is refused by a peer that knows the newer generation', () => {
  const newer = { stream: '00000000000000a2', generation: 2 };
  refused(judge(peeredAt(), peerAt(newer)), 'ERR_PEERING_GENERATION', 'generation 2', 'before a promotion');
  refused(judge(peeredAt(), peerAt({ ...newer, tail: 90 })), 'ERR_PEERING_GENERATION');
});

test('a restarted secondary fetches from the peer that has the region for which it is marked', () => {
  continues(judge(peeredAt(), peerAt(), { marked: REGIONS.own }), 'fetch');
  continues(judge(peeredAt(), peerAt({ tail: 90 }), { marked: REGIONS.own }), 'fetch');
});

test('a restarted secondary learns that its region is gone from the peer that lost it, and from no other', () => {
  continues(judge(peeredAt(), peerAt({ lostRegions: [REGIONS.lost] }), { marked: REGIONS.lost }), 'marked region is lost');
  waits(judge(peeredAt(), peerAt(), { marked: REGIONS.lost }), 'ERR_PEERING_REGION', REGIONS.lost, REGIONS.own, '--without-peer');
  waits(judge(peeredAt(), peerNew(), { marked: REGIONS.lost }), 'ERR_PEERING_REGION');
});

test('a marked secondary still refuses the marked region when it holds records of another stream', () => {
  const changed = peeredAt({ stream: '00000000000000a2' });
  refused(judge(changed, peerAt(), { marked: REGIONS.own }), 'ERR_PEERING_STREAM');
});

test('two sessions at once are not believed: the second waits, and the sentence names whose they are', () => {
  const question = { secondary: peeredAt(), peer: peerAt(), marked: null, liveOtherPeer: true };
  waits(decidePeering({ ...question, judge: 'secondary' }), 'ERR_PEERING_BUSY', 'session of a peer');
  waits(decidePeering({ ...question, judge: 'peer' }), 'ERR_PEERING_BUSY', 'session of a secondary');
  waits(judge(peeredAt(), peerNew(), { liveOtherPeer: true }), 'ERR_PEERING_BUSY');
  waits(judge(peeredAt(), peerAt(), { liveOtherPeer: true, marked: REGIONS.own }), 'ERR_PEERING_BUSY');
  refused(judge(peeredAt(), peerAt({ groupId: 'f'.repeat(32) }), { liveOtherPeer: true }), 'ERR_HANDSHAKE_GROUP');
});

test('the inputs are shown for the log', () => {
  assert.match(
    judge(peeredAt(), peerAt(), { marked: REGIONS.own }).inputs,
    /group=same .*stream=same records=some marked=present otherSession=none/,
  );
});

test.run();
