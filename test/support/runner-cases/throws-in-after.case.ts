/** uvu: a throwing after hook must not pass. */
import { test } from 'uvu';

test.after(() => {
  throw new Error('after is broken');
});
test('good', () => {});
test.run();
