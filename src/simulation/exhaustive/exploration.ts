/**
 * Explore one small world: run its lives, and from every moment of them every crash that is taken. What a crash leaves is a state; one that
 * is found again, by its disk and by what was promised until then, is judged once.
 *
 * Of each state: **recover**, judge, **rest**, judge. At every moment of that recovery the power is cut again, and what that leaves is judged
 * too. Some states, chosen by their key, also take what is missing until they are level with the final image, or are promoted; and of
 * these some are crashed in the middle of it.
 */
import type { SimulatedDisk } from '../disk.ts';
import type { Arena, SharedMemoryPool } from '../memory.ts';
import { Random } from '../random.ts';
import type { Universe } from '../virtual-globals.ts';
import type { Counters } from './counters.ts';
import { FIRST_CRASH, SECOND_CRASH } from './crash-choices.ts';
import { CrashPoint } from './crash-point.ts';
import { Life, type LifeOptions, type Moment } from './life.ts';
import { keyOf } from './sector-hash.ts';
import { Told } from './told.ts';
import type { SmallWorld } from './worlds.ts';

/** Of so many states one is brought level with the final image, and one is promoted. */
export const FINISH_ONE_OF = 8;
export const PROMOTE_ONE_OF = 16;
/** Of so many of these one is crashed again at every moment of that. */
export const AGAIN_ONE_OF = 8;

/** What explorations of one thread share. */
export interface Laboratory {
  readonly universe: Universe;
  readonly shared: SharedMemoryPool;
  /** For the world's own lives, those after a crash, and those after a second one. */
  readonly arenas: readonly [Arena, Arena, Arena];
  readonly template: SimulatedDisk;
}

export interface ExplorationOptions {
  readonly laboratory: Laboratory;
  readonly world: SmallWorld;
  /** Keys of the states that were judged; grows. */
  readonly visited: Set<number>;
  readonly counters: Counters;
  readonly traced: boolean;
}

/** A state that a crash left, by its moment. */
interface State {
  readonly told: Told;
  readonly key: number;
  /** After a first crash, or after a second one. */
  readonly level: 1 | 2;
  readonly makeDisk: (arena: Arena) => SimulatedDisk;
}

export class Exploration {
  /** How the state that is being judged was reached. */
  readonly path: string[] = [];
  /** What the lives on the way to it did, when they are traced. */
  readonly lines: string[][] = [[], [], []];
  readonly #options: ExplorationOptions;
  #life: Life | null = null;

  constructor(options: ExplorationOptions) {
    this.#options = options;
  }

  /** Run the world's lives and judge all that they lead to. @throws Violation, or what the production code threw */
  async run(): Promise<void> {
    const { laboratory, counters, world } = this.#options;
    laboratory.arenas[0].reset();
    laboratory.shared.reset();
    const moments = await this.#runWorld(laboratory.template.after('page cache', { arena: laboratory.arenas[0] }));
    counters.worlds += 1;
    counters.crashPoints += moments.length;
    for (const moment of moments) {
      this.path.splice(0, Infinity, world.name, moment.point.label);
      await this.#cutPower(moment, 1);
      await this.#kill(moment);
    }
  }

  /** Something failed outside of all calls. */
  failed(error: unknown): void {
    this.#life?.fail(error);
  }

  async #runWorld(template: SimulatedDisk): Promise<Moment[]> {
    const { lives } = this.#options.world.delivery;
    const moments: Moment[] = [];
    let disk = template;
    let told = new Told();
    for (const [index, messages] of lives.entries()) {
      this.path.splice(0, Infinity, this.#options.world.name, `life ${index + 1} of ${lives.length}`);
      const life = this.#begin({ disk, told, keep: true }, 0);
      await life.start();
      await life.take(messages);
      if (index === lives.length - 1) await life.finish();
      else await life.rest();
      moments.push(...life.moments);
      disk = life.disk.after('page cache');
      told = life.told.copy();
    }
    return moments;
  }

