import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DiskFile } from '../../src/disk/disk.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { AlwaysRandom, TestDisk } from '../support/test-disk.ts';
import { codeOf, finished } from '../support/scratch.ts';

const filled = (lengthBytes: number, value: number): Uint8Array => new Uint8Array(lengthBytes).fill(value);
const write = (file: DiskFile, bytes: Uint8Array, position: number): Promise<void> =>
  finished((done) => file.write([bytes], position, done));
const flush = (file: DiskFile): Promise<void> => finished((done) => file.flush(done));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A disk with one durable file of `sizeBytes` zeroes at /a. */
async function diskWithFile(sizeBytes: number, seed = 1): Promise<{ disk: TestDisk; file: DiskFile }> {
  const disk = new TestDisk({ seed });
  const file = disk.open('/a', { create: true });
  await finished((done) => file.allocate(sizeBytes, done));
  await flush(file);
  disk.syncDirectory('/');
  return { disk, file };
}

/** How a file looks after a power cut, over many seeds: which values its sectors have. */
async function outcomes(
  prepare: (disk: TestDisk, file: DiskFile) => void | Promise<void>,
  kept: Kept = 'what is durable',
): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk, file } = await diskWithFile(1024, seed);
    await prepare(disk, file);
    const after = disk.crash(kept);
    const bytes = after.readFile('/a') ?? new Uint8Array(0);
    seen.add(`${bytes[0]}${bytes[512]}`);
  }
  return seen;
}

const all = ['00', '01', '10', '11'];

test('a write that was not flushed may be lost, whole or torn after a power cut', async () => {
  assert.equal([...(await outcomes((_disk, file) => write(file, filled(1024, 1), 0)))].toSorted(), all);
});

test('a flushed write always survives', async () => {
  const seen = await outcomes(async (_disk, file) => {
    await write(file, filled(1024, 1), 0);
    await flush(file);
  });
  assert.equal([...seen], ['11']);
});

test('a flush does not cover what was written after it was asked', async () => {
  const seen = await outcomes(async (_disk, file) => {
    file.writeSync(filled(512, 1), 0);
    const flushed = flush(file);
    file.writeSync(filled(512, 1), 512);
    await flushed;
  });
  assert.equal([...seen].toSorted(), ['10', '11']);
});

test('a killed process keeps what it wrote readable, and a later power cut may still lose it', async () => {
  assert.equal([...(await outcomes((_disk, file) => write(file, filled(1024, 1), 0), 'page cache'))], ['11']);
  const later = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk, file } = await diskWithFile(1024, seed);
    await write(file, filled(1024, 1), 0);
    const bytes = disk.crash('page cache').crash().readFile('/a');
    later.add(`${bytes?.[0]}${bytes?.[512]}`);
  }
  assert.equal([...later].toSorted(), all);
});

test('a killed process that reads and flushes makes durable what the page cache held', async () => {
  const { disk, file } = await diskWithFile(1024);
  await write(file, filled(1024, 1), 0);
  const killed = disk.crash('page cache');
  const again = killed.open('/a', {});
  await flush(again);
  assert.equal(killed.crash().readFile('/a'), filled(1024, 1));
});

function durableWrite(disk: TestDisk, wait: boolean): Promise<void> {
  const file = disk.open('/a', { durableWrites: true });
  const written = write(file, filled(4096, 1), 0);
  return wait ? written : Promise.resolve();
}

test('durable writes survive when they were reported, and may be lost or torn when they were not', async () => {
  assert.equal([...(await outcomes((disk) => durableWrite(disk, true)))], ['11']);
  assert.equal([...(await outcomes((disk) => durableWrite(disk, false)))].toSorted(), all);
  assert.equal([...(await outcomes((disk) => durableWrite(disk, false), 'page cache'))].toSorted(), all);
});

test('a durable write is not undone by the flush of an older one', async () => {
  const { disk, file } = await diskWithFile(8192);
  file.writeSync(filled(8192, 1), 0);
  await write(disk.open('/a', { durableWrites: true }), filled(4096, 2), 4096);
  await flush(file);
  assert.equal(disk.crash().readFile('/a'), filled(8192, 1).fill(2, 4096));
});

