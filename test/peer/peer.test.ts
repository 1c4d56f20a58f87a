import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { decodeMessage } from '../../src/record/wire.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import { newestHeld, RECORD_BYTES, recordsMessage, withPeer, type PeerWorld } from '../support/fake-secondary.ts';
import type { FakeLink } from '../support/fake-link.ts';
import { within } from '../support/host-process.ts';
import { flip } from '../record/samples.ts';
import { peeredAt, secondGeneration } from '../support/peer-facts.ts';
import type { MemoryRegion } from '../support/memory-regions.ts';
import { until } from '../support/until.ts';

const COST_BYTES = RECORD_BYTES + LIMITS.regionOverheadBytes;

function regionOf({ regions, options }: PeerWorld): MemoryRegion {
  const region = regions.byPath.get(options.nvram.path);
  if (region === undefined) throw new Error('no region');
  return region;
}

const holds = (link: FakeLink, through: number): Promise<void> =>
  until(`held through ${through}`, () => newestHeld(link)?.through === through);

test('what the secondary says is durable before ready, and the region is bound to its group', () =>
  withPeer(async (world) => {
    const { secondary, options, start } = world;
    const peer = await start();
    const link = await secondary.meet(0);
    const { groupId, generations, stream, hostEpoch, volumes, geometry } = readHostState(new NodeDisk(), options.stateDirectory);
    const facts = peeredAt();
    assert.equal(
      { groupId, generations, stream, hostEpoch, volumes, geometry },
      {
        groupId: facts.groupId,
        generations: facts.generations,
        stream: facts.stream,
        hostEpoch: facts.hostEpoch,
        volumes: facts.volumes,
        geometry: facts.geometry,
      },
    );
    assert.is(regionOf(world).groupId, facts.groupId);
    const kinds = link.received.map((bytes) => decodeMessage(bytes).kind);
    assert.equal(kinds.slice(0, 3), ['peerHello', 'ready', 'held']);
    assert.equal(newestHeld(link), { kind: 'held', through: 0, limitBytes: options.nvram.sizeBytes });
    assert.ok(peer.isConnected);
    assert.equal([peer.status().state, peer.status().mode], ['replicating', 'write-back']);
  }));

test('records are held, told, released, and counted in the status', () =>
  withPeer(async (world) => {
    const { secondary, start } = world;
    const peer = await start();
    const link = await secondary.meet(0);
    for (let message = 0; message < 5; message += 1) link.send(recordsMessage(message * 2, 2));
    await holds(link, 10);
    const { nvram } = peer.status();
    assert.equal([nvram?.heldRecords, nvram?.heldBytes], [10, 10 * RECORD_BYTES]);
    link.send({ kind: 'release', through: 4 });
    await until('released', () => regionOf(world).tail === 4);
    assert.is(peer.status().nvram?.heldRecords, 6);
  }));

test('a peer that is restarted holds on to what it held, and the next link begins behind it', () =>
  withPeer(async (world) => {
    const { secondary, start } = world;
    const first = await start();
    const link = await secondary.meet(0);
    link.send(recordsMessage(0, 3));
    await holds(link, 3);
    await first.stop();
    await start();
    const again = await secondary.link(1);
    const hello = await again.message('peerHello');
    assert.equal([hello?.facts.tail, hello?.facts.head, hello?.facts.lostRegions], [0, 3, []]);
    assert.is(hello?.facts.generation, 1);
    await secondary.meet(1);
    assert.is(newestHeld(again)?.through, 3);
    again.send(recordsMessage(3));
    await holds(again, 4);
  }));

test('a peer whose region is gone begins an empty one with a new ID, and names the old one as lost', () =>
  withPeer(async (world) => {
    const { secondary, start, regions, options, log } = world;
    const before = regionOf(world).regionId;
    regions.byPath.clear();
    await start();
    const hello = await (await secondary.link(0)).message('peerHello');
    assert.equal(hello?.facts.lostRegions, [before]);
    assert.is.not(hello?.facts.regionId, before);
    assert.is(regionOf(world).regionId, hello?.facts.regionId);
    assert.equal(readHostState(new NodeDisk(), options.stateDirectory).region, { id: hello?.facts.regionId, lost: [before] });
    assert.ok(
      log.some((line) => line.startsWith('warn: ') && line.includes(`region ${before} is lost`)),
      log.join('\n'),
    );
  }));

test('a secondary of another group is refused, nothing is changed, and the peer ends', () =>
  withPeer(async ({ secondary, start, options }) => {
    const first = await start();
    await secondary.meet(0);
    const state = readHostState(new NodeDisk(), options.stateDirectory);
    await first.stop();
    const peer = await start();
    const link = await secondary.link(1);
    await link.message('peerHello');
    link.send({ kind: 'peerWelcome', facts: peeredAt({ groupId: 'f'.repeat(32) }) });
    assert.is((await link.message('refuse'))?.label, 'other group');
    assert.is((await link.end())?.code, CLOSE_CODE.refused);
    assert.equal((await peer.ended).code, 'ERR_HANDSHAKE_GROUP');
    assert.equal(readHostState(new NodeDisk(), options.stateDirectory), state);
    assert.match(peer.status().reason ?? '', 'is of group ffff');
  }));

