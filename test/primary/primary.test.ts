/** A primary in its bad hours: what it refuses, what it records durably, and what it says, without a secondary's process. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FarshoreError } from '../../src/model/errors.ts';
import { NBD_ERRNO } from '../../src/nbd/contract.ts';
import { appendGeneration } from '../../src/protocol/generations.ts';
import { digestHeld } from '../../src/protocol/held-digest.ts';
import { hashChain } from '../../src/record/hash-chain.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { acknowledge, primaryDisk, PrimaryHost, PRIMARY_VOLUME } from '../support/primary-host.ts';
import type { NotedSocket } from '../support/noted-socket.ts';
import { NotedRequest } from '../support/primary-volume.ts';
import { messageOfFailure } from '../support/scratch.ts';

const KiB = 1024;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const started: PrimaryHost[] = [];
test.after.each(async () => {
  await Promise.all(started.splice(0).map((host) => host.end()));
});

async function open(
  disk?: Awaited<ReturnType<typeof primaryDisk>>,
  options: Parameters<typeof PrimaryHost.start>[1] = {},
): Promise<PrimaryHost> {
  const host = await PrimaryHost.start(disk ?? (await primaryDisk()), options);
  started.push(host);
  return host;
}

/** The next process, after this one was killed; its disk has what it wrote. */
function afterKill(host: PrimaryHost, standalone: boolean): Promise<PrimaryHost> {
  started.splice(started.indexOf(host), 1);
  return open(host.disk.crash('page cache'), { standalone });
}

async function failFlush(host: PrimaryHost): Promise<void> {
  host.disk.failNext('flush', 'EIO', PRIMARY_VOLUME.path);
  assert.is(await host.ask(new NotedRequest({ command: 'flush' })), NBD_ERRNO.EIO);
}

/** Damage what is kept of the data set in memory. */
function damage(host: PrimaryHost): void {
  const [buffer] = host.primary.order?.buffers.values() ?? [];
  const bytes = buffer?.slices(buffer.firstSequence, buffer.firstSequence)[0]?.bytes ?? new Uint8Array(0);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 0xff;
}

function supersede(host: PrimaryHost): NotedSocket {
  const { groupId, generations } = host.primary.state;
  const next = appendGeneration(generations, { id: '00000000000000ee', kept: null, seen: { dataSet: 5, sequence: 50 } });
  const socket = host.link();
  socket.receive({ kind: 'superseded', groupId: groupId ?? '', generations: next, hostEpoch: 0, promotedAtMs: 0 });
  return socket;
}

function codeOfDetach(host: PrimaryHost): string {
  try {
    host.primary.detach({ dryRun: false });
    return 'detached';
  } catch (error) {
    return (error as FarshoreError).code;
  }
}

test('first contact: what was written between hello and ready must still fit, or the link is refused and nothing else breaks', async () => {
  const host = await open(undefined, {
    backlogLimitBytes: 8192 * KiB,
    cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 4096 * KiB, recordsMax: 1000 },
  });
  const geometry = { slots: 8, slotBytes: 2048 * KiB, capacityBytes: 1280 * KiB, recordsMax: 1000 };
  await host.write(4 * KiB);
  const socket = host.hello({ geometry });
  assert.is(socket.sent('welcome').length, 1, 'it fitted at the hello');
  for (let count = 0; count < 4; count += 1) await host.write(512 * KiB);
  socket.receive({ kind: 'ready' });
  assert.equal([socket.sent('refuse').length, socket.closedWith?.code, host.primary.phase], [1, CLOSE_CODE.refused, 'serving']);
  assert.match(socket.sent('refuse')[0]?.sentence ?? '', /capacity|slot|fit/);
  assert.equal([host.primary.links?.openLinks.length, host.primary.order?.agreed], [0, null]);
  // A larger secondary is taken.
  const larger = host.agreed({ geometry: { slots: 8, slotBytes: 8192 * KiB, capacityBytes: 8000 * KiB, recordsMax: 1000 } });
  await turn();
  assert.is(larger.closedWith, null);
  assert.ok(larger.sent('records').length > 0);
});

test('detach is refused by a primary that failed, and the failure stays on its disk', async () => {
  const host = await open();
  await failFlush(host);
  assert.equal([codeOfDetach(host), host.primary.phase, host.stored.condition], ['ERR_NOT_REPLICATING', 'failed', 'failed']);
});

test('detach is refused by a superseded primary, and a later failure does not hide that it was superseded', async () => {
  const host = await open();
  const socket = host.agreed();
  await host.write(4 * KiB);
  supersede(host);
  assert.equal([codeOfDetach(host), host.primary.phase], ['ERR_NOT_REPLICATING', 'superseded']);
  damage(host);
  socket.end(CLOSE_CODE.protocolViolation, 'record-header: damaged');
  assert.equal([host.primary.phase, host.stored.condition], ['superseded', 'superseded']);
});

