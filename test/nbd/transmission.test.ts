import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { BufferPool } from '../../src/nbd/buffer-pool.ts';
import type { PooledBuffer } from '../../src/nbd/buffer-pool.ts';
import { encodeRequest } from '../../src/nbd/client.ts';
import { NBD_COMMAND_FLAG } from '../../src/nbd/constants.ts';
import type { NbdCommandName } from '../../src/nbd/constants.ts';
import { NBD_ERRNO } from '../../src/nbd/contract.ts';
import { TransmissionParser, validateRequest } from '../../src/nbd/transmission.ts';
import type { RequestHeader, TransmissionFacts, TransmissionSink } from '../../src/nbd/transmission.ts';

const SIZE_BYTES = 1024 * 1024;
const FACTS: TransmissionFacts = { sizeBytes: SIZE_BYTES, readOnly: false, structured: true, allocationContext: true, shuttingDown: false };

/** Gathers what the parser finds, in a form that can be compared. */
class RecordingSink implements TransmissionSink {
  readonly found: string[] = [];
  readonly pooled: PooledBuffer[] = [];
  room = Number.POSITIVE_INFINITY;
  violations = 0;

  admits(): boolean {
    return this.found.length < this.room;
  }

  received(header: RequestHeader, payload: Uint8Array | null, pooled: PooledBuffer | null): void {
    const { command, flags, cookieLow, offset, lengthBytes, errno } = header;
    const content = payload === null ? '-' : Buffer.from(payload).toString('hex');
    this.found.push([command, flags, cookieLow, offset, lengthBytes, errno, content].join(' '));
    if (pooled !== null) this.pooled.push(pooled);
  }

  violated(): void {
    this.violations += 1;
  }
}

function createParser(facts: TransmissionFacts = FACTS): { parser: TransmissionParser; sink: RecordingSink; pool: BufferPool } {
  const sink = new RecordingSink();
  const pool = new BufferPool();
  return { parser: new TransmissionParser({ facts, sink, pool }), sink, pool };
}

function request(command: NbdCommandName, offset: number, lengthBytes: number, options: { flags?: number; cookie?: number } = {}): Buffer {
  return encodeRequest({ command, cookie: options.cookie ?? 1, flags: options.flags ?? 0, offset, lengthBytes });
}

const PAYLOAD = Buffer.from(Array.from({ length: 1024 }, (_, index) => (index * 7) % 256));
const STREAM = Buffer.concat([
  request('write', 512, 1024, { cookie: 1, flags: NBD_COMMAND_FLAG.fua }),
  PAYLOAD,
  request('read', 0, 4096, { cookie: 2, flags: NBD_COMMAND_FLAG.df }),
  request('write', 512, 1024, { cookie: 3, flags: 0x4000 }),
  PAYLOAD,
  request('flush', 0, 0, { cookie: 4 }),
  request('writeZeroes', 0, 8192, { cookie: 5, flags: NBD_COMMAND_FLAG.noHole | NBD_COMMAND_FLAG.fastZero }),
  request('write', SIZE_BYTES, 1024, { cookie: 6 }),
  PAYLOAD,
  request('blockStatus', 0, 4096, { cookie: 7, flags: NBD_COMMAND_FLAG.reqOne }),
  request('write', 0, 1024, { cookie: 8 }),
  PAYLOAD,
  request('disconnect', 0, 0, { cookie: 9 }),
]);
const FOUND = [
  `write 1 1 512 1024 0 ${PAYLOAD.toString('hex')}`,
  'read 4 2 0 4096 0 -',
  'write 16384 3 512 1024 22 -',
  'flush 0 4 0 0 0 -',
  'writeZeroes 18 5 0 8192 0 -',
  `write 0 6 ${SIZE_BYTES} 1024 28 -`,
  'blockStatus 8 7 0 4096 0 -',
  `write 0 8 0 1024 0 ${PAYLOAD.toString('hex')}`,
  'disconnect 0 9 0 0 0 -',
];

test('a stream of requests is the same whole, byte by byte and in random pieces', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), (pieceBytes) => {
      const { parser, sink, pool } = createParser();
      for (let at = 0; at < STREAM.length; at += pieceBytes) parser.push(STREAM.subarray(at, at + pieceBytes));
      assert.equal(sink.found, FOUND);
      assert.is(pool.lent, sink.pooled.length);
      assert.not(parser.insideRequest);
    }),
    { numRuns: 100, examples: [[STREAM.length], [1]] },
  );
});

