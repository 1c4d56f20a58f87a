import { SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk, DiskFile, Done } from '../../src/disk/disk.ts';
import { BLOCK_BYTES, RECORDS_OFFSET } from '../../journals/format.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { scanJournal } from '../../journals/scan.ts';
import type { Asked } from '../../src/simulation/disk.ts';
import { TestDisk } from '../support/test-disk.ts';
import {
  call,
  chainOf,
  create,
  DIRECTORY,
  encodeRecord,
  fresh,
  IDENTITY,
  LATER_IDENTITY,
  listen,
  open,
  scan,
  sequencesOf,
  until,
} from './support.ts';
import type { JournalRing } from '../../journals/contract.ts';

const pathOf = (slot: number): string => `${DIRECTORY}/slot-000${slot}.journal`;
const pointOf = (dataSet: number, finalSequence: number) => ({ dataSet, finalSequence, chain: chainOf(dataSet) });

function openDataSet(ring: JournalRing, dataSet: number): void {
  ring.openDataSet({ slot: dataSet % 4, dataSet, firstSequence: dataSet * 100 });
}

function append(ring: JournalRing, dataSet: number, index: number, blocks = 1): void {
  const bytes = encodeRecord({ dataSet, firstSequence: dataSet * 100, sequence: dataSet * 100 + index, blocks });
  ring.append({ slot: dataSet % 4, index, bytes });
}

/** Scan what a power cut leaves of a slot for sure. */
function durableScan(disk: TestDisk, slot: number) {
  return scanJournal(disk.durableBytes(pathOf(slot)) ?? new Uint8Array(), { slot, path: pathOf(slot) });
}

test('I2: what is told durable is on disk, header, records and terminator', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  append(ring, 5, 3);
  append(ring, 5, 0);
  assert.is(told.durable.size, 0);
  ring.commit();
  assert.ok(ring.pendingBytes > 0);
  await until(() => told.durable.get(5) === 2, 'a commit');
  const found = durableScan(disk, 1);
  assert.equal(sequencesOf(found), [503, 500]);
  assert.ok(found.header.verdict === 'readable' && found.header.dataSet === 5 && found.header.stream === IDENTITY.stream);
  assert.is(found.tail.verdict, 'clean-end');
  assert.is(ring.pendingBytes, 0);
});

test('records stand in the memory buffer where the offsets say', async () => {
  const ring = await fresh(new TestDisk());
  openDataSet(ring, 5);
  append(ring, 5, 3);
  append(ring, 5, 0, 4);
  const { shared, start, offsets } = ring.buffers[1] ?? { shared: new SharedArrayBuffer(0), start: 0, offsets: new SharedArrayBuffer(0) };
  const table = new Uint32Array(offsets);
  assert.is(table[3], RECORDS_OFFSET);
  assert.is(table[0], RECORDS_OFFSET + 592);
  const expected = encodeRecord({ dataSet: 5, firstSequence: 500, sequence: 500, blocks: 4 });
  assert.is(Buffer.compare(new Uint8Array(shared, start + 592 + RECORDS_OFFSET, expected.length), expected), 0);
});

test('at most two commits in flight, never two on one journal, the lowest data set first', async () => {
  const inFlight = new Set<string>();
  let most = 0;
  const order: string[] = [];
  const memory = new TestDisk();
  const disk = wrapWrites(memory, (path, write, done) => {
    assert.not.ok(inFlight.has(path), 'two writes of one journal');
    inFlight.add(path);
    order.push(path);
    most = Math.max(most, inFlight.size);
    write((error) => {
      inFlight.delete(path);
      done(error);
    });
  });
  const told = listen();
  const ring = await fresh(disk, told);
  order.length = 0;
  for (const dataSet of [7, 5, 6, 4]) openDataSet(ring, dataSet);
  append(ring, 7, 0, 8);
  append(ring, 6, 0, 16);
  append(ring, 5, 0, 4);
  append(ring, 4, 0, 1);
  ring.commit();
  append(ring, 4, 1, 1);
  ring.commit();
  await until(
    () => told.durable.get(4) === 2 && told.durable.get(7) === 1 && told.durable.get(5) === 1 && told.durable.get(6) === 1,
    'all commits',
  );
  assert.is(most, 2);
  assert.equal(order, [0, 2, 0, 3, 1].map(pathOf), 'lowest, largest backlog, lowest again, then by backlog');
});

