/** uvu: a throwing after.each hook ends the suite without a failure, and exits 0. */
import { test } from 'uvu';

test.after.each(() => {
  throw new Error('after.each is broken');
});
test('good', () => {});
test('never runs', () => {});
test.run();
