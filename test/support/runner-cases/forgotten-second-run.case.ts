/** uvu: of two suites one was forgotten; it exits 0. */
import { suite, test } from 'uvu';

const other = suite('other');
test('good', () => {});
other('never runs', () => {
  throw new Error('must fail');
});
test.run();