test('with a gap, little waits for the next commit; much and a complete flag do not', async () => {
  const writes: number[] = [];
  const disk = new TestDisk({
    onAsked: (asked) => {
      if (asked.operation === 'write') writes.push(asked.position ?? -1);
    },
  });
  const told = listen();
  const ring = await fresh(disk, told, geometryOf({ slots: 4, slotBytes: 1024 * 1024 }), 60_000);
  writes.length = 0;
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.commit();
  await until(() => told.durable.get(5) === 1, 'the first commit, at once');
  append(ring, 5, 1);
  ring.commit();
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.is(told.durable.get(5), 1, 'one more record waits');
  assert.is(writes.length, 1);
  for (let index = 2; index < 6; index += 1) append(ring, 5, index, 128);
  ring.commit();
  await until(() => told.durable.get(5) === 6, 'much, at once');
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 505) });
  await until(() => told.flags.length === 1, 'the flag, at once');
  await call((done) => ring.close(done));
});

test('what waits for the gap is committed when it is over', async () => {
  const told = listen();
  const disk = new TestDisk();
  const ring = await fresh(disk, told, undefined, 20);
  openDataSet(ring, 5);
  for (let index = 0; index < 3; index += 1) {
    append(ring, 5, index);
    ring.commit();
    await until(() => told.durable.has(5), 'the first commit');
  }
  assert.is(told.durable.get(5), 1);
  const from = performance.now();
  while (told.durable.get(5) !== 3 && performance.now() - from < 10_000) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.is(told.durable.get(5), 3, 'together');
});

test("the first commit of a data set is one write from 0; later ones begin in the tail's block", async () => {
  const asked: Asked[] = [];
  const disk = new TestDisk({
    onAsked: (operation) => {
      if (operation.operation === 'write') asked.push(operation);
    },
  });
  const told = listen();
  const ring = await fresh(disk, told);
  asked.length = 0;
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.commit();
  await until(() => told.durable.get(5) === 1, 'first commit');
  append(ring, 5, 1, 16);
  ring.commit();
  await until(() => told.durable.get(5) === 2, 'second commit');
  const [first, second] = asked;
  assert.equal([first?.position, first?.lengthBytes], [0, 3 * BLOCK_BYTES]);
  assert.equal([second?.position, second?.lengthBytes], [RECORDS_OFFSET, 3 * BLOCK_BYTES]);
  assert.is(asked.length, 2);
});

test("the tail's block is private: appends during a commit change nothing of what lands", async () => {
  // A disk that reads the buffers late, as a device does.
  const landed: Buffer[] = [];
  let release: (() => void) | null = null;
  const memory = new TestDisk();
  const disk = wrapWrites(memory, (path, write, done, buffers) => {
    if (path !== pathOf(1) || release === null) return write(done);
    release = () => {
      landed.push(Buffer.concat(buffers));
      write(done);
    };
  });
  const told = listen();
  const ring = await fresh(disk, told);
  release = () => {};
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.commit();
  append(ring, 5, 1);
  append(ring, 5, 2, 20);
  release();
  release = null;
  await until(() => told.durable.get(5) === 3, 'both commits');
  const image = new Uint8Array(64 * 1024);
  image.set(landed[0] ?? Buffer.alloc(0));
  const found = scanJournal(image, { slot: 1, path: pathOf(1) });
  assert.equal(sequencesOf(found), [500]);
  assert.is(found.tail.verdict, 'clean-end');
  assert.equal(sequencesOf(durableScan(memory, 1)), [500, 501, 502]);
});

test('I3: the complete flag is written behind its records, in a block of its own', async () => {
  const asked: Asked[] = [];
  const disk = new TestDisk({
    onAsked: (operation) => {
      if (operation.operation === 'write') asked.push(operation);
    },
  });
  const told = listen();
  const ring = await fresh(disk, told);
  asked.length = 0;
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 500) });
  await until(() => told.flags.length === 1, 'the flag');
  assert.equal(
    asked.map((operation) => [operation.position, operation.lengthBytes]),
    [
      [0, 3 * BLOCK_BYTES],
      [BLOCK_BYTES, BLOCK_BYTES],
    ],
  );
  const found = durableScan(disk, 1);
  assert.equal(found.completeMark, { verdict: 'set', point: pointOf(5, 500), stream: IDENTITY.stream });
  assert.throws(() => append(ring, 5, 1), /not open/);
});

test('I5: a slot takes a new data set only when it is retired; old bytes and the old mark never count', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  for (let index = 0; index < 60; index += 1) append(ring, 5, index);
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 559) });
  await until(() => told.flags.length === 1, 'the flag');
  assert.throws(() => openDataSet(ring, 9), /not retired/);
  ring.retire(1);
  assert.throws(() => ring.openDataSet({ slot: 1, dataSet: 10, firstSequence: 0 }), /does not belong/);
  openDataSet(ring, 9);
  append(ring, 9, 0, 2);
  ring.commit();
  await until(() => told.durable.get(9) === 1, 'a commit');
  const found = durableScan(disk, 1);
  assert.equal(sequencesOf(found), [900]);
  assert.equal([found.tail.verdict, found.completeMark.verdict], ['clean-end', 'not-set']);
});