test('a primary that cannot record that it is superseded serves nothing more, and does not say that it has recorded it', async () => {
  const host = await open();
  await host.write(4 * KiB);
  host.disk.failNext('replaceFile', 'ENOSPC', '/state/host-state.json');
  const socket = supersede(host);
  assert.equal([host.primary.phase, host.stored.condition], ['superseded', 'active']);
  assert.equal([socket.sent('supersededAcknowledged').length, socket.closedWith?.code], [0, CLOSE_CODE.shutdown]);
  assert.match(host.log.join('\n'), /error that this primary is superseded could not be recorded: .*ENOSPC/);
  assert.ok((await host.write(4 * KiB)) !== 0, 'no write is taken any more');
  assert.is(supersede(host).sent('supersededAcknowledged').length, 1, 'told again, it can');
  assert.is(host.stored.condition, 'superseded');
});

test('detach --dry-run says from where, and changes nothing', async () => {
  const host = await open();
  const socket = host.agreed();
  await host.write(4 * KiB);
  host.cut();
  acknowledge(socket, [{ from: 0, to: 1 }]);
  const before = host.stored;
  assert.equal(host.primary.detach({ dryRun: true }), { divergedFrom: 0 });
  assert.equal([host.primary.phase, host.stored], ['serving', before]);
  const sent = socket.sent('records').length;
  await host.write(4 * KiB);
  await turn();
  assert.ok(socket.sent('records').length > sent, 'it still replicates');
  assert.equal(host.primary.detach({ dryRun: false }), { divergedFrom: 0 });
  assert.is(host.stored.condition, 'standalone');
});

test('a start whose removal of the marker is not made durable serves nobody, and is no unclean stop for the next one', async () => {
  const disk = await primaryDisk();
  const { unlink, syncDirectory } = disk;
  let removed = false;
  disk.unlink = (path) => {
    unlink.call(disk, path);
    removed ||= path.endsWith('/clean-stop');
  };
  disk.syncDirectory = (path) => {
    if (removed) {
      disk.syncDirectory = syncDirectory;
      throw new Error('EIO: i/o error, fsync');
    }
    syncDirectory.call(disk, path);
  };
  assert.match(await messageOfFailure(() => PrimaryHost.start(disk)), /EIO: i\/o error, fsync/);
  assert.ok(removed);
  assert.is((await open(disk)).primary.status().state, 'connecting');
});

test('--standalone after an unclean stop records the data set of the last clean stop, or later', async () => {
  const first = await open();
  const socket = first.agreed();
  await first.write(4 * KiB);
  first.cut();
  acknowledge(socket, [{ from: 0, to: 1 }]);
  socket.end(CLOSE_CODE.shutdown, '');
  await first.primary.stop();
  const second = await open(first.disk);
  await second.write(4 * KiB);
  const third = await afterKill(second, true);
  assert.is(third.stored.divergedFrom?.dataSet, 0);
  assert.match(third.stored.reason ?? '', /diverged from data set 0 or later/);
  assert.is(third.primary.status().divergedFrom, '0');
});

test('--standalone keeps the divergence that an earlier detach recorded', async () => {
  const host = await open();
  const socket = host.agreed();
  await host.write(4 * KiB);
  host.cut();
  acknowledge(socket, [{ from: 0, to: 1 }]);
  host.primary.detach({ dryRun: false });
  const { divergedFrom } = host.stored;
  assert.is(divergedFrom?.dataSet, 0);
  await failFlush(host);
  assert.equal([host.stored.condition, host.stored.divergedFrom], ['failed', divergedFrom]);
  const next = await afterKill(host, true);
  assert.equal([next.stored.condition, next.stored.divergedFrom], ['standalone', divergedFrom]);
});

test('a damaged send buffer that is found when a link closes fails the group, and breaks nothing else', async () => {
  const host = await open();
  const sockets = [host.agreed(), host.agreed()];
  await host.write(4 * KiB);
  damage(host);
  sockets[0]?.end(CLOSE_CODE.protocolViolation, 'record-header: damaged');
  assert.equal([host.primary.phase, host.stored.condition], ['failed', 'failed']);
  assert.match(host.stored.reason ?? '', /ERR_SEND_BUFFER_CORRUPT/);
  assert.is(await host.write(4 * KiB), NBD_ERRNO.EIO);
  sockets[1]?.end(1006, '');
});

