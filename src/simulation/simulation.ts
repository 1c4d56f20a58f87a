/**
 * One seed: hosts, network, application, faults, and judges after every event. The same seed gives the same run, event by event.
 *
 * **Make** the hosts as init leaves them -> **run** the application and the faults of the story -> **calm**: nothing goes wrong any more
 * -> **rest**: everything closed must be destaged within a bounded number of steps, and nothing may leak.
 */
import { createHash, type Hash } from 'node:crypto';
import type { DataSetId } from '../model/ids.ts';
import type { SimulatedDisk } from './disk.ts';
import { History } from './history.ts';
import { noCounters, type Counters, type Surroundings } from './host.ts';
import { judgeArbiter, judgeArrival, judgeClosing } from './link-oracle.ts';
import { Arena, SharedMemoryPool } from './memory.ts';
import { judgeMessage } from './message-oracle.ts';
import { Network } from './network.ts';
import type { PeerHost } from './peer-host.ts';
import type { PeerLedger } from './peer-ledger.ts';
import { PeerOracle } from './peer-oracle.ts';
import type { PrimaryHost } from './primary-host.ts';
import { Random } from './random.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { choosePeer, chooseSetting, type Setting } from './setting.ts';
import type { SimulatedSocket } from './socket.ts';
import { Story } from './story.ts';
import { Templates } from './templates.ts';
import { Violation } from './violation.ts';
import { installVirtualGlobals, settlePromises, type Universe } from './virtual-globals.ts';
import { World } from './virtual-time.ts';

export interface SeedReport {
  readonly seed: number;
  readonly story: string;
  /** Null: every judge agreed. */
  readonly failure: {
    readonly rule: string;
    readonly message: string;
    readonly stack: string;
    readonly timeUs: number;
    readonly step: number;
  } | null;
  readonly counters: Counters;
  /** SHA-256 over the trace, when one was asked for. */
  readonly traceSha256: string | null;
}

export interface SeedOptions {
  readonly seed: number;
  /** Take every event as a line. */
  readonly trace?: (line: string) => void;
  /** Hash the trace, to compare two runs. */
  readonly hash?: boolean;
}

/** Runs seeds one after another, with virtual globals installed. Only one of them may be there in a thread. */
export class Simulator {
  readonly #universe: Universe = { world: new World(), random: new Random(0) };
  readonly #arena = new Arena();
  readonly #shared = new SharedMemoryPool();
  readonly #templates = new Templates(this.#universe);
  readonly #uninstall: () => void;
  #current: Simulation | null = null;
  readonly #onRejection = (error: unknown): void => this.#current?.failed(error);

