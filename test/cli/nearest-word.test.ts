import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { editDistance, nearestWord } from '../../src/cli/nearest-word.ts';

test('edit distance counts insertions, deletions, replacements and swaps', () => {
  assert.is(editDistance('volumes', 'volumes'), 0);
  assert.is(editDistance('volume', 'volumes'), 1);
  assert.is(editDistance('volumess', 'volumes'), 1);
  assert.is(editDistance('velumes', 'volumes'), 1);
  assert.is(editDistance('vloumes', 'volumes'), 1);
  assert.is(editDistance('', 'abc'), 3);
  assert.is(editDistance('abc', ''), 3);
});

test('the nearest word wins, and a far one is none', () => {
  assert.is(nearestWord('promot', ['start', 'promote', 'status']), 'promote');
  assert.is(nearestWord('stauts', ['start', 'promote', 'status']), 'status');
  assert.is(nearestWord('DATASETS', ['dataSets', 'backlog']), 'dataSets');
  assert.is(nearestWord('listenAddress', ['flush', 'listen']), 'listen');
  assert.is(nearestWord('xyzzy', ['start', 'promote']), undefined);
  assert.is(nearestWord('word', []), undefined);
});

test.run();
