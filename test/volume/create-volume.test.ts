import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import { createVolume } from '../../src/volume/create-volume.ts';
import { openVolume } from '../../src/volume/source-volume.ts';
import { AlwaysRandom, TestDisk } from '../support/test-disk.ts';
import { codeOf, needsTried, withFolder, withLoopDevice, withSmallDisk } from '../support/scratch.ts';

const disk = new NodeDisk();
const MIB = 1024 * 1024;
const mountTest = needsTried(test, 'mount');
const loopTest = needsTried(test, 'losetup');

const configOf = (path: string, sizeBytes = MIB): VolumeConfig => ({ vlun: 0, name: 'db1', sizeBytes, path, store: 'auto' });
const isZero = (path: string): boolean => readFileSync(path).equals(Buffer.alloc(MIB));

test('a new volume is fully allocated and all zeroes', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'db1.img');
    await createVolume({ disk, config: configOf(path) });
    assert.is(statSync(path).blocks * 512 >= MIB, true);
    assert.is(isZero(path), true);
    assert.is(statSync(path).mode & 0o777, 0o600);
  });
});

test('an empty file becomes the volume; another one is refused unless it may be zeroed, and then really is', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'db1.img');
    writeFileSync(path, '');
    await createVolume({ disk, config: configOf(path) });
    writeFileSync(path, Buffer.alloc(MIB, 1));
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(path) })), 'ERR_VOLUME_EXISTS');
    assert.is(isZero(path), false);
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(path, 2 * MIB), zeroExisting: true })), 'ERR_VOLUME_SIZE');
    assert.is(readFileSync(path).equals(Buffer.alloc(MIB, 1)), true);
    const told: number[] = [];
    await createVolume({ disk, config: configOf(path), zeroExisting: true, onProgress: (zeroed, total) => told.push(zeroed, total) });
    assert.is(isZero(path), true);
    assert.equal(told, [MIB, MIB]);
  });
});

test('zeroes are written where the file system cannot make them', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'db1.img');
    writeFileSync(path, Buffer.alloc(MIB, 1));
    await createVolume({ disk, config: configOf(path), zeroExisting: true });
    assert.is(isZero(path), true);
  }, '/dev/shm');
});

test('a volume in use is not zeroed', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'db1.img');
    writeFileSync(path, Buffer.alloc(MIB, 1));
    const volume = openVolume({ disk, config: configOf(path) });
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(path), zeroExisting: true })), 'ERR_VOLUME_LOCKED');
    assert.is(readFileSync(path).equals(Buffer.alloc(MIB, 1)), true);
    volume.close();
  });
});

test('a device that is not there is not made as a file, and a folder is no volume', async () => {
  assert.is(await codeOf(() => createVolume({ disk, config: configOf('/dev/farshore-none') })), 'ERR_VOLUME_MISSING');
  assert.is(existsSync('/dev/farshore-none'), false);
  await withFolder(async (folder) => {
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(folder), zeroExisting: true })), 'ERR_VOLUME_OPEN');
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(join(folder, 'none/db1.img')) })), 'ERR_VOLUME_OPEN');
  });
});

mountTest('a full disk is said before the file exists, and leaves nothing behind', async () => {
  await withSmallDisk(MIB, async (folder) => {
    const path = join(folder, 'db1.img');
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(path, 2 * MIB) })), 'ERR_VOLUME_NO_SPACE');
    assert.is(existsSync(path), false);
    await createVolume({ disk, config: configOf(path, MIB / 2) });
    assert.is(statSync(path).size, MIB / 2);
  });
});

loopTest('a device is zeroed only on demand, whole, and only in its own size', async () => {
  await withLoopDevice(MIB, async (device) => {
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(device) })), 'ERR_VOLUME_EXISTS');
    assert.is(await codeOf(() => createVolume({ disk, config: configOf(device, MIB / 2), zeroExisting: true })), 'ERR_VOLUME_SIZE');
    assert.is(readFileSync(device).equals(Buffer.alloc(MIB, 0xff)), true);
    await createVolume({ disk, config: configOf(device), zeroExisting: true });
    assert.is(isZero(device), true);
  });
});

test('a created volume survives a power cut, and a failed creation leaves no file', async () => {
  for (const operation of ['allocate', 'flush', 'syncDirectory'] as const) {
    const memory = new TestDisk();
    memory.failNext(operation, 'EIO');
    assert.is(await codeOf(() => createVolume({ disk: memory, config: configOf('/db1.img') })), 'ERR_VOLUME_OPEN');
    assert.is(memory.exists('/db1.img'), false);
    await createVolume({ disk: memory, config: configOf('/db1.img') });
    assert.is(memory.crash('what is durable', { random: new AlwaysRandom(0) }).readFile('/db1.img')?.length, MIB);
  }
});

test.run();