test('two secondaries that greet a new peer at the same time: the second is of another group, and is refused', () =>
  withPeer(async ({ secondary, start }) => {
    const peer = await start({ connect: [secondary.url, secondary.url] });
    const links = [await secondary.link(0), await secondary.link(1)] as const;
    for (const link of links) await link.message('peerHello');
    links[0].send({ kind: 'peerWelcome', facts: peeredAt() });
    await links[0].message('ready');
    links[1].send({ kind: 'peerWelcome', facts: peeredAt({ groupId: 'f'.repeat(32) }) });
    assert.is((await links[1].message('refuse'))?.label, 'other group');
    assert.not(links[0].isClosed);
    assert.is(await within(peer.ended, 50), null, 'it holds records of the other one');
  }));

test('a superseded secondary is refused, and the peer goes on dialling', () =>
  withPeer(async ({ secondary, start }) => {
    const peer = await start();
    const link = await secondary.meet(0, peeredAt({ hostEpoch: 4 }));
    link.terminate();
    const again = await secondary.link(1);
    await again.message('peerHello');
    again.send({ kind: 'peerWelcome', facts: peeredAt({ hostEpoch: 3 }) });
    assert.is((await again.message('refuse'))?.label, 'superseded host');
    await secondary.meet(2, peeredAt({ hostEpoch: 4 }));
    assert.ok(peer.isConnected);
    assert.is(await within(peer.ended, 50), null);
  }));

test('a secondary that says wait is asked again, and the status says why', () =>
  withPeer(async ({ secondary, start }) => {
    const peer = await start();
    const link = await secondary.link(0);
    link.send({ kind: 'refuse', outcome: 'wait', label: 'secondary is blank', sentence: 'the secondary belongs to no group yet.' });
    assert.is((await link.end())?.code, CLOSE_CODE.wait);
    assert.equal([peer.status().state, peer.status().reason], ['connecting', 'the secondary belongs to no group yet.']);
    await secondary.meet(1);
    assert.is(peer.status().state, 'replicating');
    assert.is(peer.status().lastRefusal, null);
  }));

test('a damaged or foreign record costs the link, and nothing of its message is held (I8, I9)', () =>
  withPeer(async (world) => {
    const { secondary, start } = world;
    await start();
    const cases: [string, (bytes: Uint8Array) => Uint8Array][] = [
      ['payload-checksum', (bytes) => (flip(bytes, (bytes.length - 1) * 8), bytes)],
      ['record-header', (bytes) => (flip(bytes, (RECORD_BYTES + 30) * 8), bytes)],
      ['message-length', (bytes) => bytes.slice(0, -7)],
      ['record-truncated', (bytes) => bytes.slice(0, -8)],
      ['foreign-stream', () => recordsMessage(0, 1, { stream: '00000000000000a9' })],
      ['foreign-stream', () => recordsMessage(0, 1, { generation: 2 })],
    ];
    for (const [index, [label, spoil]] of cases.entries()) {
      const link = await secondary.meet(index);
      link.send(spoil(recordsMessage(0, 3)));
      const end = await link.end();
      assert.is(end?.code, CLOSE_CODE.protocolViolation);
      assert.ok(end?.reason.startsWith(label), `${end?.reason} begins with ${label}`);
      assert.equal([regionOf(world).head, newestHeld(link)?.through], [0, 0]);
    }
    const link = await secondary.meet(cases.length);
    link.send(recordsMessage(0, 3));
    await holds(link, 3);
  }));

test('more than the credit costs the link; the region is never given more than it takes (I11)', () =>
  withPeer(
    async (world) => {
      const { secondary, start } = world;
      await start();
      const link = await secondary.meet(0);
      assert.is(newestHeld(link)?.limitBytes, 3 * COST_BYTES);
      for (let sequence = 0; sequence < 4; sequence += 1) link.send(recordsMessage(sequence));
      const end = await link.end();
      assert.equal([end?.code, end?.reason.split(':')[0]], [CLOSE_CODE.protocolViolation, 'credit']);
      assert.is(regionOf(world).head, 3);
    },
    { sizeBytes: 3 * COST_BYTES },
  ));

