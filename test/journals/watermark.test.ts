import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, encodeWatermark } from '../../journals/format.ts';
import { encodeFreshWatermark, judgeWatermark, WatermarkFile } from '../../journals/watermark.ts';
import type { Asked } from '../../src/simulation/disk.ts';
import { Random } from '../../src/simulation/random.ts';
import { TestDisk } from '../support/test-disk.ts';
import { alignedStart, call, chainOf, create, DIRECTORY, IDENTITY, until } from './support.ts';

const PATH = `${DIRECTORY}/watermark`;
const pointOf = (dataSet: number) => ({ dataSet, finalSequence: dataSet * 10, chain: chainOf(dataSet) });

function openWatermark(disk: TestDisk) {
  const durable: number[] = [];
  const failures: Error[] = [];
  const events = {
    durable: (point: { dataSet: number }) => void durable.push(point.dataSet),
    failed: (error: Error) => void failures.push(error),
    idle: () => {},
  };
  return { file: new WatermarkFile({ disk, directory: DIRECTORY, alignedStart, events }), durable, failures };
}

function twoBlocks(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(2 * BLOCK_BYTES);
  [first, second].forEach((counter, index) => {
    const block = bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    encodeWatermark(block, { ...IDENTITY, point: pointOf(counter), hostEpoch: 7, counter });
  });
  return bytes;
}

test('the block with the higher counter counts, and the next write goes to the other one', () => {
  assert.is(judgeWatermark(twoBlocks(4, 5), PATH).newest.counter, 5);
  assert.is(judgeWatermark(twoBlocks(4, 5), PATH).nextBlock, 0);
  assert.is(judgeWatermark(twoBlocks(6, 5), PATH).newest.counter, 6);
  assert.is(judgeWatermark(twoBlocks(6, 5), PATH).nextBlock, 1);
});

test('one torn block: the other one counts and is never the one that is overwritten', () => {
  for (const [torn, whole] of [
    [0, 5],
    [1, 4],
  ] as const) {
    const bytes = twoBlocks(4, 5);
    bytes.fill(0xff, torn * BLOCK_BYTES + 20, torn * BLOCK_BYTES + 40);
    const { newest, nextBlock } = judgeWatermark(bytes, PATH);
    assert.is(newest.counter, whole);
    assert.is(nextBlock, torn);
  }
});

test('both unreadable, or cut off, or zeroes: refused, never "nothing destaged"', () => {
  const damaged = twoBlocks(4, 5);
  damaged[50] = 1;
  damaged[BLOCK_BYTES + 50] = 1;
  for (const bytes of [damaged, new Uint8Array(2 * BLOCK_BYTES), new Uint8Array(0)]) {
    assert.throws(
      () => judgeWatermark(bytes, PATH),
      (error: { code: string; message: string }) =>
        error.code === 'ERR_WATERMARK_UNREADABLE' && error.message.includes(PATH) && error.message.includes('expected'),
    );
  }
});

test('fresh: null is read, and it is not an error', async () => {
  const bytes = new Uint8Array(2 * BLOCK_BYTES);
  encodeFreshWatermark(bytes);
  assert.is(judgeWatermark(bytes, PATH).newest.point, null);
  const disk = new TestDisk();
  await create(disk);
  assert.is(openWatermark(disk).file.read(), null);
});

test('writes alternate, coalesce while one is in flight, and keep the host epoch', async () => {
  const asked: Asked[] = [];
  const disk = new TestDisk({ onAsked: (operation) => void asked.push(operation) });
  await create(disk);
  const handle = disk.open(PATH, { durableWrites: true });
  handle.writeSync(twoBlocks(4, 5), 0);
  asked.length = 0;
  const { file, durable } = openWatermark(disk);
  assert.is(file.read()?.hostEpoch, 7);
  await call((done) => file.makeDurable(done));
  file.write(IDENTITY, pointOf(6));
  file.write(IDENTITY, pointOf(7));
  file.write(IDENTITY, pointOf(8));
  assert.is(file.pendingBytes, 2 * BLOCK_BYTES);
  await until(() => durable.length === 2, 'two writes');
  assert.equal(durable, [6, 8]);
  const positions = asked.filter((operation) => operation.operation === 'write').map((operation) => operation.position);
  assert.equal(positions, [BLOCK_BYTES, 0, BLOCK_BYTES], 'first what was read, in its own place; then alternately');
  const again = openWatermark(disk).file.read();
  assert.equal(again, { ...IDENTITY, point: pointOf(8), hostEpoch: 7 });
});

test('a watermark that goes back is a broken invariant', async () => {
  const disk = new TestDisk();
  await create(disk);
  const { file, durable } = openWatermark(disk);
  file.write(IDENTITY, pointOf(6));
  await until(() => durable.length === 1, 'a write');
  assert.throws(() => file.write(IDENTITY, pointOf(5)), /never goes back/);
});

test('a failed write is told, and nothing more is written', async () => {
  const disk = new TestDisk();
  await create(disk);
  const { file, durable, failures } = openWatermark(disk);
  file.write(IDENTITY, pointOf(1));
  await until(() => durable.length === 1, 'a write');
  disk.failNext('write', 'EIO', PATH);
  file.write(IDENTITY, pointOf(2));
  await until(() => failures.length === 1, 'the failure');
  file.write(IDENTITY, pointOf(3));
  await until(() => !file.busy, 'nothing in flight');
  assert.equal(durable, [1]);
  assert.is((failures[0] as Error & { code: string }).code, 'ERR_WATERMARK_WRITE');
  const found = openWatermark(disk).file.read()?.point?.dataSet;
  assert.ok(found === 1 || found === 2, 'a failed write may have left itself whole, but nothing came after it');
});

test('whatever a power cut or a kill leaves, the newest point that was told durable is read, or a later one', async () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = new Random(seed);
    let disk = new TestDisk({ seed });
    await create(disk);
    let told = 0;
    for (let life = 0; life < 4; life += 1) {
      const { file, durable } = openWatermark(disk);
      const read = file.read()?.point?.dataSet ?? 0;
      assert.ok(read >= told, `seed ${seed}: read ${read} after ${told} was durable`);
      const steps = Math.floor(random.next() * 6);
      for (let step = 1; step <= steps; step += 1) {
        file.write(IDENTITY, pointOf(read + step));
        if (random.next() < 0.7) await new Promise((resolve) => setImmediate(resolve));
      }
      told = Math.max(told, ...durable);
      disk = disk.crash(random.next() < 0.5 ? 'page cache' : 'what is durable');
    }
  }
});

test.run();
