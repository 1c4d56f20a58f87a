/** The server side of NBD: what a client sends, in any pieces, into the real connection over a backend in memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { BufferPool } from '../../src/nbd/buffer-pool.ts';
import { encodeContextQuery, encodeGo, encodeOption } from '../../src/nbd/client-negotiation.ts';
import { NbdConnection, type ConnectionContext } from '../../src/nbd/connection.ts';
import { NBD_COMMAND, NBD_MAGIC, NBD_OPTION } from '../../src/nbd/constants.ts';
import { createNbdCounters, type NbdEndReason } from '../../src/nbd/counters.ts';
import { Negotiation } from '../../src/nbd/negotiation.ts';
import { checkoutFolder, parseHex } from '../support/golden.ts';
import { MemoryBackend, memoryExport } from '../support/memory-backend.ts';
import { judgeAnswers, judgeOptionReplies, numberRequests, readReplies, readRequests } from './nbd-judge.ts';
import { NbdTestSocket } from './nbd-socket.ts';
import { must, type Input, type Target } from './target.ts';

/** The exports of the golden negotiations, small. */
const EXPORTS = [memoryExport('db1', 65_536), memoryExport('logs', 8192, { readOnly: true })];
const TURNS_MAX = 5_000;

const flags = Buffer.from([0, 0, 0, 3]);
const structured = encodeOption(NBD_OPTION.structuredReply, Buffer.alloc(0));
const go = (name: string): Buffer => encodeOption(NBD_OPTION.go, encodeGo(name));

function request(
  command: number,
  options: { flags?: number; cookie?: number; offset?: number; lengthBytes?: number; payload?: Uint8Array } = {},
): Buffer {
  const { cookie = 1, offset = 0, payload = new Uint8Array(0), lengthBytes = payload.length } = options;
  const header = Buffer.alloc(28);
  header.writeUInt32BE(NBD_MAGIC.request, 0);
  header.writeUInt16BE(options.flags ?? 0, 4);
  header.writeUInt16BE(command, 6);
  header.writeUInt32BE(cookie, 12);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(lengthBytes, 24);
  return Buffer.concat([header, payload]);
}

/** What the clients of the golden negotiations send. */
function fixtures(): Uint8Array[] {
  const folder = join(checkoutFolder(), 'fixtures/nbd');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.hex'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .map((text) => parseHex(text.replace(/^S.*$/gm, '').replace(/^C/gm, '')));
}

const session = Buffer.concat([
  request(NBD_COMMAND.write, { cookie: 1, payload: Buffer.alloc(1024, 7) }),
  request(NBD_COMMAND.read, { cookie: 2, offset: 512, lengthBytes: 1024 }),
  request(NBD_COMMAND.writeZeroes, { cookie: 3, offset: 512, lengthBytes: 512, flags: 1 }),
  request(NBD_COMMAND.flush, { cookie: 4 }),
  request(NBD_COMMAND.trim, { cookie: 5, offset: 4096, lengthBytes: 4096 }),
  request(NBD_COMMAND.cache, { cookie: 6, lengthBytes: 4096 }),
  request(NBD_COMMAND.blockStatus, { cookie: 7, lengthBytes: 4096 }),
  request(99, { cookie: 8 }),
  request(NBD_COMMAND.write, { cookie: 9, offset: 65_536, payload: Buffer.alloc(512, 9) }),
  request(NBD_COMMAND.read, { cookie: 10, lengthBytes: 4096 }),
]);

/** More requests than may be under way at once. */
const storm = Buffer.concat(
  Array.from({ length: 600 }, (_, index) => request(NBD_COMMAND.read, { cookie: index, offset: 512 * (index % 100), lengthBytes: 512 })),
);
const contextOption = encodeOption(NBD_OPTION.setMetaContext, encodeContextQuery('db1'));
const manyOptions = Buffer.concat(Array.from({ length: 70 }, () => encodeOption(NBD_OPTION.list, Buffer.alloc(0))));

const anyRequest = fc
  .record({
    command: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 7 }) }, fc.integer({ min: 0, max: 65_535 })),
    flags: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 0, 1) }, fc.integer({ min: 0, max: 65_535 })),
    cookie: fc.nat(0xffff_ffff),
    offset: fc.oneof({ weight: 5, arbitrary: fc.nat(130).map((block) => block * 512) }, fc.maxSafeNat()),
    lengthBytes: fc.oneof(
      { weight: 6, arbitrary: fc.nat(16).map((blocks) => blocks * 512) },
      fc.constantFrom(1, 2 ** 25, 2 ** 25 + 512, 2 ** 32 - 1),
    ),
  })
  .map(({ command, ...rest }) =>
    command === NBD_COMMAND.write && rest.lengthBytes <= 8192
      ? request(command, { ...rest, payload: Buffer.alloc(rest.lengthBytes, rest.cookie & 0xff) })
      : request(command, rest),
  );

const anyOption = fc
  .tuple(
    fc.integer({ min: 1, max: 12 }),
    fc.oneof(fc.constantFrom(encodeGo('db1'), encodeGo('logs'), encodeGo('none'), Buffer.alloc(0)), fc.uint8Array({ maxLength: 60 })),
  )
  .map(([option, data]) => encodeOption(option, Buffer.from(data)));

/** The bytes of one client; the pieces are made by `run`. */
const generator = fc
  .tuple(fc.array(anyOption, { maxLength: 4 }), fc.boolean(), fc.constantFrom('db1', 'logs', ''), fc.array(anyRequest, { maxLength: 30 }))
  .map(([options, isStructured, name, requests]) => [
    new Uint8Array(Buffer.concat([flags, ...(isStructured ? [structured] : []), ...options, go(name), ...requests])),
  ]);

