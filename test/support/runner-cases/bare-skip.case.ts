/** A skip without a missing tool hides a test for ever. */
import { test } from 'uvu';

test('good', () => {});
test.skip('switched off', () => {});
test.run();
