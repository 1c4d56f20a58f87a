/** An error after the last test, while the process ends. */
import { test } from 'uvu';

test('good', () =>
  void setTimeout(() => {
    throw new Error('too late for uvu');
  }, 50));
test.run();
