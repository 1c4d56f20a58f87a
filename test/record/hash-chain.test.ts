import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CHAIN_START } from '../../src/model/ids.ts';
import { hashChain } from '../../src/record/hash-chain.ts';

const INCARNATION = 'fedcba9876543210';

test('the chain is the first half of SHA-256 over chain, little-endian checksums and incarnation', () => {
  const bytes = Buffer.concat([Buffer.alloc(16), Buffer.from('78563412efbeadde', 'hex'), Buffer.from(INCARNATION, 'hex')]);
  const expected = createHash('sha256').update(bytes).digest('hex').slice(0, 32);
  assert.is(hashChain(CHAIN_START, Uint32Array.of(0x12345678, 0xdeadbeef), INCARNATION), expected);
});

test('the chain of a fixed input never changes', () => {
  assert.is(hashChain(CHAIN_START, Uint32Array.of(1, 2, 3), INCARNATION), '95062dad988a1600575efe280793ac60');
});

test('each of its inputs, and the order of the records, changes the chain', () => {
  const base = hashChain(CHAIN_START, Uint32Array.of(1, 2), INCARNATION);
  const others = [
    hashChain('1'.repeat(32), Uint32Array.of(1, 2), INCARNATION),
    hashChain(CHAIN_START, Uint32Array.of(2, 1), INCARNATION),
    hashChain(CHAIN_START, Uint32Array.of(1), INCARNATION),
    hashChain(CHAIN_START, new Uint32Array(0), INCARNATION),
    hashChain(CHAIN_START, Uint32Array.of(1, 2), '0000000000000001'),
  ];
  assert.is(new Set([base, ...others]).size, 6);
});

test('a part of a larger array is hashed alone', () => {
  const all = Uint32Array.of(9, 1, 2, 9);
  assert.is(hashChain(CHAIN_START, all.subarray(1, 3), INCARNATION), hashChain(CHAIN_START, Uint32Array.of(1, 2), INCARNATION));
});

test.run();
