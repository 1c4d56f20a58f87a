import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import type { ScannedJournal } from '../../journals/contract.ts';
import { checkTable } from '../../src/protocol/decision-table.ts';
import type { RecoveryPlan } from '../../src/protocol/recovery-decision.ts';
import type { JournalFacts, MarkFacts, RecordFacts } from '../../src/protocol/recovery-facts.ts';
import { refusalOf } from '../../src/protocol/recovery-plan.ts';
import { rangesOf } from '../../src/protocol/recovery-summary.ts';
import { FATE_TABLE, OWNER_TABLE } from '../../src/protocol/recovery-tables.ts';
import {
  SLOTS,
  STREAM,
  TORN,
  UNREADABLE,
  flagOf,
  freeSlot,
  headerOf,
  historyOf,
  journalOf,
  labels,
  must,
  partOf,
  planOf,
  replayed,
  set,
} from '../support/recovery-journals.ts';

/** The scan's result is what recovery takes: this line does not compile otherwise. */
export const fits = (journal: ScannedJournal): JournalFacts => journal;

function refuses(plan: RecoveryPlan, code: string, label: string): void {
  assert.is(plan.outcome, 'refuse');
  const journal = plan.journals.find((decision) => decision.action === 'refuse');
  assert.equal([journal?.code, journal?.label], [code, label]);
  const error = refusalOf(plan);
  assert.is(error?.code, code);
  assert.is(error?.exitCode, 5);
  assert.match(error?.message ?? '', journal?.path ?? 'no path');
}

test('every combination of inputs matches exactly one row, and every row is reached', () => {
  assert.equal(checkTable(OWNER_TABLE), { combinations: 11 * 4 * 4, unmatched: [], ambiguous: [], unreachable: [] });
  assert.equal(checkTable(FATE_TABLE), { combinations: 864, unmatched: [], ambiguous: [], unreachable: [] });
  for (const { then } of [...FATE_TABLE.rows, ...OWNER_TABLE.rows])
    if (then !== null) assert.is(then.code !== null, then.action === 'refuse');
});

test('no complete journal: recovery has nothing to do (Fig. 11, step 420)', () => {
  const plan = planOf([]);
  assert.equal([plan.outcome, plan.restored, plan.makeDurable, plan.discard, plan.through], ['recover', [], [], [], set(2).point]);
  assert.match(plan.lines.at(-1) ?? '', 'nothing to do; the copy will be at data set 2');
  assert.is(refusalOf(plan), null);
});

test('complete-not-destaged: replayed in ascending order, flagged or not (Fig. 11, steps 430-440)', () => {
  const plan = planOf([journalOf(5), journalOf(3, { completeMark: flagOf(3) }), journalOf(4)]);
  assert.equal(labels(plan), ['3 replay', '4 flag and replay', '5 flag and replay']);
  assert.equal(
    plan.restored.map((restored) => [restored.dataSet, restored.completeFlag, restored.records.length]),
    [
      [3, true, 2],
      [4, false, 4],
      [5, false, 3],
    ],
  );
  assert.equal(plan.through, set(5).point);
  assert.equal(plan.origin, { dataSet: 3, firstSequence: set(3).firstSequence, chain: set(2).point.chain });
  assert.equal(plan.makeDurable[0], { slot: 3, dataSet: 3, firstSequence: 12, records: 2, endOffset: 8192 + 2 * 96, headerIsOld: false });
  assert.is(plan.lines.at(-1), 'recovery replays 3 data sets (3-5); the copy will be at data set 5');
});

test('torn-last-record, zero-tail, bit-flip in a partial set: kept, the handshake tells', () => {
  const plan = planOf([journalOf(3, { records: partOf(3, 0), tail: TORN })]);
  assert.equal(labels(plan), ['3 keep partial, tail unreadable']);
  assert.equal(
    plan.restored.map((restored) => restored.records.map((record) => record.sequence)),
    [[12]],
  );
  assert.match(plan.lines[0] ?? '', '1 records, at least 1 missing, sync included');
});

