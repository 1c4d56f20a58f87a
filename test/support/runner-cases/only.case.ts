/** uvu: a left-over .only hides the failing test, and it exits 0. */
import { test } from 'uvu';

test.only('good', () => {});
test('hidden', () => {
  throw new Error('must fail');
});
test.run();
