import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { errnoOf } from '../../src/model/errors.ts';
import type { StoreMethod, Volume, VolumeConfig } from '../../src/volume/contract.ts';
import { createVolume } from '../../src/volume/create-volume.ts';
import { openVolume } from '../../src/volume/source-volume.ts';
import type { SourceVolume } from '../../src/volume/source-volume.ts';
import type { FailingOperation } from '../../src/simulation/disk.ts';
import { Random } from '../../src/simulation/random.ts';
import { TestDisk, type TestDiskOptions } from '../support/test-disk.ts';
import { codeOf, finished, messageOfFailure, needsTried, withFolder, withLoopDevice, withSmallDisk } from '../support/scratch.ts';

const disk = new NodeDisk();
const MIB = 1024 * 1024;
const mountTest = needsTried(test, 'mount');
const loopTest = needsTried(test, 'losetup');

const configOf = (path: string, sizeBytes = MIB, store: StoreMethod = 'auto'): VolumeConfig => ({
  vlun: 3,
  name: 'db1',
  sizeBytes,
  path,
  store,
});
const filled = (lengthBytes: number, value: number): Uint8Array => new Uint8Array(lengthBytes).fill(value);

async function withVolume(
  work: (volume: SourceVolume, path: string) => void | Promise<void>,
  store: StoreMethod = 'auto',
  sizeBytes = MIB,
): Promise<void> {
  await withFolder(async (folder) => {
    const config = configOf(join(folder, 'db1.img'), sizeBytes, store);
    await createVolume({ disk, config });
    const volume = openVolume({ disk, config });
    await work(volume, config.path);
    volume.close();
  });
}

test('a volume that is missing, of another size, in use or no file is refused', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'db1.img');
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(path) })), 'ERR_VOLUME_MISSING');
    writeFileSync(path, Buffer.alloc(MIB));
    const text = await messageOfFailure(() => openVolume({ disk, config: configOf(path, 2 * MIB) }));
    assert.is(text, `volume db1 (VLUN 3) at ${path} has 1048576 bytes, expected 2097152 bytes`);
    assert.is(statSync(path).size, MIB);
    const volume = openVolume({ disk, config: configOf(path) });
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(path) })), 'ERR_VOLUME_LOCKED');
    const second = openVolume({ disk, config: configOf(path), lock: false });
    second.storeSync(filled(512, 1), 0);
    second.close();
    volume.close();
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(folder) })), 'ERR_VOLUME_OPEN');
  });
});

test('a refused volume can be opened right afterwards: nothing stays locked', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'db1.img');
    writeFileSync(path, Buffer.alloc(MIB));
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(path, 2 * MIB) })), 'ERR_VOLUME_SIZE');
    openVolume({ disk, config: configOf(path) }).close();
    openVolume({ disk, config: configOf(path) }).close();
  });
});

test('a sparse file is allocated when it is opened, and keeps what it holds', async () => {
  await withFolder((folder) => {
    const path = join(folder, 'db1.img');
    writeFileSync(path, Buffer.alloc(4096, 7));
    truncateSync(path, MIB);
    const volume = openVolume({ disk, config: configOf(path) });
    assert.is(statSync(path).blocks * 512 >= MIB, true);
    assert.is(readFileSync(path)[4095], 7);
    volume.close();
  });
});

mountTest('a sparse file that does not fit its disk is refused before it is mapped', async () => {
  await withSmallDisk(MIB, async (folder) => {
    const path = join(folder, 'db1.img');
    writeFileSync(path, 'x');
    truncateSync(path, 2 * MIB);
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(path, 2 * MIB) })), 'ERR_VOLUME_NO_SPACE');
    assert.is(statSync(path).size, 2 * MIB);
  });
});

/** Any mixture of operations against a plain array. */
async function mixed(volume: Volume, seed: number): Promise<void> {
  const random = new Random(seed);
  const upTo = (max: number): number => Math.floor(random.next() * max);
  const model = filled(volume.entry.sizeBytes, 0);
  for (let step = 0; step < 300; step += 1) {
    const unit = random.next() < 0.5 ? 4096 : 512;
    const lengthBytes = (1 + upTo(random.next() < 0.2 ? 300 : 16)) * unit;
    const offset = upTo((volume.entry.sizeBytes - Math.min(lengthBytes, MIB)) / unit) * unit;
    const length = Math.min(lengthBytes, volume.entry.sizeBytes - offset);
    const bytes = filled(length, 1 + upTo(255));
    const kind = upTo(6);
    if (kind === 0) volume.storeSync(bytes, offset);
    else if (kind === 1) volume.zeroSync(offset, length);
    else if (kind === 2) await finished((done) => volume.zero(offset, length, done));
    else if (kind === 3 || !volume.storeNow(bytes, offset)) await finished((done) => volume.store(bytes, offset, done));
    if (kind === 1 || kind === 2) model.fill(0, offset, offset + length);
    else model.set(bytes, offset);
    if (step % 50 === 0) await finished((done) => volume.flush(done));
    const from = upTo(volume.entry.sizeBytes - 65_536);
    const target = filled(upTo(65_536), 99);
    if (!volume.readNow(target, from)) await finished((done) => volume.read(target, from, done));
    if (Buffer.compare(target, model.subarray(from, from + target.length)) !== 0)
      throw new Error(`seed ${seed}, step ${step}: read differs`);
  }
  const found = filled(model.length, 1);
  await finished((done) => volume.read(found, 0, done));
  assert.is(Buffer.compare(found, model), 0);
}

