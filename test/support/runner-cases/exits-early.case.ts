/** process.exit(0) in the middle of a test. */
import { test } from 'uvu';

test('good', () => {});
test('ends the process', () => process.exit(0));
test('never runs', () => {
  throw new Error('must fail');
});
test.run();
