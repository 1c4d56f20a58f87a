/** An init that fails leaves nothing that could be taken for a host. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { initPrimary } from '../../src/primary/init.ts';
import { hostStatePath } from '../../src/state/host-state.ts';
import { TestDisk } from '../support/test-disk.ts';

const OPTIONS = {
  group: 'g',
  stateDirectory: '/state',
  volumes: [{ name: 'v', vlun: 0, sizeBytes: 65_536, path: '/volumes/v', store: 'pwrite' as const }],
  zeroExisting: false,
  onProgress: (): void => {},
};

test('an init that fails at any flush of its state folder is undone, and can be run again', async () => {
  let failures = 0;
  for (let failAt = 1; ; failAt += 1) {
    const disk = new TestDisk({ seed: failAt });
    disk.makeDirectory('/volumes');
    const syncDirectory = disk.syncDirectory.bind(disk);
    let flushes = 0;
    disk.syncDirectory = (path) => {
      flushes += 1;
      if (flushes === failAt) throw new Error('EIO');
      syncDirectory(path);
    };
    const failure = await initPrimary({ disk, ...OPTIONS }).then(() => null, String);
    if (flushes < failAt) break;
    failures += 1;
    assert.is.not(failure, null, `flush ${failAt}`);
    assert.not.ok(disk.exists(hostStatePath('/state')), `after flush ${failAt} there is no host state`);
    assert.not.ok(disk.exists('/volumes/v'), `after flush ${failAt} there is no volume`);
    assert.is((await initPrimary({ disk, ...OPTIONS })).role, 'primary');
  }
  assert.ok(failures >= 3, `${failures} flushes`);
});

test.run();
