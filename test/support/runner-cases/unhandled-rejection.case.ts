/** A promise that nobody waits for rejects while the tests run. */
import { test } from 'uvu';

test('lets go of a promise', async () => {
  void Promise.reject(new Error('nobody looked'));
  await new Promise((resolve) => setTimeout(resolve, 20));
});
test.run();
