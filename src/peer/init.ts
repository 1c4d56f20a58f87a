/** `init` of a peer: its region, empty and allocated whole; it belongs to no group until it meets a secondary. */
import type { Disk } from '../disk/disk.ts';
import { formatBytes } from '../model/units.ts';
import type { HostState } from '../state/host-state.ts';
import { newRegionId } from '../state/identity.ts';
import { initialiseHost } from '../application/initialise.ts';
import type { RegionOptions } from './nvram/contract.ts';
import type { RegionStore } from './open-peer-region.ts';
import { regionFiles } from './region-files.ts';

export interface InitPeerOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly nvram: Omit<RegionOptions, 'disk'>;
  /** A region that is there is replaced; its bytes are set aside. */
  readonly zeroExisting: boolean;
  readonly onProgress: (message: string) => void;
  /** Regions of its own, for a test; files unless it is told. */
  readonly regions?: RegionStore;
}

/** @throws RefusedError ERR_NVRAM_EXISTS; what `initialiseHost` and making the region throw */
export function initPeer(options: InitPeerOptions): Promise<HostState> {
  const { disk, nvram, onProgress } = options;
  const { path, sizeBytes, hold } = nvram;
  const regionId = newRegionId();
  const regions = options.regions ?? regionFiles;
  return initialiseHost({
    ...options,
    volumes: [],
    state: { role: 'peer', groupId: null, generations: [], stream: null, region: { id: regionId, lost: [] } },
    makeRest: async () => {
      const exists = disk.exists(path);
      onProgress(`nvram: region ${regionId} of ${formatBytes(sizeBytes)} at ${path}, hold ${hold}`);
      await regions.create({ disk, ...nvram, regionId, replace: exists && options.zeroExisting });
      return () => {
        if (disk.exists(path)) disk.unlink(path);
      };
    },
  });
}
