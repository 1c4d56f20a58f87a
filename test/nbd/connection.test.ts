import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { NBD_TRANSMISSION_FLAG } from '../../src/nbd/constants.ts';
import type { NbdRequest } from '../../src/nbd/contract.ts';
import { memoryExport } from '../support/memory-backend.ts';
import { errnoOfCall, rawTransmission, requestBytes, startServer, stopServers } from './server-fixture.ts';
import { until } from '../support/until.ts';

const test = suite('NBD connection');
test.after.each(stopServers);

for (const structured of [true, false]) {
  test(`every command, structured ${structured}`, async () => {
    const { backend, server, tcp } = await startServer({ replies: 'later' });
    const client = await NbdClient.connect({ address: tcp, structured });
    assert.is(client.sizeBytes, 4 * 1024 * 1024);
    assert.is(client.structured, structured);
    assert.is((client.flags & NBD_TRANSMISSION_FLAG.sendDf) !== 0, structured);
    await client.write(4096, Buffer.alloc(8192, 7), { fua: true });
    await client.write(1024 * 1024, Buffer.alloc(1024 * 1024 + 512, 9));
    assert.equal(await client.read(4096, 8192), Buffer.alloc(8192, 7));
    assert.equal(await client.read(1024 * 1024, 1024 * 1024 + 512), Buffer.alloc(1024 * 1024 + 512, 9));
    await client.trim(4096, 512);
    await client.writeZeroes(4608, 512, { noHole: true, fastZero: true, fua: true });
    await client.cache(0, 4096);
    await client.flush();
    assert.equal(await client.read(4096, 1536), Buffer.concat([Buffer.alloc(1024), Buffer.alloc(512, 7)]));
    if (structured) assert.equal(await client.blockStatus(0, 65_536), [{ lengthBytes: 65_536, flags: 0 }]);
    else assert.is(await errnoOfCall(client.blockStatus(0, 65_536)), 22);
    assert.equal(backend.seen, { read: 3, write: 2, flush: 1, trim: 1, writeZeroes: 1, cache: 1, fua: 2, fastZero: 1, noHole: 1 });
    await client.close();
    await until('the end', () => server.counters.connectionsOpen === 0);
    assert.is(server.counters.connectionsEnded.disconnect, 1);
    assert.is(server.pool.lent, 0);
    assert.is(backend.connections, 0);
  });

  test(`errors keep the connection usable, structured ${structured}`, async () => {
    const { backend, server, unix } = await startServer({
      exports: [memoryExport('rw', 65_536), memoryExport('ro', 65_536, { readOnly: true })],
    });
    const client = await NbdClient.connect({ address: unix, structured });
    assert.is(await errnoOfCall(client.read(65_536, 512)), 22);
    assert.is(await errnoOfCall(client.write(65_536, Buffer.alloc(512))), 28);
    assert.is(await errnoOfCall(client.raw('write', { offset: 0, lengthBytes: 512, flags: 0x80, payload: Buffer.alloc(512) })), 22);
    assert.is(await errnoOfCall(client.write(100, Buffer.alloc(512))), 22);
    assert.is(await errnoOfCall(client.trim(0, 65_536 + 512)), 22);
    backend.errno = 5;
    assert.is(await errnoOfCall(client.read(0, 4096)), 5);
    assert.is(await errnoOfCall(client.write(0, Buffer.alloc(4096))), 5);
    backend.errno = 0;
    await client.write(0, Buffer.alloc(512, 1));
    const readOnly = await NbdClient.connect({ address: unix, exportName: 'ro', structured });
    assert.ok((readOnly.flags & NBD_TRANSMISSION_FLAG.readOnly) !== 0);
    assert.is(await errnoOfCall(readOnly.write(0, Buffer.alloc(512))), 1);
    assert.equal(await readOnly.read(0, 512), Buffer.alloc(512));
    assert.equal(server.counters.errors, { EPERM: 1, EIO: 2, ENOMEM: 0, EINVAL: 4, ENOSPC: 1, EOVERFLOW: 0, ENOTSUP: 0, ESHUTDOWN: 0 });
    await Promise.all([client.close(), readOnly.close()]);
    assert.is(server.pool.lent, 0);
  });
}

