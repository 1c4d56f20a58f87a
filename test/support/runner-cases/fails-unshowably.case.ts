/** uvu: an error that it cannot format ends the suite without a failure, and exits 0. */
import { test } from 'uvu';

test('good', () => {});
test('error without a name', () => {
  throw Object.assign(new Error('cannot be shown'), { name: undefined });
});
test('never runs', () => {});
test.run();
