/** All tests pass, but a timer stays: the process would never end. */
import { test } from 'uvu';

test('leaves a timer', () => void setInterval(() => {}, 1000));
test.run();
