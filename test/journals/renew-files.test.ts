/** New files with the same content for journals and watermark: what a former host writes into its open descriptors reaches nobody. */
import { readFileSync, statSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, sparePath, watermarkPath } from '../../journals/files.ts';
import { renewFiles } from '../../journals/renew-files.ts';
import { alignedStart as alignedInMemory } from '../../src/disk/alignment.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { createRing } from '../../journals/create.ts';
import { withFolder } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';
import { alignedStart, call, create, DIRECTORY, SMALL } from './support.ts';

const PATHS = [...Array.from({ length: SMALL.slots }, (_, slot) => journalPath(DIRECTORY, slot)), watermarkPath(DIRECTORY)];

/** A ring whose files differ from one another. */
async function diskWithRing(seed = 1): Promise<TestDisk> {
  const disk = new TestDisk({ seed });
  await create(disk);
  for (const [index, path] of PATHS.entries()) {
    const file = disk.open(path, { durableWrites: true });
    file.writeSync(new Uint8Array(4096).fill(index + 1), 4096);
    file.flushSync();
    file.closeSync();
  }
  return disk;
}

function contents(disk: TestDisk): string[] {
  return PATHS.map((path) => Buffer.from(disk.readFile(path) ?? new Uint8Array(0)).toString('base64'));
}

test('the content stays, and old descriptors lead to files that have no name any more', async () => {
  await withFolder(async (folder) => {
    const disk = new NodeDisk();
    const directory = `${folder}/ring`;
    await call((done) => createRing({ disk, directory, geometry: SMALL, alignedStart: alignedInMemory }, done));
    const paths = [journalPath(directory, 2), watermarkPath(directory)];
    const before = paths.map((path) => ({ bytes: readFileSync(path), inode: statSync(path).ino, file: disk.open(path, {}) }));
    assert.is(await renewFiles({ disk, directory, slots: SMALL.slots, alignedStart: alignedInMemory }), true);
    for (const [index, path] of paths.entries()) {
      const { bytes, inode, file } = before[index] as (typeof before)[number];
      file.writeSync(new Uint8Array(4096).fill(0xee), 0);
      file.flushSync();
      file.closeSync();
      assert.ok(readFileSync(path).equals(bytes), `${path} is as it was`);
      assert.is.not(statSync(path).ino, inode);
      assert.is(statSync(path).blocks * 512 >= bytes.length, true, 'and has its blocks');
    }
    assert.equal(
      disk.list(directory).filter((name) => name.endsWith('.spare')),
      [],
    );
  });
});

test('cut off at any moment, every file has its whole content, old or new, and it can be done again', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const disk = await diskWithRing(seed);
    const before = contents(disk);
    void renewFiles({ disk, directory: DIRECTORY, slots: SMALL.slots, alignedStart }).catch(() => {});
    for (let turn = 0; turn < seed; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const after = disk.crash(seed % 2 === 0 ? 'page cache' : 'what is durable');
    assert.equal(contents(after), before, `seed ${seed}`);
    assert.is(await renewFiles({ disk: after, directory: DIRECTORY, slots: SMALL.slots, alignedStart }), true);
    assert.equal(contents(after), before, `seed ${seed}, again`);
  }
});

test('no room: the old files stay, and nothing is left behind; another failure is an error', async () => {
  const disk = await diskWithRing();
  const before = contents(disk);
  disk.failNext('allocate', 'ENOSPC', sparePath(journalPath(DIRECTORY, 1)));
  assert.is(await renewFiles({ disk, directory: DIRECTORY, slots: SMALL.slots, alignedStart }), false);
  assert.equal(contents(disk), before);
  assert.not(disk.exists(sparePath(journalPath(DIRECTORY, 1))));
  disk.failNext('write', 'EIO', sparePath(journalPath(DIRECTORY, 1)));
  try {
    await renewFiles({ disk, directory: DIRECTORY, slots: SMALL.slots, alignedStart });
    assert.unreachable('a disk that fails');
  } catch (error) {
    assert.match(String(error), /EIO/);
  }
  assert.equal(contents(disk), before);
});

test.run();