  constructor() {
    this.#uninstall = installVirtualGlobals(this.#universe, this.#shared);
    process.on('unhandledRejection', this.#onRejection);
  }

  async run(options: SeedOptions): Promise<SeedReport> {
    await this.#templates.prepare();
    this.#arena.reset();
    this.#shared.reset();
    const world = new World();
    this.#universe.world = world;
    this.#universe.random = new Random(options.seed);
    const hash = options.hash === true ? createHash('sha256') : null;
    if (hash !== null || options.trace !== undefined) world.trace = tracer(hash, options.trace);
    const simulation = new Simulation({ seed: options.seed, universe: this.#universe, arena: this.#arena, templates: this.#templates });
    this.#current = simulation;
    const failure = await simulation.run();
    this.#current = null;
    const text = failure instanceof Error ? failure : new Error(String(failure));
    return {
      seed: options.seed,
      story: simulation.story.name,
      failure:
        failure === null
          ? null
          : {
              rule: failure instanceof Violation ? failure.rule : text.name,
              message: text.message,
              stack: text.stack ?? '',
              timeUs: world.nowUs,
              step: world.steps,
            },
      counters: simulation.counters,
      traceSha256: hash?.digest('hex') ?? null,
    };
  }

  /** Give the thread its own clock and timers back. */
  close(): void {
    process.off('unhandledRejection', this.#onRejection);
    this.#uninstall();
  }
}

function tracer(hash: Hash | null, tell: ((line: string) => void) | undefined): (line: string) => void {
  return (line) => {
    hash?.update(line);
    tell?.(line);
  };
}

/** Makes the source of randomness for everything about a peer another one than the seed's own. */
const PEER_SEED = 0x5eed;

/** Steps without an end: something goes on for ever. */
const STEPS_MAX = 60_000;

export class Simulation implements Surroundings {
  readonly universe: Universe;
  readonly network: Network;
  readonly setting: Setting;
  readonly counters = noCounters();
  readonly arena: Arena;
  readonly templates: Templates;
  readonly primaries: PrimaryHost[] = [];
  readonly secondaries: SecondaryHost[] = [];
  readonly story: Story;
  readonly peers: PeerHost[] = [];
  isOver = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(options: { seed: number; universe: Universe; arena: Arena; templates: Templates }) {
    this.universe = options.universe;
    this.arena = options.arena;
    this.templates = options.templates;
    const { random } = this.universe;
    const peerRandom = new Random(options.seed ^ PEER_SEED);
    this.setting = chooseSetting(random, choosePeer(peerRandom));
    this.network = new Network({
      world: this.universe.world,
      random: random.fork(),
      addresses: this.setting.addresses,
      peerAddresses: this.setting.peer?.addresses ?? [],
    });
    this.network.tap = (from, parts) => this.#guard(() => this.#judgeSending(from, parts));
    this.network.arrival = (to, stray, handOver) => {
      const primary = this.#oracle.primaryOf(to.life);
      if (primary === null) judgeArrival(this.#oracle.secondaryOf(to.life), { to, stray, handOver });
      else judgeArbiter(primary, this.#oracle.secondaryOf(to.peer?.life ?? to.life), handOver);
    };
    this.network.arriving = (to, bytes) => this.#guard(() => this.#peerOracle.arriving(to, bytes));
    this.network.onClosing = (socket, code, reason) => this.#judgeClosing(socket, code, reason);
    this.story = new Story(this, random.fork(), peerRandom);
  }

  get ledger(): PeerLedger {
    return this.#peerOracle.ledger;
  }

  #judgeSending(from: SimulatedSocket, parts: readonly Uint8Array[]): void {
    if (this.network.isToPeer(from.address)) this.#peerOracle.sending(from, parts);
    else judgeMessage(this.#oracle, from, parts[0] ?? new Uint8Array(0));
  }

  readonly #oracle = {
    primaryOf: (life: { name: string }) => this.primaries.find((host) => host.life === life) ?? null,
    secondaryOf: (life: { name: string }) => this.secondaries.find((host) => host.life === life) ?? null,
    peerOf: (life: { name: string }) => this.peers.find((host) => host.life === life) ?? null,
  };
  readonly #peerOracle = new PeerOracle(this.#oracle);

  /** Judge in the middle of a host's code, which must not catch what is found. */
  #guard(judge: () => void): void {
    try {
      judge();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Hosts of two histories accuse each other rightly. */
  #judgeClosing(socket: SimulatedSocket, code: number, reason: string): void {
    if (this.hasImpostors) return;
    this.#guard(() => judgeClosing(socket, code, reason));
  }

  get hasImpostors(): boolean {
    return this.secondaries.some((host) => host.isImpostor);
  }

  promisedThrough(history: History): DataSetId {
    return Math.max(-1, ...this.secondaries.map(({ promises }) => promises.completeThrough(history)));
  }

  /** Note the first failure; the loop ends with it. */
  failed(error: unknown): void {
    this.#failure ??= { error };
  }

  async run(): Promise<unknown> {
    const { world } = this.universe;
    try {
      this.story.begin();
      while (!this.isOver && this.#failure === null) {
        if (world.steps > STEPS_MAX)
          throw new Violation('liveness', `after ${world.steps} steps the story is not over: ${this.story.waitsFor()}`);
        if (!this.#step()) throw new Violation('liveness', 'nothing is left to happen');
        await settlePromises();
        for (const host of [...this.primaries, ...this.secondaries]) host.guard(() => host.observe());
        if (this.#failure === null) await this.story.judge();
      }
      if (this.#failure === null) this.story.judgeEnd();
    } catch (error) {
      this.failed(error);
    }
    this.counters.steps = world.steps;
    this.counters.duplicates = this.network.counters.duplicates;
    this.counters.corrupted = this.network.counters.corrupted;
    return this.#failure?.error ?? null;
  }

  /** Take a host out of the world for good. */
  remove(host: PrimaryHost | SecondaryHost | PeerHost): void {
    host.crash('what is durable');
    for (const hosts of [this.primaries, this.secondaries, this.peers] as (PrimaryHost | SecondaryHost | PeerHost)[][]) {
      const index = hosts.indexOf(host);
      if (index >= 0) hosts.splice(index, 1);
    }
  }

  makeDisk(template: SimulatedDisk): SimulatedDisk {
    const { random, world } = this.universe;
    const { aligned, residentChance } = this.setting;
    // A file system where stores through mappings are taken (src/volume/store-method.ts).
    const fileSystem = 'ext4';
    return template.after('page cache', { world, random: random.fork(), arena: this.arena, aligned, residentChance, fileSystem });
  }

  newHistory(): History {
    return new History(this.arena);
  }

  /** What a process does after it was ended means nothing. */
  #step(): boolean {
    const { world } = this.universe;
    try {
      return world.step();
    } catch (error) {
      if (world.life === null || !world.life.dead) throw error;
      return true;
    }
  }
}