test('a payload inside one chunk is a view of it, another is assembled', () => {
  const { parser, sink, pool } = createParser();
  const chunk = Buffer.concat([request('write', 0, 1024), PAYLOAD]);
  let seen: Uint8Array | null = null;
  const received = sink.received.bind(sink);
  sink.received = (header, payload, pooled) => {
    seen = payload;
    received(header, payload, pooled);
  };
  parser.push(chunk);
  assert.is((seen as Uint8Array | null)?.buffer, chunk.buffer);
  assert.is(pool.lent, 0);
  parser.push(chunk.subarray(0, 600));
  parser.push(chunk.subarray(600));
  assert.is(pool.lent, 1);
  assert.is(sink.found[0], sink.found[1]);
});

test('without room the parser stops in front of a request and goes on where it was', () => {
  for (const pieceBytes of [STREAM.length, 100, 28, 1]) {
    const { parser, sink } = createParser();
    sink.room = 0;
    for (let at = 0; at < STREAM.length; at += pieceBytes) parser.push(STREAM.subarray(at, at + pieceBytes));
    assert.ok(parser.stopped);
    for (let room = 1; room <= FOUND.length; room += 1) {
      sink.room = room;
      parser.resume();
      assert.equal(sink.found, FOUND.slice(0, room));
    }
  }
});

test('a wrong magic ends the parsing, as soon as its four bytes are there', () => {
  const { parser, sink } = createParser();
  parser.push(STREAM.subarray(0, 28 + 1024));
  parser.push(Buffer.from('GE'));
  assert.is(sink.violations, 0);
  parser.push(Buffer.from('T / HTTP/1.1'));
  parser.push(STREAM);
  assert.is(sink.violations, 1);
  assert.is(sink.found.length, 1);
});

test('the end gives the buffer of an unfinished payload back', () => {
  const { parser, pool } = createParser();
  parser.push(STREAM.subarray(0, 200));
  assert.is(pool.lent, 1);
  assert.ok(parser.insideRequest);
  parser.end();
  assert.is(pool.lent, 0);
});

test('a payload beyond the limit is consumed without being stored', () => {
  const { parser, sink, pool } = createParser({ ...FACTS, sizeBytes: 2 ** 40 });
  const lengthBytes = LIMITS.nbdPayloadBytesMax + 512;
  parser.push(request('write', 0, lengthBytes));
  const piece = Buffer.alloc(64 * 1024);
  for (let left = lengthBytes; left > 0; left -= piece.length) parser.push(piece.subarray(0, Math.min(left, piece.length)));
  parser.push(request('read', 0, 512, { cookie: 2 }));
  assert.equal(sink.found, [`write 0 1 0 ${lengthBytes} 22 -`, 'read 0 2 0 512 0 -']);
  assert.is(pool.lent + pool.retainedBytes, 0);
});

