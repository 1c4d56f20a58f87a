/** Write-back on a production secondary: its primary, its peer and the moments at which its journals become durable are the test's. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusedError } from '../../src/model/errors.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { promote } from '../../src/secondary/promotion.ts';
import { readHostState } from '../../src/state/host-state.ts';
import { decodeRecords } from '../../src/record/wire.ts';
import { MirrorBench, PeerEnd, REGION, turn } from '../support/mirror-bench.ts';
import { initialiseSecondary, modelOf, STATE_DIRECTORY, STREAM } from '../support/secondary-host.ts';
import { TestDisk } from '../support/test-disk.ts';
import { until } from '../support/until.ts';

const OTHER_REGION = 'b'.repeat(32);

async function bench(dataSets = 2): Promise<MirrorBench> {
  const disk = new TestDisk({ seed: 7 });
  await initialiseSecondary(disk, 4);
  return new MirrorBench(disk, modelOf({ slots: 4, recordsMin: 3, dataSets }));
}

async function running(): Promise<{ made: MirrorBench; peer: PeerEnd; primary: Awaited<ReturnType<MirrorBench['meetPrimary']>> }> {
  const made = await bench();
  await made.start();
  const primary = await made.meetPrimary();
  const peer = await made.meetPeer();
  await until('write-back', () => made.running.status().mode === 'write-back');
  return { made, peer, primary };
}

const marked = (made: MirrorBench): string | null => readHostState(made.disk, STATE_DIRECTORY).peerMayHoldMore ?? null;

async function refused(work: () => Promise<unknown>, code: string, words: string): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.instance(error, RefusedError);
    assert.is((error as RefusedError).code, code);
    assert.match((error as RefusedError).message, words);
    return;
  }
  assert.unreachable(`nothing was refused with ${code}`);
}

/** Stop while the disk takes everything. */
async function end(made: MirrorBench): Promise<void> {
  made.gate.letGo();
  await made.running.stop();
}

test('Fig. 7: acknowledged when the peer holds it, journaled behind, released when it is journaled, destaged only then', async () => {
  const { made, peer, primary } = await running();
  made.gate.closed = true;
  const set = made.model.dataSets[0];
  if (set === undefined) throw new Error('the model has a data set');
  made.send(primary, set.records);
  await until('a message to the peer', () => peer.records.length === 1);
  const sent = decodeRecords(peer.records[0] as Buffer, STREAM);
  assert.equal(
    sent.records.map(({ sequence }) => sequence),
    set.records.map(({ sequence }) => sequence),
    'the same records, the same bytes',
  );
  assert.equal(made.acknowledgedOn(primary), []);
  peer.hold(set.records.length);
  await until('an acknowledgement', () => made.acknowledgedOn(primary).length === set.records.length);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  assert.equal(made.machine.complete(), [], 'I3: not journaled');
  assert.is(made.running.replica?.watermarkPoint, null);
  assert.ok(peer.released <= 0, 'I3: not released either');
  made.gate.letGo();
  await until('the watermark', () => made.running.replica?.watermarkPoint?.dataSet === 0);
  await until('the release', () => peer.released === set.records.length);
  await end(made);
});

test('the mark with the region is durable before the first record is mirrored, and gone after a clean stop', async () => {
  const made = await bench();
  await made.start();
  await made.meetPrimary();
  assert.is(marked(made), null);
  const peer = new PeerEnd();
  made.dialAsPeer(peer);
  await until('a welcome', () => peer.socket.sent('peerWelcome').length === 1);
  assert.is(marked(made), null);
  peer.socket.receive({ kind: 'ready' });
  assert.is(marked(made), REGION);
  assert.is(made.running.status().mode, 'write-back');
  await end(made);
  assert.is(marked(made), null);
});

test('a clean stop whose state folder is full ends all the same, and the mark stays', async () => {
  const { made } = await running();
  made.disk.failNext('replaceFile', 'ENOSPC', `${STATE_DIRECTORY}/host-state.json`);
  await made.running.stop();
  assert.is(marked(made), REGION);
  assert.ok(made.log.some((line) => line.includes('the next start waits for it')));
  made.disk.lock(`${STATE_DIRECTORY}/lock`)?.release();
  const again = new MirrorBench(made.disk, made.model);
  await again.start();
  assert.is(again.running.status().state, 'waiting-for-peer');
  await again.running.stop();
});

