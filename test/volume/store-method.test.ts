import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StoreMethod } from '../../src/volume/contract.ts';
import { chooseStoreMethod } from '../../src/volume/store-method.ts';

const choose = (wanted: StoreMethod, fileSystem: string, mapped = true): string => chooseStoreMethod({ wanted, fileSystem, mapped }).method;

test('auto and pwrite are pwrite everywhere', () => {
  for (const fileSystem of ['ext4', 'block-device', 'btrfs', 'unknown']) {
    assert.is(choose('auto', fileSystem), 'pwrite');
    assert.is(choose('pwrite', fileSystem), 'pwrite');
  }
});

test('mmap is used where blocks stay in place, and nowhere else', () => {
  for (const fileSystem of ['ext4', 'block-device', 'tmpfs']) assert.is(choose('mmap', fileSystem), 'mmap');
  for (const fileSystem of ['xfs', 'btrfs', 'bcachefs', 'zfs', 'overlay', 'nfs', 'fuse', 'unknown', ''])
    assert.is(choose('mmap', fileSystem), 'pwrite');
  assert.is(choose('mmap', 'ext4', false), 'pwrite');
});

test('a method that is not the wanted one says why', () => {
  assert.match(chooseStoreMethod({ wanted: 'mmap', fileSystem: 'btrfs', mapped: true }).reason, /btrfs/);
  assert.match(chooseStoreMethod({ wanted: 'mmap', fileSystem: 'ext4', mapped: false }).reason, /no mappings/);
});

test.run();
