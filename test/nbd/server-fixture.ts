/** A server over a memory backend on TCP and a Unix socket, and what its tests need around it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { encodeRequest, NbdReplyError } from '../../src/nbd/client.ts';
import { encodeGo, encodeOption } from '../../src/nbd/client-negotiation.ts';
import { NBD_OPTION } from '../../src/nbd/constants.ts';
import type { NbdErrno } from '../../src/nbd/contract.ts';
import type { ListenAddress } from '../../src/model/addresses.ts';
import { NbdServer } from '../../src/nbd/server.ts';
import type { NbdEvent } from '../../src/nbd/server.ts';
import { MemoryBackend } from '../support/memory-backend.ts';
import type { MemoryBackendOptions } from '../support/memory-backend.ts';

export interface Running {
  readonly folder: string;
  readonly backend: MemoryBackend;
  readonly server: NbdServer;
  readonly tcp: ListenAddress;
  readonly unix: ListenAddress;
  readonly events: NbdEvent[];
}

const cleanups: (() => Promise<void>)[] = [];

export async function startServer(options: MemoryBackendOptions = {}): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-nbd-'));
  const backend = new MemoryBackend(options);
  const events: NbdEvent[] = [];
  const unix: ListenAddress = { kind: 'unix', path: join(folder, 'nbd.sock') };
  const server = new NbdServer({
    backend,
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }, unix],
    onEvent: (event) => void events.push(event),
  });
  cleanups.push(async () => {
    await server.stop({ timeoutMs: 0 });
    rmSync(folder, { recursive: true, force: true });
  });
  await server.start();
  return { folder, backend, server, tcp: server.addresses()[0] as ListenAddress, unix, events };
}

/** To be called after each test. */
export async function stopServers(): Promise<void> {
  for (const cleanup of cleanups.splice(0)) await cleanup();
}

export async function errnoOfCall(call: Promise<unknown>): Promise<NbdErrno> {
  try {
    await call;
    return 0;
  } catch (error) {
    if (error instanceof NbdReplyError) return error.errno;
    throw error;
  }
}

/** A raw socket that has negotiated the default export; what the server sends is thrown away. */
export async function rawTransmission(address: ListenAddress): Promise<Socket> {
  assert.is(address.kind, 'unix');
  const socket = connect({ path: address.kind === 'unix' ? address.path : '' });
  socket.on('error', () => {});
  socket.write(Buffer.concat([Buffer.from([0, 0, 0, 3]), encodeOption(NBD_OPTION.go, encodeGo(''))]));
  // Greeting, INFO export, INFO block size, ACK: whatever comes after belongs to the test.
  let missing = 18 + 32 + 34 + 20;
  await new Promise<void>((resolve) => {
    socket.on('data', function negotiated(chunk: Buffer): void {
      missing -= chunk.length;
      if (missing > 0) return;
      socket.off('data', negotiated);
      resolve();
    });
  });
  assert.is(missing, 0);
  return socket;
}

export function requestBytes(command: 'read' | 'write' | 'flush' | 'disconnect', cookie: number, offset = 0, lengthBytes = 0): Buffer {
  return encodeRequest({ command, cookie, flags: 0, offset, lengthBytes });
}