test('many in flight, answered out of order, over several connections', async () => {
  const { backend, tcp, unix } = await startServer({ replies: 'later' });
  const clients = await Promise.all(
    [tcp, unix, tcp, unix].map((address, index) => NbdClient.connect({ address, structured: index % 2 === 0 })),
  );
  const blocks = 1024;
  const expected = (block: number): Buffer => Buffer.alloc(4096, (block * 31 + 1) % 256);
  const spread = <T>(work: (client: NbdClient, block: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: blocks }, (_, block) => work(clients[block % clients.length] as NbdClient, block)));
  await spread((client, block) => client.write(block * 4096, expected(block)));
  await Promise.all(clients.map((client) => client.flush()));
  await spread(async (client, block) => assert.ok((await client.read(block * 4096, 4096)).equals(expected(block)), `block ${block}`));
  assert.ok(
    backend.batches.some((size) => size > 4),
    'one read of a socket is one submit',
  );
  await Promise.all(clients.map((client) => client.close()));
});

test('replies of one turn leave in one socket write', async () => {
  const { backend, server, unix } = await startServer({ replies: 'held' });
  const client = await NbdClient.connect({ address: unix });
  const calls = [
    ...Array.from({ length: 50 }, (_, index) => client.write(index * 512, Buffer.alloc(512))),
    client.read(0, 4096),
    client.read(4096, 4096),
  ];
  await until('all requests', () => backend.held.length === 52);
  backend.release();
  await Promise.all<unknown>(calls);
  assert.is(server.counters.socketWrites, 1);
  assert.is(server.counters.replies, 52);
  await client.close();
});

test('a connection is not read beyond its limit of requests, and goes on afterwards', async () => {
  const { backend, unix } = await startServer({ replies: 'held' });
  const client = await NbdClient.connect({ address: unix });
  const calls = Array.from({ length: 3 * LIMITS.nbdRequestsInFlightMax }, (_, index) =>
    client.write(index * 512, Buffer.alloc(512, index % 256)),
  );
  await until('the limit', () => backend.held.length === LIMITS.nbdRequestsInFlightMax);
  await sleep(50);
  assert.is(backend.held.length, LIMITS.nbdRequestsInFlightMax);
  while (client.inFlight > 0) {
    backend.release();
    await sleep(1);
  }
  await Promise.all(calls);
  assert.is(backend.seen.write, calls.length);
  assert.is(backend.memory[0]?.[700 * 512], 700 % 256);
  await client.close();
});

test('what is beyond the limits stays in the socket, not in memory', async () => {
  const { backend, unix } = await startServer({ replies: 'held' });
  const socket = await rawTransmission(unix);
  const write = Buffer.concat([requestBytes('write', 1, 0, 65_536), Buffer.alloc(65_536)]);
  for (let count = 0; count < 2 * LIMITS.nbdRequestsInFlightMax; count += 1) socket.write(write);
  await until('the limit', () => backend.held.length === LIMITS.nbdRequestsInFlightMax);
  await sleep(50);
  assert.ok(
    socket.writableLength > 0.9 * LIMITS.nbdRequestsInFlightMax * write.length,
    `only ${socket.writableLength} bytes wait at the client`,
  );
  socket.destroy();
});

test('a slow reader gets every reply, however many bytes are in flight', async () => {
  const { server, tcp } = await startServer({ exports: [memoryExport('big', 16 * 1024 * 1024)] });
  const client = await NbdClient.connect({ address: tcp });
  const reads = Array.from({ length: 12 }, () => client.read(0, 16 * 1024 * 1024));
  for (const bytes of await Promise.all(reads)) assert.is(bytes.length, 16 * 1024 * 1024);
  await client.close();
  assert.is(server.pool.lent, 0);
});

test('a client that never reads is bounded by the bytes in flight, and its death frees them', async () => {
  const { server, unix, backend } = await startServer({ exports: [memoryExport('big', 32 * 1024 * 1024)] });
  const socket = await rawTransmission(unix);
  socket.pause();
  socket.write(Buffer.concat(Array.from({ length: 100 }, (_, index) => requestBytes('read', index, 0, 8 * 1024 * 1024))));
  await until('the limit', () => backend.seen.read === 8);
  await sleep(50);
  assert.is(backend.seen.read, LIMITS.nbdBytesInFlightMax / (8 * 1024 * 1024));
  socket.destroy();
  await until('the end', () => server.counters.connectionsOpen === 0);
  assert.is(server.pool.lent, 0);
});