for (const hold of ['memory', 'durable'] as const) {
  test(`a region that is full tells room as soon as it is released: ${hold}`, () =>
    withPeer(
      async ({ secondary, start }) => {
        await start();
        const link = await secondary.meet(0);
        for (let sequence = 0; sequence < 3; sequence += 1) link.send(recordsMessage(sequence));
        await holds(link, 3);
        assert.is(newestHeld(link)?.limitBytes, 3 * COST_BYTES);
        const before = performance.now();
        link.send({ kind: 'release', through: 2 });
        await until('credit', () => newestHeld(link)?.limitBytes === 5 * COST_BYTES);
        assert.ok(performance.now() - before < LIMITS.keepAliveMs / 2, 'not only with the next keep-alive');
        for (let sequence = 3; sequence < 5; sequence += 1) link.send(recordsMessage(sequence));
        await holds(link, 5);
      },
      { sizeBytes: 3 * COST_BYTES, hold },
    ));
}

test('a durable region: nothing is told to be held before the flush that covers it, and one flush answers for all (I2)', () =>
  withPeer(
    async (world) => {
      const { secondary, start } = world;
      await start();
      const region = regionOf(world);
      region.isSlow = true;
      const link = await secondary.meet(0);
      link.send(recordsMessage(0));
      await until('the first flush', () => region.isFlushing);
      for (let sequence = 1; sequence < 20; sequence += 1) link.send(recordsMessage(sequence));
      await until('all stored', () => region.head === 20);
      assert.is(newestHeld(link)?.through, 0);
      region.endFlush();
      await holds(link, 1);
      await until('the second flush', () => region.isFlushing);
      assert.is(newestHeld(link)?.through, 1);
      region.endFlush();
      await holds(link, 20);
      assert.is(region.flushes, 2);
    },
    { hold: 'durable' },
  ));

test('a failed flush is the end of it: nothing more is told to be held, and the status says so (I10)', () =>
  withPeer(
    async (world) => {
      const { secondary, start } = world;
      const peer = await start();
      const region = regionOf(world);
      const link = await secondary.meet(0);
      region.isSlow = true;
      link.send(recordsMessage(0));
      await until('the flush', () => region.isFlushing);
      region.endFlush(new Error('EIO of the flush'));
      assert.is((await link.end())?.reason, 'ERR_NVRAM_FAILED');
      assert.is(newestHeld(link)?.through, 0);
      assert.equal([peer.status().state, peer.status().mode], ['failed', 'none']);
      assert.match(peer.status().reason ?? '', 'EIO of the flush');
      const links = secondary.host.links.length;
      await new Promise((resolve) => setTimeout(resolve, 3 * LIMITS.redialMinMs));
      assert.is(secondary.host.links.length, links, 'it does not dial again');
    },
    { hold: 'durable' },
  ));

test('a stream that the peer held nothing of any more is taken up; while it holds some, the new one is refused', () =>
  withPeer(async (world) => {
    const { secondary, start, options } = world;
    await start();
    const newer = peeredAt({ generations: secondGeneration(), stream: '00000000000000a2', session: '00000000000000d2' });
    const link = await secondary.meet(0);
    link.send(recordsMessage(0, 2));
    await holds(link, 2);
    link.send({ kind: 'release', through: 2 });
    await until('released', () => regionOf(world).tail === 2);
    link.terminate();
    const second = await secondary.meet(1, newer);
    assert.is(readHostState(new NodeDisk(), options.stateDirectory).stream, '00000000000000a2');
    second.send(recordsMessage(9, 1, { generation: 2, stream: '00000000000000a2' }));
    await holds(second, 3);
    second.terminate();
    const third = await secondary.link(2);
    await third.message('peerHello');
    third.send({ kind: 'peerWelcome', facts: { ...newer, stream: '00000000000000a3' } });
    assert.is((await third.message('refuse'))?.label, 'records of another stream');
  }));

test('a link that agreed is dialled again at once when it is lost, however often', () =>
  withPeer(async ({ secondary, start }) => {
    const peer = await start();
    const before = performance.now();
    for (let index = 0; index < 10; index += 1) (await secondary.meet(index)).terminate();
    assert.ok(performance.now() - before < 2 * LIMITS.redialMaxMs, `${performance.now() - before} ms`);
    await until('the last one is lost', () => !peer.isConnected);
    assert.is(peer.links?.holder.links, 0, 'nothing is kept of them');
  }));

test('the state of another role, or of a takeover that began, is refused', () =>
  withPeer(async ({ start, options }) => {
    const disk = new NodeDisk();
    const state = readHostState(disk, options.stateDirectory);
    writeHostState(disk, options.stateDirectory, { ...state, role: 'secondary', condition: 'taking-over', reason: 'a takeover began' });
    const code = async (): Promise<string> => {
      try {
        await start();
        return 'started';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    assert.is(await code(), 'ERR_ROLE');
    writeHostState(disk, options.stateDirectory, { ...state, condition: 'taking-over' });
    assert.is(await code(), 'ERR_ROLE');
    writeHostState(disk, options.stateDirectory, { ...state, role: 'secondary' });
    assert.is(await code(), 'ERR_ROLE');
    writeHostState(disk, options.stateDirectory, state);
    assert.is(await code(), 'started');
    assert.is(await code(), 'ERR_STATE_LOCKED');
  }));

test.run();
