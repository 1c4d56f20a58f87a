/**
 * What every role's init has in common: the state folder, the volumes, and at the very end the host state, so that an init that was
 * interrupted is seen as no init. Whatever this call made is removed when it fails.
 */
import type { Disk } from '../disk/disk.ts';
import { RefusedError } from '../model/errors.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { createVolume } from '../volume/create-volume.ts';
import { hostStatePath, writeHostState, type HostState } from '../state/host-state.ts';
import { volumeTableOf } from '../state/volume-table.ts';

export interface InitialiseOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly volumes: readonly VolumeConfig[];
  readonly zeroExisting: boolean;
  readonly onProgress: (message: string) => void;
  /** What the role makes besides volumes and state; returns how to undo it. */
  readonly makeRest: () => Promise<() => void>;
  readonly state: Pick<HostState, 'role' | 'groupId' | 'generations' | 'stream' | 'region'>;
}

/** @throws RefusedError ERR_ALREADY_INITIALISED; what createVolume and the role's part throw */
export async function initialiseHost(options: InitialiseOptions): Promise<HostState> {
  const { disk, stateDirectory, volumes, onProgress } = options;
  const path = hostStatePath(stateDirectory);
  if (disk.exists(path)) {
    throw new RefusedError('ERR_ALREADY_INITIALISED', `${path} exists: this host was initialised before`, {
      hint: 'a second init would make another group of the same name; to begin anew, move the state folder, the volumes and the journals away yourself',
    });
  }
  disk.makeDirectory(stateDirectory);
  const undo: (() => void)[] = [];
  try {
    for (const config of volumes) {
      const existed = disk.exists(config.path);
      onProgress(`volume ${config.name} (VLUN ${config.vlun}): ${config.sizeBytes} bytes at ${config.path}`);
      await createVolume({
        disk,
        config,
        zeroExisting: options.zeroExisting,
        onProgress: (zeroed, total) => onProgress(`  zeroed ${Math.round((zeroed / total) * 100)} %`),
      });
      if (!existed) undo.push(() => disk.unlink(config.path));
    }
    undo.push(await options.makeRest());
    const state: HostState = {
      formatVersion: 1,
      condition: 'active',
      reason: null,
      groupName: options.group,
      volumes: volumeTableOf(volumes),
      hostEpoch: 0,
      lastPrimarySession: null,
      divergedFrom: null,
      ...options.state,
    };
    // A state that was renamed into place and then not flushed is not one either.
    undo.push(() => {
      if (disk.exists(path)) disk.unlink(path);
    });
    writeHostState(disk, stateDirectory, state);
    disk.syncDirectory(stateDirectory);
    return state;
  } catch (error) {
    for (const step of undo.toReversed()) step();
    throw error;
  }
}
