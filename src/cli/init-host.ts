import { geometryOf } from '../../journals/geometry.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { initPrimary } from '../primary/init.ts';
import { initSecondary } from '../secondary/init.ts';
import type { HostState } from '../state/host-state.ts';
import type { HostConfig } from './config/host-config.ts';

/** Initialise the host that a config describes. @throws what the role's init throws */
export function initHost(config: HostConfig, options: { zeroExisting: boolean; onProgress: (message: string) => void }): Promise<HostState> {
  const common = { disk: new NodeDisk(), group: config.group, stateDirectory: config.stateDirectory, volumes: config.volumes, ...options };
  if (config.role === 'primary') return initPrimary(common);
  const { directory, slots, slotBytes } = config.journals;
  return initSecondary({ ...common, journals: { directory, geometry: geometryOf({ slots, slotBytes }) } });
}
