/** Open the volumes of a group; all or none. */
import type { Disk } from '../disk/disk.ts';
import type { Volume, VolumeConfig } from './contract.ts';
import { openVolume, type OpenVolumeOptions } from './source-volume.ts';

/** @throws what `openVolume` throws for the first volume that cannot be opened; those opened before are closed again. */
export function openVolumes(
  disk: Disk,
  configs: readonly VolumeConfig[],
  options: Pick<OpenVolumeOptions, 'lock' | 'afterFence'> = {},
): Volume[] {
  const volumes: Volume[] = [];
  try {
    for (const config of configs) volumes.push(openVolume({ disk, config, ...options }));
    return volumes;
  } catch (error) {
    for (const volume of volumes) volume.close();
    throw error;
  }
}
