/** A test that never ends and keeps the process alive: the time limit. */
import { test } from 'uvu';

test('waits for ever', () => new Promise<void>(() => void setInterval(() => {}, 1000)));
test.run();