test('acknowledged-partial-set, sync-command-missing, gap-in-sequence-numbers: kept in the order of the journal', () => {
  const plan = planOf([journalOf(3, { records: partOf(3, 0) }), journalOf(4, { records: partOf(4, 3, 0) })]);
  assert.equal(labels(plan), ['3 keep partial', '4 keep partial']);
  assert.equal(
    plan.restored[1]?.records.map((record) => record.sequence),
    [17, 14],
  );
  assert.equal(plan.journals.find((journal) => journal.dataSet === 4)?.held, {
    firstSequence: 14,
    finalSequence: 17,
    chain: set(4).point.chain,
    highestSequence: 17,
    records: 2,
    bytes: 192,
    missing: 2,
  });
  assert.equal(plan.through, set(2).point);
});

test('a header without any record: the first commit had not reached the disk', () => {
  const plan = planOf([journalOf(3, { records: [], tail: TORN })]);
  assert.equal(plan.restored, [{ dataSet: 3, firstSequence: 12, completeFlag: false, records: [] }]);
  assert.is(plan.makeDurable[0]?.endOffset, null);
});

test('an unreadable tail behind the sync of a complete set changes nothing', () => {
  assert.equal(replayed(planOf([journalOf(3, { tail: TORN }), journalOf(4, { completeMark: flagOf(4), tail: TORN })])), [3, 4]);
});

test('earlier-data-set-partial: complete ones behind it are kept but not reachable', () => {
  const plan = planOf([journalOf(3, { records: partOf(3, 1) }), journalOf(4), journalOf(5)]);
  assert.equal(labels(plan), ['3 keep partial', '4 complete behind a gap', '5 complete behind a gap']);
  assert.is(plan.restored.length, 3);
  assert.equal(labels(planOf([journalOf(4)])), ['4 complete behind a gap'], 'the earlier one is not there at all');
});

test('crash-during-destage, between volume flush and watermark, and during recovery: replayed again', () => {
  const journals = [journalOf(3, { completeMark: flagOf(3) }), journalOf(4, { completeMark: flagOf(4) })];
  assert.equal(planOf(journals), planOf(journals));
  assert.equal(labels(planOf(journals, { watermark: set(3).point })), ['3 at or below the watermark', '4 replay']);
  assert.equal(labels(planOf(journals, { watermark: set(4).point })), ['3 at or below the watermark', '4 at or below the watermark']);
});

test('stale-journal-reused: what is at or below the watermark is done, whatever its flag, tail and records say', () => {
  const stale = [
    journalOf(2, { completeMark: flagOf(2) }),
    journalOf(1, { records: partOf(1, 1), tail: TORN, completeMark: { verdict: 'unreadable', offset: 4096 } }),
  ];
  assert.equal(labels(planOf(stale)), ['1 at or below the watermark', '2 at or below the watermark']);
});

test('a torn first commit of a reused slot never refuses', () => {
  const oldHeader = headerOf(3, 3);
  const at6 = { watermark: set(6).point };
  assert.equal(labels(planOf([journalOf(7, { header: oldHeader, records: [], tail: TORN })], at6)), ['3 at or below the watermark']);
  assert.equal(labels(planOf([journalOf(7, { header: oldHeader, records: partOf(3, 0, 1) })], at6)), ['3 at or below the watermark']);
  assert.equal(
    labels(planOf([journalOf(7, { records: [], completeMark: flagOf(3) })], at6)),
    ['7 keep partial'],
    'the flag of the data set before is void',
  );
  assert.equal(labels(planOf([journalOf(7, { records: partOf(3, 0, 1) })], at6)), ['7 keep partial'], 'old records behind a new header');
  assert.equal(planOf([journalOf(7, { records: [...partOf(7, 0, 1), ...partOf(3, 1)] })], at6).restored[0]?.records.length, 2);
});

test('older-header-over-newer-records, bit-flip-in-header: the records win', () => {
  const at6 = { watermark: set(6).point };
  for (const header of [headerOf(3, 3), headerOf(3, null), UNREADABLE]) {
    const plan = planOf([journalOf(7, { header })], at6);
    assert.equal(labels(plan), ['7 flag and replay']);
    assert.is(plan.makeDurable[0]?.headerIsOld, true);
    assert.equal(labels(planOf([journalOf(7, { header, records: partOf(7, 2, 0) })], at6)), ['7 keep partial']);
    assert.equal(labels(planOf([journalOf(7, { header, completeMark: flagOf(7) })], at6)), ['7 replay']);
    refuses(
      planOf([journalOf(7, { header, completeMark: flagOf(7), records: [] })], at6),
      'ERR_RECOVERY_FLAGGED_DAMAGED',
      'flagged, not whole',
    );
  }
});