  /** Judge every disk that a power cut at this moment may leave. */
  async #cutPower({ point, told }: Moment, level: 1 | 2): Promise<void> {
    const { visited, counters, world } = this.#options;
    const found: { choice: number[]; names: number; key: number }[] = [];
    point.powerCuts(level === 1 ? FIRST_CRASH : SECOND_CRASH, ({ lanes, choice, names }) => {
      told.addTo(lanes, world.history);
      const key = keyOf(lanes);
      counters.statesReached += 1;
      if (visited.has(key)) return;
      visited.add(key);
      found.push({ choice: [...choice], names, key });
    });
    if (level === 1) counters.powerCuts += found.length;
    else counters.secondCrashes += found.length;
    for (const cut of found) {
      this.path.push(`power cut: ${point.describePowerCut(cut)}`);
      const makeDisk = (arena: Arena): SimulatedDisk => {
        arena.reset();
        return point.diskAfterPowerCut(cut, arena);
      };
      await this.#judge({ told, key: cut.key, level, makeDisk });
      this.path.pop();
    }
  }

  /** Judge every disk that a kill at this moment may leave. */
  async #kill({ point, told }: Moment): Promise<void> {
    const { visited, counters, laboratory, world } = this.#options;
    const found: number[][] = [];
    point.kills((fates) => void found.push([...fates]));
    for (const fates of found) {
      laboratory.arenas[1].reset();
      const disk = point.diskAfterKill(fates, laboratory.arenas[1]);
      const lanes = { ...new CrashPoint(disk, 'killed').lanes };
      told.addTo(lanes, world.history);
      const key = keyOf(lanes);
      counters.statesReached += 1;
      if (visited.has(key)) continue;
      visited.add(key);
      counters.kills += 1;
      this.path.push(`kill: ${point.describeKill(fates)}`);
      await this.#judge({ told, key, level: 1, makeDisk: () => disk });
      this.path.pop();
    }
  }

  async #judge({ told, key, level, makeDisk }: State): Promise<void> {
    const { laboratory, counters } = this.#options;
    counters.statesJudged += 1;
    laboratory.shared.reset();
    const life = this.#begin({ disk: makeDisk(laboratory.arenas[level]), told: told.copy(), keep: level === 1 }, level);
    await life.start();
    const again = Math.floor(key / PROMOTE_ONE_OF) % AGAIN_ONE_OF === 0;
    if (!life.isPromoted) await this.#goOn(life, key, again);
    for (const moment of life.moments) {
      this.path.push(moment.point.label);
      await this.#cutPower(moment, 2);
      this.path.pop();
    }
  }

  /** What a recovered host does, by the key of its state. */
  async #goOn(life: Life, key: number, again: boolean): Promise<void> {
    const { counters } = this.#options;
    const promote = key % PROMOTE_ONE_OF === 1;
    if (!promote || !again) await life.rest();
    if (!again) life.stopKeeping();
    if (promote) {
      counters.promotions += 1;
      await life.promote();
    } else if (key % FINISH_ONE_OF === 0) {
      counters.levelled += 1;
      await life.finish();
    }
  }

  #begin(options: Pick<LifeOptions, 'disk' | 'told' | 'keep'>, level: 0 | 1 | 2): Life {
    const { laboratory, world, traced, counters } = this.#options;
    counters.recoveries += 1;
    const lines: string[] = [];
    for (let above = level === 0 ? 3 : level; above < 3; above += 1) this.lines[above] = [];
    if (level > 0) this.lines[level] = lines;
    const sink = level === 0 ? (this.lines[0] as string[]) : lines;
    this.#life = new Life({
      ...options,
      universe: laboratory.universe,
      history: world.history,
      trace: traced ? (line) => void sink.push(line) : null,
      random: new Random(1),
    });
    return this.#life;
  }
}