test('a full slot: the last record ends at capacity, the next one is a broken invariant', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  const { capacityBytes } = ring.geometry;
  let index = 0;
  for (let left = capacityBytes + SYNC_RECORD_BYTES; left >= 592; left -= 592) append(ring, 5, index++);
  while (true) {
    try {
      append(ring, 5, index, 0);
    } catch (thrown) {
      assert.match((thrown as Error).message, 'capacity');
      break;
    }
    index += 1;
  }
  ring.commit();
  await until(() => told.durable.get(5) === index, 'a commit');
  assert.equal([durableScan(disk, 1).records.length, durableScan(disk, 1).tail.verdict], [index, 'clean-end']);
});

test('restart: scan, make durable, go on behind the tail; complete marks stay', async () => {
  const disk = new TestDisk();
  let told = listen();
  let ring = await fresh(disk, told);
  openDataSet(ring, 5);
  openDataSet(ring, 6);
  append(ring, 5, 0);
  append(ring, 6, 1);
  append(ring, 6, 0, 7);
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 500) });
  ring.commit();
  await until(() => told.flags.length === 1 && told.durable.get(6) === 2, 'commits and flag');

  const after = disk.crash();
  told = listen();
  ring = open(after, told);
  const journals = await scan(ring);
  assert.equal(
    journals.map((journal) => sequencesOf(journal)),
    [[], [500], [601, 600], []],
  );
  assert.is(journals[1]?.completeMark.verdict, 'set');
  assert.throws(() => append(ring, 6, 2), /not open/);
  ring.commit();
  assert.is(ring.pendingBytes, 0, 'nothing is written before recovery decided');
  await call((done) => ring.makeDurable(1, done));
  await call((done) => ring.makeDurable(2, done));
  const table = new Uint32Array(ring.buffers[2]?.offsets ?? new SharedArrayBuffer(8));
  assert.equal([table[1], table[0]], [RECORDS_OFFSET, RECORDS_OFFSET + 592]);
  append(ring, 6, 2);
  openDataSet(ring, 7);
  append(ring, 7, 0);
  ring.setCompleteFlag({ slot: 2, point: pointOf(6, 602) });
  await until(() => told.durable.get(6) === 3 && told.durable.get(7) === 1 && told.flags.includes(6), 'going on');
  assert.throws(() => append(ring, 5, 1), /not open/);
  assert.is(durableScan(after, 1).completeMark.verdict, 'set');
  assert.equal(sequencesOf(durableScan(after, 2)), [601, 600, 602]);
  assert.is(durableScan(after, 2).completeMark.verdict, 'set');
});

/** Live on a disk whose writes reach only the page cache, be killed, restart, recover (or not), and only then lose power. */
async function killThenPowerCut(seed: number, recovers: boolean) {
  const disk = new TestDisk({ seed });
  await create(disk);
  const told = listen();
  const ring = open(inPageCacheOnly(disk), told);
  await scan(ring);
  openDataSet(ring, 5);
  for (let index = 0; index < 20; index += 1) append(ring, 5, index);
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 519) });
  ring.writeWatermark(pointOf(4, 499));
  await until(() => told.flags.length === 1 && told.watermarks.length === 1, 'flag and watermark');
  const killed = disk.crash('page cache');
  const again = open(killed);
  const [, found] = await scan(again);
  assert.equal([sequencesOf(found).length, found?.completeMark.verdict], [20, 'set']);
  assert.is(again.readWatermark()?.point?.dataSet, 4);
  if (recovers) {
    await call((done) => again.makeDurable(1, done));
    await call((done) => again.makeWatermarkDurable(done));
  }
  const last = open(killed.crash());
  const [, left] = await scan(last);
  const watermark = last.readWatermark()?.point?.dataSet;
  return sequencesOf(left).length === 20 && left?.completeMark.verdict === 'set' && left.tail.verdict === 'clean-end' && watermark === 4;
}

test('killed, restarted from the page cache, then the power cut: what recovery made durable stays', async () => {
  let lostWithoutRecovery = 0;
  for (let seed = 1; seed <= 30; seed += 1) {
    assert.ok(await killThenPowerCut(seed, true), `seed ${seed}`);
    if (!(await killThenPowerCut(seed, false))) lostWithoutRecovery += 1;
  }
  assert.ok(lostWithoutRecovery > 10, `without the rewrite it is lost: in ${lostWithoutRecovery} of 30 seeds`);
});

