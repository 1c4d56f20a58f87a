import { geometryOf } from '../../journals/geometry.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { initPrimary } from '../primary/init.ts';
import { initSecondary } from '../secondary/init.ts';
import type { HostState } from '../state/host-state.ts';
import { hostStatePath } from '../state/host-state.ts';
import { formatBytes } from '../model/units.ts';
import type { HostConfig } from './config/host-config.ts';

/** Initialise the host that a config describes. @throws what the role's init throws */
export function initHost(
  config: HostConfig,
  options: { zeroExisting: boolean; onProgress: (message: string) => void },
): Promise<HostState> {
  const common = { disk: new NodeDisk(), group: config.group, stateDirectory: config.stateDirectory, volumes: config.volumes, ...options };
  if (config.role === 'primary') return initPrimary(common);
  const { directory, slots, slotBytes } = config.journals;
  return initSecondary({ ...common, journals: { directory, geometry: geometryOf({ slots, slotBytes }) } });
}

/** Say what `initHost` would make, overwrite or refuse; changes nothing. */
export function previewInit(config: HostConfig): string[] {
  const disk = new NodeDisk();
  const lines = config.volumes.map(({ name, path, sizeBytes }) => {
    const found = disk.exists(path) ? disk.open(path, { readOnly: true }) : null;
    const foundBytes = found?.sizeBytes() ?? 0;
    found?.closeSync();
    if (foundBytes === 0) return `volume ${name}: makes ${path}, ${formatBytes(sizeBytes)} of zeroes`;
    return `volume ${name}: ${path} holds ${formatBytes(foundBytes)}; refused, or all of it overwritten with zeroes by --zero-existing`;
  });
  if (config.role === 'secondary')
    lines.push(`journals: ${config.journals.slots} slots of ${formatBytes(config.journals.slotBytes)} in ${config.journals.directory}`);
  const state = hostStatePath(config.stateDirectory);
  lines.push(disk.exists(state) ? `refused: ${state} exists, this host was initialised before` : `state: ${config.stateDirectory}`);
  return lines;
}