for (const store of ['pwrite', 'mmap'] as const) {
  test(`every mixture of stores, zeroes and reads through ${store} gives what was stored last`, async () => {
    for (let seed = 1; seed <= 4; seed += 1) {
      await withVolume(async (volume, path) => {
        if (['ext4', 'tmpfs'].includes(disk.fileSystemOf(path))) assert.is(volume.storeMethodInUse.method, store);
        await mixed(volume, seed);
      }, store);
    }
  });
}

test('a memory disk and a file system without zeroing work the same', async () => {
  const memory = new TestDisk();
  const config = configOf('/db1.img');
  await createVolume({ disk: memory, config });
  await mixed(openVolume({ disk: memory, config }), 7);
  await withFolder(async (folder) => {
    const shared = configOf(join(folder, 'db1.img'), MIB, 'mmap');
    await createVolume({ disk, config: shared });
    const volume = openVolume({ disk, config: shared });
    assert.is(volume.fastZero, false);
    await mixed(volume, 8);
    volume.close();
  }, '/dev/shm');
});

loopTest('a block device is a volume, mapped and locked like a file', async () => {
  await withLoopDevice(MIB, async (device) => {
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(device, 2 * MIB) })), 'ERR_VOLUME_SIZE');
    await createVolume({ disk, config: configOf(device), zeroExisting: true });
    const volume = openVolume({ disk, config: configOf(device, MIB, 'mmap') });
    assert.is(volume.storeMethodInUse.method, 'mmap');
    assert.is(await codeOf(() => openVolume({ disk, config: configOf(device) })), 'ERR_VOLUME_LOCKED');
    openVolume({ disk, config: configOf(device), lock: false }).close();
    await mixed(volume, 9);
    await finished((done) => volume.flush(done));
    volume.close();
  });
});

test('what would wait for the disk is not done at once', async () => {
  await withVolume(async (volume) => {
    assert.is(volume.readNow(filled(512, 0), 0), false);
    assert.is(volume.storeNow(filled(512, 1), 8192), false);
    assert.is(volume.storeNow(filled(65_536 + 4096, 1), 0), false);
    assert.is(volume.storeNow(filled(4096, 1), 8192), true);
    assert.is(volume.storeNow(filled(512, 2), 8192 + 512), true);
    const target = filled(1024, 0);
    assert.is(volume.readNow(target, 8192), true);
    assert.equal([target[0], target[511], target[512], target[1023]], [1, 1, 2, 2]);
  });
});

test('a long store goes at once where the volume is in memory, and in pieces where it is not', async () => {
  for (const [residentChance, expected] of [
    [1, [1024, 1024, 4]],
    [0, [...Array.from({ length: 64 }, () => 32), 4]],
  ] as const) {
    const written: number[] = [];
    const onAsked: TestDiskOptions['onAsked'] = ({ operation, lengthBytes }) =>
      void (operation === 'write' && written.push(lengthBytes / 1024));
    const memory = new TestDisk({ residentChance, onAsked });
    const config = configOf('/v', 4 * MIB);
    await createVolume({ disk: memory, config });
    const volume = openVolume({ disk: memory, config });
    written.length = 0;
    const bytes = filled(2 * MIB + 4096, 5);
    await finished((done) => volume.store(bytes, 4096, done));
    assert.equal(written, expected);
    assert.ok(Buffer.from(bytes).equals(memory.readFile('/v')?.subarray(4096, 4096 + bytes.length) ?? filled(0, 0)));
    volume.close();
  }
});

test('a request outside the volume, or after close, is a broken invariant', async () => {
  await withVolume(async (volume, path) => {
    const uses = [
      () => volume.storeNow(filled(512, 1), MIB - 256),
      () => volume.readNow(filled(512, 1), -512),
      () => volume.store(filled(512, 1), MIB, () => {}),
      () => volume.zeroSync(0, MIB + 512),
    ];
    for (const use of uses) assert.is(await codeOf(use), 'ERR_BROKEN_INVARIANT');
    const other = openVolume({ disk, config: configOf(path), lock: false });
    other.close();
    for (const use of [() => other.readNow(filled(1, 1), 0), () => other.flush(() => {}), () => other.close()]) {
      assert.is(await codeOf(use), 'ERR_BROKEN_INVARIANT');
    }
  });
});

