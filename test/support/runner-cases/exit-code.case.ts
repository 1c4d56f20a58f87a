/** All tests pass, but something set the exit code. */
import { test } from 'uvu';

test('sets the exit code', () => {
  process.exitCode = 3;
});
test.run();
