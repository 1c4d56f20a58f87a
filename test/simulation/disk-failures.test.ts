/** What fails on the simulated disk fails as the kernel lets it fail: once, to whoever asked, and with what it leaves behind (I10). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DiskFile } from '../../src/disk/disk.ts';
import type { FailingOperation } from '../../src/simulation/disk.ts';
import { codeOf, finished } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';

const PATH = '/a';
const filled = (lengthBytes: number, value: number): Uint8Array => new Uint8Array(lengthBytes).fill(value);

function diskWithFile(seed = 1): { disk: TestDisk; file: DiskFile } {
  const disk = new TestDisk({ seed });
  const file = disk.open(PATH, { create: true });
  file.writeSync(filled(4096, 1), 0);
  file.flushSync();
  disk.syncDirectory('/');
  return { disk, file };
}

/** Every way to ask for an operation. */
const WAYS: readonly (readonly [FailingOperation, (disk: TestDisk, file: DiskFile) => unknown])[] = [
  ['open', (disk) => disk.open(PATH, {})],
  ['open', (disk) => disk.open('/new', { create: true })],
  ['write', (_disk, file) => file.writeSync(filled(512, 2), 0)],
  ['write', (_disk, file) => finished((done) => file.write([filled(512, 2)], 0, done))],
  ['read', (_disk, file) => file.readSync(filled(512, 0), 0)],
  ['read', (_disk, file) => finished((done) => file.read(filled(512, 0), 0, done))],
  ['flush', (_disk, file) => file.flushSync()],
  ['flush', (_disk, file) => finished((done) => file.flush(done))],
  ['allocate', (_disk, file) => file.allocateSync(8192)],
  ['allocate', (_disk, file) => finished((done) => file.allocate(8192, done))],
  ['zero', (_disk, file) => file.zeroSync(0, 512)],
  ['zero', (_disk, file) => finished((done) => file.zero(0, 512, done))],
  ['close', (_disk, file) => file.closeSync()],
  ['close', (_disk, file) => finished((done) => file.close(done))],
  ['syncDirectory', (disk) => disk.syncDirectory('/')],
  ['rename', (disk) => disk.rename(PATH, '/b')],
  ['unlink', (disk) => disk.unlink(PATH)],
  ['readFile', (disk) => disk.readFile(PATH)],
  ['exists', (disk) => disk.exists(PATH)],
  ['list', (disk) => disk.list('/')],
  ['lock', (disk) => disk.lock(PATH)],
  ['makeDirectory', (disk) => disk.makeDirectory('/d')],
  ['replaceFile', (disk) => disk.replaceFile(PATH, filled(3, 3))],
];

test('each operation fails as planned, once, and changes no name', async () => {
  for (const [operation, ask] of WAYS) {
    const { disk, file } = diskWithFile();
    disk.failNext(operation, 'EIO');
    assert.is(await codeOf(async () => ask(disk, file)), 'EIO', operation);
    assert.equal(disk.list('/'), ['a'], operation);
    assert.is(disk.failuresMet, 1);
    // A descriptor that reported an error at its end is gone all the same.
    if (operation !== 'close') assert.is(await codeOf(async () => ask(disk, file)), 'none', operation);
    else assert.throws(() => file.readSync(filled(1, 0), 0), /after close/);
  }
});

test('a replaced file is the old one when it fails, and the new one with a name to lose when its directory does', () => {
  const names = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const { disk } = diskWithFile(seed);
    disk.failNext('replaceFile', 'ENOSPC', PATH);
    assert.throws(() => disk.replaceFile(PATH, filled(3, 3)), /ENOSPC/);
    assert.equal(disk.readFile(PATH), filled(4096, 1));
    disk.failNext('syncDirectory', 'EIO', '/');
    assert.throws(() => disk.replaceFile(PATH, filled(3, 3)), /EIO/);
    assert.equal(disk.readFile(PATH), filled(3, 3));
    names.add(String(disk.crash().readFile(PATH)?.length));
  }
  assert.equal([...names].toSorted(), ['3', '4096']);
});

