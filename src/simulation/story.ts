/** What happens in one seed: which hosts there are, which faults, and how it must end. */
import { type FaultScope, injectFault } from './faults.ts';
import { forgeChain } from './forged-chain.ts';
import { impostorIsDue, removeRivals, replaceHost, type Impostor, IMPOSTORS } from './impostors.ts';
import { injectPeerFault } from './peer-faults.ts';
import { PeerHost } from './peer-host.ts';
import { PrimaryHost } from './primary-host.ts';
import type { Random } from './random.ts';
import { SecondaryHost } from './secondary-host.ts';
import type { Simulation } from './simulation.ts';
import type { PeerSetting } from './setting.ts';
import { judgeVolumesAt } from './storage-oracle.ts';
import { TakeoverPlot } from './takeover-plot.ts';
import { violated } from './violation.ts';
import { Workload } from './workload.ts';

export type Plot = 'replicate' | 'fail over' | 'impostor' | 'damage' | 'takeover';

/** With a peer: what is the same without one, and what only a peer can do. */
const PEER_PLOTS: readonly Plot[] = ['replicate', 'replicate', 'fail over', 'takeover', 'takeover'];

/** Chances for faults, whether the application has finished or not. */
const TICKS_MAX = 60;
/** Virtual time in which everything must come to rest once nothing goes wrong any more. */
const REST_US = 120_000_000;
/** Virtual time that an impostor gets once nothing else goes wrong. */
const IMPOSTOR_US = 8_000_000;

export class Story {
  readonly plot: Plot;
  readonly impostor: Impostor | null;
  phase: 'faults' | 'calm' = 'faults';
  /** The primary is lost in the end, and the secondary promoted. */
  failsOver: boolean;
  #takeover: TakeoverPlot | null = null;
  /** A restored primary gives numbers again, and its secondary must not hear of it yet. */
  writesUnseen = false;
  primary!: PrimaryHost;
  secondary!: SecondaryHost;
  /** Null: a story without one. */
  peer: PeerHost | null = null;
  readonly random: Random;
  readonly simulation: Simulation;
  readonly #workloads: Workload[] = [];
  readonly #mayFailDisk: boolean;
  readonly #peerRandom: Random;
  #faultsLeft: number;
  #peerFaultsLeft: number;
  /** A promotion does not wait for the peer. */
  readonly #givesUpPeer: boolean;
  #ticks = 0;
  readonly #ticksMax: number;
  #samplesLeft: number;
  #nextSample: number;
  #crashesJudged = 0;
  #calmSinceUs = 0;
  #promotionDue: boolean;
  #damageDue: boolean;
  #forgeryDue: boolean;

  /** @param peerRandom what a story with a peer decides more than one without */
  constructor(simulation: Simulation, random: Random, peerRandom: Random) {
    this.simulation = simulation;
    this.random = random;
    const plot = random.chance(0.5) ? 'replicate' : random.pick(['fail over', 'fail over', 'impostor', 'impostor', 'damage'] as const);
    this.plot = simulation.setting.peer === null ? plot : peerRandom.pick(PEER_PLOTS);
    this.#peerRandom = peerRandom;
    this.failsOver = this.plot === 'fail over';
    this.#givesUpPeer = peerRandom.chance(0.2);
    this.#peerFaultsLeft = simulation.setting.peer === null ? 0 : peerRandom.between(0, 10);
    this.impostor = this.plot === 'impostor' ? random.pick(IMPOSTORS) : null;
    this.#mayFailDisk = random.chance(0.4);
    this.#faultsLeft = random.chance(0.1) ? 0 : random.between(2, 14);
    this.#samplesLeft = random.between(1, 4);
    this.#nextSample = random.between(20, 300);
    // A primary is lost in the middle of its work.
    this.#ticksMax = this.plot === 'fail over' ? random.between(2, 20) : TICKS_MAX;
    if (this.plot === 'fail over') this.#faultsLeft = Math.min(this.#faultsLeft, this.#ticksMax);
    this.#promotionDue = this.plot === 'fail over' || (this.plot === 'damage' && random.chance(0.3));
    this.#forgeryDue = this.plot === 'damage' && random.chance(0.3);
    this.#damageDue = this.plot === 'damage' && !this.#forgeryDue;
  }

  get name(): string {
    if (this.simulation.setting.peer !== null) return `${this.plot} with a peer`;
    return this.impostor === null ? this.plot : `${this.plot}: ${this.impostor}`;
  }

