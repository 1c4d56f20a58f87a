import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeFailure, failureJson, failureText } from '../../src/cli/failure.ts';
import { BrokenInvariant } from '../../src/model/assert.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { CorruptionError, EXIT, FarshoreError, RefusedError, UsageError } from '../../src/model/errors.ts';
import { thrownBy, withFolder } from '../support/scratch.ts';

test('an operating error: what happened, because, meaning, what to try', () => {
  const error = new RefusedError('ERR_STATE_LOCKED', 'another process uses ./primary', {
    hint: 'stop it first',
    cause: new Error('EWOULDBLOCK'),
  });
  assert.is(
    failureText(describeFailure(error), false),
    'Error ERR_STATE_LOCKED: another process uses ./primary\n' +
      'Because: EWOULDBLOCK\n' +
      'Meaning: going on could lose or mix up data, so it was refused (exit code 5)\n' +
      'Try: stop it first\n',
  );
});

test('every class has its exit code', () => {
  assert.is(describeFailure(new UsageError('ERR_X', 'x')).exitCode, 2);
  assert.is(describeFailure(new CorruptionError('ERR_X', 'x')).exitCode, 6);
  assert.is(describeFailure(new FarshoreError('ERR_X', 'x')).exitCode, 1);
  assert.is(describeFailure(new FarshoreError('ERR_X', 'x', { exitCode: EXIT.unreachable })).exitCode, 3);
  assert.is(describeFailure(new TypeError('x')).exitCode, 1);
  assert.is(describeFailure('words').exitCode, 1);
});

test('a broken invariant is exit 70 with its stack, also as the copy that a worker sends', () => {
  const copy = Object.assign(new Error('from a worker'), { code: 'ERR_BROKEN_INVARIANT' });
  for (const error of [new BrokenInvariant('two heads'), copy]) {
    const failure = describeFailure(error);
    assert.is(failure.exitCode, 70);
    assert.is(failure.code, 'ERR_BROKEN_INVARIANT');
    assert.match(failureText(failure, false), /\n\n.*Error|BrokenInvariant/);
    assert.match(failure.stack ?? '', /failure\.test/);
  }
});

test('a system call that failed has a code, says which file it was, and is no stack', async () => {
  const thrown = await withFolder((folder) => thrownBy(() => new NodeDisk().readFile(folder)));
  const failure = describeFailure(thrown);
  assert.is(failure.code, 'ERR_SYSTEM_CALL');
  assert.is(failure.exitCode, 1);
  assert.match(failure.message, /^EISDIR: .*, read '\/.*farshore-test-/);
  assert.is(failure.details['errno'], 'EISDIR');
  assert.is(failure.stack, undefined);
  assert.not.match(failureText(failure, false), /\n +at /);
});

test('a list of mistakes keeps its own lines', () => {
  const one = failureText(describeFailure(new UsageError('ERR_CONFIG_INVALID', 'a.yaml:1:2: wrong')), false);
  const two = failureText(describeFailure(new UsageError('ERR_CONFIG_INVALID', 'a.yaml:1:2: wrong\na.yaml:2:2: wrong')), false);
  assert.match(one, /^Error ERR_CONFIG_INVALID:\na\.yaml:1:2: wrong\n/);
  assert.match(two, /^Error ERR_CONFIG_INVALID:\na\.yaml:1:2: wrong\na\.yaml:2:2: wrong\n/);
});

test('json: bigint as text, hint null when there is none, a cause once', () => {
  const inner = new Error('no space');
  const error = new FarshoreError('ERR_X', 'cannot write: no space', { details: { bytes: 5n }, cause: inner });
  assert.equal(failureJson(describeFailure(error)), {
    error: { code: 'ERR_X', message: 'cannot write: no space', hint: null, exitCode: 1, details: { bytes: '5' }, causes: [] },
  });
});

test('colours only when asked for', () => {
  const failure = describeFailure(new UsageError('ERR_X', 'x', { hint: 'y' }));
  assert.not.match(failureText(failure, false), /\u001B/);
  assert.match(failureText(failure, true), /\u001B\[31m/);
});

test.run();