test('an unreadable header with nothing that proves the journal retired', () => {
  refuses(planOf([journalOf(3, { header: UNREADABLE, records: [] })]), 'ERR_RECOVERY_JOURNAL_UNREADABLE', 'unreadable');
  assert.equal(labels(planOf([journalOf(1, { header: UNREADABLE })])), ['null header unreadable, retired by its records']);
  refuses(
    planOf([journalOf(1, { header: UNREADABLE, completeMark: { verdict: 'unreadable', offset: 4096 } })]),
    'ERR_RECOVERY_JOURNAL_UNREADABLE',
    'unreadable',
  );
});

test('bit-flip-in-payload, complete-flag-with-unreadable-record: a flagged set is replayed or recovery refuses', () => {
  refuses(
    planOf([journalOf(3, { completeMark: flagOf(3), records: partOf(3, 0), tail: TORN })]),
    'ERR_RECOVERY_FLAGGED_DAMAGED',
    'flagged, not whole',
  );
  refuses(planOf([journalOf(4, { completeMark: flagOf(4) })]), 'ERR_RECOVERY_FLAGGED_GAP', 'flagged behind a gap');
  for (const mode of ['start', 'promote'] as const) {
    refuses(
      planOf([journalOf(3, { completeMark: { verdict: 'unreadable', offset: 4096 }, records: partOf(3, 0) })], { mode }),
      'ERR_RECOVERY_FLAG_UNREADABLE',
      'flag unreadable, not replayable',
    );
  }
  assert.equal(replayed(planOf([journalOf(3, { completeMark: { verdict: 'unreadable', offset: 4096 } })])), [3]);
});

test('contradictions: chain, numbers twice, bounds, flag, names', () => {
  const [a, b, c, d] = partOf(4, 0, 1, 2, 3) as [RecordFacts, RecordFacts, RecordFacts, RecordFacts];
  const [write, sync] = partOf(3, 0, 1) as [RecordFacts, RecordFacts];
  const four = (...records: RecordFacts[]): RecoveryPlan => planOf([journalOf(3), journalOf(4, { records })]);
  const code = 'ERR_RECOVERY_CONTRADICTION';
  refuses(planOf([journalOf(3, { records: [{ ...write, headerChecksum: 1 }, sync] })]), code, 'contradictory records');
  refuses(four(a, { ...a, headerChecksum: 9 }), code, 'contradictory records');
  assert.is(four(a, a, b).restored[1]?.records.length, 2, 'the same record twice is one');
  refuses(four(a, { ...b, firstSequence: 15 }), code, 'contradictory records');
  refuses(four(a, { ...b, sequence: 500 }), code, 'contradictory records');
  refuses(four({ ...d, sequence: 15 }, c), code, 'contradictory records');
  refuses(planOf([journalOf(3, { header: headerOf(3, 3, { firstSequence: 11 }) })]), code, 'contradictory records');
  refuses(
    planOf([journalOf(3), journalOf(4, { header: headerOf(0, 4, { firstSequence: 15 }), records: [] })]),
    code,
    'contradictory records',
  );
  refuses(
    planOf([journalOf(3, { completeMark: { verdict: 'set', stream: STREAM, point: { ...set(3).point, chain: 'x' } } })]),
    code,
    'contradictory records',
  );
  const shortFlag: MarkFacts = { verdict: 'set', stream: STREAM, point: { ...set(3).point, finalSequence: 12 } };
  refuses(planOf([journalOf(3, { completeMark: shortFlag })]), code, 'contradictory records');
  const early = partOf(4, 0).map((record) => ({ ...record, firstSequence: 3, sequence: 3 }));
  refuses(planOf([journalOf(4, { header: headerOf(0, 4, { firstSequence: 3 }), records: early })]), code, 'contradictory records');
  refuses(planOf([journalOf(3, { records: set(7).records })]), code, 'two data sets in one journal');
  assert.match(refusalOf(planOf([journalOf(3, { records: [{ ...write, headerChecksum: 1 }, sync] })]))?.message ?? '', 'its chain is');
});

