/** Explores groups of small worlds, or one, in a thread whose clock and timers it takes over. Only one of them may be there in a thread. */
import { Arena, SharedMemoryPool } from '../memory.ts';
import { Random } from '../random.ts';
import { installVirtualGlobals, type Universe } from '../virtual-globals.ts';
import { Violation } from '../violation.ts';
import { World } from '../virtual-time.ts';
import { noCounters, type Counters } from './counters.ts';
import { Exploration, type Laboratory } from './exploration.ts';
import { prepareDisk } from './prepared-disk.ts';
import { worldOf, worldsOf, type SmallWorld, type WorldGroup } from './worlds.ts';

export interface WorldFailure {
  readonly world: number;
  readonly name: string;
  readonly rule: string;
  readonly message: string;
  readonly stack: string;
  /** How the state was reached: moments and crashes, in their order. */
  readonly path: readonly string[];
  /** What the lives on the way did, when they are traced. */
  readonly lines: readonly string[];
}

export interface ExplorationOrder {
  readonly explored: WorldGroup | { readonly worlds: readonly number[] };
  readonly traced: boolean;
  /** Leave the rest out when one failed. */
  readonly untilFailure: boolean;
}

export interface GroupReport {
  readonly counters: Counters;
  readonly failures: readonly WorldFailure[];
  /** What the world's own lives did, when it is traced and nothing failed. */
  readonly lines: readonly string[];
}

export class SmallWorlds {
  readonly #universe: Universe = { world: new World(), random: new Random(1) };
  readonly #shared = new SharedMemoryPool();
  readonly #arenas = [new Arena(), new Arena(), new Arena()] as const;
  readonly #uninstall: () => void;
  #laboratory: Laboratory | null = null;
  #current: Exploration | null = null;
  readonly #onRejection = (error: unknown): void => this.#current?.failed(error);

  constructor() {
    this.#uninstall = installVirtualGlobals(this.#universe, this.#shared);
    process.on('unhandledRejection', this.#onRejection);
  }

  /** Explore worlds that share what was judged; one that fails is left. */
  async explore(order: ExplorationOrder): Promise<GroupReport> {
    const worlds = 'worlds' in order.explored ? order.explored.worlds.map(worldOf) : worldsOf(order.explored);
    const laboratory = (this.#laboratory ??= {
      universe: this.#universe,
      shared: this.#shared,
      arenas: this.#arenas,
      template: await prepareDisk(this.#universe),
    });
    const counters = noCounters();
    const failures: WorldFailure[] = [];
    const lines: string[] = [];
    const visited = new Set<number>();
    const histories = new Set<unknown>();
    for (const world of worlds) {
      histories.add(world.history);
      const exploration = new Exploration({ laboratory, world, visited, counters, traced: order.traced });
      this.#current = exploration;
      this.#universe.random = new Random(1);
      try {
        await exploration.run();
        if (order.traced) lines.push(...(exploration.lines[0] ?? []));
      } catch (error) {
        failures.push(failureOf(world, exploration, error));
        if (order.untilFailure) break;
      }
      this.#current = null;
    }
    counters.histories += histories.size;
    return { counters, failures, lines };
  }

  /** Give the thread its own clock and timers back. */
  close(): void {
    process.off('unhandledRejection', this.#onRejection);
    this.#uninstall();
  }
}

function failureOf(world: SmallWorld, exploration: Exploration, thrown: unknown): WorldFailure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return {
    world: world.number,
    name: world.name,
    rule: error instanceof Violation ? error.rule : error.name,
    message: error.message,
    stack: error.stack ?? '',
    path: [...exploration.path],
    lines: exploration.lines.flatMap((lines, level) => (lines.length > 0 ? [`--- life after ${level} crashes`, ...lines] : [])),
  };
}
