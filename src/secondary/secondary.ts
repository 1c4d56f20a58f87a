/**
 * A secondary host: recovers, dials its primary, journals and destages what arrives (DESIGN sections 2, 5 and 6); promoted, it serves
 * the volumes over NBD (section 9).
 *
 * Start: lock the state -> check role, condition and volume table -> lock the volumes -> recover -> go on with what is complete ->
 * dial. A promotion that was interrupted is finished first; a promoted host only serves.
 */
import { Application } from '../application/application.ts';
import { PlainOrder } from '../application/plain-order.ts';
import { awaitDone } from '../disk/await-done.ts';
import type { JournalRing } from '../../journals/contract.ts';
import { formatAddress } from '../model/addresses.ts';
import { EXIT, messageOf, RefusedError } from '../model/errors.ts';
import type { PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import type { HostEnd } from '../model/host-end.ts';
import type { HistoryPoint } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { CatchUpRate } from '../model/rate.ts';
import type { StatusReport } from '../model/status.ts';
import { NbdServer, type NbdService } from '../nbd/server.ts';
import { originAfter } from '../protocol/generations.ts';
import type { RecoveryPlan } from '../protocol/recovery-plan.ts';
import type { SecondaryCore } from '../protocol/secondary-contract.ts';
import { SecondaryMachine } from '../protocol/secondary-machine.ts';
import type { RecordStream } from '../record/contract.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import { hashChain } from '../record/record.ts';
import { readHostState, writeHostState, type HostState } from '../state/host-state.ts';
import { newSessionId } from '../state/identity.ts';
import { lockStateFolder, type StateFolder } from '../state/state-folder.ts';
import { checkVolumeTable } from '../state/volume-table.ts';
import type { Volume } from '../volume/contract.ts';
import { openVolumes } from '../volume/open-volumes.ts';
import { workerCarrier } from './destager.ts';
import { logLinkEvent } from './link-log.ts';
import { adoptRegion, checkPeerNeeded, checkTakeoverFinished, leavePeer } from './mirror/adopt-region.ts';
import { SecondaryMirror } from './mirror/secondary-mirror.ts';
import { HeadHistory } from './head-history.ts';
import { LastHeadFile } from './last-head.ts';
import { journalIdentityOf, recover } from './recover.ts';
import { resumeInterruptedPromotion } from './promotion.ts';
import { Replica } from './replica.ts';
import { formerLocksOf, SharedStorage, type FormerLocks } from './shared-storage.ts';
import type { SecondaryOptions } from './secondary-options.ts';
import { SecondaryLinks, type SecondaryLinkEvent } from './secondary-links.ts';
import { ACKNOWLEDGED_MISSING, secondaryStatus } from './secondary-status.ts';
import { Superseder } from './superseder.ts';
import { Waiters } from '../runtime/waiters.ts';

export type { SecondaryOptions } from './secondary-options.ts';

export class Secondary {
  readonly options: SecondaryOptions;
  readonly session = newSessionId();
  readonly startedAtMs = Date.now();
  readonly heads = new HeadHistory();
  readonly rate = new CatchUpRate();
  state: HostState;
  phase: 'starting' | 'waiting-for-peer' | 'replicating' | 'promoting' | 'promoted' | 'failed' = 'starting';
  reason: string | null = null;
  ring: JournalRing | null = null;
  replica: Replica | null = null;
  recovery: RecoveryPlan | null = null;
  links: SecondaryLinks | null = null;
  mirror: SecondaryMirror | null = null;
  storage: SharedStorage | null = null;
  volumes: readonly Volume[] = [];
  nbd: NbdService | null = null;
  application: Application | null = null;
  readonly ended: Promise<HostEnd>;
  #end: (end: HostEnd) => void = () => {};
  #superseder: Superseder | null = null;
  #lastHead: LastHeadFile | null = null;
  #stopping: Promise<void> | null = null;
  readonly #folder: StateFolder;
  readonly #waiters = new Waiters();

  /** Start a secondary. @throws RefusedError (exit 5), CorruptionError (exit 6) when going on could harm the copy. */
  static async start(options: SecondaryOptions): Promise<Secondary> {
    const folder = lockStateFolder(options.disk, options.stateDirectory);
    let secondary: Secondary | null = null;
    try {
      secondary = new Secondary(options, folder);
      await secondary.#start();
      return secondary;
    } catch (error) {
      if (secondary === null) folder.release();
      // Why it did not start counts, not what went wrong while it ended.
      else await secondary.stop().catch((ending: unknown) => options.log('warn', `not stopped cleanly: ${messageOf(ending)}`));
      throw error;
    }
  }

  private constructor(options: SecondaryOptions, folder: StateFolder) {
    this.options = options;
    this.#folder = folder;
    this.state = readHostState(options.disk, options.stateDirectory);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get controlSocket(): string {
    return this.#folder.controlSocket;
  }

  status(): StatusReport {
    const destagedBytes = this.heads.destagedCut?.headBytes;
    if (destagedBytes !== undefined) this.rate.sample(destagedBytes, performance.now());
    return secondaryStatus(this);
  }

  /** What this host tells its primary in the handshake; everything in it is durable (DESIGN section 6). */
  facts(): SecondaryFacts {
    const { state, options, replica } = this;
    return {
      protocolVersion: PROTOCOL_VERSION,
      role: 'secondary',
      groupName: options.group,
      groupId: state.groupId,
      generations: state.generations,
      stream: state.stream,
      session: this.session,
      lastPrimarySession: state.lastPrimarySession,
      hostEpoch: state.hostEpoch,
      volumes: state.volumes,
      geometry: options.journals.geometry,
      watermark: replica?.watermarkPoint ?? null,
      complete: replica?.machine.complete() ?? [],
      held: replica?.machine.heldFacts() ?? [],
    };
  }

  /** Resolve when the condition holds; looked at whenever something moved. */
  until(condition: () => boolean, limitMs: number): Promise<boolean> {
    return this.#waiters.until(condition, limitMs);
  }

  /** What the records of this host's stream have in common. */
  recordStream(): RecordStream {
    return { generation: this.state.generations.at(-1)?.number ?? 0, stream: this.state.stream ?? '' };
  }

  /** This host ends by itself. */
  end(end: HostEnd): void {
    this.#end(end);
  }

  writeState(change: Partial<HostState>): void {
    const state = { ...this.state, ...change };
    writeHostState(this.options.disk, this.options.stateDirectory, state);
    this.state = state;
  }

  /** Stop: everything acknowledged is durable, or is made so first, so that the next start need not wait for the peer. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Steps 5 and 6 of a promotion end here too: serve the volumes over NBD, and tell the old primary (I8). */
  async serve(): Promise<void> {
    const { options } = this;
    await SharedStorage.notePromotion(this);
    // Before anything else that may fail: the old primary has to know whether this host serves already or not.
    this.#superseder = new Superseder({ addresses: options.connect, connect: options.connectSocket, state: this.state, log: options.log });
    this.#superseder.start();
    const application = new Application(this.volumes, `farshore group ${options.group}, promoted`);
    this.application = application;
    new PlainOrder(application, (error) => this.fail('ERR_VOLUME_FAILED', error.message));
    const nbd = { backend: application, listen: options.nbdListen };
    this.nbd = options.openNbd?.(nbd) ?? new NbdServer(nbd);
    try {
      await this.nbd.start();
    } catch (error) {
      this.phase = 'failed';
      this.reason = `promoted durably, but not serving: ${messageOf(error)}; free the address and start this host again`;
      throw error;
    }
    this.phase = 'promoted';
    this.reason = this.state.reason;
    options.log('info', `promoted: serving generation ${this.state.generations.at(-1)?.number ?? '?'} over NBD`, {
      addresses: this.nbd.addresses().map(formatAddress),
    });
  }

  /** End the links and the journals; before serving, and at a stop. */
  async endReplication(code: number, reason: string): Promise<void> {
    this.mirror?.mirror.stop(code, reason);
    this.links?.stop(code, reason);
    this.links = null;
    await this.replica?.close();
    this.storage?.end();
    const { ring } = this;
    this.ring = null;
    if (ring !== null) await awaitDone((done) => ring.close(done));
  }

  fail(code: string, message: string): void {
    if (this.phase === 'failed') return;
    // What the kernel did to the dirty pages of a served volume is unknown, also to the next start (I10).
    if (this.phase === 'promoted') this.#recordFailure(`${code}: ${message}`);
    this.phase = 'failed';
    this.reason = `${code}: ${message}`;
    this.options.log('error', `failed: ${message}`, { code });
    this.mirror?.mirror.stop(CLOSE_CODE.refused, code);
    this.links?.stop(CLOSE_CODE.refused, code);
    this.moved();
  }

  #recordFailure(reason: string): void {
    try {
      this.writeState({ condition: 'failed', reason });
    } catch (error) {
      this.options.log('error', `the failure could not be recorded: ${messageOf(error)}`);
    }
  }

  /** A host that was promoted and failed serves again only when the operator says so. */
  #checkPromoted(): void {
    const { options, state } = this;
    if (state.role !== 'primary' || state.condition !== 'failed') return;
    if (!options.standalone) {
      throw new RefusedError(
        'ERR_GROUP_FAILED',
        `this promoted host failed: ${state.reason ?? 'a store or flush failed'}; its volumes may lack what was written last`,
        {
          hint: 'check disk and file system, then serve what is there: farshore start -c FILE --standalone',
        },
      );
    }
    this.writeState({ condition: 'promoted', reason: `started with --standalone at ${new Date().toISOString()} after a failure` });
  }

  async #start(): Promise<void> {
    const { options } = this;
    this.#checkPromoted();
    const { state } = this;
    if (state.role === 'secondary' || state.condition === 'promoted') checkVolumeTable(state.volumes, options.volumes);
    else
      throw new RefusedError('ERR_ROLE', `the state in ${options.stateDirectory} is a ${state.role}'s, the config says secondary`, {
        hint: 'use the config that belongs to this state folder',
      });
    checkTakeoverFinished(this);
    const formerLocks = formerLocksOf(this);
    this.volumes = openVolumes(options.disk, options.volumes, { afterFence: formerLocks });
    if (state.condition === 'promoted') {
      if (options.dial) await this.serve();
      return;
    }
    if (options.dial && (options.peerListen ?? []).length > 0 && state.condition !== 'promoting') this.mirror = new SecondaryMirror(this);
    await this.#recover(state.condition === 'promoting' ? 'promote' : 'start', formerLocks);
    if (formerLocks?.count === 0) this.writeState({ hasLocks: true });
    if (state.condition === 'promoting') return resumeInterruptedPromotion(this);
    if (options.adopt !== undefined) await adoptRegion(this, options.adopt);
    checkPeerNeeded(this);
    if (!options.dial) return;
    await this.mirror?.mirror.start();
    if (this.state.peerMayHoldMore != null) this.mirror?.await(() => this.#dial());
    else this.#dial();
  }

  async #recover(mode: 'start' | 'promote', afterFence: FormerLocks): Promise<void> {
    const { options, state } = this;
    this.#lastHead = new LastHeadFile(options.disk, options.stateDirectory);
    this.heads.known = this.#lastHead.read();
    const { directory, geometry } = options.journals;
    this.storage = await SharedStorage.open(this);
    const recovered = await recover({
      disk: this.storage.disk,
      afterFence,
      directory,
      geometry,
      state,
      mode,
      events: Replica.journalEvents(() => this.replica),
      commitGapMs: options.commitGapMs ?? LIMITS.commitGapMs,
    });
    this.ring = recovered.ring;
    this.recovery = recovered.plan;
    for (const cut of recovered.cuts) this.heads.cutReceived(cut);
    for (const line of recovered.plan?.lines ?? []) options.log('info', line);
    for (const line of recovered.unreadable) options.log('warn', `${line}; the primary still has what is missing, or says so`);
    if (recovered.machine !== null) this.#openReplica(recovered.machine, recovered.watermark?.point ?? null);
  }

  #openReplica(machine: SecondaryCore, point: HistoryPoint | null): void {
    const ring = this.ring as JournalRing;
    const lease = this.storage?.lease ?? null;
    const openCarrier = this.options.openCarrier?.(ring.buffers, lease) ?? workerCarrier(this.options.volumes, ring.buffers, { lease });
    this.replica = new Replica({
      machine,
      ring,
      openCarrier,
      lease,
      watermarkPoint: point,
      restored: this.recovery?.restored ?? [],
      tap: this.mirror?.mirror ?? null,
      events: {
        failed: (code, message) => this.fail(code, message),
        mended: (message) => this.options.log('warn', message),
        moved: () => this.moved(),
      },
    });
    this.replica.resume();
  }

  #dial(): void {
    const { options } = this;
    if (this.phase === 'failed' || this.#stopping !== null) return;
    this.phase = 'replicating';
    this.links = new SecondaryLinks({
      addresses: options.connect,
      links: options.links,
      connect: options.connectSocket,
      facts: () => this.facts(),
      replica: () => this.replica,
      stream: () => this.recordStream(),
      level: () => this.until(() => (this.replica?.machine.exposed ?? 0) === 0, LIMITS.handshakeMs),
      heads: this.heads,
      bind: (primary) => this.#bind(primary),
      volumeBytes: new Map(options.volumes.map((volume) => [volume.vlun, volume.sizeBytes])),
      onEvent: (event) => this.#linkEvent(event),
      onHead: () => this.#lastHead?.write(this.heads.known),
    });
    if (this.replica !== null) this.replica.outlet = this.links;
    this.links.start();
  }

  /** First contact binds this host to the primary's group, durably; each new session of the primary is noted before its first record. */
  async #bind(primary: PrimaryFacts): Promise<void> {
    const { state } = this;
    // A binding that failed half-way is recorded, and has no replica yet: the next welcome finishes it.
    if (this.replica !== null && state.lastPrimarySession === primary.session) return;
    const { groupId, generations, stream } = primary;
    this.writeState({ groupId, generations, stream, lastPrimarySession: primary.session });
    if (this.replica !== null || this.ring === null) return;
    this.ring.setIdentity(journalIdentityOf(this.state));
    const machine = new SecondaryMachine({
      geometry: this.options.journals.geometry,
      origin: originAfter(null, generations),
      restored: [],
      hashChain,
    });
    this.#openReplica(machine, null);
    if (this.replica !== null) (this.replica as Replica).outlet = this.links as SecondaryLinks;
    this.options.log('info', `bound to group ${groupId} at first contact`, { stream });
  }

  /** Something moved: look again at what is waited for. */
  moved(): void {
    // Not asked for as a position: this is called with every turn, and all positions cost more than the rest of a small one.
    const next = this.replica?.machine.origin.dataSet ?? 0;
    if (next > 0) this.heads.destaged(next - 1);
    this.#waiters.look();
  }

  #linkEvent(event: SecondaryLinkEvent): void {
    logLinkEvent(this.options.log, event);
    if (event.kind !== 'refused' || !event.final || this.phase !== 'replicating') return;
    // Both hosts of a pair may have lost their power: this one stays, says that a resync is needed, and can be promoted.
    if (this.mirror === null || event.label !== ACKNOWLEDGED_MISSING)
      this.#end({ exitCode: EXIT.refused, code: event.code, message: `${event.address}: ${event.sentence}` });
  }

  async #stop(): Promise<void> {
    this.#superseder?.stop();
    await this.nbd?.stop({ timeoutMs: 2_000 });
    await leavePeer(this);
    await this.endReplication(CLOSE_CODE.shutdown, 'the secondary stops');
    this.#lastHead?.close();
    if (this.application !== null && !this.application.failed) {
      await Promise.allSettled(this.volumes.map((volume) => awaitDone((done) => volume.flush(done))));
    }
    for (const volume of this.volumes) volume.close();
    this.volumes = [];
    this.#folder.release();
  }
}