test('a directory whose flush failed keeps its names pending; the next flush covers them', () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const { disk } = diskWithFile(seed);
    disk.rename(PATH, '/b');
    disk.failNext('syncDirectory', 'EIO');
    assert.throws(() => disk.syncDirectory('/'), /EIO/);
    found.add(disk.after('what is durable').list('/').join());
    disk.syncDirectory('/');
    assert.equal(disk.crash().list('/'), ['b']);
  }
  assert.equal([...found].toSorted(), ['a', 'b']);
});

test('a failed write leaves any part of itself, a failed allocation nothing', () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk, file } = diskWithFile(seed);
    disk.failNext('write', 'EIO');
    assert.throws(() => file.writeSync(filled(1024, 2), 0), /EIO/);
    const bytes = disk.readFile(PATH) ?? filled(0, 0);
    found.add(`${bytes[0]}${bytes[512]}`);
    disk.failNext('allocate', 'ENOSPC');
    assert.throws(() => file.allocateSync(8192), /ENOSPC/);
    assert.is(file.sizeBytes(), 4096);
  }
  assert.equal([...found].toSorted(), ['11', '12', '21', '22']);
});

test('zeroes that are not supported change nothing, and are no error', async () => {
  const { disk, file } = diskWithFile();
  for (let count = 0; count < 2; count += 1) disk.failNext('zero', 'EOPNOTSUPP');
  assert.is(file.zeroSync(0, 512), false);
  assert.is(await new Promise((resolve) => file.zero(0, 512, (error, supported) => resolve(error ?? supported))), false);
  assert.equal(disk.readFile(PATH), filled(4096, 1));
});

test('a full disk refuses what needs space, again and again, and goes on with what is allocated', async () => {
  const { disk, file } = diskWithFile();
  disk.isFull = true;
  for (let count = 0; count < 2; count += 1) {
    assert.is(await codeOf(() => finished((done) => file.allocate(8192, done))), 'ENOSPC');
    assert.is(await codeOf(() => finished((done) => file.write([filled(512, 2)], 4096, done))), 'ENOSPC');
    assert.throws(() => disk.replaceFile('/s', filled(3, 3)), /ENOSPC/);
    assert.throws(() => disk.open('/new', { create: true }), /ENOSPC/);
  }
  file.allocateSync(4096);
  file.writeSync(filled(4096, 2), 0);
  file.flushSync();
  disk.rename(PATH, '/b');
  disk.syncDirectory('/');
  disk.heal();
  disk.replaceFile('/s', filled(3, 3));
  assert.equal(disk.crash().list('/'), ['b', 's']);
});

test('a synchronous write that a crash meets when it is asked may be there in part', () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk, file } = diskWithFile(seed);
    const next: TestDisk[] = [];
    disk.watcher = { asked: () => void next.push(disk.crash('page cache')), writing: () => {}, flushed: () => {} };
    file.writeSync(filled(1024, 2), 0);
    const bytes = next[0]?.readFile(PATH) ?? filled(0, 0);
    found.add(`${bytes[0]}${bytes[512]}`);
  }
  assert.equal([...found].toSorted(), ['11', '12', '21', '22']);
});

test('the flush of one directory does not cover what came later in another', () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const disk = new TestDisk({ seed });
    for (const path of ['/x', '/y']) disk.makeDirectory(path);
    disk.open('/x/a', { create: true });
    disk.open('/y/a', { create: true });
    disk.syncDirectory('/x');
    const after = disk.crash();
    found.add([...after.list('/x'), ...after.list('/y')].join());
  }
  assert.equal([...found].toSorted(), ['a', 'a,a']);
});

test('futures do not disturb the present, nor each other', () => {
  const { disk, file } = diskWithFile();
  const futures = [disk.after('page cache'), disk.after('what is durable')];
  for (const [index, future] of futures.entries()) {
    const opened = future.open(PATH, {});
    opened.writeSync(filled(512, 5 + index), 0);
    opened.flushSync();
  }
  file.writeSync(filled(512, 4), 512);
  assert.equal(disk.readFile(PATH), filled(4096, 1).fill(4, 512, 1024));
  assert.equal(
    futures.map((future) => future.readFile(PATH)),
    [5, 6].map((value) => filled(4096, 1).fill(value, 0, 512)),
  );
});

test.run();
