/** A secondary whose place another host took (DESIGN section 8): found out while it runs, and at its start. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { watermarkPath } from '../../journals/files.ts';
import { BLOCK_BYTES, decodeWatermark, encodeWatermark } from '../../journals/format.ts';
import { codeOf } from '../support/scratch.ts';
import { initialiseSecondary, JOURNALS_DIRECTORY, modelOf } from '../support/secondary-host.ts';
import { MirrorBench } from '../support/mirror-bench.ts';
import { TestDisk } from '../support/test-disk.ts';

/** Another host raises its epoch in one block. */
function raise(disk: TestDisk, hostEpoch: number): void {
  const file = disk.open(watermarkPath(JOURNALS_DIRECTORY), { durableWrites: true });
  const block = new Uint8Array(BLOCK_BYTES);
  file.readSync(block, 0);
  const found = decodeWatermark(block);
  assert.is(found.verdict, 'readable');
  if (found.verdict !== 'readable') return;
  encodeWatermark(block, { ...found.content, hostEpoch });
  file.writeSync(block, 0);
  file.closeSync();
}

test('while it runs: it fails, says why, and acknowledges and writes nothing more; its next start is refused', async () => {
  const disk = new TestDisk({ seed: 1 });
  await initialiseSecondary(disk, 4);
  const bench = new MirrorBench(disk, modelOf({ slots: 4, recordsMin: 4, dataSets: 4 }));
  const secondary = await bench.start();
  assert.is.not(secondary.phase, 'failed');
  raise(disk, 1);
  assert.ok(await secondary.until(() => secondary.phase === 'failed', 60_000), 'it finds out within a few reads');
  const { state, reason } = secondary.status();
  assert.is(state, 'failed');
  assert.match(reason ?? '', /ERR_HOST_SUPERSEDED: .*host epoch 1, this host has 0/);
  assert.is(secondary.storage?.lease?.mayWrite(), false);
  const before = disk.readFile(watermarkPath(JOURNALS_DIRECTORY));
  await secondary.stop();
  assert.equal(disk.readFile(watermarkPath(JOURNALS_DIRECTORY)), before);
  assert.is(await codeOf(() => bench.start()), 'ERR_HOST_SUPERSEDED');
  // Nor without a peer in its config: the watermark says it too, although nothing was ever destaged.
  assert.is(await codeOf(() => bench.start({ peerListen: [] })), 'ERR_HOST_SUPERSEDED');
});

test.run();
