/** The host epoch in the watermark's file: raised in both blocks without losing the newest point, whoever else writes and whenever it crashes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, encodeWatermark } from '../../journals/format.ts';
import type { WatermarkContent } from '../../journals/format.ts';
import { decodeBlocks, judgeWatermark, WatermarkFile } from '../../journals/watermark.ts';
import { hostEpochPath } from '../../journals/files.ts';
import { announceHostEpoch, EpochReader, hostEpochIn, settleHostEpoch } from '../../journals/watermark-epoch.ts';
import { TestDisk } from '../support/test-disk.ts';
import { withFolder } from '../support/scratch.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { alignedStart as alignedInMemory } from '../../src/disk/alignment.ts';
import { codeOf } from '../support/scratch.ts';
import { alignedStart, chainOf, create, DIRECTORY, IDENTITY, until } from './support.ts';

const PATH = `${DIRECTORY}/watermark`;
const pointOf = (dataSet: number) => ({ dataSet, finalSequence: dataSet * 10, chain: chainOf(dataSet) });
const now = (): Promise<void> => Promise.resolve();

interface Block {
  readonly counter: number;
  readonly epoch: number;
  readonly point?: number;
}

function blockOf({ counter, epoch, point = counter }: Block): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  encodeWatermark(block, { ...IDENTITY, point: pointOf(point), hostEpoch: epoch, counter });
  return block;
}

function fileOf(first: Block, second: Block): Uint8Array {
  return Buffer.concat([blockOf(first), blockOf(second)]);
}

async function diskWith(bytes: Uint8Array, options: ConstructorParameters<typeof TestDisk>[0] = {}): Promise<TestDisk> {
  const disk = new TestDisk(options);
  await create(disk);
  const file = disk.open(PATH, { durableWrites: true });
  file.writeSync(bytes, 0);
  file.flushSync();
  return disk;
}

function contents(disk: TestDisk): WatermarkContent[] {
  return decodeBlocks(disk.readFile(PATH) ?? new Uint8Array(0)).flatMap((block) => (block.verdict === 'readable' ? [block.content] : []));
}

/** What a host that nobody shut out writes. */
function write(disk: TestDisk, index: 0 | 1, block: Block): void {
  const file = disk.open(PATH, { durableWrites: true });
  file.writeSync(blockOf(block), index * BLOCK_BYTES);
  file.closeSync();
}

test('the higher host epoch counts, whatever the counter', () => {
  assert.equal(judgeWatermark(fileOf({ counter: 9, epoch: 1 }, { counter: 5, epoch: 2 }), PATH).newest.counter, 5);
  assert.equal(judgeWatermark(fileOf({ counter: 5, epoch: 2 }, { counter: 9, epoch: 1 }), PATH).nextBlock, 1);
  assert.equal(judgeWatermark(fileOf({ counter: 5, epoch: 2 }, { counter: 6, epoch: 2 }), PATH).newest.counter, 6);
});

test('a host writes its own host epoch, and without one what was read', async () => {
  for (const [hostEpoch, expected] of [
    [4, 4],
    [undefined, 3],
  ] as const) {
    const disk = await diskWith(fileOf({ counter: 4, epoch: 3 }, { counter: 5, epoch: 3 }));
    const durable: number[] = [];
    const events = { durable: ({ dataSet }: { dataSet: number }) => void durable.push(dataSet), failed: () => {}, idle: () => {} };
    const file = new WatermarkFile({ disk, directory: DIRECTORY, alignedStart, events, hostEpoch });
    file.write(IDENTITY, pointOf(6));
    await until(() => durable.length === 1, 'a write');
    const newest = judgeWatermark(disk.readFile(PATH) ?? new Uint8Array(0), PATH).newest;
    assert.equal([newest.hostEpoch, newest.point?.dataSet], [expected, 6]);
  }
});

test('raised: both blocks carry it, and the point stays', async () => {
  const disk = await diskWith(fileOf({ counter: 4, epoch: 0 }, { counter: 5, epoch: 0 }));
  let settled = 0;
  const settle = (): Promise<void> => Promise.resolve(void (settled += 1));
  await settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle });
  assert.equal(
    contents(disk).map(({ hostEpoch, point }) => [hostEpoch, point?.dataSet]),
    [
      [1, 5],
      [1, 5],
    ],
  );
  assert.is(settled, 2, 'after the announcement, and after the raise');
  assert.equal(hostEpochIn(disk.readFile(PATH) ?? new Uint8Array(0)), { hostEpoch: 1, inBoth: true });
  // Again, as a life that follows a crash does: it waits once more, because nobody knows whether the former one did.
  await settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle });
  assert.is(settled, 4);
});

test('what the former host wrote while it was waited for is taken along, and raised', async () => {
  const disk = await diskWith(fileOf({ counter: 4, epoch: 0 }, { counter: 5, epoch: 0 }));
  let settled = 0;
  const settle = (): Promise<void> => {
    settled += 1;
    // After the raise: it was not stopped by the announcement, but by what stands in the blocks.
    if (settled === 2) write(disk, 0, { counter: 6, epoch: 0, point: 6 });
    return Promise.resolve();
  };
  await settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle });
  assert.is(settled, 3);
  assert.equal(
    contents(disk).map(({ hostEpoch, point }) => [hostEpoch, point?.dataSet]),
    [
      [1, 6],
      [1, 6],
    ],
  );
});