test('close waits for what is under way before the lock is free', async () => {
  await withFolder(async (folder) => {
    const config = configOf(join(folder, 'db1.img'), 16 * MIB);
    await createVolume({ disk, config });
    const volume = openVolume({ disk, config });
    const stored = finished((done) => volume.store(filled(16 * MIB, 5), 0, done));
    const flushed = Promise.all([1, 2, 3].map(() => finished((done) => volume.flush(done))));
    const zeroed = finished((done) => volume.zero(0, 0, done));
    volume.close();
    assert.is(await codeOf(() => openVolume({ disk, config })), 'ERR_VOLUME_LOCKED');
    await Promise.all([stored, flushed, zeroed]);
    assert.is(
      readFileSync(config.path).every((byte) => byte === 5),
      true,
    );
    openVolume({ disk, config }).close();
  });
});

async function memoryVolume(): Promise<{ memory: TestDisk; volume: SourceVolume }> {
  const memory = new TestDisk();
  await createVolume({ disk: memory, config: configOf('/db1.img') });
  return { memory, volume: openVolume({ disk: memory, config: configOf('/db1.img') }) };
}

test('a flush covers every store completed before it was asked, and flushes are shared', async () => {
  const { memory, volume } = await memoryVolume();
  const before = memory.count('flush');
  assert.is(volume.storeNow(filled(4096, 1), 0), true);
  const first = finished((done) => volume.flush(done));
  assert.is(volume.storeNow(filled(4096, 2), 4096), true);
  const later = Array.from({ length: 10 }, () => finished((done) => volume.flush(done)));
  await first;
  assert.equal(memory.durableBytes('/db1.img')?.[4096], 0);
  await Promise.all(later);
  assert.is(memory.count('flush') - before, 2);
  assert.equal(
    [0, 4096].map((at) => memory.durableBytes('/db1.img')?.[at]),
    [1, 2],
  );
});

test('after a failed flush no flush is reported as good, ever', async () => {
  const { memory, volume } = await memoryVolume();
  volume.storeSync(filled(4096, 1), 0);
  memory.failNext('flush', 'EIO');
  const flush = (): Promise<void> => finished((done) => volume.flush(done));
  assert.equal(await Promise.all([codeOf(flush), codeOf(flush)]), ['EIO', 'EIO']);
  assert.is(await codeOf(flush), 'EIO');
  assert.is(await codeOf(() => volume.flushSync()), 'EIO');
  assert.is(errnoOf(volume.failed), 'EIO');
});

test('a failed store or zero of any kind is remembered by flush', async () => {
  const ways: [FailingOperation, (volume: SourceVolume) => unknown][] = [
    ['write', (volume) => volume.storeNow(filled(4096, 1), 0)],
    ['write', (volume) => volume.storeSync(filled(4096, 1), 0)],
    ['write', (volume) => finished((done) => volume.store(filled(4096, 1), 0, done))],
    ['write', (volume) => finished((done) => volume.zero(0, 4096, done))],
    ['zero', (volume) => finished((done) => volume.zero(0, MIB, done))],
    ['zero', (volume) => volume.zeroSync(0, MIB)],
    ['flush', (volume) => volume.flushSync()],
  ];
  for (const [operation, way] of ways) {
    const { memory, volume } = await memoryVolume();
    memory.failNext(operation, 'ENOSPC');
    assert.is(await codeOf(() => way(volume)), 'ENOSPC');
    assert.is(await codeOf(() => finished((done) => volume.flush(done))), 'ENOSPC');
  }
});

test('a volume that is cut short while open gives an error, not a signal', async () => {
  await withVolume(async (volume, path) => {
    truncateSync(path, 4096);
    assert.is(volume.readNow(filled(4096, 1), 8192), false);
    assert.is(await codeOf(() => finished((done) => volume.read(filled(4096, 1), 8192, done))), 'EIO');
  });
});

test('a worker stores into the same volume through a second opening', async () => {
  await withVolume(async (volume, path) => {
    volume.storeSync(filled(8192, 1), 0);
    const worker = new Worker(new URL('volume-worker.js', import.meta.url), { workerData: configOf(path, MIB, 'mmap') });
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    const found = filled(MIB, 9);
    await finished((done) => volume.read(found, 0, done));
    const expected = filled(MIB, 0).fill(1, 0, 8192).fill(4, 4096, 8192).fill(5, 100_000, 200_000).fill(0, 120_000, 120_512);
    assert.is(Buffer.compare(found, expected), 0);
  });
});

test.run();
