import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from 'node:zlib';
import { CUT_REASON } from '../../src/model/commands.ts';
import type { CutReason } from '../../src/model/commands.ts';
import { LIMITS } from '../../src/model/limits.ts';
import type { DecodedRecord, DecodeResult, RecordPeek, WriteCommand } from '../../src/record/contract.ts';
import { encodedWriteBytes, NO_VLUN, RECORD_HEADER_BYTES, RecordReader, RecordWriter, SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import {
  concatenate,
  encodePad,
  encodeSync,
  encodeWrite,
  flip,
  NUMBERS,
  payload,
  RECORDS,
  STREAM,
  SYNC,
  TRIM,
  WRITE,
  ZERO,
} from './samples.ts';

/** Like fc.record, but without objects that have no prototype: decoded messages are plain objects. */
const plain = <T>(fields: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> => fc.record(fields, { noNullPrototype: true });
const id = fc.oneof(fc.maxSafeNat(), fc.nat(100), fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(2 ** 32));
const hexDigits = (digits: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: digits / 2, maxLength: digits / 2 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const stream = plain({ generation: fc.nat(0xffff_ffff), stream: hexDigits(16) });
const numbers = fc.tuple(id, id, id).map(([dataSet, a, b]) => ({ dataSet, firstSequence: Math.min(a, b), sequence: Math.max(a, b) }));

function decode(bytes: Uint8Array, offset = 0, end = bytes.length): DecodeResult {
  return new RecordReader(bytes).readAt(offset, end);
}

function decodeGood(bytes: Uint8Array, offset = 0): DecodedRecord {
  const result = decode(bytes, offset);
  assert.is(result.kind, 'record', JSON.stringify(result));
  return result as DecodedRecord;
}

/** Change header bytes of a copy and make the header checksum right again. */
function forge(record: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const bytes = record.slice();
  const view = new DataView(bytes.buffer);
  change(view);
  view.setUint32(76, crc32(bytes.subarray(0, 76)), true);
  return bytes;
}

test('a write, zero or trim command comes back as it was', () => {
  const command = plain({
    type: fc.constantFrom('write', 'zero', 'trim'),
    vlun: fc.nat(NO_VLUN - 1),
    lba: fc.nat(2 ** 31),
    blocks: fc.integer({ min: 1, max: 4 }),
    timeUs: id,
  });
  fc.assert(
    fc.property(command, numbers, stream, fc.nat(5), ({ type, blocks, ...rest }, given, of, eighths) => {
      const lengthBytes = blocks * 512;
      const data = type === 'write' ? payload(lengthBytes) : null;
      const write = { ...rest, type, lengthBytes, payload: data } as WriteCommand;
      const bytes = new Uint8Array(4096);
      const offset = eighths * 8;
      const encodedBytes = new RecordWriter(bytes).encodeWrite(offset, write, given, of);
      assert.is(encodedBytes, encodedWriteBytes(data === null ? 0 : lengthBytes));
      const found = decodeGood(bytes, offset);
      assert.equal(
        {
          type: found.type,
          vlun: found.vlun,
          lba: found.lba,
          lengthBytes: found.lengthBytes,
          timeUs: found.timeUs,
          payload: data === null ? null : bytes.slice(found.payloadOffset, found.payloadOffset + found.payloadBytes),
        },
        { ...write },
      );
      assert.equal({ dataSet: found.dataSet, firstSequence: found.firstSequence, sequence: found.sequence }, given);
      assert.equal({ generation: found.generation, stream: found.stream }, of);
      assert.is(found.encodedBytes, encodedBytes);
      assert.is(found.sync, null);
    }),
    { numRuns: 300 },
  );
});

test('a sync command comes back as it was', () => {
  const sync = plain({
    chain: hexDigits(32),
    incarnation: hexDigits(16),
    headBytes: id,
    reason: fc.constantFrom(...(Object.keys(CUT_REASON) as CutReason[])),
    timeUs: id,
  });
  fc.assert(
    fc.property(sync, numbers, stream, ({ timeUs, ...content }, { dataSet, firstSequence, sequence }, of) => {
      const found = decodeGood(encodeSync({ ...content, timeUs, dataSet, firstSequence, finalSequence: sequence }, of));
      assert.is(found.type, 'sync');
      assert.equal(found.sync, content);
      assert.equal([found.dataSet, found.firstSequence, found.sequence, found.timeUs], [dataSet, firstSequence, sequence, timeUs]);
      assert.is(found.encodedBytes, SYNC_RECORD_BYTES);
      assert.is(found.vlun, NO_VLUN);
    }),
  );
});

test('a pad may have any size that is a multiple of 8 and holds a header, and clears what was there', () => {
  const bytes = new Uint8Array(5000).fill(0xaa);
  const writer = new RecordWriter(bytes);
  for (let size = RECORD_HEADER_BYTES; size <= 4200; size += 8) {
    bytes.fill(0xaa);
    assert.is(writer.encodePad(8, size), size);
    const pad = decodeGood(bytes, 8);
    assert.equal([pad.type, pad.encodedBytes, bytes[7], bytes[8 + size]], ['pad', size, 0xaa, 0xaa]);
  }
  assert.throws(() => writer.encodePad(0, RECORD_HEADER_BYTES - 8));
  assert.throws(() => writer.encodePad(0, RECORD_HEADER_BYTES + 4));
});

test('a pad after a record of a stream does not change the next record', () => {
  const bytes = new Uint8Array(2048);
  const writer = new RecordWriter(bytes);
  let offset = writer.encodeWrite(0, ZERO, NUMBERS, STREAM);
  offset += writer.encodePad(offset, 96);
  writer.encodeWrite(offset, ZERO, NUMBERS, STREAM);
  assert.equal(bytes.slice(offset, offset + 80), bytes.slice(0, 80));
});

test('shared memory holds the same bytes, and the writer tells a header checksum where it wrote it', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4096), 512, 2048);
  const writer = new RecordWriter(shared);
  const first = writer.encodeWrite(0, WRITE, NUMBERS, STREAM);
  const second = writer.encodeSync(first, SYNC, STREAM);
  const pad = writer.encodePad(first + second, 80);
  assert.equal(new Uint8Array(shared.subarray(0, first + second + pad)), concatenate(encodeWrite(WRITE), encodeSync(), encodePad(80)));
  const found = new RecordReader(shared).readAt(first, shared.length);
  assert.is(found.kind, 'record');
  if (found.kind === 'record') assert.is(writer.headerChecksumAt(first), found.headerChecksum);
});

