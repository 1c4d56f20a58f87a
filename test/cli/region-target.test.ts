import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sampleConfig } from '../../src/cli/config/sample.ts';
import { regionTargetOf } from '../../src/cli/region-target.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { writeHostState, type HostState } from '../../src/state/host-state.ts';
import { makeJournals } from '../inspection/nvram/nvram-support.ts';
import { codeOf, withFolder } from '../support/scratch.ts';

const disk = new NodeDisk();
const none = { path: undefined, config: undefined };
const VOLUMES = [{ vlun: 0, name: 'db1', sizeBytes: 1024 * 1024 }];
const STATE: HostState = {
  formatVersion: 1,
  role: 'peer',
  condition: 'active',
  reason: null,
  groupName: 'demo',
  groupId: null,
  generations: [],
  stream: null,
  volumes: VOLUMES,
  hostEpoch: 0,
  lastPrimarySession: null,
  divergedFrom: null,
};

function writeConfig(folder: string, role: 'peer' | 'secondary'): string {
  const file = join(folder, `${role}.yaml`);
  writeFileSync(file, sampleConfig(role));
  return file;
}

test('the region that a config names, its state for the volumes, and its own path to the journals', async () => {
  await withFolder(async (folder) => {
    const config = writeConfig(folder, 'peer');
    const bare = await regionTargetOf(disk, { ...none, config });
    assert.equal([bare.path, bare.journals, bare.volumes], ['/dev/shm/farshore-demo.nvram', null, null]);
    // Both are said: that no journals were compared, and that no names of volumes are known.
    assert.is(bare.notes.length, 2);
    assert.match(bare.notes.join(' '), /takeover.journals/);
    mkdirSync(join(folder, 'secondary'));
    const directory = await makeJournals(join(folder, 'secondary'), { numbers: [], watermark: null });
    disk.makeDirectory(join(folder, 'peer'));
    writeHostState(disk, join(folder, 'peer'), STATE);
    const whole = await regionTargetOf(disk, { ...none, config });
    assert.equal(whole, { path: bare.path, journals: directory, volumes: VOLUMES, notes: [] });
  });
});

test('a file beats the config, and journals that are named must be there', async () => {
  await withFolder(async (folder) => {
    const config = writeConfig(folder, 'peer');
    const path = join(folder, 'copy');
    assert.equal(await regionTargetOf(disk, { path, config }), { path, journals: null, volumes: null, notes: [] });
    const directory = await makeJournals(folder, { numbers: [], watermark: null });
    assert.is((await regionTargetOf(disk, { path, config, journals: directory })).journals, directory);
    assert.is(await codeOf(() => regionTargetOf(disk, { path, config, journals: join(folder, 'none') })), 'ERR_NO_JOURNALS');
  });
});

test('nothing to look at, and the config of a host without a region', async () => {
  await withFolder(async (folder) => {
    assert.is(await codeOf(() => regionTargetOf(disk, none)), 'ERR_USAGE');
    assert.is(await codeOf(() => regionTargetOf(disk, { ...none, config: writeConfig(folder, 'secondary') })), 'ERR_NOT_A_REGION');
  });
});

test.run();