test('without credit nothing is sent, and the journal acknowledges', async () => {
  const { made, peer, primary } = await running();
  const [set] = made.model.dataSets;
  if (set === undefined) throw new Error('the model has a data set');
  const second = new PeerEnd({ session: '00000000000000ef' });
  second.limitBytes = 0;
  peer.socket.end(1006, '');
  await made.meetPeer(second);
  await until('write-back', () => made.running.status().mode === 'write-back');
  made.send(primary, set.records);
  await until('the journal', () => made.acknowledgedOn(primary).length === set.records.length);
  assert.is(second.records.length, 0);
  await end(made);
});

test('a lost peer: what was acknowledged is exposed until it is journaled; then the mark goes, and nothing waits for the peer', async () => {
  const { made, peer, primary } = await running();
  made.gate.closed = true;
  const [set] = made.model.dataSets;
  if (set === undefined) throw new Error('the model has a data set');
  made.send(primary, set.records);
  await until('a message to the peer', () => peer.records.length === 1);
  peer.hold(set.records.length);
  await until('acknowledged', () => made.acknowledgedOn(primary).length === set.records.length);
  peer.socket.end(1006, '');
  const { mode, peer: report } = made.running.status();
  assert.is(mode, 'write-through');
  assert.is(report?.exposedRecords, set.records.length);
  const again = new PeerEnd({ head: set.records.length });
  made.dialAsPeer(again);
  await until('a welcome', () => again.socket.sent('peerWelcome').length === 1);
  again.socket.receive({ kind: 'ready' });
  for (let turns = 0; turns < 20; turns += 1) await turn();
  assert.is(made.running.status().mode, 'write-through', 'not level: acknowledged records are journaled first');
  again.socket.end(1006, '');
  assert.is(marked(made), REGION);
  made.gate.letGo();
  await until('the mark is gone', () => marked(made) === null);
  assert.is(made.running.status().peer?.exposedRecords, 0);
  await end(made);
});

test('I2: a hello waits while acknowledged records are exposed: it must not say that they are safe, nor lack them', async () => {
  const { made, peer, primary } = await running();
  made.gate.closed = true;
  const [set] = made.model.dataSets;
  if (set === undefined) throw new Error('the model has a data set');
  made.send(primary, set.records);
  await until('a message to the peer', () => peer.records.length === 1);
  peer.hold(set.records.length);
  await until('acknowledged', () => made.acknowledgedOn(primary).length === set.records.length);
  peer.socket.end(1006, '');
  primary.end(1006, '');
  await until('another link to the primary', () => made.primaries.length === 2);
  for (let turns = 0; turns < 50; turns += 1) await turn();
  const second = made.primaries[1];
  assert.equal(second?.sent('hello'), []);
  made.gate.letGo();
  await until('the hello', () => second?.sent('hello').length === 1);
  assert.equal(made.acknowledgedOn(second as NonNullable<typeof second>).length > 0 || made.machine.complete().length === 0, true);
  await end(made);
});

test('a peer that does not answer is given up after the one timeout', async () => {
  const { made, peer, primary } = await running();
  made.gate.closed = true;
  const [set] = made.model.dataSets;
  made.send(primary, set?.records ?? []);
  await until('a message to the peer', () => peer.records.length === 1);
  await until('given up', () => peer.socket.closedWith !== null);
  assert.is(made.running.status().mode, 'write-through');
  assert.match(made.running.status().peer?.reason ?? '', `did not answer for ${LIMITS.peerAnswerMs} ms`);
  await end(made);
});

test('a peer that says it holds more than it was sent, or sends what nobody asked for, loses its link', async () => {
  const { made, peer } = await running();
  peer.hold(1);
  await until('closed', () => peer.socket.closedWith !== null);
  const other = await made.meetPeer();
  other.socket.receive({ kind: 'fetched', records: 0, unreadable: null });
  await until('closed', () => other.socket.closedWith !== null);
  assert.ok(made.log.some((line) => line.includes('the peer holds records through 1')));
  await end(made);
});

