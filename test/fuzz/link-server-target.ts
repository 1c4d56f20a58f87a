/**
 * What stands before a link's messages: bytes of a client into the real server for links, over TCP, in the pieces of the input. HTTP and
 * frames are parsed by Node and ws; judged is what Farshore makes of them: limits, closes, and that the next client is served.
 */
import { connect } from 'node:net';
import fc from 'fast-check';
import type { Link } from '../../src/link/link.ts';
import { LinkServer } from '../../src/link/link-server.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { encodeMessage } from '../../src/record/wire.ts';
import { MESSAGES } from '../record/samples.ts';
import { turns } from './link-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const MASK = Buffer.from([1, 2, 3, 4]);
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const upgrade = Buffer.from(
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
);

/** A masked frame, as a client sends it. @param statedBytes what the frame says of its length */
function frame(opcode: number, payload: Uint8Array, options: { fin?: boolean; statedBytes?: number } = {}): Buffer {
  const { fin = true, statedBytes = payload.length } = options;
  const masked = Buffer.from(payload).map((byte, index) => byte ^ (MASK[index & 3] ?? 0));
  const length =
    statedBytes < 126
      ? Buffer.from([0x80 | statedBytes])
      : statedBytes < 65_536
        ? Buffer.from([0xfe, statedBytes >> 8, statedBytes & 255])
        : Buffer.concat([Buffer.from([0xff]), Buffer.from(BigInt(statedBytes).toString(16).padStart(16, '0'), 'hex')]);
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode]), length, MASK, masked]);
}

const hello = encodeMessage(MESSAGES.hello);
const ack = encodeMessage(MESSAGES.acknowledge);

const anyFrame = fc
  .tuple(
    fc.oneof(fc.constantFrom(...Object.values(OPCODE)), fc.nat(15)),
    fc.oneof(fc.constantFrom(hello, ack), fc.uint8Array({ maxLength: 200 })),
    fc.boolean(),
    fc.option(fc.constantFrom(0, 126, 65_536, LIMITS.messageBytesMax, LIMITS.messageBytesMax + 1, 2 ** 31, Number.MAX_SAFE_INTEGER), {
      freq: 8,
    }),
  )
  .map(([opcode, payload, fin, stated]) => frame(opcode, payload, stated === null ? { fin } : { fin, statedBytes: stated }));

export const linkServerTarget: Target = {
  name: 'link-server',
  property: 'whatever a client sends, its messages are bounded, its connection ends with it, and the next client is served (I11)',
  golden: [
    [upgrade, frame(OPCODE.binary, hello), frame(OPCODE.binary, ack)],
    [
      upgrade,
      frame(OPCODE.binary, hello.subarray(0, 100), { fin: false }),
      frame(OPCODE.ping, ack.subarray(0, 20)),
      frame(OPCODE.continuation, hello.subarray(100)),
    ],
    [upgrade, frame(OPCODE.text, Buffer.from('text')), frame(OPCODE.close, Buffer.from([3, 232]))],
    [upgrade, frame(OPCODE.binary, new Uint8Array(0)), frame(OPCODE.binary, ack, { statedBytes: 2 ** 40 })],
    [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
    [Buffer.from('hello?\r\n\r\n')],
  ],
  generator: fc.array(anyFrame, { maxLength: 6 }).map((frames) => [upgrade, ...frames]),
  testInputs: 450,
  mustReach: ['messages', 'no link', 'link'],
  run: async (pieces: Input): Promise<string> => {
    const open = new Set<Link>();
    let links = 0;
    let messages = 0;
    const server = new LinkServer({
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
      handlers: {
        opened: (link) => {
          links += 1;
          open.add(link);
        },
        message: (link, bytes) => {
          must(open.has(link) && bytes.length <= LIMITS.messageBytesMax, 'a message is of an open link, and bounded');
          messages += 1;
          link.send(ack);
        },
        drained: () => {},
        closed: (link) => must(open.delete(link), 'a link is closed once'),
      },
    });
    await server.start();
    try {
      await send(server, pieces);
      for (let count = 0; open.size > 0; count += 1) {
        must(count < 2_000, 'a link ends when its client has ended');
        await turns(1);
      }
      const before = links;
      const answer = await send(server, [upgrade, frame(OPCODE.binary, ack)]);
      must(answer.includes('101 Switching Protocols') && links === before + 1, 'the next client is served');
      return messages > 1 ? 'messages' : before > 0 ? 'link' : 'no link';
    } finally {
      server.stop();
    }
  },
};

/** One client from its first byte to the end of its connection; what it was answered. */
function send(server: LinkServer, pieces: readonly Uint8Array[]): Promise<string> {
  const [address] = server.addresses();
  if (address?.kind !== 'tcp') throw new Error('the server listens on TCP');
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    let answer = '';
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1');
    });
    // A server that closes in the middle of what is sent resets the connection.
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
    const next = (index: number): void => {
      const piece = pieces[index];
      if (piece === undefined || socket.destroyed) socket.end();
      else socket.write(piece, () => setImmediate(next, index + 1));
    };
    socket.on('connect', () => next(0));
  });
}
