/**
 * Garbage, hostile and half-said things on every port of hosts that replicate under load: each is answered with a clear end of its own
 * connection, the processes live on, their memory stays bounded, and the copy is level in the end.
 *
 * @timeLimit 300 s
 * @invariant I6 I8 I11
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { encodeMessage, type WireMessage } from '../../src/record/wire.ts';
import { blankFacts, FakeLink, sealed } from '../support/fake-link.ts';
import { copyHost, hostBeside } from '../support/host-copies.ts';
import { sleep, type Host } from '../support/host-process.ts';
import { until } from '../support/until.ts';
import { withHosts, type Hosts, type HostsOptions } from '../support/hosts.ts';
import { Random } from '../../src/simulation/random.ts';
import { memoryOf } from '../support/process-memory.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const SMALL: HostsOptions = {
  volumes: [{ name: 'db1', sizeMiB: 16 }],
  slots: 4,
  slotMiB: 2,
  links: 2,
  dataSets: { maxSize: '1MiB' },
  backlogLimit: '32MiB',
};
const GROWTH_MIB_MAX = 220;
/** The load's part of the volume; the rest is for bad clients. */
const LOAD_BYTES = 12 * 1_048_576;
const random = new Random(7);

function noise(lengthBytes: number): Buffer {
  return Buffer.from(Array.from({ length: lengthBytes }, () => Math.floor(random.next() * 256)));
}

/** Bad input while an application writes; afterwards everything works, and memory has not run away. */
async function underLoad(work: (hosts: Hosts) => Promise<void>): Promise<void> {
  await withHosts(SMALL, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.start();
    const load = new StampedWorkload({ host: primary, depth: 2, flushEvery: 5, blocksMax: 4, pauseMs: 2, lengthBytes: LOAD_BYTES });
    await load.start();
    await sleep(700);
    const before = { primary: memoryOf(primary).now, secondary: memoryOf(secondary).now };
    const pids = [primary.pid, secondary.pid];
    await work(hosts);
    await load.stop();
    await hosts.replicating();
    await hosts.drainedAndSame();
    assert.is(load.differenceIn(secondary.volumePath()), null, 'every reply is in the copy');
    assert.equal([primary.pid, secondary.pid], pids, 'both processes live on');
    const peak = { primary: memoryOf(primary).peak, secondary: memoryOf(secondary).peak };
    process.stdout.write(`writes ${load.writes}, MiB before ${JSON.stringify(before)}, peak ${JSON.stringify(peak)}\n`);
    assert.ok(peak.primary - before.primary < GROWTH_MIB_MAX && peak.secondary - before.secondary < GROWTH_MIB_MAX, 'memory is bounded');
  });
}

