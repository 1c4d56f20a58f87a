/** A secondary: the production `Secondary` on a simulated disk and network, and what it told of itself. */
import type { WebSocket } from 'ws';
import type { JournalRing } from '../../journals/contract.ts';
import { promote } from '../secondary/promotion.ts';
import { Secondary } from '../secondary/secondary.ts';
import type { SecondaryOptions } from '../secondary/secondary-options.ts';
import { FarshoreError, RefusedError } from '../model/errors.ts';
import { damageDisk, type Damage } from './damage.ts';
import type { Operation, SimulatedDisk } from './disk.ts';
import type { History } from './history.ts';
import { SimulatedHost, type Surroundings } from './host.ts';
import { openCarrierOf, secondaryOptions, slowly } from './secondary-options.ts';
import { judgeFuture } from './future.ts';
import { isMarked, judgeRestored, prunePromises } from './held-oracle.ts';
import type { PeerHost } from './peer-host.ts';
import { Promises } from './promises.ts';
import { hostStatePath } from '../state/host-state.ts';
import { openListener } from './listener.ts';
import { isOnSharedStorage } from './shared-storage.ts';
import { JOURNALS_DIRECTORY, STATE_DIRECTORY } from './setting.ts';
import {
  judgeJournalWrite,
  judgeVolumeFlush,
  judgeVolumesAt,
  judgeVolumeStore,
  judgeWatermarkWrite,
  durableFlagged,
  durableWatermark,
} from './storage-oracle.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

export class SecondaryHost extends SimulatedHost {
  secondary: Secondary | null = null;
  /** The journals of this life, also when they are closed. */
  ring: Pick<JournalRing, 'geometry' | 'buffers'> | null = null;
  history: History;
  /** What this host told its primary, and what its disk was seen to keep. */
  promises: Promises;
  /** Where it awaits its peer; empty: write-through. */
  peerAddresses: readonly string[] = [];
  /** It may not agree with its primary: restored, cloned, or another's. */
  isImpostor = false;
  /** Its peer takes its place, or has. */
  isReplaced = false;
  /** It was replaced, and is started again all the same. */
  isBack = false;
  /** The host that took its place writes: from now on this one writes nothing that both reach. */
  mayNotWrite = false;
  /** Something that was durable was changed while it was down; null: never. */
  damage: Damage | null = null;
  promotion: 'none' | 'running' | 'done' = 'none';
  /** The host was told to promote itself, durably or not. */
  mayBePromoting = false;
  #judging = false;
  /** The host state was replaced in this event. */
  #stateWritten = false;

  constructor(options: { name: string; around: Surroundings; disk: SimulatedDisk; history: History }) {
    super(options);
    this.history = options.history;
    this.promises = new Promises();
  }

  get bound(): boolean {
    return this.secondary !== null && this.secondary.state.groupId !== null;
  }

  /** Its primary says that it lacks what was acknowledged: the copy stays where it is until a resync. */
  get lacksAcknowledged(): boolean {
    return this.secondary?.links?.lastRefusalLabel === 'acknowledged numbers missing';
  }

  /** It is bound to a group, and so may be replaced. */
  get knowsGroup(): boolean {
    const state = this.disk.image(hostStatePath(STATE_DIRECTORY), 'durable')?.bytes() ?? new Uint8Array(0);
    return !Buffer.from(state).includes('"stream": null');
  }

  override crash(kept: 'page cache' | 'what is durable'): void {
    if (this.life.dead) return;
    this.noteWatermark();
    prunePromises(this);
    super.crash(kept);
    this.#loseMemory();
  }

  protected override ended(phase: 'down' | 'refused', reason: string | null): void {
    prunePromises(this);
    super.ended(phase, reason);
    this.#loseMemory();
  }

