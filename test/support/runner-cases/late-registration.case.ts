/** uvu: a test that is registered after run() never runs, and it exits 0. */
import { test } from 'uvu';

test('good', () => {});
test.run();
test('never runs', () => {
  throw new Error('must fail');
});
