/** What every simulated host has: a disk, lives one after another, and what it was seen to do. */
import { RefusedError } from '../model/errors.ts';
import type { DataSetId } from '../model/ids.ts';
import type { Operation, SimulatedDisk } from './disk.ts';
import type { History } from './history.ts';
import type { Universe } from './virtual-globals.ts';
import type { Network } from './network.ts';
import type { PeerLedger } from './peer-ledger.ts';
import type { Setting } from './setting.ts';
import { Violation } from './violation.ts';
import type { Life } from './virtual-time.ts';

/** What hosts share. */
export interface Surroundings {
  readonly universe: Universe;
  readonly network: Network;
  readonly setting: Setting;
  readonly counters: Counters;
  /** What secondary and peer have told one another. */
  readonly ledger: PeerLedger;
  /** The first failure ends the simulation. */
  readonly failed: (error: unknown) => void;
  /** The newest data set that a secondary has told complete with all before it; -1: none. */
  readonly promisedThrough: (history: History) => DataSetId;
  /** Some host is not what another one believes. */
  readonly hasImpostors: boolean;
}

export type Counters = Record<
  | 'writes'
  | 'flushes'
  | 'dataSets'
  | 'crashes'
  | 'powerCuts'
  | 'kills'
  | 'recoveries'
  | 'cleanStops'
  | 'primaryKills'
  | 'promotions'
  | 'promotionCrashes'
  | 'handshakesAgreed'
  | 'handshakesRefused'
  | 'handshakesWaiting'
  | 'rejects'
  | 'resends'
  | 'duplicates'
  | 'corrupted'
  | 'acknowledged'
  | 'acknowledgedByPeer'
  | 'mirrored'
  | 'fetches'
  | 'peerCrashes'
  | 'regionsLost'
  | 'doubleLosses'
  | 'takeovers'
  | 'linkLosses'
  | 'partitions'
  | 'diskFailures'
  | 'slowDisks'
  | 'clockJumps'
  | 'damages'
  | 'damagesRefused'
  | 'damagesMended'
  | 'restored'
  | 'mended'
  | 'failedHosts'
  | 'statesJudged'
  | 'steps',
  number
>;

export function noCounters(): Counters {
  return {
    writes: 0,
    flushes: 0,
    dataSets: 0,
    crashes: 0,
    powerCuts: 0,
    kills: 0,
    recoveries: 0,
    cleanStops: 0,
    primaryKills: 0,
    promotions: 0,
    promotionCrashes: 0,
    handshakesAgreed: 0,
    handshakesRefused: 0,
    handshakesWaiting: 0,
    rejects: 0,
    resends: 0,
    duplicates: 0,
    corrupted: 0,
    acknowledged: 0,
    acknowledgedByPeer: 0,
    mirrored: 0,
    fetches: 0,
    peerCrashes: 0,
    regionsLost: 0,
    doubleLosses: 0,
    takeovers: 0,
    linkLosses: 0,
    partitions: 0,
    diskFailures: 0,
    slowDisks: 0,
    clockJumps: 0,
    damages: 0,
    damagesRefused: 0,
    damagesMended: 0,
    restored: 0,
    mended: 0,
    failedHosts: 0,
    statesJudged: 0,
    steps: 0,
  };
}

export type HostPhase = 'down' | 'starting' | 'up' | 'stopping' | 'refused';

export abstract class SimulatedHost {
  readonly name: string;
  readonly around: Surroundings;
  disk: SimulatedDisk;
  phase: HostPhase = 'down';
  life: Life;
  /** Why a start was refused, or why the host ended. */
  refusal: string | null = null;
  #lives = 0;
  #crashAfter: number | null = null;
  #crashBefore: Operation | null = null;
  #crashNextLife: { readonly count: number; readonly kept: 'page cache' | 'what is durable' } | null = null;
  #crashKept: 'page cache' | 'what is durable' = 'page cache';

  constructor(options: { name: string; around: Surroundings; disk: SimulatedDisk }) {
    this.name = options.name;
    this.around = options.around;
    this.disk = options.disk;
    this.life = { name: `${options.name}#0`, dead: true };
  }