  /** What was acknowledged on the peer's word alone is with the peer, or with nobody. */
  #loseMemory(): void {
    this.promises.lifeEnded();
    this.#noteLosses();
  }

  /** Whether a restart would not go on without what the peer holds. */
  protected asksPeer(): boolean {
    return isMarked(this, null);
  }

  /** The operator goes on without what only the peer has. */
  giveUpPeer(): void {
    this.promises.excuse(() => false, this.history);
  }

  /** The peer lost what it held: what this host has in its memory it still has. */
  peerForgot(): void {
    prunePromises(this);
    this.#noteLosses();
  }

  /** Something that it acknowledged only its memory has: with the peer's region it would be lost by both. */
  #isExposed(): boolean {
    const { onWord, onlyPeer } = this.promises;
    return [...onWord, ...onlyPeer].some((sequence) => !this.around.ledger.has(sequence));
  }

  #noteLosses(): void {
    const { promises, around, history } = this;
    const before = promises.excused;
    promises.excuse((sequence) => around.ledger.has(sequence), history);
    if (promises.excused > before) around.counters.doubleLosses += 1;
  }

  /** After every event: as long as a number is with the peer, a restart would wait for it. @invariant I2 */
  observe(): void {
    if (!this.#stateWritten || this.life.dead) return;
    this.#stateWritten = false;
    prunePromises(this);
    const { onWord, onlyPeer } = this.promises;
    if (onWord.size + onlyPeer.size > 0 && !this.asksPeer())
      violated(
        'I2 ack',
        `number ${[...onWord, ...onlyPeer][0]} was acknowledged, only the peer has it, and no restart would wait for that`,
      );
  }

  /** What the disk keeps now it must never lose again. */
  noteWatermark(): void {
    const { storage } = this.promises;
    storage.watermark = Math.max(storage.watermark, durableWatermark(this.disk));
  }

  /** Damage its journals at rest. From now on it may refuse to start, and to go on. */
  damageJournals(): void {
    const { disk, around } = this;
    const before = { flagged: durableFlagged(this), watermark: durableWatermark(disk) };
    const where = damageDisk(disk, around.universe.random, around.setting.geometry.slots);
    around.universe.world.note(`${this.name} is damaged: ${where}`);
    around.counters.damages += 1;
    this.damage = { ...before, where };
  }

  /** A clean stop by the operator. */
  stop(): void {
    const { secondary, life } = this;
    if (secondary === null || this.phase !== 'up' || this.promotion !== 'none') return;
    this.phase = 'stopping';
    const finished = (): void => {
      if (!life.dead) this.guard(() => this.ended('down', null));
    };
    this.run('stop', () => void secondary.stop().then(finished, finished));
  }

  /** Promote the running host. */
  promote(force: boolean): void {
    const { secondary } = this;
    if (secondary === null || this.phase !== 'up' || this.promotion !== 'none') return;
    this.promotion = 'running';
    if (secondary.phase === 'waiting-for-peer') this.giveUpPeer();
    this.mayBePromoting = true;
    this.around.counters.promotions += 1;
    this.run('promote', () => void this.#promote(secondary, force));
  }

  async #promote(secondary: Secondary, force: boolean): Promise<void> {
    const { life, disk } = this;
    try {
      await promote(secondary, { force, dryRun: false });
      if (!life.dead) this.guard(() => this.judgePromoted());
    } catch (error) {
      if (life.dead) return;
      this.promotion = 'none';
      const isOperating = error instanceof FarshoreError && (error instanceof RefusedError || disk.failuresMet > 0);
      if (!isOperating) return this.around.failed(error);
      // The operator starts the host again: a start finishes what was begun.
      this.around.universe.world.note(`promotion refused: ${error.message}`);
      this.crash('page cache');
    }
  }

  /** The volumes of a promoted host are the history's at exactly the data set that it says it kept. @invariant I1 */
  judgePromoted(): void {
    this.promotion = 'done';
    const { state } = this.secondary ?? violated('I1 prefix', 'a promoted host runs');
    const kept = state.divergedFrom?.dataSet ?? -1;
    const least = this.damage?.flagged ?? this.promises.completeThrough(this.history);
    if (kept < least) violated('I1 prefix', `promoted at data set ${kept}, complete was ${least}`);
    if (state.divergedFrom !== null && this.history.sets[kept]?.chain !== state.divergedFrom.chain)
      violated('I1 prefix', `promoted at a chain that never was`);
    if (state.condition === 'promoted' && state.stream === this.history.records[0]?.header.stream)
      violated('I8 generation', 'a promoted host goes on with the stream of before');
    for (const what of ['cached', 'durable'] as const) judgeVolumesAt(this.disk, this.history, kept, what);
    this.around.counters.statesJudged += 1;
  }

  protected async open(): Promise<void> {
    const { disk, life } = this;
    this.secondary = null;
    this.ring = null;
    disk.slowFile = this.around.setting.slowFile;
    if (this.promotion === 'running') this.around.counters.promotionCrashes += 1;
    const secondary = await Secondary.start({
      ...(await this.ownOptions()),
      openCarrier: this.carrierOf(disk),
      peerListen: this.peerAddresses.map((address) => ({ kind: 'unix', path: address })),
      openPeerLinks: (options) => openListener(options, { network: this.around.network, addresses: this.peerAddresses, life }),
      connectSocket: (address) => this.around.network.connect(address) as unknown as WebSocket,
      openNbd: () => ({ start: async () => {}, stop: async () => {}, addresses: () => [] }),
      log: (level, message) => this.log(level, message),
    });
    if (life.dead) return;
    this.secondary = secondary;
    this.ring ??= secondary.ring;
    void this.#waitForEnd(secondary, life);
  }

  /** What this host is by its config. */
  protected async ownOptions(): Promise<SecondaryOptions> {
    const { setting } = this.around;
    return {
      ...secondaryOptions(this.disk),
      connect: setting.addresses,
      links: setting.links,
      journals: { directory: JOURNALS_DIRECTORY, geometry: setting.geometry },
      dial: true,
      log: () => {},
    };
  }

  protected carrierOf(disk: SimulatedDisk): NonNullable<SecondaryOptions['openCarrier']> {
    return (buffers, lease) => {
      this.ring = { geometry: this.around.setting.geometry, buffers };
      return slowly(openCarrierOf(disk, buffers, lease), () => this.#destageDelayUs());
    };
  }

  /** Now and then long enough for everything else to go on meanwhile. */
  #destageDelayUs(): number {
    const { random } = this.around.universe;
    return random.int(random.chance(0.1) ? 30_000 : 3_000) * this.disk.slowness;
  }

  async #waitForEnd(secondary: Secondary, life: Life): Promise<void> {
    const end = await secondary.ended;
    if (!life.dead) this.guard(() => this.ended('refused', `${end.code}: ${end.message}`));
  }

  protected started(): void {
    this.phase = 'up';
    this.around.counters.recoveries += 1;
    const { secondary } = this;
    // One that was stopped in the middle of its start read what the other host has changed since.
    if (secondary === null || this.isReplaced) return;
    if (secondary.phase === 'promoted') {
      if (!this.mayBePromoting) violated('I8 generation', 'a host that nobody promoted serves as promoted');
      this.judgePromoted();
    } else {
      this.promotion = 'none';
      this.mayBePromoting = false;
      if (this.damage === null) judgeRestored(this);
      else this.#judgeDamaged(this.damage);
    }
  }

  /** A start over damage skips no complete data set; which records of partial ones are lost is for the handshake to find out. @invariant I3 */
  #judgeDamaged({ flagged, where }: Damage): void {
    const { machine } = this.secondary?.replica ?? {};
    const complete = machine === undefined ? -1 : (machine.complete().at(-1)?.dataSet ?? machine.origin.dataSet - 1);
    if (complete < flagged) violated('I3 log first', `a start over ${where} skips data set ${flagged}; it goes on from ${complete}`);
    this.around.counters.damagesMended += 1;
  }

  protected override asking(operation: Operation, path: string): void {
    if (operation !== 'replaceFile' || path !== hostStatePath(STATE_DIRECTORY)) return;
    // Before a promotion empties journals.
    prunePromises(this);
    this.#stateWritten = true;
  }

  protected refusedToStart(code: string, message: string): void {
    if (this.isReplaced && (code === 'ERR_HOST_SUPERSEDED' || message.includes('another host took the place of this one'))) return;
    if (this.damage !== null && code.startsWith('ERR_')) {
      this.around.counters.damagesRefused += 1;
      return;
    }
    violated('recovery', `recovery refuses although nothing was damaged: ${code}: ${message}`);
  }

  protected crashed(): void {
    this.secondary = null;
  }

  protected writing(path: string, position: number, bytes: Uint8Array): void {
    if (this.mayNotWrite && isOnSharedStorage(path))
      violated('takeover', `${this.name} writes ${path} although another host has taken its place`);
    if (path.startsWith('/volumes/')) judgeVolumeStore(this);
    // A flag that was damaged may belong to a watermark that only the page cache had: that one is written again.
    else if (path.endsWith('/watermark') && this.damage === null && !this.sharesWatermark) judgeWatermarkWrite(this, position, bytes);
    else if (path.endsWith('.journal')) judgeJournalWrite(this, path, position, bytes);
  }

  protected flushed(path: string): void {
    // A flag that was damaged is set again later: until then a volume may hold parts of its data set from before the damage.
    if (path.startsWith('/volumes/') && this.damage === null) judgeVolumeFlush(this, path);
  }

  /** Somebody said that a host is shut out that goes on: for a moment two hosts write watermarks, until the higher host epoch has settled. */
  get sharesWatermark(): boolean {
    return this.isReplaced;
  }

  /** Something failed: somebody starts it again. */
  get hasFailed(): boolean {
    return this.secondary?.phase === 'failed';
  }

  /** Whether it knows, or found out, that another host has taken its place. */
  get hasNoticed(): boolean {
    return this.phase === 'refused' || this.hasFailed;
  }

  /** Ask what would be found if the power were cut now. */
  async judgeFuture(peer: PeerHost | null = null): Promise<void> {
    if (this.#judging || this.history.sets.length === 0 || this.damage !== null || this.isReplaced) return;
    this.#judging = true;
    this.noteWatermark();
    prunePromises(this);
    try {
      await judgeFuture(this);
      this.around.counters.statesJudged += 1;
      if (peer?.mayTakeOver !== true || this.mayBePromoting || !this.knowsGroup || this.#isExposed()) return;
      await judgeFuture(this, peer);
      this.around.counters.statesJudged += 1;
    } finally {
      this.#judging = false;
    }
  }

  protected log(level: string, message: string): void {
    const { universe, counters } = this.around;
    if (this.life.dead) return;
    universe.world.note(`${level}: ${message}`);
    if (message.startsWith('failed: ')) {
      counters.failedHosts += 1;
      if (this.disk.failuresMet === 0 && !this.isImpostor && !this.isReplaced && this.damage === null)
        this.around.failed(new Error(`the secondary ${message}`));
    } else if (level === 'warn' && (message.startsWith('the journal of slot') || message.startsWith('the source volumes failed')))
      counters.mended += 1;
    else if (message.startsWith('refused at ')) counters.handshakesRefused += 1;
  }
}
