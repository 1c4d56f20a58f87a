/**
 * Replay by hand and recovery agree: of every crash of the library that recovery masters, a replay of the complete data sets onto copies
 * of the volumes gives the very volumes that recovery is expected to leave, and of every one that it refuses, nothing is stored.
 *
 * @timeLimit 240 s
 * @invariant I1 I3
 */
import { copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readExpected, readManifest } from '../../src/crash-replay/fixture-files.ts';
import { sha256OfFile, unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { findFixtures } from '../../src/crash-replay/fixture-library.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { carryOutReplay, prepareReplay } from '../../src/inspection/replay/replay.ts';
import { thrownBy, withFolder } from '../support/scratch.ts';

/** Replay everything complete onto copies. Returns the code of the refusal, or null. */
async function replayFixture(directory: string): Promise<string | null> {
  const manifest = readManifest(directory);
  const expected = readExpected(directory);
  return withFolder(async (folder) => {
    const host = await unpackCrash(directory, folder);
    const copies = host.volumes.map(({ name, path }) => {
      const copy = join(folder, `${name}-copy`);
      copyFileSync(path, copy);
      return { name, copy };
    });
    const before = await Promise.all(copies.map(({ copy }) => sha256OfFile(copy)));
    const disk = new NodeDisk();
    const error = await thrownBy(async () => {
      const prepared = await prepareReplay({
        disk,
        path: host.journals.directory,
        stateDirectory: host.stateDirectory,
        volumes: copies.map(({ name, copy }) => `${name}=${copy}`),
        volumesAtWatermark: false,
        sourcePaths: host.volumes.map(({ path }) => path),
      });
      await carryOutReplay(disk, prepared, { readBack: true });
    });
    const after = await Promise.all(copies.map(({ copy }) => sha256OfFile(copy)));
    if (error !== undefined) {
      if (!(error instanceof FarshoreError)) throw new Error(manifest.name, { cause: error });
      assert.equal(after, before, `${manifest.name}: a refusal stores nothing`);
      return error.code;
    }
    assert.is(expected.outcome, 'recover', `${manifest.name} is replayed by hand, and recovery refuses`);
    // What only the region of the peer has is not in the journals: then a replay of them ends earlier than the recovery with it.
    if (expected.withRegion !== undefined) {
      if (expected.withRegion.error === null) assert.ok((expected.through ?? -1) <= (expected.withRegion.through ?? -1), manifest.name);
      return null;
    }
    const wanted = copies.map(({ name }) => expected.volumes[name]?.sha256 ?? null);
    assert.equal(after, wanted, `${manifest.name}: the volumes after the replay are those after the recovery`);
    return null;
  });
}

test('every crash of the library', async () => {
  let replayed = 0;
  for (const directory of findFixtures(null)) {
    if (readManifest(directory).volumes.some(({ content }) => content !== 'whole')) continue;
    const code = await replayFixture(directory);
    if (code === null) replayed += 1;
    // A promoted host serves its volumes without looking at its journals: there recovery does nothing, and a replay is refused.
    else if (code !== 'ERR_REPLAY_STATE')
      assert.is(code, readExpected(directory).error?.code, `${basename(directory)} is refused as recovery refuses`);
  }
  assert.ok(replayed > 30, `${replayed} crashes were replayed`);
});

test.run();