test('a peek reads what destage needs into an object that is used again', () => {
  const bytes = concatenate(encodeWrite(WRITE), encodeWrite(ZERO), encodeWrite(TRIM), encodeSync());
  const reader = new RecordReader(bytes);
  const peek: RecordPeek = { type: 'pad', vlun: 0, lba: 0, lengthBytes: 0, payloadOffset: 0 };
  let offset = 0;
  for (const command of [WRITE, ZERO, TRIM]) {
    reader.peekAt(offset, peek);
    assert.equal(peek, {
      type: command.type,
      vlun: command.vlun,
      lba: command.lba,
      lengthBytes: command.lengthBytes,
      payloadOffset: offset + 80,
    });
    offset += encodedWriteBytes(command.payload?.length ?? 0);
  }
  reader.peekAt(offset, peek);
  assert.is(peek.type, 'sync');
  assert.throws(() => new RecordReader(new Uint8Array(80)).peekAt(0, peek), /verified before/);
});

test('a header of zeroes is the end, and nothing else is', () => {
  assert.equal(decode(new Uint8Array(80)), { kind: 'end', offset: 0 });
  assert.equal(decode(new Uint8Array(79)), { kind: 'incomplete', offset: 0, neededBytes: 80 });
  for (let byte = 0; byte < 80; byte += 1) {
    const bytes = new Uint8Array(80);
    bytes[byte] = 1;
    assert.is(decode(bytes).kind, 'bad', `byte ${byte}`);
  }
});