test('garbage, half requests and silence on the replication port', async () => {
  await underLoad(async (hosts) => {
    const place = { port: hosts.port };
    const url = `ws://127.0.0.1:${hosts.port}`;
    for (const text of [
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
      'hello\r\n\r\n',
      '\u0000\u0001',
      `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
    ]) {
      const socket = await RawSocket.open(place);
      await socket.send(text);
      await sleep(20);
      if (text.startsWith('GET / ')) assert.match(socket.received.toString('latin1'), /426[\s\S]*replication port; it speaks WebSocket/);
      socket.destroy();
    }
    for (let count = 0; count < 60; count += 1) {
      const socket = await RawSocket.open(place);
      await socket.send(noise(1 + Math.floor(random.next() * 3000)));
      if (count % 3 === 0) socket.destroy();
      else assert.ok(await socket.ended(), 'it is hung up on');
    }
    // A WebSocket whose frames are noise, and one that ends in the middle of a frame.
    const upgrade =
      'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
    for (const frames of [
      noise(500),
      Buffer.from([0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]),
      Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ]) {
      const socket = await RawSocket.open(place);
      await socket.send(upgrade);
      await socket.send(frames);
      await sleep(30);
      socket.destroy();
    }
    assert.is((await hosts.primary.status()).links.filter(({ up }) => up).length, 2, 'the links of the secondary were not touched');

    const openedAtMs = performance.now();
    const silent = await Promise.all(Array.from({ length: 10 }, () => FakeLink.dial(url)));
    const slow = await Promise.all(Array.from({ length: 3 * LIMITS.linkConnectionsMax }, () => RawSocket.open(place)));
    for (const socket of slow) await socket.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso');
    const open = (): number => slow.filter(({ isClosed }) => !isClosed).length;
    await until('too many connections are hung up on', () => open() < LIMITS.linkConnectionsMax);
    assert.ok(open() > 0, 'at once: the others still have their time');
    for (const link of silent) {
      const end = await link.end(LIMITS.handshakeMs + 30_000);
      // Both of its clocks run for as long: the one for the handshake, and the one for silence, which ends it without a word.
      assert.ok(
        end !== null && [CLOSE_CODE.protocolViolation, CLOSE_CODE.silent, 1006].includes(end.code),
        `a silent link is closed in time: ${JSON.stringify(end)}`,
      );
    }
    assert.ok(performance.now() - openedAtMs > LIMITS.handshakeMs - 2000, 'not before its time');
    for (const socket of slow) assert.ok(await socket.ended(LIMITS.handshakeMs), 'half a request is not waited for any longer');
  });
});

test('messages that say nothing, too much, or come in the wrong phase', async () => {
  await underLoad(async (hosts) => {
    const url = `ws://127.0.0.1:${hosts.port}`;
    const { primary } = hosts;
    const violates = async (what: string, send: (link: FakeLink) => void, code: number = CLOSE_CODE.protocolViolation): Promise<string> => {
      const link = await FakeLink.dial(url);
      send(link);
      const end = await link.end();
      assert.is(end?.code, code, `${what}: ${JSON.stringify(end)}`);
      return end?.reason ?? '';
    };
    for (let count = 0; count < 40; count += 1) await violates('noise', (link) => link.send(noise(Math.floor(random.next() * 400))));
    for (let kind = 0; kind < 32; kind += 1)
      await violates(`kind ${kind}`, (link) => link.send(Buffer.concat([Buffer.from([kind, 1, 0, 0]), noise(60)])));
    await violates('a text frame', (link) => link.sendText('{"kind":"hello"}'));
    await violates('more than a message may have', (link) => link.send(Buffer.alloc(LIMITS.messageBytesMax + 1, 2)), 1009);
    await violates('as much as a message may have', (link) => link.send(Buffer.alloc(LIMITS.messageBytesMax, 2)));
    for (const message of tooEarly())
      assert.match(await violates(message.kind, (link) => link.send(message)), /before the handshake|before ready/);
    assert.match(await violates('ready before hello', (link) => link.send({ kind: 'ready' })), /ready before the handshake/);

    const json = (body: unknown): Buffer => {
      const hello = Buffer.from(encodeMessage({ kind: 'hello', linkKey: 1, facts: blankFacts(primary) }));
      return sealed(Buffer.concat([hello.subarray(0, 8), Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))]));
    };
    const facts = JSON.parse(JSON.stringify({ ...blankFacts(primary), held: [] })) as Record<string, unknown>;
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    for (const body of [
      '',
      '{',
      'null',
      '[]',
      deep,
      { linkKey: -1, facts },
      { linkKey: 1 },
      { linkKey: 1, facts: { ...facts, volumes: 'all' } },
      { linkKey: 1, facts: { ...facts, hostEpoch: 1e300 } },
      { linkKey: 1, facts: { ...facts, __proto__: 1, extra: true } },
      { linkKey: 1, facts: { ...facts, volumes: Array.from({ length: 5000 }, () => ({ vlun: 0, name: 'a', sizeBytes: 1 })) } },
      { linkKey: 1, facts: { ...facts, geometry: { slots: 1e9, slotBytes: 1, capacityBytes: 1, recordsMax: 1 } } },
    ]) {
      assert.match(await violates(JSON.stringify(body).slice(0, 80), (link) => link.send(json(body))), /^(?:json|field):/);
    }
    // Well-formed, and absurd: refused by the handshake.
    for (const changes of [
      { groupId: 'ab'.repeat(16) },
      { volumes: [] },
      { stream: 'cd'.repeat(8) },
      { watermark: { dataSet: 2 ** 53 - 1, finalSequence: 2 ** 53 - 1, chain: '00'.repeat(16) } },
      {},
    ]) {
      await violates(
        `facts ${JSON.stringify(changes)}`,
        (link) => link.send({ kind: 'hello', linkKey: 1, facts: blankFacts(primary, changes) }),
        CLOSE_CODE.refused,
      );
    }
    await violates(
      'a promotion that was none',
      (link) => link.send({ kind: 'superseded', groupId: 'ab'.repeat(16), generations: [], hostEpoch: 0, promotedAtMs: 1 }),
      CLOSE_CODE.refused,
    );
    assert.is((await primary.status()).state, 'replicating');
  });
});

