import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseJournal } from '../../journals/commit-schedule.ts';

const journal = (dataSet: number | null, backlogBytes: number, other: { busy?: boolean; finished?: boolean } = {}) => ({
  dataSet,
  backlogBytes,
  busy: false,
  finished: false,
  ...other,
});

test('the lowest unfinished data set comes first, however small its backlog', () => {
  const lowest = journal(5, 8);
  assert.is(chooseJournal([journal(7, 1_000_000), lowest, journal(6, 50_000)]), lowest);
});

test('behind it the largest backlog comes first', () => {
  const largest = journal(9, 300);
  assert.is(chooseJournal([journal(5, 0), journal(6, 100), largest, journal(7, 200)]), largest);
});

test('never two on one journal: while the lowest is written, the largest backlog of the others is next', () => {
  const largest = journal(8, 20);
  assert.is(chooseJournal([journal(5, 1_000_000, { busy: true }), journal(6, 10), largest]), largest);
  assert.is(chooseJournal([journal(5, 1_000_000, { busy: true })]), null);
});

test('finished and free slots are no lowest data set', () => {
  const lowest = journal(6, 10);
  assert.is(chooseJournal([journal(5, 0, { finished: true }), journal(null, 0), journal(7, 1000), lowest]), lowest);
});

test('nothing waits: nothing is chosen', () => {
  assert.is(chooseJournal([]), null);
  assert.is(chooseJournal([journal(5, 0), journal(null, 0)]), null);
});

test.run();
