/** process.exit(0) before the first test. */
import { test } from 'uvu';

test('never runs', () => {});
test.run();
process.exit(0);