  begin(): void {
    const { simulation } = this;
    const { setting, universe } = simulation;
    const history = simulation.newHistory();
    const primaryDisk = simulation.makeDisk(simulation.templates.primary(1));
    const secondaryDisk = simulation.makeDisk(simulation.templates.secondary(setting.geometry));
    this.primary = new PrimaryHost({ name: 'primary', around: simulation, disk: primaryDisk, history, addresses: setting.addresses });
    this.secondary = new SecondaryHost({ name: 'secondary', around: simulation, disk: secondaryDisk, history });
    simulation.primaries.push(this.primary);
    simulation.secondaries.push(this.secondary);
    simulation.network.duplicateChance = 0.03;
    if (setting.peer !== null) this.#addPeer(setting.peer);
    this.primary.start();
    universe.world.schedule(this.random.int(20_000), 'secondary is started', () => this.secondary.start(), null);
    this.addWorkload(this.primary, this.random.between(12, 45));
    this.#nextFault();
  }

  #addPeer(setting: PeerSetting): void {
    const { simulation, secondary } = this;
    const disk = simulation.makeDisk(simulation.templates.peer(setting));
    const peer = new PeerHost({ name: 'peer', around: simulation, disk, setting, forgot: () => this.secondary.peerForgot() });
    this.peer = peer;
    secondary.peerAddresses = setting.addresses;
    simulation.peers.push(peer);
    simulation.universe.world.schedule(this.#peerRandom.int(60_000), 'peer is started', () => peer.start(), null);
  }

  addWorkload(host: PrimaryHost, writes: number): void {
    // One application for each host: it knows which of its writes overlap.
    const known = this.#workloads.find((workload) => workload.host === host);
    if (known !== undefined) return known.extend(writes);
    const workload = new Workload({ host, writes, random: this.random.fork(), arena: this.simulation.arena });
    this.#workloads.push(workload);
    workload.start();
  }

  /** @see Workload.forget */
  forgetWrites(host: PrimaryHost): void {
    this.#workloads.find((workload) => workload.host === host)?.forget();
  }

