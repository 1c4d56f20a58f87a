/** The disk from which every small world begins: initialised by the production code, and bound to a group as its first contact does. */
import { firstGenerations } from '../../protocol/generations.ts';
import { initSecondary } from '../../secondary/init.ts';
import { writeHostState } from '../../state/host-state.ts';
import { lockStateFolder } from '../../state/state-folder.ts';
import { SimulatedDisk } from '../disk.ts';
import { Arena } from '../memory.ts';
import { Random } from '../random.ts';
import { settlePromises, type Universe } from '../virtual-globals.ts';
import { World } from '../virtual-time.ts';
import { GEOMETRY, GROUP, GROUP_ID, JOURNALS_DIRECTORY, STATE_DIRECTORY, STREAM, VOLUMES } from './small-setting.ts';

export async function prepareDisk(universe: Universe): Promise<SimulatedDisk> {
  const world = new World();
  world.life = { name: 'init', dead: false };
  universe.world = world;
  const disk = new SimulatedDisk({ world, random: new Random(1), arena: new Arena(), aligned: true });
  disk.makeDirectory('/volumes');
  const progress = { ended: false };
  const made = initSecondary({
    disk,
    group: GROUP,
    stateDirectory: STATE_DIRECTORY,
    volumes: VOLUMES,
    journals: { directory: JOURNALS_DIRECTORY, geometry: GEOMETRY },
    zeroExisting: false,
    onProgress: () => {},
  }).finally(() => {
    progress.ended = true;
  });
  for (; !progress.ended; world.step()) await settlePromises();
  const state = await made;
  const bound = { groupId: GROUP_ID, generations: firstGenerations('00000000000000bb'), stream: STREAM.stream };
  writeHostState(disk, STATE_DIRECTORY, { ...state, ...bound, lastPrimarySession: '00000000000000cc' });
  // The lock's file is there from the first start on.
  lockStateFolder(disk, STATE_DIRECTORY).release();
  disk.syncDirectory(STATE_DIRECTORY);
  return disk.after('what is durable');
}
