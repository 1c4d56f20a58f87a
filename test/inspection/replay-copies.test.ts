/**
 * What a replay by hand refuses to store into: files that are no copies, and copies that hold parts of data sets it is not to bring them to.
 *
 * @timeLimit 180 s
 * @invariant I1 I3
 */
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { journalPath } from '../../journals/files.ts';
import { RECORDS_OFFSET } from '../../journals/format.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { BlockRanges } from '../../src/inspection/diff/block-ranges.ts';
import { holdsLock } from '../../src/inspection/ring/running.ts';
import { rangesOf } from '../../src/protocol/recovery-summary.ts';
import { Random } from '../../src/simulation/random.ts';
import { codeOf, needsTried, thrownBy, withFolder, withLoopDevice } from '../support/scratch.ts';
import { apply, BLOCK, DeadSecondary, makeHistory, VOLUMES, type Command, type MadeSet } from './replay-support.ts';

async function refusal(work: Promise<unknown>): Promise<FarshoreError> {
  const error = await thrownBy(() => work);
  if (!(error instanceof FarshoreError)) throw new Error(`expected a refusal, found ${String(error)}`, { cause: error });
  return error;
}

const HISTORY: readonly (readonly Command[])[] = [
  [{ lba: 0, blocks: 32, fill: 7 }],
  [
    { lba: 0, blocks: 2, fill: 11 },
    { lba: 8, fill: 12 },
  ],
  [
    { lba: 1, blocks: 2, fill: 21 },
    { type: 'zero', lba: 8 },
    { vlun: 0, lba: 4, blocks: 2, fill: 22 },
  ],
  [
    { lba: 2, blocks: 2, fill: 31 },
    { type: 'trim', lba: 16, blocks: 2 },
  ],
  [{ lba: 3, fill: 41 }],
];

async function withDead(
  flagged: number,
  work: (dead: DeadSecondary, copies: string[]) => Promise<void>,
  history: readonly (readonly Command[])[] = HISTORY,
): Promise<void> {
  await withFolder(async (folder) => {
    const dead = new DeadSecondary(folder, makeHistory(history), 0);
    for (let dataSet = 1; dataSet < history.length; dataSet += 1) dead.writeJournal(dataSet, { flagged: dataSet <= flagged });
    await work(dead, dead.writeCopies('copy', 0));
  });
}

function isLocked(path: string): boolean {
  const { dev, ino } = statSync(path, { bigint: true });
  return holdsLock(readFileSync('/proc/locks', 'utf8'), { device: dev, inode: ino });
}

test('copies at the watermark can be brought to every complete data set, however many flags are set', async () => {
  for (const flagged of [0, 1, 4]) {
    for (const through of [1, 2, 3, 4]) {
      await withDead(flagged, async (dead, copies) => {
        await dead.dryRun(copies, { through });
        assert.is(dead.stateOf('copy'), 0, 'a dry run changes nothing');
        await dead.replay(copies, { through });
        assert.is(dead.stateOf('copy'), through);
      });
    }
  }
});

/** Store the first `stores` records above the watermark 0 into the copies, as a destage or replay that was killed would. */
function storeFirst(dead: DeadSecondary, history: readonly (readonly Command[])[], stores: number): void {
  const images = VOLUMES.map(({ name }) => readFileSync(dead.copyPath('copy', name)));
  for (const command of history.slice(1).flat().slice(0, stores)) apply(command, images);
  for (const [index, { name }] of VOLUMES.entries()) writeFileSync(dead.copyPath('copy', name), images[index] as Buffer);
}

test('a replay that was killed at any record, then one to any data set: the history at it, or a refusal that is right', async () => {
  const refused: string[] = [];
  const stores = HISTORY.slice(1).flat().length;
  for (let stored = 0; stored <= stores; stored += 1) {
    for (const through of [1, 2, 3, 4]) {
      await withDead(0, async (dead, copies) => {
        const what = `${stored} records are stored, replay through ${through}`;
        storeFirst(dead, HISTORY, stored);
        const error = await thrownBy(() => dead.dryRun(copies, { through }));
        assert.is(await codeOf(() => dead.replay(copies, { through })), error === undefined ? 'none' : 'ERR_REPLAY_MIXED', what);
        if (error === undefined) {
          assert.is(dead.stateOf('copy'), through, what);
          return;
        }
        if (!(error instanceof FarshoreError)) throw new Error(what, { cause: error });
        refused.push(`${stored}:${through}`);
        assert.is(error.exitCode, 5);
        assert.match(error.message, /block \d+ of volume (data|log) is what data set \d writes there/);
        const { possible } = error.facts as { possible: number[] };
        assert.ok(possible.includes(4) && !possible.includes(through), what);
        assert.ok(error.hint?.includes(`to data set ${rangesOf(possible)};`), error.hint);
        await dead.replay(copies, { through, volumesAtWatermark: true });
        assert.is.not(dead.stateOf('copy'), through, `${what}: the refusal was right`);
      });
    }
  }
  // Data set 1 has two records, 2 three, 3 two; the only block of data set 4 is stored anew by a replay of data set 3.
  assert.is(refused.join(' '), '3:1 4:1 5:1 6:1 6:2 7:1 7:2 8:1 8:2');
});