export const nbdTarget: Target = {
  name: 'nbd',
  property:
    'each request is answered once, truly and in bounds, or the connection is closed; the pieces in which bytes come change nothing',
  golden: [
    ...fixtures().map((bytes) => [bytes]),
    [new Uint8Array(Buffer.concat([flags, go('db1'), session, request(NBD_COMMAND.disconnect)]))],
    [new Uint8Array(Buffer.concat([flags, structured, contextOption, go(''), session]))],
    [new Uint8Array(Buffer.concat([flags, structured, contextOption, go('db1'), storm]))],
    [new Uint8Array(Buffer.concat([flags, manyOptions, go('db1')]))],
    [new Uint8Array(Buffer.concat([flags, structured, go('logs'), session]))],
  ],
  generator,
  testInputs: 1_200,
  mustReach: [
    'disconnect',
    'hangUp',
    'truncated',
    'abort',
    'requestMagic',
    'optionMagic',
    'optionTooBig',
    'optionBeforeFixed',
    'unknownExport',
    'clientFlags',
  ],
  run: async ([bytes = new Uint8Array(0)]: Input): Promise<string> => {
    const client = Buffer.from(bytes);
    const { outcome } = new Negotiation(EXPORTS).push(client);
    if (outcome?.kind === 'transmission') numberRequests(client.subarray(client.length - outcome.rest.length));
    const whole = await connect(client, client.length);
    const pieces = await connect(client, 1 + (client.reduce((sum, byte) => sum + byte, 0) % 97));
    must(whole.reason === pieces.reason, `whole: ${whole.reason}, in pieces: ${pieces.reason}`);
    judge(client, pieces);
    judge(client, whole);
    return whole.reason;
  },
};

interface Ended {
  readonly reason: NbdEndReason;
  readonly output: Buffer;
  readonly memory: readonly Buffer[];
  readonly isSlow: boolean;
}

/** One client from its first byte to the end of its connection. */
async function connect(client: Buffer, pieceBytes: number): Promise<Ended> {
  const isSlow = pieceBytes < client.length;
  const socket = new NbdTestSocket(isSlow);
  // A slow socket has a backend beside it that answers in later turns and in another order.
  const backend = new MemoryBackend({ exports: EXPORTS, replies: isSlow ? 'later' : 'now' });
  const pool = new BufferPool(0);
  const counters = createNbdCounters();
  const end: { reason: NbdEndReason | null } = { reason: null };
  const context: ConnectionContext = {
    backend,
    pool,
    counters,
    flushLater: (connection) => void setImmediate(() => connection.flush()),
    ended: (_, why) => {
      must(end.reason === null, 'a connection ends once');
      end.reason = why;
    },
  };
  const connection = new NbdConnection(socket.asSocket, context, { id: 1, peer: 'fuzz', receiver: null });
  for (let at = 0; at < client.length && !socket.destroyed; at += pieceBytes) socket.push(client.subarray(at, at + pieceBytes));
  if (!socket.destroyed) socket.push(null);
  for (let turns = 0; end.reason === null; turns += 1) {
    must(turns < TURNS_MAX, 'a connection ends when its client has ended');
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { reason } = end;
  // What the backend still has it finishes silently.
  for (let turns = 0; connection.busy && turns < TURNS_MAX; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  must(pool.lent === 0, `${pool.lent} buffers are never given back`);
  must(!connection.busy, 'nothing is under way on a connection that ended');
  return { reason, output: Buffer.concat(socket.output), memory: backend.memory, isSlow };
}

function judge(client: Buffer, { reason, output, memory, isSlow }: Ended): void {
  const { outcome } = new Negotiation(EXPORTS).push(client);
  if (outcome?.kind !== 'transmission') {
    judgeOptionReplies(output, null, false);
    must(outcome === null ? reason === 'hangUp' : reason === outcome.reason, `the option phase ended with ${reason}`);
    return;
  }
  const entry = EXPORTS[outcome.agreement.exportIndex] as (typeof EXPORTS)[number];
  const { requests, rest } = readRequests(outcome.rest);
  const expectedReason = { none: 'hangUp', disconnect: 'disconnect', violation: 'requestMagic', truncated: 'truncated' }[rest];
  must(reason === expectedReason, `it ended with ${reason}, expected ${expectedReason}`);
  // What had not left when the connection was cut is lost, from any byte on.
  if (rest === 'violation' && isSlow) return;
  const chosenByName = lastOption(client.subarray(4, client.length - outcome.rest.length)) === NBD_OPTION.exportName;
  const begin = judgeOptionReplies(output, chosenByName ? 'exportName' : 'go', ((client[3] ?? 0) & 2) === 0);
  const reads = new Map(requests.map(({ cookie, command, lengthBytes }) => [cookie, command === NBD_COMMAND.read ? lengthBytes : 0]));
  const replies = readReplies(output.subarray(begin), (cookie) => reads.get(cookie) ?? 0);
  must(replies.length <= requests.length, 'no reply without a request');
  const expected = judgeAnswers(requests, replies, { entry, inOrder: !isSlow && rest !== 'violation' });
  // A client that breaks the protocol loses what was under way; any other has every answer.
  if (rest !== 'violation') {
    must(replies.length === requests.length, `${requests.length} requests, ${replies.length} replies (${reason})`);
    must(isSlow || (memory[outcome.agreement.exportIndex] as Buffer).equals(expected), 'the export holds what was answered');
  }
}

function lastOption(options: Buffer): number {
  let option = 0;
  for (let at = 0; at + 16 <= options.length; at += 16 + options.readUInt32BE(at + 12)) option = options.readUInt32BE(at + 8);
  return option;
}
