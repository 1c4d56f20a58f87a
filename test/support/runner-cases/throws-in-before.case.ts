/** uvu: a throwing before hook runs no test, and exits 0. */
import { test } from 'uvu';

test.before(() => {
  throw new Error('before is broken');
});
test('never runs', () => {});
test.run();