test('records that win over an older header get a header of their own', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 500) });
  await until(() => told.flags.length === 1, 'the flag');
  const header = disk.durableBytes(pathOf(1))?.slice(0, RECORDS_OFFSET) ?? new Uint8Array();
  ring.retire(1);
  openDataSet(ring, 9);
  append(ring, 9, 0);
  ring.commit();
  await until(() => told.durable.get(9) === 1, 'a commit');
  disk.open(pathOf(1), { durableWrites: true }).writeSync(header, 0);

  const after = disk.crash();
  const again = open(after);
  const [, found] = await scan(again);
  assert.ok(found?.header.verdict === 'readable' && found.header.dataSet === 5);
  assert.equal(
    found?.records.map((record) => record.dataSet),
    [9],
  );
  assert.throws(() => again.makeDurable(1, () => {}), /no header/);
  await call((done) => again.makeDurable(1, done, { identity: IDENTITY, dataSet: 9, firstSequence: 900 }));
  const rebuilt = durableScan(after, 1);
  assert.ok(rebuilt.header.verdict === 'readable' && rebuilt.header.dataSet === 9 && rebuilt.header.firstSequence === 900);
  assert.equal([rebuilt.completeMark.verdict, sequencesOf(rebuilt)], ['not-set', [900]]);
});

test('discard makes a slot free for good, also one with records and a flag', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  append(ring, 5, 0, 30);
  ring.setCompleteFlag({ slot: 1, point: pointOf(5, 500) });
  await until(() => told.flags.length === 1, 'the flag');
  await call((done) => ring.discard(1, done));
  const found = durableScan(disk, 1);
  assert.ok(found.header.verdict === 'readable' && found.header.dataSet === null);
  assert.equal([found.records.length, found.completeMark.verdict, found.tail.verdict], [0, 'not-set', 'clean-end']);
  ring.setIdentity(LATER_IDENTITY);
  openDataSet(ring, 9);
});

test('a crash in a discard never leaves a flag without its records', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const disk = new TestDisk({ seed });
    const told = listen();
    const ring = await fresh(disk, told);
    openDataSet(ring, 5);
    append(ring, 5, 0, 3);
    ring.setCompleteFlag({ slot: 1, point: pointOf(5, 500) });
    await until(() => told.flags.length === 1, 'the flag');
    let over = false;
    ring.discard(1, () => {
      over = true;
    });
    for (let turn = 0; turn < seed % 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const found = durableScan(disk.crash(), 1);
    assert.ok(found.completeMark.verdict !== 'set' || sequencesOf(found).length === 1, `seed ${seed}`);
    assert.not.equal(found.header.verdict, 'unreadable');
    if (over) assert.ok(found.header.verdict === 'readable' && found.header.dataSet === null);
  }
});

test('a discard waits for the commit in flight', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.commit();
  append(ring, 5, 1);
  await call((done) => ring.discard(1, done));
  assert.is(durableScan(disk, 1).records.length, 0);
  assert.is(ring.pendingBytes, 0);
  openDataSet(ring, 9);
});

test('close waits for what is in flight and starts nothing more', async () => {
  const disk = new TestDisk();
  const told = listen();
  const ring = await fresh(disk, told);
  openDataSet(ring, 5);
  append(ring, 5, 0);
  ring.commit();
  append(ring, 5, 1);
  ring.writeWatermark(pointOf(4, 400));
  await call((done) => ring.close(done));
  assert.is(told.durable.get(5), 1);
  assert.equal(sequencesOf(durableScan(disk, 1)), [500]);
});

/** The same disk, whose durable writes are not: they stay in the page cache. */
function inPageCacheOnly(disk: TestDisk): Disk {
  return new Proxy(disk, {
    get: (target, name) => {
      if (name === 'open') return (path: string) => target.open(path, {});
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Put something between the ring and a file's writes. */
function wrapWrites(
  disk: TestDisk,
  around: (path: string, write: (done: Done) => void, done: Done, buffers: readonly Uint8Array[]) => void,
): TestDisk {
  const wrapFile = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get: (target, name) => {
        if (name === 'write') {
          return (buffers: readonly Uint8Array[], position: number, done: Done) =>
            around(target.path, (written) => target.write(buffers, position, written), done, buffers);
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  return new Proxy(disk, {
    get: (target, name) => {
      if (name === 'open') return (...options: Parameters<Disk['open']>) => wrapFile(target.open(...options));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

test.run();
