/** The demo's verdict stands on this check, so it must accept exactly what a primary can have made, and nothing else. @invariant I1 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { History } from '../../src/demo/history.ts';
import { CopyCheck } from '../../src/demo/check-copy.ts';
import { BLOCK_WORDS } from '../../src/demo/pattern.ts';
import { allowedSets, copyAfter, historyOf, isAllowed, judge, overlap, store, textOf, write, type PlannedWrite } from './copy-fixture.ts';

/** Two volumes, four rounds: overlaps, a zero and a trim among them. */
function sample(): History {
  return historyOf(
    [16, 8],
    [
      [write(0, 0, 4), write(1, 0, 3), write(0, 2, 4)],
      [write(0, 8, 4), write(1, 2, 2), write(0, 3, 2, 'zero')],
      [write(0, 10, 4), write(1, 4, 4), write(0, 0, 1), write(0, 12, 3)],
      [write(1, 0, 1, 'trim'), write(0, 15, 1), write(1, 7, 1)],
    ],
  );
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test('every prefix in the order of issue is right, and its writes are counted', () => {
  const history = sample();
  for (let count = 0; count <= history.writes.length; count += 1) {
    const found = judge(history, copyAfter(history, upTo(count)));
    assert.is(found.equal, true, `${count}: ${found.faults.join('; ')}`);
    assert.ok(found.writesKept <= count && count <= found.writesKeptMax, `${found.writesKept} to ${found.writesKeptMax} hold ${count}`);
  }
});

test('the last round may be there in any order that respects overlaps', () => {
  const history = sample();
  const found = judge(history, copyAfter(history, [...upTo(6), 9 - 1, 7]));
  assert.is(found.equal, true, found.faults.join('; '));
  assert.equal([found.writesKept, found.writesKeptMax, found.writesKeptOf], [8, 8, [5, 3]]);
});

const RUINED: Readonly<Record<string, (history: History) => Int32Array[]>> = {
  'a write in the middle is missing': (history) => [...copyAfter(history, [0, 1, 2, 4, 5, 6, 7])],
  'a write of the last round is there without one that it overlaps': (history) => [...copyAfter(history, [...upTo(6), 9])],
  'two overlapping writes were stored in the wrong order': (history) => [...copyAfter(history, [2, 1, 0, 3])],
  'only the first half of a write is there': (history) => {
    const copy = copyAfter(history, upTo(6));
    store(history, copy, history.writes[7]!, 2);
    return [...copy];
  },
  'a block of an older write came back': (history) => {
    const copy = copyAfter(history, upTo(6));
    store(history, copy, history.writes[0]!);
    return [...copy];
  },
  'a zero was lost': (history) => [...copyAfter(history, [0, 1, 2, 3, 4, 6, 7])],
  'one volume is a round older than the other': (history) => [copyAfter(history, upTo(6))[0]!, copyAfter(history, upTo(10 + 3))[1]!],
  'one volume is empty': (history) => [new Int32Array(16 * BLOCK_WORDS), copyAfter(history, upTo(13))[1]!],
  'a block is in the wrong place': (history) => {
    const copy = copyAfter(history, upTo(13));
    copy[0]!.copyWithin(5 * BLOCK_WORDS, 8 * BLOCK_WORDS, 9 * BLOCK_WORDS);
    return [...copy];
  },
  'the volumes are swapped where they overlap': (history) => {
    const [first, second] = copyAfter(history, upTo(13));
    first!.set(second!);
    return [first!, second!];
  },
  'a block that was never written holds something': (history) => {
    const copy = copyAfter(history, upTo(13));
    copy[0]![7 * BLOCK_WORDS + 5] = 1;
    return [...copy];
  },
  'data of a write that was never issued': (history) => {
    const more = historyOf([16, 8], [upTo(20).map(() => write(0, 0, 1))]);
    const copy = copyAfter(history, upTo(13));
    store(more, copy, more.writes[19]!);
    return [...copy];
  },
};

for (const [name, ruin] of Object.entries(RUINED)) {
  test(`found: ${name}`, () => {
    const history = sample();
    const found = judge(history, ruin(history));
    assert.is(found.equal, false);
    assert.ok(found.wrongBlocks > 0 && found.faults.length > 0);
    assert.match(found.faults[0] ?? '', /^volume db[12], block \d+ \(byte \d+\): expected .+, found .+$/);
  });
}

test('found: every single flipped bit of one block, and one in every block', () => {
  const history = sample();
  const copy = copyAfter(history, upTo(13));
  for (let bit = 0; bit < 512 * 8; bit += 1) flipAndJudge(bit);
  for (let block = 0; block < 16; block += 1) flipAndJudge(block * 512 * 8 + 77 * block);

  function flipAndJudge(bit: number): void {
    copy[0]![bit >> 5]! ^= 1 << (bit & 31);
    assert.is(judge(history, copy).equal, false, `bit ${bit}`);
    copy[0]![bit >> 5]! ^= 1 << (bit & 31);
  }
  assert.is(judge(history, copy).equal, true);
});

test('found: what was not read', () => {
  const history = sample();
  const check = new CopyCheck(history);
  const copy = copyAfter(history, upTo(13));
  check.take(0, 0, copy[0]!);
  check.take(1, 0, copy[1]!.subarray(0, 7 * BLOCK_WORDS));
  const found = check.judge();
  assert.is(found.wrongBlocks, 1);
  assert.match(found.faults[0] ?? '', /volume db2, block 7 .* found nothing: it was not read/);
});

test('of a run of blocks with one fault the first is named, and all are counted', () => {
  const history = sample();
  const found = judge(history, copyAfter(history, [...upTo(7), 8, 9, 10, 11]));
  assert.is(found.wrongBlocks, 4);
  assert.equal(found.faults, [
    'volume db2, block 4 (byte 2048): expected data of write 7 (round 2), found zeroes',
    // Write 7 must be there, so zeroes here could only come after it.
    'volume db2, block 7 (byte 3584): expected data of write 12 (round 3), found zeroes',
  ]);
});

test('a copy of another seed is another copy', () => {
  const history = sample();
  const other = new History(history.seed + 1, history.volumes);
  other.beginRound();
  other.issued({ volume: 0, kind: 'write', firstBlock: 0, blocks: 4, issuedAtMs: 0 });
  assert.is(judge(other, copyAfter(history, [0])).equal, false);
});

const planned = fc.record({
  volume: fc.nat(1),
  kind: fc.constantFrom<PlannedWrite['kind']>('write', 'write', 'zero', 'trim'),
  firstBlock: fc.nat(4),
  blocks: fc.integer({ min: 1, max: 2 }),
});
const histories = fc
  .array(fc.array(planned, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
  .map((rounds) => historyOf([6, 6], rounds));

test('it accepts exactly the copies that some allowed set of writes makes, and counts within their bounds', () => {
  fc.assert(
    fc.property(histories, fc.infiniteStream(fc.nat(1000)), (history, choices) => {
      const counts = new Map<string, number[]>();
      for (const kept of allowedSets(history)) {
        const text = textOf(
          copyAfter(
            history,
            [...kept].sort((a, b) => a - b),
          ),
        );
        counts.set(text, [...(counts.get(text) ?? []), kept.size]);
      }
      const choose = (max: number): number => choices.next().value % (max + 1);
      for (let round = 0; round < 12; round += 1) {
        // Blocks of different moments, or the effect of any set of writes, allowed or not.
        const mixture = round % 2 === 0;
        const copy = copyAfter(history, mixture ? [] : history.writes.map(({ index }) => index).filter(() => choose(3) > 0));
        for (const [volume, words] of mixture ? copy.entries() : []) {
          const moment = copyAfter(history, upTo(choose(history.writes.length)))[volume]!;
          const later = copyAfter(history, upTo(choose(history.writes.length)))[volume]!;
          for (let block = 0; block < 6; block += 1) {
            const from = choose(2) === 0 ? later : moment;
            words.set(from.subarray(block * BLOCK_WORDS, (block + 1) * BLOCK_WORDS), block * BLOCK_WORDS);
          }
        }
        const found = judge(history, copy);
        const sizes = counts.get(textOf(copy));
        assert.is(found.equal, sizes !== undefined, found.faults.join('; '));
        if (sizes !== undefined) assert.equal([found.writesKept, found.writesKeptMax], [Math.min(...sizes), Math.max(...sizes)]);
      }
    }),
    { numRuns: 150, seed: 20_261_122 },
  );
});

test('every order that the primary may number in is accepted at every moment', () => {
  fc.assert(
    fc.property(histories, fc.infiniteStream(fc.nat(1000)), (history, choices) => {
      const order: number[] = [];
      const rest = new Set(history.writes.map(({ index }) => index));
      while (rest.size > 0) {
        const ready = [...rest].filter((index) => isAllowed(history, new Set([...order, index])));
        const next = ready[choices.next().value % ready.length]!;
        rest.delete(next);
        order.push(next);
        const found = judge(history, copyAfter(history, order));
        assert.is(found.equal, true, `${order.join()}: ${found.faults.join('; ')}`);
        assert.ok(found.writesKept <= order.length && order.length <= found.writesKeptMax);
      }
    }),
    { numRuns: 200, seed: 20_261_122 },
  );
});

test('the fixture itself: overlapping writes are those that share a block', () => {
  const [a, b, c] = historyOf([16, 8], [[write(0, 0, 4), write(0, 3, 1), write(0, 4, 1)]]).writes;
  assert.equal([overlap(a!, b!), overlap(b!, c!), overlap(a!, c!)], [true, false, false]);
});

test.run();
