/** The simulated disk (docs/simulation.md has its fault model) for tests of one part: in the event loop's time, made from a seed, and counted. */
import { posix } from 'node:path';
import { SimulatedDisk, type Asked, type Content, type DiskOptions, type Kept, type Operation } from '../../src/simulation/disk.ts';
import { HEAP } from '../../src/simulation/memory.ts';
import { Random } from '../../src/simulation/random.ts';
import { TurnSchedule } from './turn-schedule.ts';

export interface TestDiskOptions {
  /** Called before each operation, until the crash: what a dead process goes on to ask is not seen. */
  readonly onAsked?: (asked: Asked) => void;
  /** Decides everything that is random; default: `new Random(seed)`. */
  readonly random?: Random;
  /** Default true. */
  readonly aligned?: boolean;
  readonly fileSystem?: string;
  readonly residentChance?: number | null;
  /** True: operations complete, and are reported, in any order, as a pool of threads does it; default: in the order in which they were asked. */
  readonly reorders?: boolean;
}

export class TestDisk extends SimulatedDisk {
  /** Operations asked so far, by name. */
  readonly counts = new Map<Operation, number>();
  readonly #onAsked: ((asked: Asked) => void) | undefined;

  constructor(
    options: TestDiskOptions & { readonly seed?: number } = {},
    made?: { readonly options: DiskOptions; readonly content: Content },
  ) {
    const { seed = 1, onAsked, ...others } = options;
    const usual = { world: new TurnSchedule(), random: new Random(seed), arena: HEAP, aligned: true, reorders: false };
    super(made?.options ?? { ...usual, ...others }, made?.content);
    this.#onAsked = onAsked;
    this.watcher = {
      asked: (asked) => {
        this.counts.set(asked.operation, this.count(asked.operation) + 1);
        this.#onAsked?.(asked);
      },
      writing: () => {},
      flushed: () => {},
    };
  }

  count(operation: Operation): number {
    return this.counts.get(operation) ?? 0;
  }

  /** Crash; default: a power cut. The next disk is watched as this one is, if `options` do not say otherwise. */
  override crash(kept: Kept = 'what is durable', { onAsked, ...options }: TestDiskOptions = {}): TestDisk {
    this.dead = true;
    const made = { ...this.options, random: this.random.fork(), ...options };
    const content = this.contentAfter(kept, { arena: made.arena, random: options.random ?? this.random });
    const watch = onAsked ?? this.#onAsked;
    return new TestDisk(watch === undefined ? {} : { onAsked: watch }, { options: made, content });
  }

  /** Bytes that a power cut would leave for sure; null if the file's name is not durable. */
  durableBytes(path: string): Uint8Array | null {
    return this.image(posix.normalize(path), 'durable')?.bytes() ?? null;
  }
}

/** Where a test decides: every number drawn is this part of its range. */
export class AlwaysRandom extends Random {
  readonly #part: number;

  /** @param part of [0, 1); 0 at a crash: nothing that was not durable is kept */
  constructor(part: number) {
    super(0);
    this.#part = part;
    this.next = () => this.#part;
  }
}
