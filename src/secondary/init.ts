/** `init` of a secondary: volumes and pre-written journals; it belongs to no group until it meets a primary. */
import { alignedStart } from '../disk/alignment.ts';
import { awaitDone } from '../disk/await-done.ts';
import type { Disk } from '../disk/disk.ts';
import { createRing } from '../../journals/create.ts';
import { isRingFile } from '../../journals/files.ts';
import type { Geometry } from '../model/ids.ts';
import type { HostState } from '../state/host-state.ts';
import { initialiseHost } from '../application/initialise.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { join } from 'node:path';

export interface InitSecondaryOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly volumes: readonly VolumeConfig[];
  readonly journals: { readonly directory: string; readonly geometry: Geometry };
  readonly zeroExisting: boolean;
  readonly onProgress: (message: string) => void;
}

/** @throws what `initialiseHost` and `createRing` throw */
export function initSecondary(options: InitSecondaryOptions): Promise<HostState> {
  const { disk, journals, onProgress } = options;
  return initialiseHost({
    ...options,
    state: { role: 'secondary', groupId: null, generations: [], stream: null },
    makeRest: async () => {
      const { directory, geometry } = journals;
      onProgress(`journals: ${geometry.slots} slots of ${geometry.slotBytes} bytes in ${directory}`);
      await awaitDone((done) => createRing({ disk, directory, geometry, alignedStart }, done));
      return () => {
        for (const name of disk.list(directory).filter(isRingFile)) disk.unlink(join(directory, name));
      };
    },
  });
}
