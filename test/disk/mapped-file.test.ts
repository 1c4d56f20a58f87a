import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DiskFile, FileMapping } from '../../src/disk/disk.ts';
import { addressOf, pageSizeBytes } from '../../src/disk/libc.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { codeOf, finished, withFolder } from '../support/scratch.ts';

const disk = new NodeDisk();
const PAGE_BYTES = pageSizeBytes();
const GIB = 2 ** 30;

async function withMapping(sizeBytes: number, work: (file: DiskFile, mapping: FileMapping) => void | Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true });
    await finished((done) => file.allocate(sizeBytes, done));
    const mapping = file.map({ forStores: true });
    if (mapping === null) throw new Error('an open file can be mapped');
    await work(file, mapping);
    file.closeSync();
  });
}

const page = (value: number, pages = 1): Uint8Array => new Uint8Array(pages * PAGE_BYTES).fill(value);

test('the address of a buffer follows its offset, also in shared memory', () => {
  for (const buffer of [new ArrayBuffer(8192), new SharedArrayBuffer(8192)]) {
    const start = addressOf(new Uint8Array(buffer));
    assert.is(Number.isSafeInteger(start) && start > 0, true);
    assert.is(addressOf(new Uint8Array(buffer, 100, 5)), start + 100);
  }
});

test('the mapping and the file are one: what one stores the other reads, at any alignment', async () => {
  await withMapping(64 * PAGE_BYTES, (file, mapping) => {
    file.writeSync(page(1, 64), 0);
    assert.is(mapping.isResident(0, 64 * PAGE_BYTES), true);
    assert.is(mapping.storeResident(page(2, 3), 5 * PAGE_BYTES), true);
    file.writeSync(Uint8Array.of(3, 3, 3), 8 * PAGE_BYTES - 1);
    const expected = page(1, 64)
      .fill(2, 5 * PAGE_BYTES, 8 * PAGE_BYTES)
      .fill(3, 8 * PAGE_BYTES - 1, 8 * PAGE_BYTES + 2);
    const [byMapping, byFile] = [page(0, 64), page(0, 64)];
    assert.is(mapping.readResident(byMapping, 0), true);
    assert.is(file.readSync(byFile, 0), byFile.length);
    assert.is(Buffer.compare(byMapping, expected), 0);
    assert.is(Buffer.compare(byFile, expected), 0);
    const some = new Uint8Array(7);
    assert.is(mapping.readResident(some, 8 * PAGE_BYTES - 3), true);
    assert.equal([...some], [2, 2, 3, 3, 3, 1, 1]);
    mapping.unmap();
  });
});

test('what is not in memory is neither read nor stored, and parts of pages are not stored', async () => {
  await withMapping(1024 * PAGE_BYTES, (file, mapping) => {
    file.writeSync(page(1, 2), 4 * PAGE_BYTES);
    const target = page(9, 3);
    assert.is(mapping.readResident(target, 4 * PAGE_BYTES), false);
    assert.is(Buffer.compare(target, page(9, 3)), 0);
    assert.is(mapping.isResident(4 * PAGE_BYTES, 2 * PAGE_BYTES), true);
    assert.is(mapping.isResident(4 * PAGE_BYTES, 2 * PAGE_BYTES + 1), false);
    assert.is(mapping.isResident(4 * PAGE_BYTES - 1, 2), false);
    // More pages than one look of mincore takes: the last one decides.
    file.writeSync(page(1, 700), 100 * PAGE_BYTES);
    assert.is(mapping.isResident(100 * PAGE_BYTES, 700 * PAGE_BYTES), true);
    assert.is(mapping.isResident(100 * PAGE_BYTES, 701 * PAGE_BYTES), false);
    assert.is(mapping.storeResident(page(2, 3), 4 * PAGE_BYTES), false);
    assert.is(mapping.storeResident(page(2).subarray(512), 4 * PAGE_BYTES), false);
    assert.is(mapping.storeResident(page(2), 4 * PAGE_BYTES + 512), false);
    const found = page(0, 2);
    file.readSync(found, 4 * PAGE_BYTES);
    assert.is(Buffer.compare(found, page(1, 2)), 0);
    mapping.unmap();
  });
});