const { fua, df, reqOne, fastZero, noHole } = NBD_COMMAND_FLAG;
const RW = FACTS;
const RO = { ...FACTS, readOnly: true };
const PLAIN = { ...FACTS, structured: false, allocationContext: false };
const STOPPING = { ...FACTS, shuttingDown: true };
type Row = readonly [
  facts: TransmissionFacts,
  command: NbdCommandName | null,
  flags: number,
  offset: number,
  lengthBytes: number,
  errno: keyof typeof NBD_ERRNO,
];
const VERDICTS: readonly Row[] = [
  [RW, 'read', 0, 0, 512, 'ok'],
  [RW, 'read', fua | df, SIZE_BYTES - 512, 512, 'ok'],
  [PLAIN, 'read', df, 0, 512, 'EINVAL'],
  [RW, 'read', 0, SIZE_BYTES, 512, 'EINVAL'],
  [RW, 'read', 0, 2 ** 63, 512, 'EINVAL'],
  [RW, 'read', 0, 256, 512, 'EINVAL'],
  [RW, 'read', 0, 0, 100, 'EINVAL'],
  [RW, 'read', 0, 0, 0, 'EINVAL'],
  [RW, 'read', reqOne, 0, 512, 'EINVAL'],
  [{ ...RW, sizeBytes: 2 ** 40 }, 'read', 0, 0, LIMITS.nbdPayloadBytesMax, 'ok'],
  [{ ...RW, sizeBytes: 2 ** 40 }, 'read', 0, 0, LIMITS.nbdPayloadBytesMax + 512, 'EINVAL'],
  [{ ...RW, sizeBytes: 2 ** 40 }, 'write', 0, 0, LIMITS.nbdPayloadBytesMax + 512, 'EINVAL'],
  [{ ...RW, sizeBytes: 2 ** 40 }, 'trim', 0, 0, 2 ** 32 - 512, 'ok'],
  [RW, 'write', fua, 0, 512, 'ok'],
  [RW, 'write', df, 0, 512, 'EINVAL'],
  [RW, 'write', 0, SIZE_BYTES - 512, 1024, 'ENOSPC'],
  [RW, 'write', 0, 2 ** 63, 512, 'ENOSPC'],
  [RW, 'write', 0, 1, 512, 'EINVAL'],
  [RW, 'write', 0, 0, 0, 'EINVAL'],
  [RO, 'write', 0, 0, 512, 'EPERM'],
  [RO, 'writeZeroes', 0, 0, 512, 'EPERM'],
  [RO, 'trim', 0, 0, 512, 'EPERM'],
  [RO, 'read', 0, 0, 512, 'ok'],
  [RO, 'flush', 0, 0, 0, 'ok'],
  [RW, 'writeZeroes', fua | noHole | fastZero, 0, SIZE_BYTES, 'ok'],
  [RW, 'writeZeroes', 0, 512, SIZE_BYTES, 'ENOSPC'],
  [RW, 'writeZeroes', reqOne, 0, 512, 'EINVAL'],
  [RW, 'trim', fua, 0, 512, 'ok'],
  [RW, 'trim', noHole, 0, 512, 'EINVAL'],
  [RW, 'trim', 0, SIZE_BYTES, 512, 'EINVAL'],
  [RW, 'flush', fua, 0, 0, 'ok'],
  [RW, 'flush', 0, 512, 0, 'EINVAL'],
  [RW, 'flush', 0, 0, 512, 'EINVAL'],
  [RW, 'cache', fua, 0, 512, 'ok'],
  [RW, 'cache', 0, SIZE_BYTES, 512, 'EINVAL'],
  [RW, 'blockStatus', reqOne, 0, SIZE_BYTES, 'ok'],
  [RW, 'blockStatus', 0, SIZE_BYTES, 512, 'EINVAL'],
  [PLAIN, 'blockStatus', 0, 0, 512, 'EINVAL'],
  [RW, null, 0, 0, 512, 'EINVAL'],
  [RW, 'read', 0x8000, 0, 512, 'EINVAL'],
  [STOPPING, 'write', 0, 0, 512, 'ESHUTDOWN'],
  [STOPPING, 'flush', 0, 0, 0, 'ESHUTDOWN'],
  [STOPPING, 'disconnect', 0, 0, 0, 'ok'],
];
for (const [facts, command, flags, offset, lengthBytes, errno] of VERDICTS) {
  const kind = facts === RO ? ' read-only' : facts === PLAIN ? ' plain' : facts === STOPPING ? ' stopping' : '';
  test(`${command ?? 'unknown command'} flags ${flags} ${offset}+${lengthBytes}${kind}: ${errno}`, () => {
    const header: RequestHeader = { command, flags, cookieHigh: 0, cookieLow: 0, offset, lengthBytes, errno: 0 };
    assert.is(validateRequest(header, facts), NBD_ERRNO[errno]);
  });
}

test('random bytes and flipped bits never throw, and lend no buffer that is not taken', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(STREAM.length - 1), fc.nat(7)), { maxLength: 8 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 500 }),
      (flips, tail, pieceBytes) => {
        const bytes = Buffer.concat([STREAM.subarray(0, STREAM.length - 28), tail]);
        for (const [position, bit] of flips) if (position < bytes.length) bytes[position] = (bytes[position] as number) ^ (1 << bit);
        for (const input of [bytes, Buffer.from(tail)]) {
          const { parser, sink, pool } = createParser();
          for (let at = 0; at < input.length; at += pieceBytes) parser.push(input.subarray(at, at + pieceBytes));
          parser.end();
          assert.is(pool.lent, sink.pooled.length);
          assert.ok(sink.found.length <= 100);
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test.run();
