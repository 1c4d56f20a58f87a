import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync, readFileSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { allocateAligned } from '../../src/disk/alignment.ts';
import type { DiskFile } from '../../src/disk/disk.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { codeOf, finished, messageOfFailure, needsTried, withFolder, withSmallDisk } from '../support/scratch.ts';
import { needsTools } from '../support/tools.ts';

const disk = new NodeDisk();
const MIB = 1024 * 1024;
const mountTest = needsTried(test, 'mount');
const straceTest = needsTools(test, 'strace');
const worker = new URL('disk-child.js', import.meta.url);

const write = (file: DiskFile, buffers: Uint8Array[], position: number): Promise<void> =>
  finished((done) => file.write(buffers, position, done));
const filled = (lengthBytes: number, value: number): Uint8Array => new Uint8Array(lengthBytes).fill(value);

function alignedFilled(lengthBytes: number, value: number): Uint8Array {
  return allocateAligned(lengthBytes).fill(value);
}

function read(file: DiskFile, lengthBytes: number, position: number): Promise<Uint8Array> {
  const target = new Uint8Array(lengthBytes);
  return new Promise((resolve, reject) => {
    file.read(target, position, (error, bytesRead) => (error === null ? resolve(target.subarray(0, bytesRead)) : reject(error)));
  });
}

test('several buffers are written one after another, and read back, up to the end of the file', async () => {
  await withFolder(async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true });
    await write(file, [filled(700, 1), filled(5, 2)], 100);
    file.writeSync(filled(10, 3), 705);
    assert.is(file.sizeBytes(), 805);
    const bytes = await read(file, 4096, 700);
    assert.is(bytes.length, 105);
    file.closeSync();
    const expected = Buffer.concat([filled(100, 0), filled(605, 1), filled(10, 3), filled(90, 1)]);
    expected.set(filled(5, 2), 800);
    assert.equal(readFileSync(join(folder, 'a')).equals(expected), true);
  });
});

test('a file that is created and then cannot be opened for reading is gone again', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'durable');
    const { openSync } = fs;
    let opened = 0;
    fs.openSync = (...args) => {
      opened += 1;
      if (opened === 2) throw Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO' });
      return openSync(...args);
    };
    syncBuiltinESMExports();
    const code = await codeOf(() => disk.open(path, { create: true, durableWrites: true }).closeSync());
    fs.openSync = openSync;
    syncBuiltinESMExports();
    // Only where the file system takes direct writes there is a second descriptor.
    assert.is(existsSync(path), code === 'none');
    assert.is(code, opened === 1 ? 'none' : 'EIO');
  });
});

test('a file that is not there is told from one of which nothing can be said', async () => {
  await withFolder(async (folder) => {
    writeFileSync(join(folder, 'file'), '');
    assert.ok(disk.exists(join(folder, 'file')));
    assert.not.ok(disk.exists(join(folder, 'other')));
    assert.not.ok(disk.exists(join(folder, 'file', 'below')));
    assert.is(await codeOf(() => disk.exists(join(folder, 'x'.repeat(300)))), 'ENAMETOOLONG');
  });
});

test('what cannot be opened is refused with its errno', async () => {
  await withFolder(async (folder) => {
    disk.open(join(folder, 'a'), { create: true }).closeSync();
    assert.is(await codeOf(() => disk.open(join(folder, 'a'), { create: true })), 'EEXIST');
    assert.is(await codeOf(() => disk.open(join(folder, 'b'), {})), 'ENOENT');
    assert.is(await codeOf(() => disk.open(folder, {})), 'EISDIR');
    assert.is(await codeOf(() => disk.open('/dev/null', {})), 'ENOTBLK');
  });
});

test('a FIFO or a device where a file is to be read is an error at once: nobody waits for a writer or an end', async () => {
  await withFolder(async (folder) => {
    const fifo = join(folder, 'slot-0000.journal');
    execFileSync('mkfifo', [fifo]);
    assert.is(await codeOf(() => disk.open(fifo, { readOnly: true })), 'ENOTBLK');
    assert.is(await codeOf(() => disk.readFile(fifo)), 'ENOTBLK');
    assert.is(await codeOf(() => disk.readFile('/dev/zero')), 'ENOTBLK');
    assert.is(await codeOf(() => disk.readFile(folder)), 'EISDIR');
  });
});

