import { geometryOf } from '../../journals/geometry.ts';
import type { Disk } from '../disk/disk.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { initPeer } from '../peer/init.ts';
import { initPrimary } from '../primary/init.ts';
import { initSecondary } from '../secondary/init.ts';
import type { HostState } from '../state/host-state.ts';
import { hostStatePath } from '../state/host-state.ts';
import { formatBytes } from '../model/units.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import type { HostConfig, PeerConfig } from './config/host-config.ts';

/** Initialise the host that a config describes. @throws what the role's init throws */
export function initHost(
  config: HostConfig,
  options: { zeroExisting: boolean; onProgress: (message: string) => void },
): Promise<HostState> {
  const host = { disk: new NodeDisk(), group: config.group, stateDirectory: config.stateDirectory, ...options };
  if (config.role === 'peer') return initPeer({ ...host, nvram: config.nvram });
  const common = { ...host, volumes: config.volumes };
  if (config.role === 'primary') return initPrimary(common);
  const { directory, slots, slotBytes } = config.journals;
  return initSecondary({ ...common, journals: { directory, geometry: geometryOf({ slots, slotBytes }) } });
}

/** Say what `initHost` would make, overwrite or refuse; changes nothing. */
export function previewInit(config: HostConfig): string[] {
  const disk = new NodeDisk();
  const lines = config.role === 'peer' ? previewRegion(config.nvram, disk) : previewVolumes(config.volumes, disk);
  if (config.role === 'secondary')
    lines.push(`journals: ${config.journals.slots} slots of ${formatBytes(config.journals.slotBytes)} in ${config.journals.directory}`);
  const state = hostStatePath(config.stateDirectory);
  lines.push(disk.exists(state) ? `refused: ${state} exists, this host was initialised before` : `state: ${config.stateDirectory}`);
  return lines;
}

function previewVolumes(volumes: readonly VolumeConfig[], disk: Disk): string[] {
  return volumes.map(({ name, path, sizeBytes }) => {
    const found = disk.exists(path) ? disk.open(path, { readOnly: true }) : null;
    const foundBytes = found?.sizeBytes() ?? 0;
    found?.closeSync();
    if (foundBytes === 0) return `volume ${name}: makes ${path}, ${formatBytes(sizeBytes)} of zeroes`;
    return `volume ${name}: ${path} holds ${formatBytes(foundBytes)}; refused, or all of it overwritten with zeroes by --zero-existing`;
  });
}

/** A region is made anew, or not at all: what a file of its name holds may be all that is left of acknowledged records. */
function previewRegion({ path, sizeBytes, hold }: PeerConfig['nvram'], disk: Disk): string[] {
  if (disk.exists(path)) return [`nvram: ${path} exists; refused, or set aside and made anew by --zero-existing`];
  return [`nvram: makes ${path}, ${formatBytes(sizeBytes)}, hold ${hold}`];
}