test('a failed flush is reported once; the next says OK, and the writes may be gone for good', async () => {
  const seen = await outcomes(async (disk, file) => {
    await write(file, filled(1024, 1), 0);
    disk.failNext('flush', 'EIO', '/a');
    assert.is(await codeOf(() => flush(file)), 'EIO');
    assert.is(await codeOf(() => flush(file)), 'none');
    assert.equal(disk.readFile('/a'), filled(1024, 1));
  });
  assert.equal([...seen].toSorted(), all);
});

test('a planned failure hits the next operation of its kind and path, once', async () => {
  const { disk, file } = await diskWithFile(1024);
  disk.failNext('write', 'ENOSPC', '/b');
  disk.failNext('write', 'EIO', '/a');
  assert.is(await codeOf(() => write(file, filled(512, 1), 0)), 'EIO');
  assert.is(await codeOf(() => write(file, filled(512, 1), 0)), 'none');
  disk.failNext('replaceFile', 'ENOSPC');
  assert.is(await codeOf(() => disk.replaceFile('/c', filled(1, 1))), 'ENOSPC');
  assert.is(disk.exists('/c'), false);
});

test('callbacks of a crashed disk never come', async () => {
  const { disk, file } = await diskWithFile(1024);
  let calls = 0;
  file.write([filled(512, 1)], 0, () => (calls += 1));
  disk.crash();
  file.flush(() => (calls += 1));
  await turn();
  await turn();
  assert.is(calls, 0);
});

test('names that no directory flush covered may be undone, in their order', async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk } = await diskWithFile(512, seed);
    disk.rename('/a', '/b');
    disk.open('/c', { create: true });
    seen.add(disk.crash().list('/').join());
    const synced = new TestDisk({ seed });
    synced.open('/a', { create: true });
    synced.rename('/a', '/b');
    synced.syncDirectory('/');
    assert.equal(synced.crash().list('/'), ['b']);
  }
  assert.equal([...seen].toSorted(), ['a', 'b', 'b,c']);
});

test('a new file has a durable name only with its folder, and durable bytes only with its own flush', async () => {
  const contents = new Set<number | undefined>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const disk = new TestDisk({ seed });
    const file = disk.open('/n', { create: true });
    file.writeSync(filled(512, 1), 0);
    disk.syncDirectory('/');
    contents.add(disk.crash().readFile('/n')?.length);
  }
  assert.equal(contents, new Set([0, 512]));
});

test('a kill keeps renamed names pending, and a replaced file is durable', async () => {
  const { disk } = await diskWithFile(512);
  disk.rename('/a', '/b');
  disk.replaceFile('/s', filled(3, 1));
  disk.rename('/b', '/c');
  const names = new Set<string>();
  for (let seed = 1; seed <= 30; seed += 1)
    names.add(
      disk
        .crash('page cache')
        .crash('what is durable', { random: new AlwaysRandom(seed / 31) })
        .list('/')
        .join(),
    );
  assert.equal([...names].toSorted(), ['b,s', 'c,s']);
});

test('a buffer that changes while it is written is found', async () => {
  const { disk, file } = await diskWithFile(1024);
  const bytes = filled(512, 1);
  const failed = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
  file.write([bytes], 0, () => {});
  bytes[3] = 9;
  assert.match((await failed).message, /stay as they are/);
  disk.crash();
});

test('locks end with the process', async () => {
  const { disk } = await diskWithFile(512);
  assert.ok(disk.lock('/lock'));
  assert.is(disk.lock('/lock'), null);
  assert.ok(disk.crash('page cache').lock('/lock'));
});

async function crashAfterManyWrites(): Promise<Uint8Array | null> {
  const { disk, file } = await diskWithFile(64 * 1024, 42);
  for (let index = 0; index < 20; index += 1) await write(file, filled(3000, index + 1), index * 2500);
  return disk.crash().readFile('/a');
}

test('the same seed gives the same crash', async () => {
  assert.equal(await crashAfterManyWrites(), await crashAfterManyWrites());
});

test('with reordering, operations complete out of order and all complete', async () => {
  const disk = new TestDisk({ seed: 3, reorders: true });
  const file = disk.open('/a', { create: true });
  const order: number[] = [];
  await Promise.all(Array.from({ length: 20 }, (_, index) => write(file, filled(10, 1), index * 10).then(() => order.push(index))));
  assert.is(order.length, 20);
  assert.not.equal(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test.run();
