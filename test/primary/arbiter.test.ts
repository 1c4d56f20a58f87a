/** The primary as the arbiter of two hosts that both claim the copy (DESIGN section 8): the higher host epoch wins, durably, and only if it is proven. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryFacts } from '../../src/model/handshake.ts';
import { appendGeneration } from '../../src/protocol/generations.ts';
import { digestHeld } from '../../src/protocol/held-digest.ts';
import { hashChain } from '../../src/record/hash-chain.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import type { NotedSocket } from '../support/noted-socket.ts';
import { acknowledge, primaryDisk, PrimaryHost } from '../support/primary-host.ts';

const KiB = 1024;
const STATE_PATH = '/state/host-state.json';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const started: PrimaryHost[] = [];
test.after.each(async () => {
  await Promise.all(started.splice(0).map((host) => host.end()));
});

async function open(): Promise<PrimaryHost> {
  const host = await PrimaryHost.start(await primaryDisk());
  started.push(host);
  return host;
}

/** A secondary that belongs to the group and has acknowledged nothing. */
function boundFacts(host: PrimaryHost, hostEpoch: number): Partial<SecondaryFacts> {
  const { groupId, generations, stream } = host.primary.state;
  return { groupId, generations, stream, hostEpoch, session: `00000000000000e${hostEpoch}` };
}

/** What the primary waits for. */
function unacknowledged(host: PrimaryHost): number {
  return host.primary.order?.machine.unacknowledgedBytes ?? -1;
}

/** It has number 0 of data set 0, which the former host acknowledged. */
function first(host: PrimaryHost): Partial<SecondaryFacts> {
  const bits = Uint8Array.of(0x01);
  const digest = digestHeld(bits, host.primary.order?.buffers.get(0)?.headerChecksums() ?? new Uint32Array(0), hashChain) ?? '';
  const held = [{ dataSet: 0, firstSequence: 0, received: bits, durable: bits, finalSequence: null, digest }];
  return { held, lastPrimarySession: host.primary.session };
}

function labelOf(socket: NotedSocket): string {
  return socket.sent('refuse')[0]?.label ?? 'not refused';
}

test('a proven host with a higher epoch is answered only after the epoch is durable', async () => {
  const host = await open();
  host.disk.failNext('replaceFile', 'ENOSPC', STATE_PATH);
  const unrecorded = host.hello(boundFacts(host, 3));
  assert.equal([unrecorded.messages.length, unrecorded.closedWith?.code], [0, CLOSE_CODE.shutdown]);
  assert.equal([host.primary.state.hostEpoch, host.stored.hostEpoch], [0, 0]);
  assert.match(host.log.join('\n'), /error host epoch 3 .*could not be recorded.*ENOSPC/);
  const socket = host.hello(boundFacts(host, 3));
  assert.is(socket.sent('welcome')[0]?.facts.hostEpoch, 3, 'and the answer names it');
  assert.is(host.stored.hostEpoch, 3);
  assert.is(socket.closedWith, null);
});

test('the epoch outlives the primary: a lower one is refused by the next process too', async () => {
  const host = await open();
  host.agreed(boundFacts(host, 2));
  await host.end();
  started.length = 0;
  const next = await PrimaryHost.start(host.disk);
  started.push(next);
  assert.is(next.primary.facts().hostEpoch, 2);
  const lower = next.hello(boundFacts(next, 1));
  assert.equal([labelOf(lower), lower.closedWith?.code], ['superseded host', CLOSE_CODE.refused]);
  assert.is(next.hello(boundFacts(next, 2)).sent('welcome').length, 1);
});

test('the host that is connected is shut out by one that took its place, and what it acknowledges from then on does not count', async () => {
  const host = await open();
  const former = host.agreed(boundFacts(host, 0));
  const further = host.hello(boundFacts(host, 0));
  await host.write(4 * KiB);
  await host.write(4 * KiB);
  const before = unacknowledged(host);
  acknowledge(former, [{ from: 0, to: 0 }]);
  assert.ok(unacknowledged(host) < before, 'while it is the one, its word counts');
  const after = unacknowledged(host);
  const next = host.hello({ ...boundFacts(host, 1), held: [] });
  assert.is(labelOf(next), 'acknowledged numbers missing', 'unproven: it lacks what the former one acknowledged');
  assert.equal([host.stored.hostEpoch, former.closedWith], [0, null], 'so nothing changed');
  const proven = host.hello({ ...boundFacts(host, 1), ...first(host) });
  assert.equal([labelOf(proven), proven.closedWith?.code], ['takes the place of a live host', CLOSE_CODE.wait]);
  assert.is(host.stored.hostEpoch, 1);
  assert.equal(former.closedWith, { code: CLOSE_CODE.superseded, reason: 'superseded host' });
  assert.is(further.closedWith?.code, CLOSE_CODE.superseded, 'also a link on which nothing flows yet');
  acknowledge(former, [{ from: 1, to: 1 }]);
  further.receive({ kind: 'ready' });
  assert.is(unacknowledged(host), after, 'the word of a superseded host does not count');
  await turn();
  assert.is(host.primary.links?.openLinks.length, 0);
  const taken = host.agreed({ ...boundFacts(host, 1), ...first(host) });
  assert.is(taken.closedWith, null);
  acknowledge(taken, [{ from: 1, to: 1 }]);
  assert.ok(unacknowledged(host) < after, 'that of the new one does');
  assert.is(labelOf(host.hello(boundFacts(host, 0))), 'superseded host');
});

test('a superseded host that is stopped never answers the close frame: its link ends all the same', async () => {
  const host = await open();
  const former = host.agreed(boundFacts(host, 0));
  former.close = (code, reason) => {
    former.closedWith ??= { code, reason };
  };
  host.hello(boundFacts(host, 1));
  assert.is(labelOf(host.hello(boundFacts(host, 1))), 'other session is live');
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.is(host.primary.links?.openLinks.length, 0);
  assert.is(host.agreed(boundFacts(host, 1)).closedWith, null);
});

test('a promoted host whose place another one took does not supersede the primary; the one that took it may', async () => {
  const host = await open();
  host.agreed(boundFacts(host, 2));
  const { groupId, generations } = host.primary.state;
  const next = appendGeneration(generations, { id: '00000000000000ee', kept: null, seen: { dataSet: 5, sequence: 50 } });
  const message = (hostEpoch: number) => ({
    kind: 'superseded' as const,
    groupId: groupId ?? '',
    generations: next,
    hostEpoch,
    promotedAtMs: 0,
  });
  const former = host.link();
  former.receive(message(1));
  assert.equal([former.sent('supersededAcknowledged').length, former.closedWith?.code], [0, CLOSE_CODE.refused]);
  assert.equal([host.primary.phase, host.stored.condition], ['serving', 'active']);
  const current = host.link();
  current.receive(message(2));
  assert.is(current.sent('supersededAcknowledged').length, 1);
  assert.is(host.stored.condition, 'superseded');
});

test.run();
