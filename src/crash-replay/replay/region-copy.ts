/** The region of a peer as a recovery finds it: a copy, because an opening leaves its mark in the file. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk } from '../../disk/disk.ts';
import type { NvramRegion } from '../../peer/nvram/contract.ts';
import { openRegion } from '../../peer/nvram/region.ts';
import { invalid } from '../fixture-files.ts';
import type { HostFolder } from '../fixture-folder.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';

/** Work with the host's region; null: it has none. @throws FarshoreError ERR_FIXTURE_INVALID when it cannot be read */
export async function onRegionCopy<Result>(
  { nvram }: HostFolder,
  disk: Disk,
  work: (region: NvramRegion | null) => Promise<Result>,
): Promise<Result> {
  if (nvram === undefined) return work(null);
  return withTemporaryFolder(async (folder) => {
    const path = join(folder, 'nvram');
    copyFileSync(nvram.path, path);
    const opened = openRegion({ disk, path, sizeBytes: nvram.sizeBytes, hold: 'durable' });
    if (opened.kind !== 'open') throw invalid(nvram.path, `a region that is ${opened.kind}`);
    try {
      return await work(opened.region);
    } finally {
      opened.region.close();
    }
  });
}
