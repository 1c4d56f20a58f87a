/** Disks as `init` leaves them, made once by the production code and copied for every seed. */
import { initPrimary } from '../primary/init.ts';
import { initSecondary } from '../secondary/init.ts';
import type { Geometry } from '../model/ids.ts';
import { SimulatedDisk } from './disk.ts';
import { Arena } from './memory.ts';
import { Random } from './random.ts';
import { GROUP, JOURNALS_DIRECTORY, STATE_DIRECTORY, VOLUMES } from './setting.ts';
import { settlePromises, type Universe } from './virtual-globals.ts';
import { World } from './virtual-time.ts';

export class Templates {
  readonly #arena = new Arena();
  readonly #universe: Universe;
  readonly #made = new Map<string, SimulatedDisk>();

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** @param identity hosts of another identity belong to another group */
  primary(identity: number): Promise<SimulatedDisk> {
    const options = { group: GROUP, stateDirectory: STATE_DIRECTORY, volumes: VOLUMES, zeroExisting: false, onProgress: () => {} };
    return this.#make(`primary ${identity}`, identity, (disk) => initPrimary({ disk, ...options }));
  }

  secondary(geometry: Geometry): Promise<SimulatedDisk> {
    const options = { group: GROUP, stateDirectory: STATE_DIRECTORY, volumes: VOLUMES, zeroExisting: false, onProgress: () => {} };
    const journals = { directory: JOURNALS_DIRECTORY, geometry };
    return this.#make(`secondary ${geometry.slots}`, 1, (disk) => initSecondary({ disk, journals, ...options }));
  }

  async #make(name: string, seed: number, init: (disk: SimulatedDisk) => Promise<unknown>): Promise<SimulatedDisk> {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const universe = this.#universe;
    const before = { ...universe };
    const world = new World();
    world.life = { name: 'init', dead: false };
    universe.world = world;
    universe.random = new Random(seed);
    const disk = new SimulatedDisk({ world, random: new Random(1), arena: this.#arena, aligned: true });
    disk.makeDirectory('/volumes');
    let ended: { error: unknown } | null = null;
    init(disk).then(
      () => (ended = { error: null }),
      (error: unknown) => (ended = { error }),
    );
    for (; ended === null; world.step()) await settlePromises();
    Object.assign(universe, before);
    const { error } = ended as { error: unknown };
    if (error !== null) throw error as Error;
    const rested = disk.after('what is durable');
    this.#made.set(name, rested);
    return rested;
  }
}
