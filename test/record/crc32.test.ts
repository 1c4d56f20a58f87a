/** The checksum of records: the same value whoever computes it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 as crc32OfZlib } from 'node:zlib';
import { chooseCrc32, crc32 } from '../../src/record/crc32.ts';

/** By the definition: bit by bit, without a table. */
function byDefinition(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit += 1) register = (register >>> 1) ^ (register & 1 ? 0xedb88320 : 0);
  }
  return (register ^ 0xffffffff) >>> 0;
}

const bytesOf = (length: number, shared = false): Uint8Array => {
  const bytes = shared ? new Uint8Array(new SharedArrayBuffer(length)) : new Uint8Array(length);
  return bytes.map((_, index) => (index * 2_654_435_761) >>> 11);
};

test('the check value of CRC-32, and the definition at every short length', () => {
  assert.is(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  for (let length = 0; length < 300; length += 1) assert.is(crc32(bytesOf(length)), byDefinition(bytesOf(length)), `${length} bytes`);
});

test('lengths, places and kinds of memory that records have: what zlib says', () => {
  for (const shared of [false, true]) {
    const memory = bytesOf(1_100_000, shared);
    for (const length of [72, 76, 512, 4_095, 4_096, 4_097, 65_536, 1 << 20]) {
      for (const offset of [0, 1, 7, 8, 80, 4_096, 4_177]) {
        const bytes = memory.subarray(offset, offset + length);
        assert.is(crc32(bytes), crc32OfZlib(bytes));
        assert.is(crc32(bytes.subarray(100), crc32(bytes.subarray(0, 100))), crc32OfZlib(bytes), 'in two pieces');
      }
    }
  }
});

test('the native one is in use here; one that is missing or disagrees is not', () => {
  assert.is.not(crc32, crc32OfZlib);
  const missing = chooseCrc32(() => {
    throw new Error('Failed to load native binding');
  });
  assert.is(missing, crc32OfZlib);
  assert.is(
    chooseCrc32(() => ({ crc32: (bytes, previous) => crc32OfZlib(bytes, previous) ^ 1 })),
    crc32OfZlib,
  );
  const forgetful = chooseCrc32(() => ({ crc32: (bytes) => crc32OfZlib(bytes) }));
  assert.is(forgetful, crc32OfZlib, 'it ignores what came before');
});

test.run();
