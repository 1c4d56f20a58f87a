/** Step 1 of a takeover: nothing counts as a fence but exit code 0 in time, or a person's word. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fenceFormerHost } from '../../src/takeover/fence.ts';
import { codeOf, messageOfFailure, withFolder } from '../support/scratch.ts';

const lines: string[] = [];
const log = (level: string, message: string): void => void lines.push(`${level} ${message}`);
test.before.each(() => void (lines.length = 0));

test('exit code 0 is a fence, and what the command said is in the log', async () => {
  assert.is(await fenceFormerHost({ fence: ['sh', '-c', 'echo powered off; echo hm >&2'], fenced: false, log }), 'command');
  assert.ok(lines.includes('info fence: powered off') && lines.includes('info fence: hm'), lines.join('\n'));
});

test('it is run without a shell: arguments are passed as they are', async () => {
  await withFolder(async (folder) => {
    const strange = join(folder, 'a b;$(touch c)');
    await fenceFormerHost({ fence: ['touch', strange], fenced: false, log });
    assert.ok(existsSync(strange));
  });
});

test('another exit code, a signal, a missing program: refused, with the reason', async () => {
  for (const [fence, words] of [
    [['sh', '-c', 'exit 3'], /exit code 3/],
    [['sh', '-c', 'kill -9 $$'], /SIGKILL/],
    [['/nowhere/fence'], /could not be run.*ENOENT/],
  ] as const) {
    assert.is(await codeOf(() => fenceFormerHost({ fence, fenced: false, log })), 'ERR_FENCE_FAILED');
    assert.match(await messageOfFailure(() => fenceFormerHost({ fence, fenced: false, log })), words);
  }
});

test('one that takes too long is ended with its children, and refused', async () => {
  await withFolder(async (folder) => {
    const late = join(folder, 'late');
    const fence = ['sh', '-c', `(sleep 1; touch ${late}) & wait`];
    const begin = performance.now();
    assert.match(await messageOfFailure(() => fenceFormerHost({ fence, fenced: false, log, limitMs: 200 })), /within 0.2 s/);
    assert.ok(performance.now() - begin < 900, 'it was not waited for');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.not(existsSync(late), 'its child is gone too');
  });
});

test('no command and nobody says it: refused; a person says it: the command is not run', async () => {
  assert.is(await codeOf(() => fenceFormerHost({ fence: null, fenced: false, log })), 'ERR_FENCE_NEEDED');
  assert.is(await fenceFormerHost({ fence: ['sh', '-c', 'exit 1'], fenced: true, log }), 'by hand');
  assert.is(await fenceFormerHost({ fence: null, fenced: true, log }), 'by hand');
});

test.run();
