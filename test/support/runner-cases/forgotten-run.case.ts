/** uvu: without run() nothing runs, and it exits 0. */
import { test } from 'uvu';

test('never runs', () => {
  throw new Error('must fail');
});
