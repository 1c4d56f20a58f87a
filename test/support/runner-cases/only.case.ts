/** uvu: a left-over .only hides the failing test, and it exits 0. */
import { test } from 'uvu';

const { only } = test;
only('good', () => {});
test('hidden', () => {
  throw new Error('must fail');
});
test.run();
