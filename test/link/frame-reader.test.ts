/** Frames out of a slab: whatever the pieces in which they arrive, whole binary messages are delivered, and every other byte is passed on. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FrameReader } from '../../src/link/frame-reader.ts';

const MESSAGE_BYTES_MAX = 3 * 1024 * 1024;

interface Frame {
  readonly bytes: Buffer;
  readonly message: Buffer | null;
}

function frame(first: number, payload: Uint8Array, options: { masked?: boolean; statedBytes?: number } = {}): Buffer {
  const length = options.statedBytes ?? payload.length;
  const mask = options.masked === true ? 0x80 : 0;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = mask | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

const filled = (length: number, seed: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 255));
const binary = (length: number, seed = length): Frame => {
  const message = Buffer.alloc(length, filled(Math.min(length, 997), seed));
  return { bytes: frame(0x82, message), message };
};
const control = (first: 0x89 | 0x8a, length: number): Frame => ({ bytes: frame(first, filled(length, 7)), message: null });

class Reading {
  readonly delivered: Buffer[] = [];
  readonly passed: Buffer[] = [];
  readonly reader: FrameReader;
  windowBytesMax = 0;
  readonly slabs = new Set<ArrayBufferLike>();

  constructor(slabBytes = 300_000) {
    this.reader = new FrameReader({
      slabBytes,
      messageBytesMax: MESSAGE_BYTES_MAX,
      deliver: (message) => void this.delivered.push(Buffer.from(message)),
      pass: (bytes) => void this.passed.push(bytes),
    });
  }

  /** Let these bytes arrive in pieces, as a socket would bring them: never more than there is room for. */
  arrive(bytes: Buffer, pieces: Iterator<number> = [][Symbol.iterator]()): void {
    for (let at = 0; at < bytes.length;) {
      const window = this.reader.buffer();
      assert.ok(window.length > 0, 'there is room for a byte at least');
      this.windowBytesMax = Math.max(this.windowBytesMax, window.length);
      this.slabs.add(window.buffer);
      const piece = pieces.next();
      const count = Math.min(window.length, bytes.length - at, piece.done === true ? bytes.length : Math.max(1, piece.value));
      window.set(bytes.subarray(at, at + count));
      this.reader.took(count);
      at += count;
    }
  }
}

const lengths = fc.oneof(
  { weight: 6, arbitrary: fc.nat(300) },
  { weight: 3, arbitrary: fc.constantFrom(0, 125, 126, 127, 65_535, 65_536, 131_000, 300_000 - 10, 300_000) },
  { weight: 1, arbitrary: fc.constantFrom(700_000, MESSAGE_BYTES_MAX) },
);
const frames = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.tuple(lengths, fc.nat(255)).map(([length, seed]) => binary(length, seed)) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(0x89 as const, 0x8a as const), fc.nat(125)).map(([first, length]) => control(first, length)),
    },
  ),
  { maxLength: 12 },
);
const pieces = fc.array(fc.oneof(fc.nat(12), fc.nat(2000), fc.nat(300_000)), { maxLength: 300 });

test('in whatever pieces frames arrive, every message is delivered once, in order, and ping and pong go on whole', () => {
  fc.assert(
    fc.property(frames, pieces, (list, cuts) => {
      const reading = new Reading();
      reading.reader.begin();
      reading.arrive(Buffer.concat(list.map(({ bytes }) => bytes)), cuts[Symbol.iterator]());
      const messages = list.flatMap(({ message }) => (message === null ? [] : [message]));
      assert.is(reading.delivered.length, messages.length);
      for (const [index, message] of messages.entries()) assert.ok(reading.delivered[index]?.equals(message), `message ${index}`);
      const rest = list.filter(({ message }) => message === null).map(({ bytes }) => bytes);
      assert.equal(reading.passed, rest);
    }),
    { numRuns: 120 },
  );
});

test('from the first frame on that is neither a whole binary one nor ping or pong, all is passed on, whole messages too', () => {
  const strange: Readonly<Record<string, Buffer>> = {
    'a text': frame(0x81, filled(20, 1)),
    'a first fragment': frame(0x02, filled(200, 1)),
    'a continuation': frame(0x80, filled(20, 1)),
    'a close': frame(0x88, Buffer.from([3, 232])),
    'a reserved bit': frame(0xc2, filled(20, 1)),
    'a masked message': frame(0x82, filled(20, 1), { masked: true }),
    'a ping that is too long': frame(0x89, filled(126, 1)),
    'a ping in fragments': frame(0x09, filled(10, 1)),
    'a message that is too long': frame(0x82, filled(20, 1), { statedBytes: MESSAGE_BYTES_MAX + 1 }),
    'a length beyond 2^53': Buffer.concat([Buffer.from([0x82, 127, 255, 255, 255, 255, 0, 0, 0, 0]), filled(20, 1)]),
  };
  for (const [name, bytes] of Object.entries(strange)) {
    for (const size of [1, 3, 100_000]) {
      const reading = new Reading();
      reading.reader.begin();
      const before = binary(300);
      const after = Buffer.concat([bytes, binary(400).bytes, control(0x89, 5).bytes]);
      const cuts = Array.from({ length: 1000 }, () => size);
      reading.arrive(Buffer.concat([before.bytes, after]), cuts[Symbol.iterator]());
      assert.equal(reading.delivered, [before.message], name);
      assert.ok(Buffer.concat(reading.passed).equals(after), `${name}, ${size} bytes at a time: every byte, in order`);
    }
  }
});

test('before it is told to begin everything is passed on', () => {
  const reading = new Reading();
  reading.arrive(binary(100).bytes);
  assert.equal(reading.delivered, []);
  assert.ok(Buffer.concat(reading.passed).equals(binary(100).bytes));
  reading.reader.begin();
  reading.arrive(binary(100).bytes);
  assert.is(reading.delivered.length, 1);
});

test('I11: memory grows with the bytes that came and not with the length that a frame states, and shrinks again', () => {
  const reading = new Reading();
  reading.reader.begin();
  const large = binary(MESSAGE_BYTES_MAX);
  reading.arrive(large.bytes.subarray(0, 100_000));
  assert.is(reading.slabs.size, 1, 'no larger slab for what is only announced');
  reading.arrive(large.bytes.subarray(100_000));
  assert.ok(reading.delivered[0]?.equals(large.message as Buffer));
  for (const slab of reading.slabs) assert.ok(slab.byteLength <= MESSAGE_BYTES_MAX + 10);
  const first = reading.slabs.values().next().value;
  assert.is(reading.reader.buffer().buffer, first, 'the kept slab again');
});

test('what is delivered is not copied, and small reads go where the ones before went', () => {
  let seen: Buffer | null = null;
  const reader = new FrameReader({
    slabBytes: 300_000,
    messageBytesMax: MESSAGE_BYTES_MAX,
    deliver: (message) => {
      seen = message;
    },
    pass: () => assert.unreachable(),
  });
  reader.begin();
  for (let count = 0; count < 3; count += 1) {
    const window = reader.buffer();
    assert.is(window.byteOffset, 0);
    window.set(binary(5000, count).bytes);
    reader.took(5004);
    assert.is((seen as Buffer | null)?.buffer, window.buffer);
    assert.is((seen as Buffer | null)?.byteOffset, 4);
  }
});

test.run();