test('the same for any history', async () => {
  await withFolder(async (folder) => {
    let run = 0;
    const place = fc.record({ vlun: fc.constantFrom(3, 0), lba: fc.integer({ min: 0, max: 12 }), blocks: fc.integer({ min: 1, max: 4 }) });
    const places = fc.array(fc.array(place, { minLength: 1, maxLength: 8 }), { minLength: 3, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(places, fc.nat(), fc.nat(), async (sets, stored, pick) => {
        run += 1;
        let fill = 0;
        // Every write has contents of its own, so that nothing is equal by chance.
        const commands = sets.map((set) => set.map((command) => ({ ...command, fill: (fill += 1) })));
        const dead = new DeadSecondary(join(folder, `${run}`), makeHistory(commands), 0);
        for (let dataSet = 1; dataSet < sets.length; dataSet += 1) dead.writeJournal(dataSet);
        const copies = dead.writeCopies('copy', 0);
        storeFirst(dead, commands, stored % (commands.slice(1).flat().length + 1));
        const through = 1 + (pick % (sets.length - 1));
        const error = await thrownBy(() => dead.replay(copies, { through }));
        if (error !== undefined) {
          assert.is((error as FarshoreError).code, 'ERR_REPLAY_MIXED');
          await dead.replay(copies, { through, volumesAtWatermark: true });
        }
        const expected = (dead.history[through] as MadeSet).images;
        const isRight = VOLUMES.every(({ name }, index) => readFileSync(dead.copyPath('copy', name)).equals(expected[index] as Buffer));
        assert.is(isRight, error === undefined, `through ${through}`);
      }),
      { numRuns: 30 },
    );
  });
});

test('copies that were replayed further by hand are not brought back, also where no flag is set', async () => {
  await withDead(0, async (dead, copies) => {
    await dead.replay(copies, { through: 3 });
    assert.is((await refusal(dead.replay(copies, { through: 2 }))).code, 'ERR_REPLAY_MIXED');
    await dead.replay(copies, { through: 3 });
    await dead.replay(copies);
    assert.is(dead.stateOf('copy'), 4);
  });
});

test('what is equal by chance: zeroes count only in a data set that writes nothing else, the same data only with all before it', async () => {
  const zeroed: readonly Command[] = [{ type: 'zero', lba: 0, blocks: 32 }];
  const trim: Command = { type: 'trim', lba: 8, blocks: 8 };
  const cases: readonly { last: readonly Command[]; refused: boolean }[] = [
    { last: [trim, { lba: 1, fill: 2 }], refused: false },
    { last: [{ lba: 1, fill: 2 }, trim], refused: false },
    { last: [trim], refused: true },
    // The same as data set 0 left there, first and last.
    {
      last: [
        { lba: 20, fill: 9 },
        { lba: 1, fill: 2 },
      ],
      refused: true,
    },
    {
      last: [
        { lba: 1, fill: 2 },
        { lba: 20, fill: 9 },
      ],
      refused: false,
    },
  ];
  for (const { last, refused } of cases) {
    await withDead(
      1,
      async (dead, copies) => {
        const code = await codeOf(() => dead.replay(copies, { through: 1 }));
        assert.is(code, refused ? 'ERR_REPLAY_MIXED' : 'none', JSON.stringify(last));
        await dead.replay(copies, { through: 1, volumesAtWatermark: true });
        // Zeroes over zeroes: the volumes are the same after both.
        assert.is(dead.stateOf('copy'), last.length === 1 ? 2 : 1);
      },
      [[...zeroed, { lba: 20, fill: 9 }], [{ lba: 0, fill: 1 }], last],
    );
  }
});

test("copies that are older than the watermark, or not of this host, are known by what the watermark's data set wrote", async () => {
  const history: readonly (readonly Command[])[] = [
    [{ lba: 0, blocks: 32, fill: 1 }],
    [
      { lba: 4, blocks: 3, fill: 2 },
      { lba: 5, fill: 3 },
      { lba: 10, blocks: 2, fill: 4 },
      { type: 'zero', lba: 11 },
      { type: 'zero', lba: 12 },
    ],
    [{ lba: 6, blocks: 2, fill: 5 }],
  ];
  await withFolder(async (folder) => {
    const dead = new DeadSecondary(folder, makeHistory(history), 1);
    dead.writeJournal(2);
    const old = dead.writeCopies('copy', 0);
    await dead.dryRun(old);
    dead.writeJournal(1, { order: [3, 1, 4, 2, 0, 5], flagged: true });
    for (const volumesAtWatermark of [false, true]) {
      for (const attempt of [dead.dryRun, dead.replay]) {
        const error = await refusal(attempt.call(dead, old, { volumesAtWatermark }));
        assert.equal([error.code, error.exitCode], ['ERR_REPLAY_COPY', 5]);
        assert.match(error.message, /copy-data.img is not at the watermark: block 11 is not what data set 1 left there/);
      }
    }
    assert.is(dead.stateOf('copy'), 0);
    // Only what it wrote last, and nobody after it, tells.
    for (const [lba, tells] of [
      [4, true],
      [5, true],
      [6, false],
      [7, false],
      [10, true],
      [11, true],
      [12, true],
      [20, false],
    ] as const) {
      const copies = dead.writeCopies('copy', 1);
      const image = readFileSync(dead.copyPath('copy', 'data'));
      image.fill(0x77, lba * BLOCK, (lba + 1) * BLOCK);
      writeFileSync(dead.copyPath('copy', 'data'), image);
      assert.is(await codeOf(() => dead.replay(copies)), tells ? 'ERR_REPLAY_COPY' : 'none', `block ${lba}`);
    }
    const copies = dead.writeCopies('copy', 1);
    for (let times = 0; times < 2; times += 1) await dead.replay(copies);
    assert.is(dead.stateOf('copy'), 2);
    // A retired journal that can no longer be read tells nothing.
    const path = journalPath(dead.directory, 1);
    const bytes = readFileSync(path);
    bytes[RECORDS_OFFSET + 90] = 0x55;
    writeFileSync(path, bytes);
    await dead.dryRun(dead.writeCopies('copy', 0));
  });
});

test('what recovery refuses can be stepped around only with pure images of the watermark', async () => {
  await withDead(4, async (dead, copies) => {
    dead.writeJournal(3, { flagged: true, order: [0] });
    for (const through of [undefined, 2]) {
      const error = await refusal(dead.replay(copies, { through }));
      assert.is(error.code, 'ERR_RECOVERY_FLAGGED_DAMAGED');
      assert.match(error.hint ?? '', /data set 1-2: --through N --volumes-at-watermark/);
    }
    assert.is((await refusal(dead.replay(copies, { through: 3, volumesAtWatermark: true }))).code, 'ERR_REPLAY_THROUGH');
    await dead.replay(copies, { through: 2, volumesAtWatermark: true });
    assert.is(dead.stateOf('copy'), 2);
  });
});

test('what is no copy is refused before anything is written', async () => {
  await withDead(1, async (dead, copies) => {
    const [data = '', log = ''] = copies;
    const path = (name: string): string => join(dead.folder, name);
    mkdirSync(path('folder'));
    writeFileSync(path('short'), Buffer.alloc(31 * BLOCK));
    writeFileSync(path('long'), Buffer.alloc(33 * BLOCK));
    linkSync(dead.copyPath('copy', 'data'), path('hard-link'));
    symlinkSync(dead.copyPath('data', 'data'), path('link-to-source'));
    const cases: readonly [string[], string, RegExp][] = [
      [[data], 'ERR_REPLAY_COPY', /no copy is named for volume log \(VLUN 0\)/],
      [[data, log, `3=${path('short')}`], 'ERR_REPLAY_COPY', /volume data is named twice/],
      [[`data=${path('nowhere')}`, log], 'ERR_REPLAY_COPY', /does not exist/],
      [[`data=${path('folder')}`, log], 'ERR_REPLAY_COPY', /neither a file nor a block device/],
      [[`data=/dev/null`, log], 'ERR_REPLAY_COPY', /neither a file nor a block device/],
      [[`data=${path('short')}`, log], 'ERR_REPLAY_COPY', /has 15872 bytes, the volume has 16384/],
      [[`data=${path('long')}`, log], 'ERR_REPLAY_COPY', /has 16896 bytes/],
      [[`data=${path('link-to-source')}`, log], 'ERR_REPLAY_COPY', /is a source volume of the config/],
      [[`data=${dead.directory}/watermark`, log], 'ERR_REPLAY_COPY', /bytes, the volume has/],
      [['data', log], 'ERR_USAGE', /expected NAME=PATH/],
      [[`=${path('short')}`, log], 'ERR_USAGE', /expected NAME=PATH/],
      [['data=', log], 'ERR_USAGE', /expected NAME=PATH/],
      [[`other=${path('short')}`, log], 'ERR_USAGE', /there is no volume other; this group has data \(VLUN 3\), log \(VLUN 0\)/],
    ];
    for (const [volumes, code, message] of cases) {
      const error = await refusal(dead.replay(volumes, { sourcePaths: [dead.copyPath('data', 'data'), path('gone')] }));
      assert.is(error.code, code, `${volumes.join(' ')}: ${error.message}`);
      assert.match(error.message, message);
      assert.is(error.exitCode, code === 'ERR_USAGE' ? 2 : 5);
    }
    assert.not.ok(existsSync(path('nowhere')), 'nothing is created');
    assert.is(dead.stateOf('copy'), 0);
    await dead.replay([`3=${path('hard-link')}`, `0=${dead.copyPath('copy', 'log')}`]);
    assert.is(dead.stateOf('copy'), 4, 'volumes can be named by VLUN');
  });
});

test('one file for two volumes is refused', async () => {
  await withDead(1, async (dead, copies) => {
    const [data = ''] = copies;
    // As large as it takes: the sizes are checked one by one.
    truncateSync(dead.copyPath('copy', 'log'), 32 * BLOCK);
    dead.writeState({ volumes: ['data', 'log'].map((name, vlun) => ({ name, vlun: vlun === 0 ? 3 : 0, sizeBytes: 32 * BLOCK })) });
    linkSync(dead.copyPath('copy', 'data'), join(dead.folder, 'twin'));
    const error = await refusal(dead.replay([data, `log=${join(dead.folder, 'twin')}`]));
    assert.equal([error.code, error.exitCode], ['ERR_REPLAY_COPY', 5]);
    assert.match(error.message, /are one file/);
  });
});

test('a volume that a running host has locked is refused, and the copies are locked while a replay stores', async () => {
  await withDead(1, async (dead, copies) => {
    const lock = dead.disk.lock(dead.copyPath('copy', 'log'));
    for (const attempt of [dead.dryRun(copies), dead.replay(copies)]) {
      const error = await refusal(attempt);
      assert.equal([error.code, error.exitCode], ['ERR_REPLAY_COPY', 5]);
      assert.match(error.message, /in use/);
    }
    lock?.release();
    assert.is(dead.stateOf('copy'), 0);
    const locked: boolean[] = [];
    const watched = Object.create(dead.disk) as typeof dead.disk;
    watched.open = (path, options) => {
      if (path.includes('/slot-')) locked.push(isLocked(dead.copyPath('copy', 'data')));
      return dead.disk.open(path, options);
    };
    await dead.replay(copies, { disk: watched });
    assert.is(dead.stateOf('copy'), 4);
    const first = locked.indexOf(true);
    assert.ok(first > 0, 'the plan takes no lock');
    assert.ok(locked.slice(first).every(Boolean) && locked.length - first >= 4, 'every journal is read again under the lock');
  });
});

needsTried(test, 'losetup')('a copy may be a block device, and is one device by whatever name', async () => {
  await withLoopDevice(32 * BLOCK, async (device) => {
    await withDead(1, async (dead, copies) => {
      writeFileSync(device, readFileSync(dead.copyPath('copy', 'data')));
      const volumes = [`data=${device}`, copies[1] ?? ''];
      assert.is(await codeOf(() => dead.replay(volumes, { sourcePaths: [device] })), 'ERR_REPLAY_COPY');
      await dead.replay(volumes, { through: 3 });
      assert.is(await codeOf(() => dead.replay(volumes, { through: 2 })), 'ERR_REPLAY_MIXED');
      writeFileSync(dead.copyPath('copy', 'data'), readFileSync(device));
      assert.is(dead.stateOf('copy'), 3);
    });
  });
});

test('ranges of blocks: what was not added of any range, against a plain set', () => {
  const random = new Random(5);
  const int = (below: number): number => Math.floor(random.next() * below);
  for (let run = 0; run < 200; run += 1) {
    const ranges = new BlockRanges();
    const plain = new Set<string>();
    for (let step = 0; step < 30; step += 1) {
      const vlun = int(2);
      const from = int(60);
      const range = { from, to: from + 1 + int(12) };
      if (int(3) > 0) {
        ranges.add(vlun, range);
        for (let block = range.from; block < range.to; block += 1) plain.add(`${vlun} ${block}`);
        continue;
      }
      const expected = [];
      for (let block = range.from; block < range.to; block += 1) if (!plain.has(`${vlun} ${block}`)) expected.push(block);
      const found = ranges.without(vlun, range).flatMap(({ from: first, to }) => Array.from({ length: to - first }, (_, at) => first + at));
      assert.equal(found, expected);
    }
  }
});

test.run();