test('of two links one is active; when it is lost the other is closed, and the peer says anew what it holds', async () => {
  const { made, peer, primary } = await running();
  const standby = await made.meetPeer();
  const [set] = made.model.dataSets;
  made.send(primary, set?.records ?? []);
  await until('a message to the peer', () => peer.records.length === 1);
  assert.is(standby.records.length, 0);
  peer.socket.end(1006, '');
  await until('the other is closed', () => standby.socket.closedWith !== null);
  const anew = await made.meetPeer(new PeerEnd({ head: set?.records.length ?? 0 }));
  await until('write-back', () => made.running.status().mode === 'write-back');
  assert.is(anew.records.length, 0);
  await end(made);
});

test('a peer that claims a higher host epoch is refused; only the storage or the primary says that this host was replaced', async () => {
  const { made } = await running();
  const claims = new PeerEnd({
    session: '00000000000000ef',
    groupId: made.running.state.groupId,
    stream: made.running.state.stream,
    generation: 1,
    hostEpoch: 7,
  });
  made.dialAsPeer(claims);
  await until('an answer', () => claims.socket.sent('refuse').length === 1);
  assert.is(claims.socket.sent('refuse')[0]?.label, 'superseded host');
  assert.is(made.running.phase, 'replicating');
  assert.is(made.running.status().mode, 'write-back');
  await end(made);
});

test('of two peers that dial at once the second waits, although the first has not answered yet', async () => {
  const made = await bench();
  await made.start();
  const first = new PeerEnd();
  made.dialAsPeer(first);
  await until('a welcome', () => first.socket.sent('peerWelcome').length === 1);
  const second = new PeerEnd({ session: '00000000000000ef', regionId: OTHER_REGION });
  made.dialAsPeer(second);
  await until('an answer', () => second.socket.sent('refuse').length === 1);
  assert.is(second.socket.sent('refuse')[0]?.outcome, 'wait');
  await end(made);
});

test('while a promotion is under way no peer is met, and it is told why', async () => {
  const { made, peer } = await running();
  made.running.mirror?.mirror.pause();
  await until('closed', () => peer.socket.closedWith !== null);
  assert.is(made.running.status().peer?.reason, 'a promotion is under way');
  const again = new PeerEnd();
  made.dialAsPeer(again);
  await until('an answer', () => again.socket.sent('refuse').length === 1);
  assert.match(again.socket.sent('refuse')[0]?.sentence ?? '', 'being promoted');
  made.running.mirror?.mirror.resume();
  await made.meetPeer();
  await until('write-back', () => made.running.status().mode === 'write-back');
  await end(made);
});

/** A host that was killed while its first data set was held by the peer and in no journal. */
async function killed(): Promise<{ made: MirrorBench; held: Buffer; records: number }> {
  const { made, peer, primary } = await running();
  made.gate.closed = true;
  const [set] = made.model.dataSets;
  made.send(primary, set?.records ?? []);
  await until('a message to the peer', () => peer.records.length === 1);
  peer.hold(set?.records.length ?? 0);
  await until('acknowledged', () => made.acknowledgedOn(primary).length === set?.records.length);
  const after = new MirrorBench(made.disk.crash(), made.model);
  return { made: after, held: peer.records[0] as Buffer, records: set?.records.length ?? 0 };
}

test('restart: it dials no primary before it has fetched what its journals lack', async () => {
  const { made, held, records } = await killed();
  await made.start();
  assert.is(made.running.status().state, 'waiting-for-peer');
  const peer = await made.meetPeer(new PeerEnd({ head: records }));
  await until('a fetch', () => peer.socket.sent('fetch').length === 1);
  for (let turns = 0; turns < 50; turns += 1) await turn();
  assert.equal(made.primaries.length, 0, 'nobody is told anything yet');
  peer.socket.receive(held);
  assert.equal(made.primaries.length, 0);
  peer.socket.receive({ kind: 'fetched', records, unreadable: null });
  await until('the primary is dialled', () => made.primaries.length === 1);
  await until('destaged', () => made.running.replica?.watermarkPoint?.dataSet === 0);
  await until('write-back', () => made.running.status().mode === 'write-back');
  await until('released', () => peer.released === records);
  assert.ok(made.log.some((line) => line.includes(`the peer held ${records} records; ${records} of them were in no journal`)));
  await end(made);
});