test('durable writes are written from aligned memory, and read at any alignment', async () => {
  await withFolder(async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true, durableWrites: true });
    await finished((done) => file.allocate(MIB, done));
    await write(file, [alignedFilled(8192, 7), alignedFilled(4096, 8)], 4096);
    file.writeSync(alignedFilled(4096, 9), 16_384);
    assert.equal([...(await read(file, 2, 12_287))], [7, 8]);
    const two = new Uint8Array(3);
    assert.is(file.readSync(two, 16_383), 3);
    assert.equal([...two], [8, 9, 9]);
    if (file.aligned) {
      assert.is(await codeOf(() => file.writeSync(alignedFilled(4096, 1), 512)), 'ERR_BROKEN_INVARIANT');
      assert.is(await codeOf(() => file.writeSync(alignedFilled(8192, 1).subarray(512, 4608), 0)), 'ERR_BROKEN_INVARIANT');
      assert.is(await codeOf(() => write(file, [alignedFilled(8192, 1).subarray(0, 512)], 0)), 'ERR_BROKEN_INVARIANT');
    }
    file.closeSync();
  });
});

test('durable writes work on tmpfs, with or without O_DIRECT', async () => {
  await withFolder(async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true, durableWrites: true });
    await write(file, [alignedFilled(4096, 5)], 0);
    assert.equal(await read(file, 4096, 0), filled(4096, 5));
    file.closeSync();
  }, '/dev/shm');
});

/** Run the child with one system call on `path` failing, as `strace -e inject=` says. */
function runInjected(path: string, inject: string): { aligned: boolean; alignedAfter: boolean; found: number } {
  const strace = ['-f', '-qq', '-o', '/dev/null', '-P', path, '-e', `inject=${inject}`];
  const out = execFileSync('strace', [...strace, process.execPath, worker.pathname, 'durable-write', path], {
    encoding: 'utf8',
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  const said: { aligned: boolean; alignedAfter: boolean; found: number } = JSON.parse(out);
  return said;
}

straceTest('a file system that refuses O_DIRECT when the file is opened gets O_DSYNC alone', async () => {
  await withFolder((folder) => {
    assert.equal(runInjected(join(folder, 'a'), 'fcntl:error=EINVAL:when=2'), { aligned: false, alignedAfter: false, found: 6 });
  });
});

straceTest('a file system that refuses the first direct write gets it again without O_DIRECT', async () => {
  await withFolder((folder) => {
    assert.equal(runInjected(join(folder, 'a'), 'pwrite64:error=EINVAL:when=1'), { aligned: true, alignedAfter: false, found: 6 });
  });
});

mountTest('a short write is an error that says how short, and that the disk is full', async () => {
  await withSmallDisk(MIB, async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true });
    const attempts = [() => write(file, [filled(2 * MIB, 1)], 0), () => file.writeSync(filled(2 * MIB, 1), 0)];
    for (const attempt of attempts) {
      assert.match(await messageOfFailure(attempt), /^ENOSPC: short write, 1048576 of 2097152 bytes at 0/);
    }
    // As a spare journal is: its name at the opening is gone.
    disk.rename(join(folder, 'a'), join(folder, 'b'));
    for (const attempt of attempts) assert.match(await messageOfFailure(attempt), /^ENOSPC: short write/);
    file.closeSync();
  });
});

mountTest('an allocation that does not fit leaves the file and the free space as they were', async () => {
  await withSmallDisk(MIB, async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true });
    file.writeSync(filled(4096, 1), 0);
    const before = statfsSync(folder).bfree;
    assert.is(await codeOf(() => finished((done) => file.allocate(2 * MIB, done))), 'ENOSPC');
    assert.is(await codeOf(() => file.allocateSync(2 * MIB)), 'ENOSPC');
    assert.is(file.sizeBytes(), 4096);
    assert.is(statfsSync(folder).bfree, before);
    await finished((done) => file.allocate(MIB / 2, done));
    assert.is(file.sizeBytes(), MIB / 2);
    assert.equal(await read(file, 4096, 0), filled(4096, 1));
    file.closeSync();
  });
});

/** Fill a file and zero its middle, if that is supported. */
async function zeroed(folder: string): Promise<{ supported: boolean; file: DiskFile; path: string }> {
  const path = join(folder, 'a');
  const file = disk.open(path, { create: true });
  await finished((done) => file.allocate(MIB, done));
  file.writeSync(filled(MIB, 1), 0);
  const supported = file.zeroSync(100, MIB - 200);
  const later = await new Promise<boolean>((resolve, reject) => {
    file.zero(4096, 8192, (error, yes) => (error === null ? resolve(yes) : reject(error)));
  });
  assert.is(later, supported);
  return { supported, file, path };
}