test('two-journals-one-data-set, wrong slot, above the window', () => {
  refuses(planOf([journalOf(3), journalOf(3, { slot: 0 })]), 'ERR_RECOVERY_DUPLICATE', 'two journals, one data set');
  refuses(planOf([journalOf(3, { slot: 0 })]), 'ERR_RECOVERY_WRONG_SLOT', 'wrong slot');
  refuses(planOf([journalOf(3, { header: headerOf(2, 3) })]), 'ERR_RECOVERY_WRONG_SLOT', 'wrong slot');
  refuses(planOf([journalOf(7)]), 'ERR_RECOVERY_ABOVE_WINDOW', 'above the window');
});

test('later-format-version, foreign-group, old-generation, other geometry', () => {
  refuses(
    planOf([journalOf(3, { header: { verdict: 'later-version', version: 2 }, records: [] })]),
    'ERR_RECOVERY_LATER_VERSION',
    'later format version',
  );
  refuses(planOf([journalOf(3, { header: headerOf(3, 3, { groupId: 'other' }) })]), 'ERR_RECOVERY_FOREIGN_GROUP', 'foreign group');
  refuses(
    planOf([journalOf(3, { header: headerOf(3, 3, { groupId: 'other' }) })], {
      identity: { groupId: null, generation: 0, stream: null },
      watermark: null,
    }),
    'ERR_RECOVERY_FOREIGN_GROUP',
    'foreign group',
  );
  refuses(planOf([journalOf(3, { header: headerOf(3, 3, { generation: 2 }) })]), 'ERR_RECOVERY_UNKNOWN_STREAM', 'unknown stream');
  refuses(planOf([journalOf(3, { header: headerOf(3, 3, { slots: 8 }) })]), 'ERR_RECOVERY_GEOMETRY', 'other geometry');
  assert.equal(labels(planOf([journalOf(2, { header: headerOf(2, 2, { slots: 8 }) })])), ['2 retired, other geometry']);
});

test('older-stream-partial is discarded, an older flagged one refuses', () => {
  const older = (records: readonly RecordFacts[]): RecordFacts[] => records.map((record) => ({ ...record, stream: 'stream-0' }));
  const header = headerOf(3, 3, { stream: 'stream-0' });
  const plan = planOf([journalOf(3, { header, records: older(partOf(3, 0)) })]);
  assert.equal([labels(plan), plan.discard, plan.restored], [['3 older stream'], [3], []]);
  refuses(
    planOf([journalOf(3, { header, records: older(set(3).records), completeMark: flagOf(3, 'stream-0') })]),
    'ERR_RECOVERY_OLDER_STREAM_FLAGGED',
    'older stream, flagged',
  );
  assert.equal(labels(planOf([journalOf(2, { header: headerOf(2, 2, { stream: 'stream-0' }) })])), ['2 at or below the watermark']);
  assert.equal(labels(planOf([journalOf(3, { header })])), ['3 flag and replay'], 'records of the agreed stream win over an older header');
});

test('promotion gives up what is partial and what is behind the gap, and only that', () => {
  const plan = planOf([journalOf(3, { completeMark: flagOf(3) }), journalOf(4, { records: partOf(4, 0), tail: TORN }), journalOf(5)], {
    mode: 'promote',
  });
  assert.equal(labels(plan), ['3 replay', '4 give up: partial', '5 give up: behind a gap']);
  assert.equal([plan.discard, plan.through, plan.restored.map((restored) => restored.dataSet)], [[0, 1], set(3).point, [3]]);
  assert.is(plan.lines.at(-1), 'recovery replays 1 data set (3), discards 2 data sets (4-5); the copy will be at data set 3');
  const again = planOf([journalOf(3, { completeMark: flagOf(3) }), freeSlot(0), journalOf(5)], {
    mode: 'promote',
    watermark: set(3).point,
  });
  assert.equal(
    labels(again),
    ['3 at or below the watermark', '5 give up: behind a gap'],
    'killed during the discard: the next run ends it',
  );
});

