import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import type { ListenAddress } from '../../src/model/addresses.ts';
import { NbdServer } from '../../src/nbd/server.ts';
import { errnoOfCall, startServer, stopServers } from './server-fixture.ts';
import { until } from '../support/until.ts';

const test = suite('NBD server');
test.after.each(stopServers);

test('more connections than the limit are refused', async () => {
  const { server, unix } = await startServer();
  const clients = await Promise.all(Array.from({ length: LIMITS.nbdConnectionsMax }, () => NbdClient.connect({ address: unix })));
  await NbdClient.connect({ address: unix }).then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, 'ERR_NBD_CONNECT'),
  );
  assert.is(server.counters.connectionsRefused, 1);
  await clients.pop()?.close();
  await until('room', () => server.counters.connectionsOpen < LIMITS.nbdConnectionsMax);
  clients.push(await NbdClient.connect({ address: unix }));
  await Promise.all(clients.map((client) => client.close()));
});

test('a clean stop answers what is under way and refuses what is new', async () => {
  const { backend, server, unix } = await startServer({ replies: 'held' });
  const client = await NbdClient.connect({ address: unix });
  const idle = await NbdClient.connect({ address: unix });
  const underWay = client.write(0, Buffer.alloc(512, 3));
  await until('the write', () => backend.held.length === 1);
  const stopped = server.stop({ timeoutMs: 5_000 });
  assert.is(await errnoOfCall(client.write(512, Buffer.alloc(512))), 108);
  backend.release();
  await underWay;
  await stopped;
  assert.is(backend.memory[0]?.[0], 3);
  assert.is(server.counters.connectionsEnded.shutdown, 2);
  await idle.flush().then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, 'ERR_NBD_LOST'),
  );
  assert.not(existsSync(unix.kind === 'unix' ? unix.path : ''));
});

test('a stop does not wait longer than its limit', async () => {
  const { backend, server, unix } = await startServer({ replies: 'held' });
  const client = await NbdClient.connect({ address: unix });
  const lost = client.write(0, Buffer.alloc(512)).then(
    () => 'answered',
    (error: { code: string }) => error.code,
  );
  await until('the write', () => backend.held.length === 1);
  await Promise.all([server.stop({ timeoutMs: 30 }), server.stop({ timeoutMs: 30 })]);
  assert.is(await lost, 'ERR_NBD_LOST');
  backend.release();
  assert.is(server.pool.lent, 0);
});

test('an address that cannot be had is ERR_NBD_LISTEN with the reason, and nothing stays bound', async () => {
  const { folder, backend, tcp, unix } = await startServer();
  const file = join(folder, 'file');
  writeFileSync(file, 'precious');
  const free: ListenAddress = { kind: 'unix', path: join(folder, 'free.sock') };
  const cases: readonly (readonly [ListenAddress, RegExp])[] = [
    [tcp, /in use by another process/],
    [unix, /another server listens there/],
    [{ kind: 'unix', path: file }, /not a socket/],
    [{ kind: 'unix', path: join(folder, 'x'.repeat(120)) }, /at most 107/],
    [{ kind: 'unix', path: join(folder, 'none', 'nbd.sock') }, /./],
    [{ kind: 'tcp', host: '192.0.2.1', port: 0 }, /does not have the address/],
  ];
  for (const [address, reason] of cases) {
    const second = new NbdServer({ backend, listen: [free, address] });
    await second.start().then(
      () => assert.unreachable(),
      (error: { code: string; message: string }) => {
        assert.is(error.code, 'ERR_NBD_LISTEN');
        assert.match(error.message, reason);
      },
    );
    assert.not(existsSync(free.kind === 'unix' ? free.path : ''), 'the first listener is closed again');
  }
  const client = await NbdClient.connect({ address: unix });
  await client.close();
});

test('the socket of a killed server is replaced', async () => {
  const { folder, backend } = await startServer();
  const path = join(folder, 'stale.sock');
  spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  assert.ok(existsSync(path));
  const server = new NbdServer({ backend, listen: [{ kind: 'unix', path }] });
  await server.start();
  const client = await NbdClient.connect({ address: { kind: 'unix', path } });
  await client.close();
  await server.stop({ timeoutMs: 100 });
});

test('the client names an unknown export, a foreign server and a silent one', async () => {
  const { unix } = await startServer();
  const codeOf = (options: Parameters<typeof NbdClient.connect>[0]): Promise<string> =>
    NbdClient.connect(options).then(
      () => 'connected',
      (error: { code: string }) => error.code,
    );
  assert.is(await codeOf({ address: unix, exportName: 'none' }), 'ERR_NBD_NEGOTIATION');
  assert.is(await codeOf({ address: { kind: 'tcp', host: '127.0.0.1', port: 1 } }), 'ERR_NBD_CONNECT');
  for (const [sent, code] of [
    ['220 mail.example.org ESMTP ready', 'ERR_NBD_NEGOTIATION'],
    ['', 'ERR_NBD_CONNECT'],
  ]) {
    const sockets: Socket[] = [];
    const foreign = createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      socket.write(sent as string);
    });
    await new Promise<void>((resolve) => void foreign.listen(0, '127.0.0.1', () => resolve()));
    const { port } = foreign.address() as { port: number };
    assert.is(await codeOf({ address: { kind: 'tcp', host: '127.0.0.1', port }, timeoutMs: 100 }), code);
    for (const socket of sockets) socket.destroy();
    foreign.close();
  }
});

test.run();
