/** `init` of a primary: volumes, a new group with its first generation and stream, and a clean stop to start from. */
import type { Disk } from '../disk/disk.ts';
import { firstGenerations } from '../protocol/generations.ts';
import type { Generation } from '../model/ids.ts';
import type { HostState } from '../state/host-state.ts';
import { newGenerationId, newGroupId, newStreamId } from '../state/identity.ts';
import { initialiseHost } from '../application/initialise.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { newStreamState, removeStreamState, writeCleanMarker, writeStreamState } from './stream-state.ts';

export interface InitPrimaryOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly volumes: readonly VolumeConfig[];
  readonly zeroExisting: boolean;
  readonly onProgress: (message: string) => void;
}

/** @throws what `initialiseHost` throws */
export function initPrimary(options: InitPrimaryOptions): Promise<HostState> {
  const { disk, stateDirectory } = options;
  const generations = firstGenerations(newGenerationId());
  const groupId = newGroupId();
  const stream = newStreamId();
  return initialiseHost({
    ...options,
    state: { role: 'primary', groupId, generations, stream },
    makeRest: async () => {
      await writeStreamState(disk, stateDirectory, newStreamState({ groupId, stream, generation: generations[0] as Generation }), []);
      writeCleanMarker(disk, stateDirectory);
      return () => removeStreamState(disk, stateDirectory);
    },
  });
}