test('store copies bytes in at any alignment, whether the page was in memory or not; keepResident brings all of them in', async () => {
  await withMapping(300 * PAGE_BYTES, (file, mapping) => {
    const bytes = Uint8Array.from({ length: PAGE_BYTES + 77 }, (_, index) => index % 251);
    mapping.store(bytes, 7 * PAGE_BYTES - 13);
    mapping.store(new Uint8Array(0), 300 * PAGE_BYTES);
    const found = new Uint8Array(bytes.length + 2);
    file.readSync(found, 7 * PAGE_BYTES - 14);
    assert.is(Buffer.compare(found.subarray(1, -1), bytes), 0);
    assert.equal([found[0], found.at(-1)], [0, 0]);
    assert.is(mapping.isResident(0, 300 * PAGE_BYTES), false);
    mapping.keepResident();
    assert.is(mapping.isResident(0, 300 * PAGE_BYTES), true);
    mapping.unmap();
  });
});

test('a use outside the file or after unmap is a broken invariant, not a signal', async () => {
  await withMapping(4 * PAGE_BYTES, async (_file, mapping) => {
    const uses = [
      () => mapping.readResident(page(0), 4 * PAGE_BYTES - 1),
      () => mapping.storeResident(page(0), 4 * PAGE_BYTES),
      () => mapping.isResident(-1, 1),
      () => mapping.store(Uint8Array.of(1), 4 * PAGE_BYTES),
      () => mapping.isResident(Number.NaN, 1),
    ];
    for (const use of uses) assert.is(await codeOf(use), 'ERR_BROKEN_INVARIANT');
    mapping.unmap();
    const late = [() => mapping.readResident(page(0), 0), () => mapping.storeResident(page(0), 0), () => mapping.unmap()];
    for (const use of late) assert.is(await codeOf(use), 'ERR_BROKEN_INVARIANT');
  });
});

test('a file that may only be read, or is empty, has no mapping', async () => {
  await withFolder((folder) => {
    const file = disk.open(join(folder, 'a'), { create: true });
    assert.is(file.map(), null);
    file.writeSync(page(1), 0);
    const readOnly = disk.open(join(folder, 'a'), { readOnly: true });
    assert.is(readOnly.map(), null);
    readOnly.closeSync();
    file.closeSync();
  });
});

test('a mapping larger than the largest view does not count as memory of this process', async () => {
  const before = process.memoryUsage().external;
  await withMapping(GIB, (_file, mapping) => {
    assert.is(process.memoryUsage().external - before < GIB / 4, true);
    mapping.unmap();
  });
});

const { bavail, bsize } = statfsSync('.');

async function storeBeyond4GiB(): Promise<void> {
  await withMapping(6 * GIB, (file, mapping) => {
    const places = [0, GIB - PAGE_BYTES, 2 * GIB, 4 * GIB - PAGE_BYTES, 4 * GIB, 5 * GIB + 7 * PAGE_BYTES, 6 * GIB - PAGE_BYTES];
    for (const [index, place] of places.entries()) file.writeSync(page(index + 1), place);
    for (const [index, place] of places.entries()) {
      const found = page(0);
      assert.is(mapping.readResident(found, place), true);
      assert.is(Buffer.compare(found, page(index + 1)), 0);
      if (index % 2 === 0) assert.is(mapping.storeResident(page(index + 100), place), true);
    }
    for (const [index, place] of places.entries()) {
      const found = page(0);
      assert.is(file.readSync(found, place), PAGE_BYTES);
      assert.is(Buffer.compare(found, page(index % 2 === 0 ? index + 100 : index + 1)), 0);
    }
    mapping.unmap();
  });
}

if (bavail * bsize > 16 * GIB) test('stores and reads beyond 4 GiB arrive where they belong', storeBeyond4GiB);
else test.skip('stores and reads beyond 4 GiB arrive where they belong (needs 16 GiB of free space)', storeBeyond4GiB);

test.run();