test('a link that joins and then lies: acknowledgements, rejects and progress of what was never given', async () => {
  await underLoad(async (hosts) => {
    const { primary, secondary } = hosts;
    const { groupId, generations, stream, session } = await secondary.status();
    const { session: lastPrimarySession } = await primary.status();
    const positions = { received: null, durable: null, complete: null, destaged: null, destagedSequence: null };
    const far = 2 ** 52;
    const lies: readonly WireMessage[] = [
      { kind: 'acknowledge', windowHigh: 3, positions, ranges: [{ from: far, to: far + 5 }] },
      { kind: 'acknowledge', windowHigh: 3, positions, ranges: [{ from: 0, to: far }] },
      { kind: 'reject', reason: 'window', dataSet: far, sequence: far, windowHigh: 3 },
      { kind: 'head', head: { dataSet: 1, sequence: 1, bytes: 1, timeMs: 1 } },
      { kind: 'ready' },
      { kind: 'hello', linkKey: 2, facts: blankFacts(primary) },
    ];
    for (const lie of lies) {
      const link = await FakeLink.dial(`ws://127.0.0.1:${hosts.port}`);
      link.send({
        kind: 'hello',
        linkKey: 4_000_000_000,
        facts: blankFacts(primary, { groupId, generations, stream, session: session ?? '', lastPrimarySession }),
      });
      const welcome = await link.message('welcome');
      assert.ok(welcome !== null, 'the session of the real secondary is believed');
      link.send({ kind: 'ready' });
      await sleep(50);
      link.send(lie);
      const end = await link.end(8000);
      assert.is(end?.code, CLOSE_CODE.protocolViolation, `${JSON.stringify(lie)}: ${JSON.stringify(end)}`);
      link.terminate();
    }
  });
});

/** Clients that are gone leave their places as soon as the server hears of it. */
async function connectWhenThereIsRoom(primary: Host): ReturnType<Host['connect']> {
  for (let tries = 0; tries < 600; tries += 1) {
    try {
      return await primary.connect();
    } catch {
      await sleep(50);
    }
  }
  return primary.connect();
}

