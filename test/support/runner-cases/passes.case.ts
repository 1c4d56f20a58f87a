/** Two suites of three tests, all good: the runner must not fail what is right. */
import { suite, test } from 'uvu';
import * as assert from 'uvu/assert';

const other = suite('other', { number: 2 });

test('one', () => assert.is(1, 1));
test('two', async () => {
  await Promise.resolve();
  assert.ok(true);
});
other('three', ({ number }) => assert.is(number, 2));
test.run();
other.run();