test('numbering that begins after a promotion: the origin is above the watermark', () => {
  const origin = { dataSet: 4, firstSequence: set(4).firstSequence, chain: set(3).point.chain };
  assert.equal(replayed(planOf([journalOf(4)], { origin })), [4]);
  assert.equal(replayed(planOf([journalOf(0)], { watermark: null })), [0]);
});

test('ranges are short', () => {
  assert.is(rangesOf([4, 5, 6, 9, 11, 12]), '4-6, 9, 11-12');
  assert.is(rangesOf([]), '');
});

/** A valid crash image: some durable part of each active data set, flags only on a complete prefix, old slots as they may look. */
const crash = fc.record({
  sizes: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 9, maxLength: 9 }),
  destaged: fc.integer({ min: -1, max: 4 }),
  slots: fc.array(
    fc.record({
      order: fc.array(fc.nat(), { minLength: 7, maxLength: 7 }),
      share: fc.constantFrom(0, 0.5, 1, 1, 1),
      torn: fc.boolean(),
      oldHeader: fc.boolean(),
      there: fc.constantFrom(true, true, true, false),
      stale: fc.boolean(),
    }),
    { minLength: 4, maxLength: 4 },
  ),
  flagged: fc.integer({ min: 0, max: 4 }),
  mode: fc.constantFrom('start', 'promote'),
});

test('a valid history never refuses, and replays exactly the complete prefix', () => {
  fc.assert(
    fc.property(crash, ({ sizes, destaged, slots, flagged, mode }) => {
      const sets = historyOf(sizes);
      const whole: number[] = [];
      const present = new Map<number, number[]>();
      const journals: JournalFacts[] = [];
      let expected = destaged;
      for (let dataSet = destaged + 1; dataSet <= destaged + SLOTS; dataSet += 1) {
        const { order, share, torn, oldHeader, there, stale } = must(slots[dataSet - destaged - 1]);
        const own = must(sets[dataSet]);
        const slot = dataSet % SLOTS;
        const records = there
          ? own.records
              .map((record, i) => ({ record, key: order[i] ?? i }))
              .sort((a, b) => a.key - b.key)
              .slice(0, Math.ceil(share * own.records.length))
              .map(({ record }) => record)
          : [];
        const before = dataSet - SLOTS;
        const old = before >= 0 ? must(sets[before]) : null;
        const complete = records.length === own.records.length;
        if (complete) whole.push(dataSet);
        if (complete && expected === dataSet - 1) expected = dataSet;
        const flag = complete && expected === dataSet && dataSet - destaged <= flagged && !oldHeader;
        const leftover = stale && old !== null ? old.records.slice(1) : [];
        const isOld = !there || (oldHeader && !flag);
        if (records.length > 0 || (there && !isOld))
          present.set(
            dataSet,
            records.map((record) => record.sequence),
          );
        const header = headerOf(slot, isOld ? (old === null ? null : before) : dataSet, {
          firstSequence: isOld ? (old?.firstSequence ?? null) : own.firstSequence,
        });
        const mark: MarkFacts = flag
          ? { verdict: 'set', point: own.point, stream: STREAM }
          : stale && old !== null
            ? { verdict: 'set', point: old.point, stream: STREAM }
            : { verdict: 'not-set' };
        journals.push(
          journalOf(0, {
            slot,
            header,
            records: [...records, ...leftover],
            completeMark: mark,
            tail: torn ? TORN : { verdict: 'clean-end', offset: 0 },
          }),
        );
      }
      const plan = planOf(journals, { watermark: destaged < 0 ? null : must(sets[destaged]).point, mode });
      assert.is(plan.outcome, 'recover', plan.lines.join('\n'));
      assert.equal(
        replayed(plan),
        whole.filter((dataSet) => dataSet <= expected),
      );
      assert.equal(plan.through, expected < 0 ? null : must(sets[expected]).point);
      const kept = plan.restored.map((restored) => [restored.dataSet, restored.records.map((record) => record.sequence)]);
      const awaited = [...present].filter(([dataSet]) => mode === 'start' || dataSet <= expected);
      assert.equal(kept, awaited);
      if (mode === 'promote') assert.is(plan.discard.length, [...present].filter(([dataSet]) => dataSet > expected).length);
    }),
    { numRuns: 2000 },
  );
});

test.run();