test('garbage, dying clients and too many of them on the NBD port', async () => {
  await underLoad(async ({ primary }) => {
    const place = { path: primary.nbdSocket };
    for (let count = 0; count < 60; count += 1) {
      const socket = await RawSocket.open(place);
      await socket.send(noise(1 + Math.floor(random.next() * 2000)));
      if (count % 2 === 0) socket.destroy();
      else assert.ok(await socket.ended(), 'a client that speaks no NBD is hung up on');
    }
    for (let count = 0; count < 30; count += 1) {
      const socket = await RawSocket.open(place);
      await socket.send(Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from('IHAVEOPT'), noise(200)]));
      if (!(await socket.ended(200))) socket.destroy();
    }
    for (let count = 0; count < 30; count += 1) {
      const client = await primary.connect();
      for (let write = 0; write < 8; write += 1) client.write(15 * 1_048_576, Buffer.alloc(262_144, 1)).catch(() => {});
      client.flush().catch(() => {});
      if (count % 2 === 0) await sleep(1);
      client.destroy();
    }
    const half = await primary.connect();
    half.raw('write', { offset: 15 * 1_048_576, lengthBytes: 1_048_576, flags: 0, payload: Buffer.alloc(1000) }).catch(() => {});
    const wrong = await primary.connect();
    for (const request of [
      { offset: 1, lengthBytes: 512 },
      { offset: 0, lengthBytes: 100 },
      { offset: 2 ** 52, lengthBytes: 4096 },
    ]) {
      assert.match(await messageOf(wrong.raw('read', { ...request, flags: 0 })), /EINVAL/);
      assert.match(await messageOf(wrong.raw('trim', { ...request, flags: 0x4000 })), /EINVAL/);
    }
    await wrong.close();
    const many = await Promise.allSettled(Array.from({ length: LIMITS.nbdConnectionsMax + 30 }, () => primary.connect()));
    assert.ok(
      many.some(({ status }) => status === 'rejected'),
      'more than so many clients are turned away',
    );
    for (const one of many) if (one.status === 'fulfilled') one.value.destroy();
    half.destroy();
    const again = await connectWhenThereIsRoom(primary);
    await again.write(15 * 1_048_576, Buffer.alloc(1_048_576));
    await again.close();
  });
});

test('a second instance on the same state, volumes, journals or port is refused, and the first goes on', async () => {
  await underLoad(async (hosts) => {
    const { primary, secondary } = hosts;
    for (const host of [primary, secondary]) {
      const twin = await host.command(['start']);
      assert.is(twin.exitCode, 5, twin.stderr);
      assert.match(twin.stderr, /ERR_STATE_LOCKED.*another farshore process uses/);
    }
    const again = await primary.command(['init']);
    assert.is(again.exitCode, 5);
    assert.match(again.stderr, /ERR_ALREADY_INITIALISED.*host-state\.json exists/);
    const thief = copyHost(primary, 'thief');
    thief.config.volumes = primary.config.volumes;
    const { exitCode, log } = await thief.startRefused();
    assert.is(exitCode, 5, log);
    assert.match(log, /ERR_VOLUME_LOCKED|ERR_UNCLEAN_STOP/);
    const journalThief = copyHost(secondary, 'journal-thief');
    journalThief.config.journals = { ...(secondary.config.journals ?? { slots: 4, size: '2MiB' }), path: 'secondary/journals' };
    const second = await journalThief.startRefused();
    assert.is(second.exitCode, 5, second.log);
    assert.match(second.log, /ERR_JOURNALS_LOCKED.*in use by another process/);
    const samePort = hostBeside(primary, 'same-port');
    await samePort.init();
    const third = await samePort.startRefused();
    assert.is(third.exitCode, 1, third.log);
    assert.match(third.log, /ERR_LISTEN.*127\.0\.0\.1:\d+[\s\S]*(?:EADDRINUSE|in use)[\s\S]*Try: /);
  });
});

/** Messages that a secondary sends only on an agreed link, and messages that only a primary sends. */
function tooEarly(): readonly WireMessage[] {
  const positions = { received: 1, durable: 1, complete: 1, destaged: 1, destagedSequence: 1 };
  return [
    { kind: 'acknowledge', windowHigh: 3, positions, ranges: [{ from: 0, to: 10 }] },
    { kind: 'reject', reason: 'window', dataSet: 1, sequence: 1, windowHigh: 3 },
    { kind: 'progress', closedLinks: [], destaged: 4, windowHigh: 9, held: [] },
    { kind: 'requestProgress', closedLinks: [1] },
    { kind: 'head', head: { dataSet: 1, sequence: 1, bytes: 1, timeMs: 1 } },
    { kind: 'records', encoded: Buffer.alloc(80, 'F') },
    { kind: 'supersededAcknowledged', groupId: 'ab'.repeat(16) },
  ];
}

function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: unknown) => String(error),
  );
}

test.run();