test('I9: a fetched message that was damaged on the way costs the link, and is fetched again', async () => {
  const { made, held, records } = await killed();
  await made.start();
  const peer = await made.meetPeer(new PeerEnd({ head: records }));
  await until('a fetch', () => peer.socket.sent('fetch').length === 1);
  const damaged = Buffer.from(held);
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
  peer.socket.receive(damaged);
  await until('closed', () => peer.socket.closedWith !== null);
  assert.is(made.running.status().state, 'waiting-for-peer');
  const again = await made.meetPeer(new PeerEnd({ head: records }));
  await until('another fetch', () => again.socket.sent('fetch').length === 1);
  again.socket.receive(held);
  again.socket.receive({ kind: 'fetched', records, unreadable: null });
  await until('the primary is dialled', () => made.primaries.length === 1);
  await end(made);
});

test('restart: a peer with another region is made to wait, and one that proves that the region is gone is not waited for', async () => {
  const { made } = await killed();
  await made.start();
  const stranger = new PeerEnd({ regionId: OTHER_REGION });
  made.dialAsPeer(stranger);
  await until('an answer', () => stranger.socket.sent('refuse').length === 1);
  assert.is(stranger.socket.sent('refuse')[0]?.outcome, 'wait');
  assert.is(made.primaries.length, 0);
  const emptied = await made.meetPeer(new PeerEnd({ regionId: OTHER_REGION, lostRegions: [REGION] }));
  await until('the primary is dialled', () => made.primaries.length === 1);
  assert.equal(emptied.socket.sent('fetch'), []);
  assert.ok(made.log.some((line) => line.includes(`region ${REGION} is gone`)));
  await end(made);
});

test('restart: records that contradict the journals are refused, and nothing of them is told to a primary', async () => {
  const { made, held, records } = await killed();
  await made.start();
  const peer = await made.meetPeer(new PeerEnd({ head: records }));
  await until('a fetch', () => peer.socket.sent('fetch').length === 1);
  peer.socket.receive(held);
  const other = modelOf({ slots: 4, recordsMin: 12, dataSets: 1 });
  const [set] = other.dataSets;
  made.send(peer.socket, set?.records ?? []);
  await until('failed', () => made.running.phase === 'failed');
  assert.match(made.running.reason ?? '', 'ERR_PEER_CONTRADICTION');
  assert.is(made.primaries.length, 0);
  made.gate.letGo();
  await made.running.stop();
  assert.is(marked(made), REGION, 'the next start looks again');
});

test('restart without the peer: only when the operator says so', async () => {
  const { made } = await killed();
  await refused(() => made.start({ peerListen: [] }), 'ERR_PEER_NEEDED', REGION);
  await made.start({ withoutPeer: true });
  assert.is(marked(made), null);
  await until('the primary is dialled', () => made.primaries.length === 1);
  await end(made);
});

test('promotion of a host that waits for its peer is refused, unless it is forced, and then says what it gives up', async () => {
  const { made } = await killed();
  await made.start({ openNbd: () => ({ start: async () => {}, stop: async () => {}, addresses: () => [] }) });
  await refused(() => promote(made.running, { force: false, dryRun: false }), 'ERR_PEER_MAY_HOLD_MORE', REGION);
  const preview = await promote(made.running, { force: false, dryRun: true });
  assert.match(preview.lines.at(-1) ?? '', `gives up what only region ${REGION}`);
  const report = await promote(made.running, { force: true, dryRun: false });
  assert.match(report.lines.at(-1) ?? '', `gives up what only region ${REGION}`);
  assert.is(made.running.state.condition, 'promoted');
  assert.is(marked(made), null);
  await made.running.stop();
});

test('promotion of a host whose peer is there needs no force, and waits for the journals', async () => {
  const { made, peer, primary } = await running();
  const [set] = made.model.dataSets;
  made.send(primary, set?.records ?? []);
  await until('a message to the peer', () => peer.records.length === 1);
  peer.hold(set?.records.length ?? 0);
  primary.end(1006, '');
  await until('no link', () => made.running.links?.openLinks.length === 0);
  const report = await promote(made.running, { force: false, dryRun: false });
  assert.is(report.keptDataSet, '0');
  assert.is(marked(made), null);
  await made.running.stop();
});

test.run();