  /** Begin another life. */
  start(): void {
    if (this.phase !== 'down') return;
    this.#lives += 1;
    const life: Life = { name: `${this.name}#${this.#lives}`, dead: false };
    this.life = life;
    this.phase = 'starting';
    this.refusal = null;
    this.#watch();
    if (this.#crashNextLife !== null) this.crashAfterOperations(this.#crashNextLife.count, this.#crashNextLife.kept);
    this.#crashNextLife = null;
    const failuresBefore = this.disk.failuresMet;
    this.run('start', () => {
      this.open().then(
        () => this.#ifAlive(life, () => this.started()),
        (error: unknown) => this.#ifAlive(life, () => this.#notStarted(error, this.disk.failuresMet > failuresBefore)),
      );
    });
  }

  /** Run code on behalf of this life, as an event of its own. */
  run(label: string, work: () => void): void {
    this.around.universe.world.schedule(0, `${label} ${this.name}`, work, this.life);
  }

  /** The same, counted from the next start on. */
  crashInNextLife(count: number, kept: 'page cache' | 'what is durable'): void {
    this.#crashNextLife = { count, kept };
  }

  /** Crash when this operation is asked for next, before it is done. */
  crashBefore(operation: Operation, kept: 'page cache' | 'what is durable'): void {
    this.#crashBefore = operation;
    this.#crashKept = kept;
  }

  /** Crash within this many disk operations, between two of them. */
  crashAfterOperations(count: number, kept: 'page cache' | 'what is durable'): void {
    this.#crashAfter = count;
    this.#crashKept = kept;
  }

  crash(kept: 'page cache' | 'what is durable'): void {
    const { universe, network, counters } = this.around;
    if (this.life.dead) return;
    universe.world.note(`${this.name} crashes: ${kept} is kept`);
    counters.crashes += 1;
    if (kept === 'page cache') counters.kills += 1;
    else counters.powerCuts += 1;
    this.disk = this.disk.crash(kept);
    this.life.dead = true;
    this.phase = 'down';
    this.#crashAfter = null;
    this.#crashBefore = null;
    network.lifeEnded(this.life, kept === 'what is durable' && universe.random.chance(0.3));
    this.crashed(kept);
  }

  /** Stop the process: its kernel ends what it had asked of the disk, and nothing of it goes on. */
  suspend(): void {
    const { life, around, disk } = this;
    if (life.dead || life.stopped) return;
    around.universe.world.note(`${this.name} is stopped`);
    for (const inode of disk.content.entries.values()) inode.endFlights(disk);
    around.universe.world.stop(life);
  }

  /** Let it go on, if it is still there. */
  resume(): void {
    const { life, around } = this;
    if (life.dead || !life.stopped) return;
    around.universe.world.note(`${this.name} goes on`);
    around.universe.world.resume(life);
  }

  /** The process ended by itself, orderly: its disk stays as it is, and nothing of it goes on. */
  protected ended(phase: 'down' | 'refused', reason: string | null): void {
    this.around.universe.world.note(`${this.name} ends: ${reason ?? 'stopped'}`);
    this.disk = this.disk.crash('page cache');
    this.life.dead = true;
    this.phase = phase;
    this.refusal = reason;
    this.around.network.lifeEnded(this.life, false);
  }

  protected abstract open(): Promise<void>;
  protected abstract started(): void;
  /** @param code of the error */
  protected abstract refusedToStart(code: string, message: string): void;
  protected abstract crashed(kept: 'page cache' | 'what is durable'): void;
  protected abstract writing(path: string, position: number, bytes: Uint8Array): void;
  protected abstract flushed(path: string): void;

  /** An operation is asked for, and not done yet. */
  protected asking(_operation: Operation, _path: string): void {}

  /** Carry a judgement out; what it finds ends the simulation. */
  guard(judge: () => void): void {
    if (this.life.dead) return;
    try {
      judge();
    } catch (error) {
      this.around.failed(error);
    }
  }

  #ifAlive(life: Life, work: () => void): void {
    if (!life.dead) this.guard(work);
  }

  #notStarted(error: unknown, diskFailed: boolean): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const message = error instanceof Error ? error.message : String(error);
    if (!(error instanceof RefusedError) && !diskFailed && !code.startsWith('ERR_')) throw error;
    if (code === 'ERR_BROKEN_INVARIANT' || error instanceof Violation) throw error;
    this.ended('refused', `${code}: ${message}`);
    if (diskFailed) this.phase = 'down';
    else this.refusedToStart(code, message);
  }

  #watch(): void {
    const life = this.life;
    this.disk.watcher = {
      asked: ({ operation, path }) => {
        if (life.dead) return;
        this.guard(() => this.asking(operation, path));
        if (operation === this.#crashBefore) return this.crash(this.#crashKept);
        if (this.#crashAfter === null) return;
        this.#crashAfter -= 1;
        if (this.#crashAfter <= 0) this.crash(this.#crashKept);
      },
      writing: (path, position, bytes) => this.guard(() => this.writing(path, position, bytes)),
      flushed: (path) => this.guard(() => this.flushed(path)),
    };
  }
}
