import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compareVolumes } from '../../src/volume/compare.ts';
import type { VolumeDifference } from '../../src/volume/compare.ts';
import { TestDisk } from '../support/test-disk.ts';

const MIB = 1024 * 1024;

function compare(disk: TestDisk): Promise<VolumeDifference | null> {
  return new Promise((resolve, reject) => {
    compareVolumes({ disk, a: '/a', b: '/b' }, (error, difference) => (error === null ? resolve(difference) : reject(error)));
  });
}

function diskWith(a: Uint8Array, b: Uint8Array): TestDisk {
  const disk = new TestDisk();
  disk.replaceFile('/a', a);
  disk.replaceFile('/b', b);
  return disk;
}

test('identical volumes have no difference', async () => {
  const bytes = new Uint8Array(2 * MIB + 512).fill(3);
  const disk = diskWith(bytes, bytes);
  assert.is(await compare(disk), null);
  assert.is(disk.count('close'), 2);
});

test('the first differing block is found, also past the first piece', async () => {
  for (const at of [0, 511, 512, MIB - 1, MIB, 2 * MIB + 511]) {
    const other = new Uint8Array(2 * MIB + 512);
    other[at] = 1;
    if (at < 2 * MIB) other[2 * MIB + 511] = 1;
    assert.equal(await compare(diskWith(new Uint8Array(2 * MIB + 512), other)), { kind: 'block', lba: Math.floor(at / 512) });
  }
});

test('another size is a difference, and a read error an error', async () => {
  assert.equal(await compare(diskWith(new Uint8Array(512), new Uint8Array(1024))), { kind: 'size', aBytes: 512, bBytes: 1024 });
  const disk = diskWith(new Uint8Array(512), new Uint8Array(512));
  disk.failNext('read', 'EIO', '/b');
  let code: string | undefined;
  await compare(disk).catch((error: NodeJS.ErrnoException) => (code = error.code));
  assert.is(code, 'EIO');
  assert.is(disk.count('close'), 2);
});

test.run();