test('a zeroed range stays allocated; tmpfs says that it cannot', async () => {
  await withFolder(async (folder) => {
    const { supported, file, path } = await zeroed(folder);
    if (['ext4', 'xfs'].includes(disk.fileSystemOf(path))) {
      assert.is(supported, true);
      assert.is(statSync(path).blocks * 512 >= MIB, true);
      const expected = filled(MIB, 1).fill(0, 100, MIB - 100);
      assert.is(Buffer.compare(readFileSync(path), expected), 0);
    }
    file.closeSync();
  });
  await withFolder(async (folder) => {
    const { supported, file, path } = await zeroed(folder);
    assert.is(supported, false);
    assert.is(Buffer.compare(readFileSync(path), filled(MIB, 1)), 0);
    file.closeSync();
  }, '/dev/shm');
});

test('a lock is held against this and any other process, and ends with its process', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'lock');
    const child = fork(worker, ['lock', path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    assert.equal(await once(child, 'message'), ['locked', undefined]);
    assert.is(disk.lock(path), null);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = disk.lock(path);
    assert.ok(lock);
    assert.is(disk.lock(path), null);
    lock.release();
    const again = disk.lock(path);
    assert.ok(again);
    again.release();
  });
});

test('a small file is replaced whole, and a folder made with those above it', async () => {
  await withFolder((folder) => {
    const inner = join(folder, 'x/y/z');
    disk.makeDirectory(inner);
    disk.makeDirectory(inner);
    assert.is(disk.readFile(join(inner, 'state')), null);
    disk.replaceFile(join(inner, 'state'), filled(10, 1));
    disk.replaceFile(join(inner, 'state'), filled(3, 2));
    disk.replaceFile(join(inner, 'empty'), filled(0, 2));
    assert.equal([...(disk.readFile(join(inner, 'state')) ?? [])], [2, 2, 2]);
    assert.equal(disk.list(inner), ['empty', 'state']);
    disk.rename(join(inner, 'state'), join(folder, 'moved'));
    disk.syncDirectory(folder);
    disk.unlink(join(folder, 'moved'));
    assert.is(disk.exists(join(folder, 'moved')), false);
  });
});

mountTest('a replacement that fails leaves the old file, and nothing beside it', async () => {
  await withSmallDisk(MIB, async (folder) => {
    disk.replaceFile(join(folder, 'state'), filled(10, 1));
    writeFileSync(join(folder, 'filler'), Buffer.alloc(MIB - 12 * 4096));
    assert.is((await codeOf(() => disk.replaceFile(join(folder, 'state'), filled(MIB, 2)))) === 'none', false);
    assert.equal([...(disk.readFile(join(folder, 'state')) ?? [])], [...filled(10, 1)]);
    assert.equal(disk.list(folder), ['filler', 'state']);
  });
});

test('a file is closed only when nothing is under way on it, and not used after', async () => {
  await withFolder(async (folder) => {
    const file = disk.open(join(folder, 'a'), { create: true });
    const order: string[] = [];
    const written = write(file, [filled(MIB, 1)], 0).then(() => order.push('written'));
    assert.is(await codeOf(() => file.closeSync()), 'ERR_BROKEN_INVARIANT');
    await Promise.all([written, finished((done) => file.close(done)).then(() => order.push('closed'))]);
    assert.equal(order, ['written', 'closed']);
    for (const use of [() => file.writeSync(filled(1, 1), 0), () => file.flush(() => {}), () => file.closeSync()]) {
      assert.is(await codeOf(use), 'ERR_BROKEN_INVARIANT');
    }
  });
});

test('a file system is named, also for what does not exist yet', () => {
  assert.is(disk.fileSystemOf('/dev/shm'), 'tmpfs');
  assert.is(disk.fileSystemOf('/dev/shm/farshore-none/none'), 'tmpfs');
  assert.is(disk.fileSystemOf('/proc/self'), 'unknown');
  assert.is(existsSync('/dev/shm/farshore-none'), false);
});

test('the boot is the one that the kernel names', () => {
  assert.match(disk.bootId(), /^[0-9a-f]{32}$/);
  assert.is(disk.bootId(), new NodeDisk().bootId());
});

test.run();
