import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { LinkSchedule, UNANSWERED_LINKS_MAX } from '../../src/protocol/link-schedule.ts';

function scheduleOf(links: readonly number[], budgetBytes = 100): LinkSchedule {
  const schedule = new LinkSchedule();
  for (const link of links) {
    assert.is(schedule.open(link), null);
    const open = schedule.find(link);
    if (open !== null) open.budgetBytes = budgetBytes;
  }
  return schedule;
}

test('the turn goes round, so all links carry traffic', () => {
  const schedule = scheduleOf([1, 2, 3]);
  assert.equal(
    [1, 2, 3, 4, 5].map(() => schedule.next()?.link),
    [1, 2, 3, 1, 2],
  );
});

test('a link without budget, or one that is closing, is passed over', () => {
  const schedule = scheduleOf([1, 2, 3]);
  const [first, third] = [schedule.find(1), schedule.find(3)];
  assert.ok(first !== null && third !== null);
  first.budgetBytes = 0;
  third.closing = true;
  assert.equal(
    [1, 2].map(() => schedule.next()?.link),
    [2, 2],
  );
});

test('no link: nothing to send on, nobody to ask', () => {
  const schedule = new LinkSchedule();
  assert.equal([schedule.next(), schedule.nextToAsk()], [null, null]);
});

test('the state byte of a closed link is kept until its answer came', () => {
  const schedule = scheduleOf([1, 2]);
  const state = schedule.find(1)?.state ?? 0;
  assert.ok(schedule.close(1));
  assert.not(schedule.close(1), 'it is not open any more');
  assert.equal(schedule.unanswered(), [1]);
  schedule.open(3);
  assert.is.not(schedule.find(3)?.state, state);
  const lost = schedule.answer([1, 99]);
  assert.equal([lost[state], lost.filter((flag) => flag === 1).length], [1, 1]);
  assert.equal(schedule.unanswered(), []);
  schedule.open(4);
  assert.is(schedule.find(4)?.state, state, 'and then it is used again');
});

test('links that flap while nobody answers are refused in the end', () => {
  const schedule = new LinkSchedule();
  for (let link = 0; link < UNANSWERED_LINKS_MAX; link += 1) {
    assert.is(schedule.open(link), null);
    schedule.close(link);
  }
  assert.match(schedule.open(1000) ?? '', /wait for an answer/);
  schedule.reset();
  assert.is(schedule.open(1001), null);
});

test('more links than the maximum are refused', () => {
  const schedule = scheduleOf(Array.from({ length: LIMITS.linksMax }, (_, link) => link));
  assert.match(schedule.open(100) ?? '', /more than 16 links/);
});

test('every combination of open and unanswered links has its own state byte', () => {
  const schedule = new LinkSchedule();
  const states = new Set<number>();
  for (let link = 0; link < UNANSWERED_LINKS_MAX - 1 + LIMITS.linksMax; link += 1) {
    assert.is(schedule.open(link), null);
    states.add(schedule.find(link)?.state ?? 0);
    if (link < UNANSWERED_LINKS_MAX - 1) schedule.close(link);
  }
  assert.is(states.size, UNANSWERED_LINKS_MAX - 1 + LIMITS.linksMax);
});

test.run();
