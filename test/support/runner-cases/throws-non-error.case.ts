/** uvu: a thrown string, or undefined, ends the suite without a failure, and exits 0. */
import { test } from 'uvu';

test('throws a string', () => {
  throw 'just words';
});
test('rejects with undefined', () => Promise.reject());
test.run();
