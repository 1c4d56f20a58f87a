/**
 * What a replay by hand refuses to store into: files that are no copies, and copies that hold parts of data sets it is not to bring them to.
 *
 * @invariant I1 I3
 */
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FarshoreError } from '../../src/model/errors.ts';
import { BlockRanges } from '../../src/inspection/block-ranges.ts';
import { holdsLock } from '../../src/inspection/running.ts';
import { Random } from '../../src/simulation/random.ts';
import { thrownBy, withFolder } from '../support/scratch.ts';
import { BLOCK, DeadSecondary, makeHistory, type Command } from './replay-support.ts';

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

/** Put one block of a data set's volumes into the copies, as a destage that was cut off would. */
function stray(dead: DeadSecondary, dataSet: number, { name = 'data', lba }: { name?: string; lba: number }): void {
  const path = dead.copyPath('copy', name);
  const image = readFileSync(path);
  const from = dead.history[dataSet]?.images[name === 'data' ? 0 : 1] as Buffer;
  from.copy(image, lba * BLOCK, lba * BLOCK, (lba + 1) * BLOCK);
  writeFileSync(path, image);
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

test('a block of a later data set is found, and named with what is still possible', async () => {
  const cases: readonly { at: number; lba: number; name?: string; least: number }[] = [
    // The first data set above N that changes the block stores it anew.
    { at: 2, lba: 2, least: 2 },
    { at: 3, lba: 2, least: 2 },
    { at: 3, lba: 3, least: 3 },
    { at: 4, lba: 3, least: 3 },
    { at: 3, lba: 16, least: 3 },
    { at: 2, lba: 5, name: 'log', least: 2 },
    { at: 2, lba: 8, least: 1 },
    { at: 1, lba: 1, least: 1 },
  ];
  for (const { at, lba, name = 'data', least } of cases) {
    for (const through of [1, 2, 3, 4]) {
      await withDead(4, async (dead, copies) => {
        stray(dead, at, { name, lba });
        const what = `a block of data set ${at}, replay through ${through}`;
        if (through >= least) {
          await dead.replay(copies, { through });
          assert.is(dead.stateOf('copy'), through, what);
          return;
        }
        for (const attempt of [dead.dryRun(copies, { through }), dead.replay(copies, { through })]) {
          const error = await refusal(attempt);
          assert.equal([error.code, error.exitCode], ['ERR_REPLAY_MIXED', 5], what);
          assert.match(error.message, new RegExp(`block ${lba} of volume ${name} `));
          assert.match(error.hint ?? '', new RegExp(`to data set${least === 4 ? '' : 's'} ${least}`));
        }
        await dead.replay(copies, { through, volumesAtWatermark: true });
        assert.is(dead.stateOf('copy'), 'mixed', `${what}: the refusal was right`);
      });
    }
  }
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

test('zeroes over zeroes are no sign of a later data set, unless its destage may have begun', async () => {
  const history: readonly (readonly Command[])[] = [
    [{ type: 'zero', lba: 0, blocks: 32 }],
    [{ lba: 0, fill: 1 }],
    [
      { type: 'trim', lba: 8, blocks: 8 },
      { lba: 1, fill: 2 },
    ],
  ];
  await withDead(
    1,
    async (dead, copies) => {
      await dead.replay(copies, { through: 1 });
      assert.is(dead.stateOf('copy'), 1);
    },
    history,
  );
  await withDead(
    2,
    async (dead, copies) => {
      assert.is((await refusal(dead.replay(copies, { through: 1 }))).code, 'ERR_REPLAY_MIXED');
      await dead.replay(copies, { through: 1, volumesAtWatermark: true });
      assert.is(dead.stateOf('copy'), 1);
    },
    history,
  );
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
