/** A broken invariant says what is broken, with the values, which are looked at only then. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { assert as holds, BrokenInvariant } from '../../src/model/assert.ts';

function broken(work: () => void): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BrokenInvariant) return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

test('each % is the next value, whatever the values contain', () => {
  assert.is(
    broken(() => holds(false, 'no value')),
    'no value',
  );
  assert.is(
    broken(() => holds(false, 'record % of data set %', 17, '100 % $& full')),
    'record 17 of data set 100 % $& full',
  );
  assert.is(
    broken(() => holds(false, '%, %, % and %', 0, null, undefined, false)),
    '0, null, undefined and false',
  );
});

test('what holds looks at no value', () => {
  const value = {
    toString: () => {
      throw new Error('looked at');
    },
  };
  holds(true, 'a value: %', value);
});

test.run();