test('the former host writes on until it notices: no point that it believes durable is overwritten', async () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const disk = await diskWith(fileOf({ counter: 4, epoch: 0 }, { counter: 5, epoch: 0 }), { seed });
    await announceHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 0 });
    let counter = 5;
    let noticed = false;
    let raised = false;
    const reader = new EpochReader({ disk, directory: DIRECTORY, alignedStart });
    // It writes a watermark in every turn, and looks at the epoch now and then, as its lease does.
    const formerHost = (): void => {
      if (noticed || raised) return;
      counter += 1;
      write(disk, (counter % 2) as 0 | 1, { counter, epoch: 0 });
      if (counter % 4 === seed % 4)
        reader.read((error, bytes) => void (noticed = error === null && (hostEpochIn(bytes)?.hostEpoch ?? 0) > 0));
      setImmediate(formerHost);
    };
    formerHost();
    await settleHostEpoch({
      disk,
      directory: DIRECTORY,
      alignedStart,
      hostEpoch: 1,
      settle: () => until(() => noticed, 'that it notices'),
    });
    raised = true;
    assert.equal(
      contents(disk).map(({ hostEpoch, point }) => [hostEpoch, point?.dataSet]),
      [
        [1, counter],
        [1, counter],
      ],
      `seed ${seed}: its last point was ${counter}`,
    );
  }
});

test('an announcement is never lowered, and a torn one does not count', async () => {
  const disk = await diskWith(fileOf({ counter: 4, epoch: 0 }, { counter: 5, epoch: 0 }));
  const path = hostEpochPath(DIRECTORY);
  const read = (): number | undefined =>
    hostEpochIn(Buffer.concat([disk.readFile(PATH) ?? new Uint8Array(0), disk.readFile(path) ?? new Uint8Array(0)]))?.hostEpoch;
  await announceHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 3 });
  await announceHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 2 });
  assert.is(read(), 3);
  assert.is(
    await codeOf(() => settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 2, settle: now })),
    'ERR_HOST_SUPERSEDED',
  );
  const file = disk.open(path, { durableWrites: true });
  file.writeSync(new Uint8Array(BLOCK_BYTES).fill(7), 0);
  file.closeSync();
  assert.is(read(), 0);
  await announceHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 3 });
  assert.is(read(), 3);
});

test('a former host that goes on writing was not shut out: refused', async () => {
  const disk = await diskWith(fileOf({ counter: 4, epoch: 0 }, { counter: 5, epoch: 0 }));
  let counter = 5;
  const settle = (): Promise<void> => {
    counter += 1;
    write(disk, (counter % 2) as 0 | 1, { counter, epoch: 0 });
    return Promise.resolve();
  };
  assert.is(await codeOf(() => settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle })), 'ERR_EPOCH_UNSETTLED');
});

test('a higher host epoch than the one to be raised: another host was faster', async () => {
  const disk = await diskWith(fileOf({ counter: 4, epoch: 2 }, { counter: 5, epoch: 0 }));
  const before = disk.readFile(PATH);
  assert.is(
    await codeOf(() => settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle: now })),
    'ERR_HOST_SUPERSEDED',
  );
  assert.equal(disk.readFile(PATH), before);
});

test('whenever a raise is cut off, the newest point is read, from whichever block it stood in', async () => {
  const places = [
    fileOf({ counter: 4, epoch: 0 }, { counter: 5, epoch: 0 }),
    fileOf({ counter: 5, epoch: 0 }, { counter: 4, epoch: 0 }),
    // The former host's later note, with its lower epoch, names the newest point.
    fileOf({ counter: 7, epoch: 1, point: 4 }, { counter: 6, epoch: 0, point: 5 }),
    fileOf({ counter: 6, epoch: 0, point: 5 }, { counter: 7, epoch: 1, point: 4 }),
  ];
  let betweenSeen = 0;
  for (let seed = 0; seed < 200; seed += 1) {
    const disk = await diskWith(places[seed % places.length] ?? new Uint8Array(0), { seed });
    const ends: string[] = [];
    void settleHostEpoch({ disk, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle: now }).then(() => ends.push('done'));
    for (let turn = 0; turn < seed % 31 && ends.length === 0; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const after = disk.crash(seed % 3 === 0 ? 'page cache' : 'what is durable');
    const found = contents(after);
    if (found.some(({ hostEpoch }) => hostEpoch === 1) && ends.length === 0) betweenSeen += 1;
    assert.ok(
      found.some(({ point }) => point?.dataSet === 5),
      `seed ${seed}: the newest point is lost: ${JSON.stringify(found)}`,
    );
    await settleHostEpoch({ disk: after, directory: DIRECTORY, alignedStart, hostEpoch: 1, settle: now });
    assert.equal(
      contents(after).map(({ hostEpoch, point }) => [hostEpoch, point?.dataSet]),
      [
        [1, 5],
        [1, 5],
      ],
    );
  }
  assert.ok(betweenSeen > 20, `only ${betweenSeen} raises were cut off in the middle`);
});

test('the reader sees on a real disk what another descriptor wrote', async () => {
  await withFolder(async (folder) => {
    const disk = new NodeDisk();
    disk.replaceFile(`${folder}/watermark`, fileOf({ counter: 1, epoch: 0 }, { counter: 2, epoch: 0 }));
    const reader = new EpochReader({ disk, directory: folder, alignedStart: alignedInMemory });
    const read = (): Promise<ReturnType<typeof hostEpochIn>> =>
      new Promise((resolve, reject) => reader.read((error, bytes) => (error === null ? resolve(hostEpochIn(bytes)) : reject(error))));
    assert.equal(await read(), { hostEpoch: 0, inBoth: true });
    const file = disk.open(`${folder}/watermark`, {});
    file.writeSync(blockOf({ counter: 3, epoch: 8 }), 0);
    assert.equal(await read(), { hostEpoch: 8, inBoth: false });
    file.closeSync();
    await new Promise<void>((resolve) => reader.close(() => resolve()));
  });
});

test.run();
