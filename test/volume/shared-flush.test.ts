import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Done } from '../../src/disk/disk.ts';
import { SharedFlush } from '../../src/volume/shared-flush.ts';

/** A flush that ends when the test says so. */
function controlled(): { shared: SharedFlush; started: Done[]; answers: string[]; ask: (name: string) => void } {
  const started: Done[] = [];
  const answers: string[] = [];
  const shared = new SharedFlush((done) => started.push(done));
  const ask = (name: string): void => shared.ask((error) => answers.push(error === null ? name : `${name}: ${error.message}`));
  return { shared, started, answers, ask };
}

test('flushes asked while one is under way share the next, and never that one', () => {
  const { started, answers, ask } = controlled();
  for (const name of ['a', 'b', 'c']) ask(name);
  assert.is(started.length, 1);
  started[0]?.(null);
  assert.equal(answers, ['a']);
  assert.is(started.length, 2);
  ask('d');
  started[1]?.(null);
  assert.equal(answers, ['a', 'b', 'c']);
  started[2]?.(null);
  assert.equal(answers, ['a', 'b', 'c', 'd']);
  ask('e');
  assert.is(started.length, 4);
});

test('a failure goes to those that shared the flush', () => {
  const { started, answers, ask } = controlled();
  for (const name of ['a', 'b', 'c']) ask(name);
  started[0]?.(null);
  started[1]?.(new Error('EIO'));
  assert.equal(answers, ['a', 'b: EIO', 'c: EIO']);
});

test('a flush asked from an answer is a new one', () => {
  const started: Done[] = [];
  const shared = new SharedFlush((done) => started.push(done));
  let answered = 0;
  shared.ask(() => shared.ask(() => (answered += 1)));
  started[0]?.(null);
  assert.is(answered, 0);
  started[1]?.(null);
  assert.is(answered, 1);
});

test.run();