test('clients that die inside a request, inside a payload and before a reply do no harm', async () => {
  const { backend, server, unix } = await startServer({ replies: 'held' });
  const deaths = [
    requestBytes('write', 1).subarray(0, 20),
    Buffer.concat([requestBytes('write', 1, 0, 8192), Buffer.alloc(100)]),
    Buffer.concat([requestBytes('write', 1, 0, 4096), Buffer.alloc(4096), requestBytes('read', 2, 0, 4096)]),
  ];
  for (const bytes of deaths) {
    const socket = await rawTransmission(unix);
    socket.write(bytes);
    await until('the bytes', () => server.counters.connectionsOpen === 1 && socket.writableLength === 0);
    await sleep(10);
    socket.destroy();
    await sleep(10);
  }
  await until('what came whole', () => backend.held.length === 2);
  backend.release();
  await until('the end', () => server.counters.connectionsOpen === 0);
  assert.is(server.counters.connectionsEnded.truncated, 2);
  assert.is(server.pool.lent, 0);
});

test('a backend that completes a request twice is a broken invariant', async () => {
  const { backend, unix } = await startServer({ replies: 'held' });
  const client = await NbdClient.connect({ address: unix });
  const flushed = client.flush();
  await until('the flush', () => backend.held.length === 1);
  const request = backend.held[0] as NbdRequest;
  backend.release();
  assert.throws(() => request.complete(0), /completed twice/);
  await flushed;
  await client.close();
});

test('garbage ends a connection with a counted reason, and only that one', async () => {
  const { server, unix, events } = await startServer();
  const survivor = await NbdClient.connect({ address: unix });
  const transmitting = await rawTransmission(unix);
  transmitting.write('this is no request of the protocol');
  const greeting = connect({ path: unix.kind === 'unix' ? unix.path : '' });
  greeting.on('error', () => {});
  greeting.resume();
  greeting.write('GET / HTTP/1.1\r\n\r\n');
  await until('both ends', () => server.counters.protocolViolations === 2);
  assert.is(server.counters.connectionsEnded.requestMagic, 1);
  assert.is(server.counters.connectionsEnded.clientFlags, 1);
  assert.ok(events.some((event) => event.kind === 'ended' && event.reason === 'requestMagic'));
  await survivor.write(0, Buffer.alloc(512));
  await survivor.close();
});

test('random bytes after the negotiation never hang or kill the server', async () => {
  const { server, unix } = await startServer();
  let state = 12_345;
  const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
  for (let round = 0; round < 60; round += 1) {
    const bytes = Buffer.concat(
      Array.from({ length: 8 }, (_, index) =>
        Buffer.concat([requestBytes(index % 2 === 0 ? 'write' : 'read', index, 512 * index, 512), Buffer.alloc(index % 2 === 0 ? 512 : 0)]),
      ),
    );
    for (let flip = 0; flip < 4; flip += 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const socket = await rawTransmission(unix);
    socket.resume();
    socket.end(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  await until('all ends', () => server.counters.connectionsOpen === 0);
  assert.is(server.pool.lent, 0);
  assert.is(server.counters.connectionsAccepted, 60);
});

test('DISC and a half-closed connection are answered first, then closed', async () => {
  const { backend, server, unix } = await startServer({ replies: 'held' });
  for (const farewell of [requestBytes('disconnect', 9), Buffer.alloc(0)]) {
    const socket = await rawTransmission(unix);
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => void received.push(chunk));
    socket.end(Buffer.concat([requestBytes('flush', 1), farewell]));
    await until('the flush', () => backend.held.length === 1);
    await sleep(10);
    backend.release();
    await new Promise((resolve) => socket.once('close', resolve));
    assert.is(Buffer.concat(received).length, 16);
  }
  await until('the end', () => server.counters.connectionsOpen === 0);
  assert.is(server.counters.connectionsEnded.disconnect, 1);
  assert.is(server.counters.connectionsEnded.hangUp, 1);
});

test.run();
