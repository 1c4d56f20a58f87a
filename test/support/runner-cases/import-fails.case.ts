/** The file throws while it is loaded. */
import { test } from 'uvu';

test('never runs', () => {});
test.run();
throw new Error('loading is broken');
