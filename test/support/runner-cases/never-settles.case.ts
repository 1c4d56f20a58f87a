/** A promise that never settles: the event loop runs dry, and the process ends in the middle of a test. */
import { test } from 'uvu';

test('waits for ever', () => new Promise<void>(() => {}));
test.run();
