/** All tests pass, but a process stays behind. */
import { spawn } from 'node:child_process';
import { test } from 'uvu';

test('leaves a process', () => spawn('sleep', ['30'], { stdio: 'ignore' }).unref());
test.run();
