/** A throwing before.each hook fails its tests. */
import { test } from 'uvu';

test.before.each(() => {
  throw new Error('before.each is broken');
});
test('never runs', () => {});
test.run();
