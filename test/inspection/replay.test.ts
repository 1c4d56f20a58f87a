/**
 * A replay by hand stores exactly the data sets that it says, each in the order of its numbers, and nothing when anything is wrong.
 *
 * @invariant I3 I4 I7 I9
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { journalPath } from '../../journals/files.ts';
import { RECORDS_OFFSET } from '../../journals/format.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { carryOutReplay, prepareReplay } from '../../src/inspection/replay/replay.ts';
import { replayJson, replayPlanText } from '../../src/inspection/replay/replay-text.ts';
import { thrownBy, withFolder } from '../support/scratch.ts';
import { DeadSecondary, makeHistory, SLOTS, VOLUMES, type Command, type MadeSet } from './replay-support.ts';

const HISTORY: readonly (readonly Command[])[] = [
  [{ lba: 0, blocks: 4, fill: 10 }],
  [
    { lba: 2, blocks: 4, fill: 11 },
    { vlun: 0, lba: 5, fill: 12 },
  ],
  [
    { lba: 3, fill: 21 },
    { lba: 3, fill: 22 },
    { lba: 2, blocks: 3, fill: 23 },
    { type: 'zero', lba: 3, blocks: 2 },
    { vlun: 0, lba: 0, blocks: 3, fill: 24 },
    { type: 'trim', vlun: 0, lba: 1 },
  ],
  [
    { lba: 20, fill: 31 },
    { vlun: 0, lba: 5, fill: 32 },
  ],
  [
    { lba: 20, fill: 41 },
    { lba: 21, blocks: 2, fill: 42 },
  ],
  [{ lba: 30, fill: 51 }],
];

async function withDead(
  work: (dead: DeadSecondary, copies: string[]) => Promise<void>,
  { watermark = 1, history = makeHistory(HISTORY) }: { watermark?: number | null; history?: readonly MadeSet[] } = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const dead = new DeadSecondary(folder, history, watermark);
    await work(dead, dead.writeCopies('copy', watermark));
  });
}

async function refusal(work: Promise<unknown>): Promise<FarshoreError> {
  const error = await thrownBy(() => work);
  if (!(error instanceof FarshoreError)) throw new Error(`expected a refusal, found ${String(error)}`, { cause: error });
  return error;
}

test('every complete data set above the watermark, whatever the order in the journal', async () => {
  for (const through of [2, 3, 4, undefined]) {
    await withDead(async (dead, copies) => {
      dead.writeJournal(2, { order: [4, 6, 2, 0, 3, 1, 5], flagged: true });
      dead.writeJournal(3, { order: [2, 1, 0] });
      dead.writeJournal(4);
      dead.writeJournal(5, { order: [0] });
      const journals = () => readdirSync(dead.directory).map((name) => readFileSync(join(dead.directory, name)));
      const before = journals();
      const prepared = await dead.replay(copies, { through });
      assert.is(dead.stateOf('copy'), through ?? 4);
      assert.is(dead.stateOf('data'), 1, 'other files are left alone');
      assert.equal(journals(), before, 'journals are only read');
      const text = replayPlanText(prepared);
      assert.ok(
        text.every((line) => line.length <= 80 || line.includes('/')),
        text.join('\n'),
      );
      assert.match(text.join('\n'), new RegExp(`the copies are then at data set ${through ?? 4}`));
      assert.match(text.join('\n'), /data set 5 in slot 5: keep partial/);
      assert.equal(replayJson(prepared, false)['complete'], ['2', '3', '4']);
      assert.is((replayJson(prepared, false)['through'] as { dataSet: string }).dataSet, `${through ?? 4}`);
    });
  }
});

test('a history from its very beginning, and one that is all done', async () => {
  await withDead(
    async (dead, copies) => {
      dead.writeJournal(0);
      dead.writeJournal(1);
      await dead.replay(copies);
      assert.is(dead.stateOf('copy'), 1);
    },
    { watermark: null },
  );
  await withDead(async (dead, copies) => {
    const { sets, plan } = await dead.dryRun(copies);
    assert.equal([sets.length, plan.through?.dataSet], [0, 1]);
    assert.is((await refusal(dead.replay(copies, { through: 1 }))).code, 'ERR_REPLAY_THROUGH');
  });
});

const command = fc.record({
  type: fc.constantFrom('write' as const, 'write' as const, 'zero' as const, 'trim' as const),
  vlun: fc.constantFrom(3, 0),
  lba: fc.integer({ min: 0, max: 12 }),
  blocks: fc.integer({ min: 1, max: 4 }),
  fill: fc.integer({ min: 1, max: 200 }),
});

test('any history, any order of arrival, any data set: the copies are the history at it', async () => {
  await withFolder(async (folder) => {
    let run = 0;
    const sets = fc.array(fc.array(command, { minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: SLOTS });
    await fc.assert(
      fc.asyncProperty(sets, fc.nat(), fc.nat(), async (commands, seed, pick) => {
        run += 1;
        const dead = new DeadSecondary(join(folder, `${run}`), makeHistory(commands), 0);
        for (const { dataSet, records } of dead.history.slice(1))
          dead.writeJournal(dataSet, { order: [...records.keys()].sort((a, b) => ((a * 7919 + seed) % 31) - ((b * 7919 + seed) % 31)) });
        const through = 1 + (pick % (commands.length - 1));
        const copies = dead.writeCopies('copy', 0);
        await dead.replay(copies, { through, volumesAtWatermark: true });
        const expected = dead.history[through] as MadeSet;
        for (const [index, { name }] of VOLUMES.entries())
          assert.ok(
            readFileSync(dead.copyPath('copy', name)).equals(expected.images[index] as Buffer),
            `volume ${name} at data set ${through}`,
          );
      }),
      { numRuns: 40 },
    );
  });
});

test('only forward, only over no hole, only to what is there: the refusal lists what is possible', async () => {
  await withDead(async (dead, copies) => {
    dead.writeJournal(2, { flagged: true });
    dead.writeJournal(3);
    dead.writeJournal(4, { order: [0] });
    dead.writeJournal(5);
    const cases: readonly [number, RegExp][] = [
      [0, /at or below the watermark 1/],
      [1, /at or below the watermark 1/],
      [4, /over a hole: keep partial.*ends at data set 3/],
      [5, /over a hole: complete behind a gap.*ends at data set 3/],
      [6, /no journal holds data set 6/],
    ];
    for (const [through, message] of cases) {
      const error = await refusal(dead.replay(copies, { through }));
      assert.equal([error.code, error.exitCode, error.hint], ['ERR_REPLAY_THROUGH', 5, 'possible: 2-3']);
      assert.match(error.message, message);
    }
    assert.is(dead.stateOf('copy'), 1);
  });
});

test('killed in the middle, it is run again', async () => {
  for (const stores of [1, 3, 5, 7]) {
    await withDead(async (dead, copies) => {
      for (const dataSet of [2, 3, 4]) dead.writeJournal(dataSet, { flagged: dataSet === 2 });
      // As far as a kill could come: some stores of the replay are in the copies.
      const [path = ''] = copies.map((copy) => copy.slice(copy.indexOf('=') + 1));
      const image = readFileSync(path);
      for (const { lba, blocks = 1, fill = 1, vlun = 3, type = 'write' } of HISTORY.slice(2, 5).flat().slice(0, stores))
        if (vlun === 3) image.fill(type === 'write' ? fill : 0, lba * 512, (lba + blocks) * 512);
      writeFileSync(path, image);
      for (let times = 0; times < 2; times += 1) {
        await dead.replay(copies);
        assert.is(dead.stateOf('copy'), 4);
      }
    });
  }
});

test('a bit that flips in any record: nothing is stored, and the message names file and byte', async () => {
  await withDead(async (dead, copies) => {
    for (const dataSet of [2, 3]) dead.writeJournal(dataSet, { flagged: dataSet === 2 });
    const path = journalPath(dead.directory, 3);
    const prepared = await prepareReplay(dead.options(copies));
    const good = readFileSync(path);
    for (const at of [RECORDS_OFFSET + 30, RECORDS_OFFSET + 80 + 500, RECORDS_OFFSET + 700, RECORDS_OFFSET + 2 * 592 + 90]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 4;
      writeFileSync(path, bad);
      // Data set 3 is a partial one now, as a torn tail would have left it.
      assert.is((await refusal(dead.replay(copies, { through: 3 }))).code, 'ERR_REPLAY_THROUGH');
      assert.is(dead.stateOf('copy'), 1);
    }
    writeFileSync(path, good);
    // Flagged data sets do not become partial: recovery refuses, and so does a replay.
    const second = journalPath(dead.directory, 2);
    const flagged = readFileSync(second);
    flagged[RECORDS_OFFSET + 100] = (flagged[RECORDS_OFFSET + 100] ?? 0) ^ 1;
    writeFileSync(second, flagged);
    const error = await refusal(dead.replay(copies));
    assert.equal([error.code, error.exitCode], ['ERR_RECOVERY_FLAGGED_DAMAGED', 5]);
    assert.is(dead.stateOf('copy'), 1);
    // It flips between plan and store: what is stored was verified in the same moment.
    const late = await refusal(carryOutReplay(dead.disk, prepared));
    assert.is(late.code, 'ERR_REPLAY_INCOMPLETE');
    assert.match((late.cause as Error).message, /slot-0002\.journal, byte \d+: data set 2: expected .*, found/);
  });
});

test('a chain that does not go on from the watermark is refused', async () => {
  const other = makeHistory([[{ lba: 1, fill: 99 }], ...HISTORY.slice(1)]);
  await withDead(async (dead, copies) => {
    // Journals of another history with the same numbers.
    const foreign = new DeadSecondary(join(dead.folder, 'foreign'), other, 1);
    foreign.writeJournal(2);
    writeFileSync(journalPath(dead.directory, 2), readFileSync(journalPath(foreign.directory, 2)));
    const error = await refusal(dead.replay(copies));
    assert.equal([error.code, error.exitCode], ['ERR_RECOVERY_CONTRADICTION', 5]);
    assert.is(dead.stateOf('copy'), 1);
  });
});

test('a host that is promoted, blank or unknown has nothing to replay', async () => {
  await withDead(async (dead, copies) => {
    dead.writeJournal(2);
    const codes: string[] = [];
    for (const change of [
      { role: 'primary', condition: 'promoted' },
      { groupId: null, stream: null, generations: [] },
    ] as const) {
      dead.writeState(change);
      codes.push((await refusal(dead.replay(copies))).code);
    }
    assert.equal(codes, ['ERR_REPLAY_STATE', 'ERR_JOURNALS_NOT_BLANK']);
    dead.writeState({});
    const alone = join(dead.folder, 'alone');
    dead.disk.rename(dead.directory, alone);
    assert.is((await refusal(dead.replay(copies, { path: alone }))).code, 'ERR_REPLAY_STATE');
    await dead.replay(copies, { path: alone, stateDirectory: dead.stateDirectory });
    assert.is(dead.stateOf('copy'), 2);
  });
});

test('beside a running host nothing is replayed', async () => {
  await withDead(async (dead, copies) => {
    dead.writeJournal(2);
    const lock = dead.disk.lock(join(dead.directory, 'watermark'));
    assert.is((await refusal(dead.replay(copies))).code, 'ERR_REPLAY_RUNNING');
    lock?.release();
    await dead.replay(copies);
  });
});

test.run();
