import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IdentifierBitmap } from '../../src/protocol/identifier-bitmap.ts';

test('a bit is set once', () => {
  const bitmap = new IdentifierBitmap(70);
  assert.is(bitmap.set(69), true);
  assert.is(bitmap.set(69), false);
  assert.is(bitmap.count, 1);
  assert.is(bitmap.highest, 69);
  assert.is(bitmap.has(69), true);
  assert.is(bitmap.has(68), false);
  assert.is(bitmap.has(-1), false);
  assert.is(bitmap.has(70), false);
});

test('an index outside is a broken invariant', () => {
  const bitmap = new IdentifierBitmap(64);
  assert.throws(() => bitmap.set(64), /indexed within/);
  assert.throws(() => bitmap.set(-1), /indexed within/);
});

test('all set through n, also at the ends of words', () => {
  for (const bits of [1, 31, 32, 33, 63, 64, 65, 100]) {
    const bitmap = new IdentifierBitmap(bits);
    for (let index = bits - 1; index > 0; index -= 1) bitmap.set(index);
    assert.is(bitmap.allSetThrough(bits - 1), false, `${bits} bits without the first`);
    bitmap.set(0);
    assert.is(bitmap.allSetThrough(bits - 1), true, `${bits} bits`);
    assert.is(bitmap.prefixBits(), bits);
  }
});

test('a gap after many bits is seen', () => {
  const bitmap = new IdentifierBitmap(4);
  bitmap.set(0);
  bitmap.set(3);
  assert.is(bitmap.allSetThrough(0), true);
  assert.is(bitmap.allSetThrough(1), false);
  bitmap.set(1);
  bitmap.set(2);
  assert.is(bitmap.allSetThrough(3), true);
});

test('bytes have bit 0 first and nothing beyond the asked bits', () => {
  const bitmap = new IdentifierBitmap(64);
  for (const index of [0, 9, 10, 31, 32]) bitmap.set(index);
  assert.equal([...bitmap.toBytes(33)], [0b1, 0b110, 0, 0b1000_0000, 0b1]);
  assert.equal([...bitmap.toBytes(10)], [0b1, 0b10]);
  assert.equal([...bitmap.toBytes(0)], []);
});

test('reset leaves no bit behind', () => {
  const bitmap = new IdentifierBitmap(100);
  bitmap.reset();
  for (let index = 0; index < 100; index += 1) bitmap.set(index);
  assert.is(bitmap.prefixBits(), 100);
  bitmap.reset();
  assert.is(bitmap.count, 0);
  assert.is(bitmap.highest, -1);
  assert.is(bitmap.prefixBits(), 0);
  assert.equal(
    [...bitmap.toBytes(100)],
    Array.from({ length: 13 }, () => 0),
  );
});

test('behaves like a set of numbers', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }).chain((bits) => fc.tuple(fc.constant(bits), fc.array(fc.integer({ min: 0, max: bits - 1 })))),
      ([bits, indices]) => {
        const bitmap = new IdentifierBitmap(bits);
        const model = new Set<number>();
        for (const index of indices) {
          assert.is(bitmap.set(index), !model.has(index));
          model.add(index);
          let prefix = 0;
          while (model.has(prefix)) prefix += 1;
          assert.is(bitmap.prefixBits(), prefix);
          assert.is(bitmap.allSetThrough(index), prefix > index);
        }
        assert.is(bitmap.count, model.size);
        const bytes = bitmap.toBytes(bits);
        for (let index = 0; index < bits; index += 1) {
          assert.is(bitmap.has(index), model.has(index));
          assert.is(((bytes[index >> 3] ?? 0) >> (index & 7)) & 1, model.has(index) ? 1 : 0);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test.run();