test('a record cut off anywhere is incomplete, and says what it needs as soon as its header is there', () => {
  for (const [name, record] of Object.entries(RECORDS)) {
    for (let length = 0; length < record.length; length += 1) {
      const needed = { kind: 'incomplete', offset: 0, neededBytes: length < 80 ? 80 : record.length };
      assert.equal(decode(record.slice(0, length)), needed, `${name} cut at ${length}`);
      assert.equal(decode(record, 0, length), needed, `${name} up to ${length}`);
    }
  }
});

test('a record with any one bit flipped is never a record (I9)', () => {
  for (const [name, record] of Object.entries(RECORDS)) {
    const bytes = record.slice();
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      flip(bytes, bit);
      const found = decode(bytes);
      assert.is(found.kind, 'bad', `${name} bit ${bit}`);
      if (found.kind === 'bad') assert.is(found.reason === 'payload-checksum', bit >= 80 * 8, `${name} bit ${bit}: ${found.reason}`);
      flip(bytes, bit);
    }
  }
});

test('a good header over a zeroed payload is told apart, with the numbers that the header proves', () => {
  const record = encodeWrite(WRITE);
  record.fill(0, 80);
  assert.equal(decode(record), {
    kind: 'bad',
    reason: 'payload-checksum',
    offset: 0,
    expected: crc32(payload(512)).toString(16).padStart(8, '0'),
    found: crc32(new Uint8Array(512)).toString(16).padStart(8, '0'),
    intactHeader: { encodedBytes: 592, dataSet: 7, sequence: 1002 },
  });
});

test('random bytes, also behind a right magic, version or checksum, never throw and are never a record', () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 300 });
  fc.assert(
    fc.property(bytes, fc.nat(3), (random, depth) => {
      const record = random.slice();
      if (record.length >= 80 && depth > 0) {
        record.set([0x46, 0x53, 0x52, 0x31, 1, 0]);
        if (depth > 1) new DataView(record.buffer).setUint32(76, crc32(record.subarray(0, 76)), true);
        if (depth > 2) record[6] = 1 + ((record[6] ?? 0) % 5);
      }
      const found = decode(record);
      assert.is.not(found.kind, 'record');
    }),
    { numRuns: 2000 },
  );
});

const violations: readonly (readonly [name: string, reason: string, found: RegExp, bytes: () => Uint8Array])[] = [
  [
    'another magic',
    'magic',
    /46534432/,
    () => {
      const bytes = encodeWrite(ZERO);
      bytes.set([0x46, 0x53, 0x44, 0x32]);
      return bytes;
    },
  ],
  [
    'a later version, before its checksum is looked at',
    'version',
    /^2$/,
    () => {
      const bytes = encodeWrite(ZERO);
      bytes[4] = 2;
      return bytes;
    },
  ],
  ['an unknown type', 'type', /type 6/, () => forge(encodeWrite(ZERO), (view) => view.setUint8(6, 6))],
  ['type 0', 'type', /type 0/, () => forge(encodeWrite(ZERO), (view) => view.setUint8(6, 0))],
  ['unknown flags', 'type', /flags 1/, () => forge(encodeWrite(ZERO), (view) => view.setUint8(7, 1))],
  ...['dataSet', 'firstSequence', 'sequence', 'lba', 'lengthBytes', 'timeUs'].map(
    (name, index) =>
      [
        `${name} 2^53`,
        'identifier',
        new RegExp(`${name} 0x00200000`),
        () => forge(encodeWrite(ZERO), (view) => view.setUint32(24 + index * 8 + 4, 0x20_0000, true)),
      ] as const,
  ),
  [
    'a sequence number below the first',
    'identifier',
    /sequence 999/,
    () => forge(encodeWrite(ZERO), (view) => view.setUint32(40, 999, true)),
  ],
  ['a write without VLUN', 'identifier', /VLUN 4294967295/, () => forge(encodeWrite(WRITE), (view) => view.setUint32(12, NO_VLUN, true))],
  ['a sync with VLUN', 'identifier', /VLUN 0/, () => forge(encodeSync(), (view) => view.setUint32(12, 0, true))],
  ['a sync with LBA', 'identifier', /LBA 1/, () => forge(encodeSync(), (view) => view.setUint32(48, 1, true))],
  [
    'an LBA beyond 2^53 bytes',
    'identifier',
    /LBA 17592186044416/,
    () =>
      forge(encodeWrite(ZERO), (view) => {
        view.setUint32(48, 0, true);
        view.setUint32(52, 4096, true);
      }),
  ],
  [
    'an end beyond 2^53 bytes',
    'length',
    /4096 bytes in a trim/,
    () =>
      forge(encodeWrite(TRIM), (view) => {
        view.setUint32(48, 0xffff_ffff, true);
        view.setUint32(52, 4095, true);
      }),
  ],
  ['a write of no bytes', 'length', /0 bytes/, () => forge(encodeWrite(WRITE), (view) => view.setUint32(56, 0, true))],
  ['half a block', 'length', /768 bytes/, () => forge(encodeWrite(ZERO), (view) => view.setUint32(56, 768, true))],
  [
    'a write longer than the limit',
    'length',
    /1049088 bytes/,
    () => forge(encodeWrite(WRITE), (view) => view.setUint32(56, LIMITS.recordDataBytesMax + 512, true)),
  ],
  ['a sync of another length', 'length', /48 bytes/, () => forge(encodeSync(), (view) => view.setUint32(56, 48, true))],
  ['a pad of 4 bytes', 'length', /4 bytes/, () => forge(encodePad(88), (view) => view.setUint32(56, 4, true))],
  [
    'an unknown cut reason',
    'type',
    /cut reason 0/,
    () =>
      rewriteSync((payloadBytes) => {
        payloadBytes[0] = 0;
      }),
  ],
  [
    'reserved bytes in a sync',
    'type',
    /other bytes/,
    () =>
      rewriteSync((payloadBytes) => {
        payloadBytes[3] = 1;
      }),
  ],
  [
    'a pad that is not zero',
    'type',
    /other bytes/,
    () => {
      const pad = encodePad(88);
      pad[80] = 1;
      return forge(pad, (view) => view.setUint32(72, crc32(pad.subarray(80)), true));
    },
  ],
];

