/** The last head is a hint: neither damage nor a failing disk may end a host for it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KnownHead } from '../../src/secondary/head-history.ts';
import { LastHeadFile } from '../../src/secondary/last-head.ts';
import { TestDisk } from '../support/test-disk.ts';

const KNOWN: KnownHead = { head: { dataSet: 3, sequence: 30, bytes: 300, timeMs: 1 }, receivedAtMs: 2 };

function failing(): never {
  throw Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO' });
}

test('it is read back; a torn one is nothing', async () => {
  const disk = new TestDisk();
  disk.makeDirectory('/state');
  const file = new LastHeadFile(disk, '/state');
  assert.is(file.read(), null);
  file.write(KNOWN);
  await new Promise((resolve) => setTimeout(resolve, 20));
  file.close();
  assert.equal(new LastHeadFile(disk, '/state').read(), KNOWN);
  disk.replaceFile('/state/last-head', (disk.readFile('/state/last-head') ?? new Uint8Array(0)).subarray(0, 40));
  assert.is(new LastHeadFile(disk, '/state').read(), null);
});

test('a disk that cannot open or read it costs the hint, not the host', async () => {
  const disk = new TestDisk();
  disk.makeDirectory('/state');
  const file = new LastHeadFile(disk, '/state');
  const { open, readFile } = disk;
  disk.readFile = failing;
  assert.is(file.read(), null);
  disk.readFile = readFile;
  disk.open = failing;
  file.write(KNOWN);
  assert.is(file.read(), null);
  disk.open = open;
  file.write(KNOWN);
  await new Promise((resolve) => setTimeout(resolve, 20));
  file.close();
  assert.equal(file.read(), KNOWN, 'the next head tries again');
});

test.run();
