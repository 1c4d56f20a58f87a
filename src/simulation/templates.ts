/** Disks as `init` leaves them, made once by the production code and copied for every seed. */
import { initPeer } from '../peer/init.ts';
import { initPrimary } from '../primary/init.ts';
import { initSecondary } from '../secondary/init.ts';
import type { Geometry } from '../model/ids.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { SimulatedDisk } from './disk.ts';
import { Arena } from './memory.ts';
import { Random } from './random.ts';
import {
  GROUP,
  HOLDS,
  JOURNALS_DIRECTORY,
  NVRAM_PATH,
  type PeerSetting,
  REGION_BYTES_CHOICES,
  SLOT_BYTES,
  SLOTS_CHOICES,
  STATE_DIRECTORY,
  VOLUMES,
} from './setting.ts';
import { settlePromises, type Universe } from './virtual-globals.ts';
import { violated } from './violation.ts';
import { World } from './virtual-time.ts';

export class Templates {
  readonly #arena = new Arena();
  readonly #universe: Universe;
  readonly #made = new Map<string, SimulatedDisk>();

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** Make every disk that a story may need. Before any story: `init` runs in a world of its own. */
  async prepare(): Promise<void> {
    const options = { group: GROUP, stateDirectory: STATE_DIRECTORY, volumes: VOLUMES, zeroExisting: false, onProgress: () => {} };
    for (const identity of [1, 2]) await this.#make(`primary ${identity}`, identity, (disk) => initPrimary({ disk, ...options }));
    for (const slots of SLOTS_CHOICES) {
      const journals = { directory: JOURNALS_DIRECTORY, geometry: geometryOf({ slots, slotBytes: SLOT_BYTES }) };
      await this.#make(`secondary ${slots}`, 3, (disk) => initSecondary({ disk, journals, ...options }));
    }
    for (const hold of HOLDS) {
      for (const sizeBytes of REGION_BYTES_CHOICES) {
        const nvram = { path: NVRAM_PATH, sizeBytes, hold };
        await this.#make(`peer ${hold} ${sizeBytes}`, 4, (disk) => initPeer({ disk, nvram, ...options }));
      }
    }
  }

  /** @param identity primaries of another identity begin another group */
  primary(identity: 1 | 2): SimulatedDisk {
    return this.#made.get(`primary ${identity}`) ?? violated('simulation', 'templates are prepared first');
  }

  secondary({ slots }: Geometry): SimulatedDisk {
    return this.#made.get(`secondary ${slots}`) ?? violated('simulation', 'templates are prepared first');
  }

  /** With a region of its own, as small as the story wants it. */
  peer({ hold, regionBytes }: PeerSetting): SimulatedDisk {
    return this.#made.get(`peer ${hold} ${regionBytes}`) ?? violated('simulation', 'templates are prepared first');
  }

  async #make(name: string, seed: number, init: (disk: SimulatedDisk) => Promise<unknown>): Promise<void> {
    if (this.#made.has(name)) return;
    const universe = this.#universe;
    const before = { ...universe };
    const world = new World();
    world.life = { name: 'init', dead: false };
    universe.world = world;
    universe.random = new Random(seed);
    const disk = new SimulatedDisk({ world, random: new Random(1), arena: this.#arena, aligned: true });
    disk.makeDirectory('/volumes');
    disk.makeDirectory('/nvram');
    const progress = { ended: false };
    const made = init(disk).finally(() => {
      progress.ended = true;
    });
    for (; !progress.ended; world.step()) await settlePromises();
    Object.assign(universe, before);
    await made;
    this.#made.set(name, disk.after('what is durable'));
  }
}