function rewriteSync(change: (payloadBytes: Uint8Array) => void): Uint8Array {
  const bytes = encodeSync();
  change(bytes.subarray(80));
  return forge(bytes, (view) => view.setUint32(72, crc32(bytes.subarray(80)), true));
}

for (const [name, reason, found, bytes] of violations) {
  test(`refused with good checksums: ${name}`, () => {
    const result = decode(bytes());
    assert.is(result.kind, 'bad');
    if (result.kind !== 'bad') return;
    assert.is(result.reason, reason);
    assert.match(result.found, found);
    assert.is(result.intactHeader, null);
  });
}

test('the encoder refuses what the decoder would refuse', () => {
  const writer = new RecordWriter(new Uint8Array(2048));
  const refused: readonly (() => unknown)[] = [
    () => writer.encodeWrite(0, { ...WRITE, lengthBytes: 1024 }, NUMBERS, STREAM),
    () => writer.encodeWrite(0, { ...ZERO, payload: payload(512) }, NUMBERS, STREAM),
    () => writer.encodeWrite(0, { ...ZERO, lengthBytes: 100 }, NUMBERS, STREAM),
    () => writer.encodeWrite(0, { ...ZERO, vlun: NO_VLUN }, NUMBERS, STREAM),
    () => writer.encodeWrite(0, { ...ZERO, lba: -1 }, NUMBERS, STREAM),
    () => writer.encodeWrite(0, { ...ZERO, lba: 2 ** 44 }, NUMBERS, STREAM),
    () => writer.encodeWrite(0, ZERO, { ...NUMBERS, sequence: 999 }, STREAM),
    () => writer.encodeWrite(0, ZERO, { ...NUMBERS, dataSet: 2 ** 53 }, STREAM),
    () => writer.encodeWrite(0, ZERO, NUMBERS, { generation: 1, stream: 'xyz' }),
    () => writer.encodeWrite(2000, ZERO, NUMBERS, STREAM),
    () => writer.encodeSync(0, { ...SYNC, chain: 'ab' }, STREAM),
  ];
  for (const [index, encode] of refused.entries())
    assert.throws(encode, (error: Error) => error.name === 'BrokenInvariant', `case ${index}`);
});

test.run();