test('writes that wait are logged, and the time is counted while it lasts', async () => {
  const host = await open(undefined, {
    backlogLimitBytes: 16 * KiB,
    cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 16 * KiB, recordsMax: 1000 },
  });
  const seconds = (): number => host.primary.status().backlog?.throttledSeconds ?? -1;
  assert.is(seconds(), 0);
  const requests = Array.from({ length: 8 }, (_, index) => new NotedRequest({ offset: index * 4 * KiB, lengthBytes: 4 * KiB }));
  host.primary.application?.submit(requests);
  await turn();
  assert.is(host.primary.status().state, 'throttled');
  const lines = host.log.filter((line) => line.startsWith('warn writes wait '));
  assert.is(lines.length, 1, host.log.join('\n'));
  const before = seconds();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(seconds() >= before + 0.015, `${before} s, then ${seconds()} s`);
  host.primary.detach({ dryRun: false });
  while (requests.some((request) => request.answer === null)) await turn();
});

test('how long records waited for their acknowledgement is told by the status', async () => {
  const host = await open();
  const socket = host.agreed();
  await host.write(4 * KiB);
  assert.is(host.primary.status().latencies.recordAcknowledged, null, 'nothing is acknowledged yet');
  await new Promise((resolve) => setTimeout(resolve, 20));
  acknowledge(socket, [{ from: 0, to: 0 }]);
  const { count = 0, maxSeconds = 0 } = host.primary.status().latencies.recordAcknowledged ?? {};
  assert.is(count, 1);
  assert.ok(maxSeconds >= 0.018 && maxSeconds < 5, `${maxSeconds} s`);
});

test('a store that fails while links are agreed again, because a write that waited is admitted, fails the group and nothing else', async () => {
  const host = await open(undefined, {
    backlogLimitBytes: 16 * KiB,
    cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 16 * KiB, recordsMax: 1000 },
  });
  const first = host.agreed();
  const requests = Array.from({ length: 8 }, (_, index) => new NotedRequest({ offset: index * 4 * KiB, lengthBytes: 4 * KiB }));
  host.primary.application?.submit(requests);
  await turn();
  assert.is(host.primary.status().state, 'throttled');
  const { groupId, generations } = host.primary.state;
  const [{ session, stream } = { session: '', stream: '' }] = first.sent('welcome').map(({ facts }) => facts);
  first.end(1006, '');
  host.disk.failNext('write', 'EIO', PRIMARY_VOLUME.path);
  const checksums = host.primary.order?.buffers.get(0)?.headerChecksums() ?? new Uint32Array(0);
  const digest = digestHeld(Uint8Array.of(0x03), checksums, hashChain) ?? '';
  const held = [{ dataSet: 0, firstSequence: 0, received: Uint8Array.of(0x03), durable: Uint8Array.of(0x03), finalSequence: null, digest }];
  const again = host.agreed({ groupId, generations, stream, lastPrimarySession: session, held });
  assert.is(again.sent('welcome').length, 1, again.sent('refuse')[0]?.sentence);
  while (requests.some((request) => request.answer === null)) await turn();
  assert.ok(requests.some((request) => request.answer === NBD_ERRNO.EIO));
  assert.equal([host.primary.phase, host.stored.condition], ['failed', 'failed']);
});

test('a restarted secondary that dials a primary at the end of its clean stop is told to wait, not that it is ahead', async () => {
  const host = await open();
  const first = host.agreed();
  await host.write(4 * KiB);
  host.cut();
  acknowledge(first, [{ from: 0, to: 1 }]);
  const { groupId, generations } = host.primary.state;
  const [{ session, stream } = { session: '', stream: '' }] = first.sent('welcome').map(({ facts }) => facts);
  const point = host.primary.order?.acknowledged ?? null;
  assert.is(point?.dataSet, 0);
  first.end(1006, '');
  await host.primary.stop();
  assert.ok(host.primary.phase === 'stopping' && point !== null);
  const restarted = { session: '00000000000000de', lastPrimarySession: session };
  const again = host.hello({ groupId, generations, stream, watermark: point, ...restarted });
  assert.equal(
    again.sent('refuse').map(({ outcome, label }) => [outcome, label]),
    [['wait', 'primary is stopping']],
  );
});

test('a lost link stays visible until another one replaces it', async () => {
  const host = await open();
  const sockets = [host.agreed(), host.agreed()];
  const links = (): unknown => host.primary.status().links.map(({ address, up, error }) => [address, up, error]);
  sockets[0]?.end(1006, 'cable');
  assert.equal(links(), [
    ['far:2', true, null],
    ['far:1', false, 'cable'],
  ]);
  host.agreed();
  assert.equal(links(), [
    ['far:2', true, null],
    ['far:3', true, null],
  ]);
});

test.run();