  get #isWritten(): boolean {
    return this.#workloads.every((workload) => workload.left <= 0) || !this.primary.serves;
  }

  #nextFault(): void {
    const { world } = this.simulation.universe;
    const delayUs = this.random.chance(0.3) ? this.random.int(2_000) : this.random.int(40_000);
    world.schedule(delayUs, 'fault', () => this.#fault(), null);
  }

  #fault(): void {
    const { simulation, random } = this;
    if (this.secondary.phase === 'down' && this.random.chance(0.3)) this.#damage();
    this.#restartHosts();
    this.#ticks += 1;
    if (this.#faultsLeft > 0) {
      this.#faultsLeft -= 1;
      injectFault(this.#faultScope(random));
    }
    if (this.peer !== null && this.#peerFaultsLeft > 0 && this.#peerRandom.chance(0.6)) {
      this.#peerFaultsLeft -= 1;
      injectPeerFault({ ...this.#faultScope(this.#peerRandom), peer: this.peer });
    }
    if (this.#forgeryDue && random.chance(0.4)) {
      this.#forgeryDue = false;
      forgeChain(simulation, this.secondary);
    }
    if (this.impostor !== null) replaceHost(this, this.impostor);
    const isTold = this.#isWritten && !impostorIsDue(this);
    if (this.#faultsLeft === 0 && this.#peerFaultsLeft === 0 && !this.writesUnseen && (isTold || this.#ticks > this.#ticksMax))
      this.#beCalm();
    else this.#nextFault();
  }

  #faultScope(random: Random): FaultScope {
    const { network, counters, universe } = this.simulation;
    return {
      world: universe.world,
      random,
      network,
      counters,
      primary: this.primary,
      secondary: this.secondary,
      mayStopPrimary: this.plot !== 'fail over' || random.chance(0.5),
      mayFailDisk: this.#mayFailDisk,
      mayFailPrimary: this.plot === 'fail over',
    };
  }

  /** Somebody starts what is down, and what failed. */
  #restartHosts(): void {
    const { random, simulation } = this;
    for (const host of [...simulation.secondaries, ...simulation.primaries, ...simulation.peers]) {
      if (this.phase === 'calm' && !(host instanceof SecondaryHost && host.isReplaced)) host.resume();
      const failed = host.phase === 'up' && !(host instanceof PrimaryHost) && host.hasFailed;
      if (failed && (this.phase === 'calm' || random.chance(0.5))) host.crash('page cache');
      if (host.phase !== 'down' || (host instanceof PrimaryHost && host.groupFailed)) continue;
      // Whoever was replaced comes back when the plot says so.
      if (host instanceof SecondaryHost && host.isReplaced && !host.isBack) continue;
      if (this.phase === 'calm' || random.chance(0.5)) host.start();
    }
  }

  #beCalm(): void {
    const { simulation } = this;
    const { world } = simulation.universe;
    this.phase = 'calm';
    this.#calmSinceUs = world.nowUs;
    world.note('calm');
    simulation.network.heal();
    this.#damage();
    for (const host of simulation.peers) host.disk.heal();
    if (!this.#promotionDue) for (const host of [...simulation.primaries, ...simulation.secondaries]) host.disk.heal();
    if (this.#promotionDue) this.#loseThePrimary();
    if (this.plot === 'takeover') this.#takeover = new TakeoverPlot(this, this.#peerRandom);
    this.#takeover?.begin();
    this.#lookAgain();
  }

  /** The primary is lost too. */
  failOver(): void {
    this.failsOver = true;
    this.#promotionDue = true;
    this.#loseThePrimary();
  }

  /** Another host is the secondary from now on. */
  replaceSecondary(host: SecondaryHost): void {
    this.secondary = host;
    this.peer = null;
  }

  /** Once in such a story: damage the secondary's journals while it is down. */
  #damage(): void {
    if (!this.#damageDue) return;
    this.#damageDue = false;
    this.secondary.crash(this.random.pick(['page cache', 'what is durable'] as const));
    this.secondary.damageJournals();
  }

  /** The primary is lost, or cut off and does not know it. */
  #loseThePrimary(): void {
    const { random, primary } = this;
    if (random.chance(0.7)) primary.crash(random.pick(['page cache', 'what is durable'] as const));
    else if (random.chance(0.5)) primary.stop();
    // Complete data sets wait for their destage when the promotion begins.
    if (random.chance(0.5)) this.secondary.disk.slowness = random.between(2, 60);
    if (random.chance(0.4))
      this.secondary.crashAfterOperations(1 + random.int(60), random.pick(['page cache', 'what is durable'] as const));
  }

  #lookAgain(): void {
    const { world } = this.simulation.universe;
    const calmForUs = world.nowUs - this.#calmSinceUs;
    if (this.impostor !== null && calmForUs > IMPOSTOR_US) removeRivals(this);
    if (calmForUs > REST_US) violated('liveness', `${REST_US / 1_000_000} s after the last fault: ${this.waitsFor()}`);
    this.#restartHosts();
    this.#takeover?.look();
    if (this.#promotionDue) this.#promote();
    if (this.waitsFor() === null) {
      this.simulation.isOver = true;
      return;
    }
    world.schedule(20_000, 'look', () => this.#lookAgain(), null);
  }

  #promote(): void {
    const { secondary } = this;
    if (secondary.promotion === 'done') {
      this.#promotionDue = false;
      for (const host of [...this.simulation.primaries, ...this.simulation.secondaries]) host.disk.heal();
    } else if (secondary.secondary?.phase === 'waiting-for-peer' && !this.#givesUpPeer) return;
    else if (secondary.phase === 'up' && secondary.promotion === 'none' && secondary.bound) secondary.promote(true);
    else if (secondary.phase === 'up' && !secondary.bound && secondary.promotion === 'none') this.#promotionDue = this.primary.serves;
  }

  /** What the end waits for; null: nothing. */
  waitsFor(): string | null {
    const { primary, secondary } = this;
    if (secondary.damage !== null && secondary.phase === 'refused') return null;
    if (this.#promotionDue) return `the promotion of a host that is ${secondary.phase}, ${secondary.promotion}`;
    const takeover = this.#takeover?.waitsFor() ?? null;
    if (takeover !== null) return takeover;
    if (this.failsOver) return this.#waitsForOldPrimary();
    if (primary.phase === 'refused' || primary.groupFailed) return null;
    if (secondary.phase === 'refused' || secondary.lacksAcknowledged) return violatedRefusal(secondary);
    if (secondary.promotion === 'done') return null;
    const order = primary.primary?.order ?? null;
    if (primary.phase !== 'up' || order === null) return `the primary, which is ${primary.phase}`;
    if (primary.requestsOpen > 0) return `${primary.requestsOpen} requests of the application`;
    const replica = secondary.secondary?.replica ?? null;
    if (secondary.phase !== 'up') return `the secondary, which is ${secondary.phase}`;
    if (order.machine.positions().open !== null) return 'the open data set to be closed';
    if (primary.history.closedThrough < 0) return null;
    if (replica === null) return 'the first contact';
    if (order.machine.unacknowledgedBytes > 0) return `${order.machine.unacknowledgedBytes} bytes to be acknowledged`;
    const destaged = replica.watermarkPoint?.dataSet ?? -1;
    if (destaged < primary.history.closedThrough || !replica.isSettled)
      return `data set ${primary.history.closedThrough} to be destaged, not only ${destaged}`;
    return this.peer === null ? null : peerWaitsFor(this.peer, secondary);
  }

  #waitsForOldPrimary(): string | null {
    const { primary, secondary } = this;
    // Whoever is reached is told (I8).
    if (secondary.promotion === 'done' && primary.phase === 'up' && !primary.superseded && !primary.groupFailed)
      return 'the old primary to be told that it is superseded';
    if (primary.phase === 'starting' || primary.phase === 'stopping') return `the old primary, which is ${primary.phase}`;
    return secondary.phase === 'up' || secondary.phase === 'refused' ? null : `the promoted host, which is ${secondary.phase}`;
  }

  /** After every event: at crashes and at chosen moments, ask for a future. */
  async judge(): Promise<void> {
    const { simulation, secondary } = this;
    const { counters, universe } = simulation;
    const crashes = counters.crashes;
    if (crashes > this.#crashesJudged) {
      this.#crashesJudged = crashes;
      for (const host of simulation.secondaries) await host.judgeFuture(this.peer);
    } else if (this.#samplesLeft > 0 && universe.world.steps >= this.#nextSample && secondary.phase !== 'starting') {
      this.#samplesLeft -= 1;
      this.#nextSample = universe.world.steps + this.random.between(50, 800);
      await secondary.judgeFuture(this.peer);
    }
  }

  /** At rest: level copies, and nothing that leaks. */
  judgeEnd(): void {
    const { primary, secondary, simulation } = this;
    simulation.counters.dataSets += primary.history.closedThrough + 1;
    simulation.counters.resends += primary.primary?.order?.machine.counters.recordsResent ?? 0;
    if (primary.phase === 'up' && primary.primary?.phase === 'serving' && primary.requestsOpen === 0) primary.judgeVolumes('cached');
    const replica = secondary.secondary?.replica ?? null;
    const order = primary.primary?.order ?? null;
    // A copy of the primary was followed while the primary was down: the secondary is in the copy's history.
    if (replica !== null && secondary.phase === 'up' && secondary.history !== primary.history) {
      if (replica.isSettled && secondary.promotion === 'none')
        judgeVolumesAt(secondary.disk, secondary.history, replica.watermarkPoint?.dataSet ?? -1, 'cached');
      return;
    }
    if (secondary.lacksAcknowledged && replica?.isSettled === true)
      return judgeVolumesAt(secondary.disk, secondary.history, replica.watermarkPoint?.dataSet ?? -1, 'cached');
    if (
      secondary.phase !== 'up' ||
      secondary.lacksAcknowledged ||
      secondary.promotion === 'done' ||
      this.failsOver ||
      replica === null ||
      order === null ||
      primary.phase !== 'up' ||
      primary.groupFailed
    )
      return;
    for (const what of ['cached', 'durable'] as const) judgeVolumesAt(secondary.disk, primary.history, primary.history.closedThrough, what);
    const { active } = replica.machine.activity();
    const { slots } = simulation.setting.geometry;
    if (active !== 0) violated('I11 bounded', `${active} slots are still taken`);
    if (replica.machine.windowHigh !== replica.machine.origin.dataSet + slots - 1)
      violated('I6 window', 'the window has another size than the ring');
    if (replica.ring.pendingBytes !== 0) violated('I11 bounded', `${replica.ring.pendingBytes} bytes still wait for the journals`);
    if (order.buffers.size !== 0 || order.chunksInUse !== 0)
      violated('I11 bounded', `${order.buffers.size} send buffers and ${order.chunksInUse} chunks are still in use`);
    simulation.counters.statesJudged += 1;
  }
}

/** In the end both mirror again, and the region holds nothing. */
function peerWaitsFor({ phase, peer }: PeerHost, { secondary }: SecondaryHost): string | null {
  if (phase !== 'up' || peer?.region == null) return `the peer, which is ${phase}`;
  const report = secondary?.status().peer;
  if (report?.up !== true) return `write-back: ${report?.reason ?? 'no peer'}`;
  if (report.exposedRecords > 0) return `${report.exposedRecords} exposed records`;
  const { tail, head } = peer.region;
  return tail === head && report.heldRecords === 0 ? null : `records ${tail} to ${head - 1} to be released by the peer`;
}

function violatedRefusal(secondary: SecondaryHost): null {
  // What both hosts lost is missed by the primary, and then the copy stays as it is.
  if (secondary.isImpostor || secondary.damage !== null || secondary.promises.excused > 0) return null;
  return violated('handshake', `a secondary that did nothing wrong was refused: ${secondary.refusal ?? 'it lacks acknowledged numbers'}`);
}
