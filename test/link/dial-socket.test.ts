/** A dialled link over real sockets: what the receiver of ws does for other WebSockets, links do too, whoever reads their frames. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type WebSocket, WebSocketServer } from 'ws';
import { dialSocket } from '../../src/link/dial-socket.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { encodeMessage } from '../../src/record/wire.ts';
import { concatenate, encodeSync, encodeWrite, MESSAGES, WRITE } from '../record/samples.ts';
import { until } from '../support/until.ts';

interface Ends {
  /** The dialled end, the listening end, and the socket under it. */
  readonly near: WebSocket;
  readonly far: WebSocket;
  readonly raw: Socket;
  /** Messages of the dialled end: as they came, and a copy of each. */
  readonly messages: { readonly bytes: Buffer; readonly copy: Buffer; readonly isBinary: boolean }[];
  /** How the dialled end was closed, and its error. */
  readonly closed: Promise<{ code: number; error: string | null }>;
}

async function withEnds(run: (ends: Ends) => Promise<void>): Promise<void> {
  const http: Server = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<{ far: WebSocket; raw: Socket }>((resolve) => {
    server.once('connection', (far, request) => resolve({ far, raw: request.socket }));
  });
  const near = dialSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const messages: Ends['messages'] = [];
  near.on('message', (data, isBinary) => {
    const bytes = data as Buffer;
    messages.push({ bytes, copy: Buffer.from(bytes), isBinary });
  });
  let error: string | null = null;
  near.on('error', (found) => {
    error = found.message;
  });
  const closed = new Promise<{ code: number; error: string | null }>((resolve) => {
    near.on('close', (code) => resolve({ code, error }));
  });
  await new Promise((resolve) => near.once('open', resolve));
  const { far, raw } = await accepted;
  far.on('error', () => {});
  raw.on('error', () => {});
  try {
    await run({ near, far, raw, messages, closed });
  } finally {
    near.terminate();
    far.terminate();
    server.close();
    http.close();
    http.closeAllConnections();
  }
}

const records = concatenate(encodeWrite(WRITE), encodeSync());

test('messages of every size come as they were sent, in order', () =>
  withEnds(async ({ far, messages }) => {
    const large = new Uint8Array(LIMITS.messageBytesMax - 7).map((_, index) => index * 7);
    const sent = [records, encodeMessage(MESSAGES.head), large, new Uint8Array(0), records, new Uint8Array(65_536).fill(3), records];
    for (const bytes of sent) far.send(bytes);
    await until('all messages', () => messages.length === sent.length);
    for (const [index, bytes] of sent.entries()) assert.ok(messages[index]?.copy.equals(bytes), `message ${index}`);
    assert.ok(messages.every(({ isBinary }) => isBinary));
  }));

test('records are views into one slab, and every other message is its own', () =>
  withEnds(async ({ far, messages }) => {
    const head = encodeMessage(MESSAGES.head);
    for (let round = 0; round < 4; round += 1) {
      far.send(records);
      far.send(head);
      await until('both', () => messages.length === 2 * round + 2);
    }
    const slabs = new Set(messages.filter((_, index) => index % 2 === 0).map(({ bytes }) => bytes.buffer));
    assert.is(slabs.size, 1);
    for (const { bytes } of messages.filter((_, index) => index % 2 === 1)) {
      assert.not.ok(slabs.has(bytes.buffer));
      assert.ok(bytes.equals(head), 'still what it was');
    }
  }));

test('fragments, pings and text are what they are to ws, and the link goes on', () =>
  withEnds(async ({ near, far, messages }) => {
    let pings = 0;
    let pongs = 0;
    near.on('ping', () => void (pings += 1));
    far.on('pong', () => void (pongs += 1));
    far.send(records);
    far.ping('are you there');
    far.send(records);
    far.send(records.subarray(0, 100), { fin: false });
    far.send(records.subarray(100), { fin: true });
    far.send('text');
    far.send(records);
    await until('all of it', () => messages.length === 5 && pings === 1 && pongs === 1);
    for (const index of [0, 1, 2, 4]) assert.ok(messages[index]?.copy.equals(records), `message ${index}`);
    assert.not.ok(messages[3]?.isBinary);
  }));

