import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { RangeLock } from '../../src/application/range-lock.ts';

interface Owner {
  readonly id: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

const overlap = (a: Owner, b: Owner): boolean => a.offset < b.offset + b.lengthBytes && b.offset < a.offset + a.lengthBytes;

test('ranges that only touch do not wait for each other', () => {
  const lock = new RangeLock<Owner>();
  assert.ok(lock.acquire({ id: 1, offset: 512, lengthBytes: 512 }));
  assert.ok(lock.acquire({ id: 2, offset: 0, lengthBytes: 512 }));
  assert.ok(lock.acquire({ id: 3, offset: 1024, lengthBytes: 1 }));
  assert.is(lock.heldCount, 3);
});

test('a range waits behind one that waits, so that nobody is overtaken', () => {
  const lock = new RangeLock<Owner>();
  const [a, b, c] = [
    { id: 1, offset: 0, lengthBytes: 10 },
    { id: 2, offset: 5, lengthBytes: 20 },
    { id: 3, offset: 20, lengthBytes: 10 },
  ] as const;
  assert.ok(lock.acquire(a));
  assert.not(lock.acquire(b));
  // It overlaps nothing that is held, but what asked before it.
  assert.not(lock.acquire(c));
  assert.equal(lock.release(a), [b]);
  assert.equal(lock.release(b), [c]);
  assert.equal(lock.release(c), []);
  assert.is(lock.heldCount, 0);
});

test('one release may let several go on', () => {
  const lock = new RangeLock<Owner>();
  const wide = { id: 1, offset: 0, lengthBytes: 100 };
  const parts = [0, 10, 20].map((offset, index) => ({ id: 2 + index, offset, lengthBytes: 10 }));
  lock.acquire(wide);
  for (const part of parts) assert.not(lock.acquire(part));
  assert.equal(lock.release(wide), parts);
});

test('whatever happens: what overlaps is never held together, is granted in the order of asking, and nobody waits for ever', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ offset: fc.integer({ min: 0, max: 20 }), lengthBytes: fc.integer({ min: 1, max: 8 }) }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 50 }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lock = new RangeLock<Owner>();
      const held: Owner[] = [];
      const waiting: Owner[] = [];
      const granted = (owner: Owner): void => {
        assert.not(
          held.some((other) => overlap(owner, other)),
          'two overlapping ranges are held',
        );
        assert.not(
          waiting.some((other) => other.id < owner.id && overlap(owner, other)),
          'an overlapping range that asked before is overtaken',
        );
        held.push(owner);
      };
      const release = (index: number): void => {
        const [owner] = held.splice(index, 1);
        for (const next of lock.release(owner as Owner)) {
          waiting.splice(waiting.indexOf(next), 1);
          granted(next);
        }
        for (const blocked of waiting) {
          const blockers = [...held, ...waiting.filter((other) => other.id < blocked.id)];
          assert.ok(
            blockers.some((other) => overlap(other, blocked)),
            'a range waits for nothing',
          );
        }
      };
      for (const [id, one] of steps.entries()) {
        if (typeof one === 'number') {
          if (held.length > 0) release(one % held.length);
          continue;
        }
        const owner = { id, ...one };
        if (lock.acquire(owner)) granted(owner);
        else waiting.push(owner);
      }
      while (held.length > 0) release(0);
      assert.equal(waiting, []);
      assert.is(lock.heldCount, 0);
    }),
    { numRuns: 300 },
  );
});

test.run();