test('a close, with its code, comes after the messages before it, and is answered', () =>
  withEnds(async ({ far, messages, closed }) => {
    const answered = new Promise<number>((resolve) => {
      far.on('close', resolve);
    });
    far.send(records);
    far.close(4001, 'why');
    assert.equal(await closed, { code: 4001, error: null });
    assert.is(await answered, 4001);
    assert.is(messages.length, 1);
  }));

test('this end closes: what was sent before still goes out, and the code arrives', () =>
  withEnds(async ({ near, far, closed }) => {
    const got: Buffer[] = [];
    far.on('message', (data) => void got.push(data as Buffer));
    const end = new Promise<number>((resolve) => {
      far.on('close', resolve);
    });
    near.send(records);
    near.close(4003, 'wait');
    assert.is(await end, 4003);
    assert.is((await closed).code, 4003);
    assert.ok(got[0]?.equals(records));
  }));

const BROKEN: Readonly<Record<string, { bytes: number[]; code: number; error: RegExp }>> = {
  'a masked frame': { bytes: [0x82, 0x81, 1, 2, 3, 4, 5], code: 1006, error: /MASK must be clear/ },
  'a reserved bit': { bytes: [0xa2, 0x01, 1], code: 1006, error: /RSV/ },
  'an unknown opcode': { bytes: [0x83, 0x01, 1], code: 1006, error: /invalid opcode 3/ },
  'a length above the limit': { bytes: [0x82, 127, 0, 0, 0, 0, 0, 0x80, 0, 1], code: 1006, error: /Max payload size exceeded/ },
  'a length beyond 2^53': { bytes: [0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255], code: 1006, error: /2\^53/ },
};
for (const [name, { bytes, code, error }] of Object.entries(BROKEN)) {
  test(`what breaks the WebSocket protocol ends the link as ws ends it: ${name}`, () =>
    withEnds(async ({ far, raw, messages, closed }) => {
      far.send(records);
      raw.write(Buffer.from(bytes));
      const end = await closed;
      assert.is(end.code, code);
      assert.match(end.error ?? '', error);
      assert.is(messages.length, 1);
    }));
}

test('a connection that ends in the middle of a frame is an abnormal end, and nothing of the frame is delivered', () =>
  withEnds(async ({ far, raw, messages, closed }) => {
    far.send(records);
    await until('the message', () => messages.length === 1);
    raw.end(Buffer.from([0x82, 126, 1, 0, 70, 83]));
    assert.is((await closed).code, 1006);
    assert.is(messages.length, 1);
  }));

test('frames that come in one piece with the answer to the handshake are not lost', async () => {
  const http = createServer();
  http.on('upgrade', (request, socket) => {
    const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    (socket as Socket).cork();
    server.handleUpgrade(request, socket, Buffer.alloc(0), (far) => {
      far.send(records);
      far.send(encodeMessage(MESSAGES.head));
      process.nextTick(() => (socket as Socket).uncork());
      setTimeout(() => far.send(records), 50);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const near = dialSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const messages: Buffer[] = [];
  near.on('message', (data) => void messages.push(Buffer.from(data as Buffer)));
  await until('three messages', () => messages.length === 3);
  assert.ok(messages[0]?.equals(records) && messages[2]?.equals(records));
  near.terminate();
  http.close();
  http.closeAllConnections();
});

test('nobody listens: an error, then a close, as of any WebSocket', async () => {
  const near = dialSocket('ws+unix:/nowhere/at/all');
  const events: string[] = [];
  near.on('error', (error) => void events.push(error.message));
  await new Promise((resolve) => near.once('close', resolve));
  assert.is(events.length, 1);
  assert.match(events[0] ?? '', /ENOENT/);
});

test.run();
