/**
 * A primary host: serves volumes over NBD and replicates what is written (DESIGN sections 2 and 7).
 *
 * Start: lock the state -> check role, condition and volume table -> read what the clean stop left, or refuse -> open volumes ->
 * listen for links -> remove the marker, durably -> serve NBD. Stop is the other way round and ends with the marker.
 */
import { Application } from '../application/application.ts';
import { PlainOrder } from '../application/plain-order.ts';
import { awaitDone } from '../disk/await-done.ts';
import { type LinkListener, LinkServer, type LinkServerOptions } from '../link/link-server.ts';
import { formatAddress } from '../model/addresses.ts';
import type { PrimaryFacts, PrimaryState } from '../model/handshake.ts';
import type { HostEnd } from '../model/host-end.ts';
import { LIMITS } from '../model/limits.ts';
import { CatchUpRate } from '../model/rate.ts';
import type { StatusReport } from '../model/status.ts';
import { EXIT, messageOf, RefusedError } from '../model/errors.ts';
import { NbdServer, type NbdService } from '../nbd/server.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import { compareGenerations } from '../protocol/generations.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import type { WireMessage } from '../record/wire.ts';
import { readHostState, writeHostState, type HostState } from '../state/host-state.ts';
import { newSessionId } from '../state/identity.ts';
import { lockStateFolder, type StateFolder } from '../state/state-folder.ts';
import type { Volume } from '../volume/contract.ts';
import { openVolumes } from '../volume/open-volumes.ts';
import { checkVolumeTable } from '../state/volume-table.ts';
import { openReplicatedOrder } from './open-order.ts';
import { logLinkEvent } from './link-log.ts';
import { PrimaryLinks } from './primary-links.ts';
import { groupFailed, superseded, SUPERSEDED_HINT, uncleanStop } from './errors.ts';
import type { PrimaryOptions } from './primary-options.ts';
import { primaryStatus } from './primary-status.ts';
import type { ReplicatedOrder } from './replicated-order.ts';
import {
  lastStoredAcknowledged,
  readStreamState,
  removeCleanMarker,
  writeCleanMarker,
  writeStreamState,
  type LoadedStream,
} from './stream-state.ts';
import { Throttling } from './throttling.ts';

export class Primary {
  readonly options: PrimaryOptions;
  readonly session = newSessionId();
  readonly startedAtMs = Date.now();
  readonly rate = new CatchUpRate();
  readonly throttling: Throttling;
  state: HostState;
  phase: PrimaryState;
  order: ReplicatedOrder | null = null;
  links: PrimaryLinks | null = null;
  linkServer: LinkListener | null = null;
  nbd: NbdService | null = null;
  volumes: readonly Volume[] = [];
  application: Application | null = null;
  /** Resolves when the host must end by itself: superseded. */
  readonly ended: Promise<HostEnd>;
  #end: (end: HostEnd) => void = () => {};
  #folder: StateFolder;
  #stopping: Promise<void> | null = null;

  /** Start a primary. @throws RefusedError (exit 5) when continuing could diverge silently. */
  static async start(options: PrimaryOptions): Promise<Primary> {
    const folder = lockStateFolder(options.disk, options.stateDirectory);
    let primary: Primary | null = null;
    try {
      primary = new Primary(options, folder);
      await primary.#start();
      return primary;
    } catch (error) {
      if (primary !== null) await primary.#closeAll();
      folder.release();
      throw error;
    }
  }

  private constructor(options: PrimaryOptions, folder: StateFolder) {
    this.options = options;
    this.#folder = folder;
    this.throttling = new Throttling({ log: options.log, reason: () => primaryStatus(this).reason });
    this.state = readHostState(options.disk, options.stateDirectory);
    this.phase = this.state.condition === 'standalone' || options.standalone ? 'standalone' : 'serving';
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get controlSocket(): string {
    return this.#folder.controlSocket;
  }

  status(): StatusReport {
    const head = this.order?.machine.head(Date.now());
    if (head !== undefined) this.rate.sample(head.bytes - (this.order?.positions.behind(head).bytes ?? 0), performance.now());
    return primaryStatus(this);
  }

  /** What this host tells a secondary in the handshake. */
  facts(): PrimaryFacts {
    const { state, options } = this;
    // What was given and acknowledged stays true after the order's end: without it a good secondary would seem to be ahead.
    const order = this.order ?? this.#endedOrder;
    const head = order?.machine.head(Date.now()) ?? { dataSet: 0, sequence: -1, bytes: 0, timeMs: Date.now() };
    return {
      protocolVersion: PROTOCOL_VERSION,
      role: 'primary',
      state: this.phase === 'serving' && this.order === null ? 'stopping' : this.phase,
      groupName: options.group,
      groupId: state.groupId ?? '',
      generations: state.generations,
      stream: state.stream ?? '',
      session: this.session,
      sessionFirstSequence: this.#sessionFirstSequence,
      hostEpoch: state.hostEpoch,
      volumes: state.volumes,
      dataSetBytesMax: options.cutPolicy.maxSizeBytes,
      dataSetRecordsMax: options.cutPolicy.recordsMax,
      chains: order?.chainsTold ?? [],
      acknowledged: order === null ? state.divergedFrom : order.acknowledged,
      unacknowledged: order?.machine.unacknowledged() ?? [],
      head,
    };
  }

  #sessionFirstSequence = 0;
  #endedOrder: ReplicatedOrder | null = null;

  /** Go on without the secondary, and record durably from where (DESIGN section 7, "a way out always exists"). */
  detach(how: { dryRun: boolean }): { divergedFrom: number | null } {
    const { order, application } = this;
    if (order === null || application === null || this.phase !== 'serving') {
      throw new RefusedError(
        'ERR_NOT_REPLICATING',
        `this primary does not replicate now: it is ${this.phase}${this.state.reason === null ? '' : ` (${this.state.reason})`}`,
      );
    }
    const divergedFrom = order.acknowledged;
    if (how.dryRun) return { divergedFrom: divergedFrom?.dataSet ?? null };
    this.#writeState({ condition: 'standalone', reason: `detached by the operator at ${new Date().toISOString()}`, divergedFrom });
    this.phase = 'standalone';
    this.#endOrder(CLOSE_CODE.refused, 'the primary was detached');
    new PlainOrder(application, (error) => this.#fail('ERR_VOLUME_FAILED', error));
    this.options.log('warn', 'detached: the copy is no longer followed', { divergedFrom: divergedFrom?.dataSet ?? null });
    return { divergedFrom: divergedFrom?.dataSet ?? null };
  }

  /** Clean stop (DESIGN section 7): the next start goes on with the stream. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #start(): Promise<void> {
    const { options } = this;
    this.#checkCondition();
    checkVolumeTable(this.state.volumes, options.volumes);
    const loaded = this.#readStream();
    if (options.standalone && this.state.condition !== 'standalone') this.#standAlone(loaded);
    if (this.phase === 'serving' && loaded === null) throw uncleanStop(options.stateDirectory);
    this.volumes = openVolumes(options.disk, options.volumes);
    const application = new Application(this.volumes, `farshore group ${options.group}`);
    this.application = application;
    if (this.phase === 'serving' && loaded !== null) this.#openOrder(application, loaded);
    else new PlainOrder(application, (error) => this.#fail('ERR_VOLUME_FAILED', error));
    await this.#listenForLinks();
    const nbd = { backend: application, listen: options.nbdListen };
    this.nbd = options.openNbd?.(nbd) ?? new NbdServer(nbd);
    try {
      // From here on a stop is unclean until the marker is written again; no NBD byte was served before.
      if (loaded !== null) removeCleanMarker(options.disk, options.stateDirectory);
      await this.nbd.start();
    } catch (error) {
      // An address that is taken, or one failed flush, must not make the next start an unclean one; nothing was written in this run.
      if (loaded !== null && this.phase === 'serving' && this.#nothingWritten(loaded))
        writeCleanMarker(options.disk, options.stateDirectory);
      throw error;
    }
  }

  #nothingWritten(loaded: LoadedStream): boolean {
    return this.application?.storesUnderWay === 0 && this.order?.machine.head(0).sequence === loaded.state.nextSequence - 1;
  }

  /** A damaged stream state stops a primary that would continue it, but not the way out. */
  #readStream(): LoadedStream | null {
    const { disk, stateDirectory, standalone, log } = this.options;
    try {
      return readStreamState(disk, stateDirectory);
    } catch (error) {
      if (!standalone && this.phase === 'serving') throw error;
      log('warn', `the stream's state cannot be read: ${messageOf(error)}`);
      return null;
    }
  }

  #checkCondition(): void {
    const { condition, reason, role } = this.state;
    if (role !== 'primary')
      throw new RefusedError('ERR_ROLE', `the state in ${this.options.stateDirectory} is a ${role}'s, the config says primary`, {
        hint: 'use the config that belongs to this state folder',
      });
    if (condition === 'superseded') throw superseded(reason);
    if (condition === 'failed' && !this.options.standalone) throw groupFailed(reason);
  }

  #standAlone(loaded: LoadedStream | null): void {
    const { disk, stateDirectory } = this.options;
    // After an unclean stop the last clean one still tells a data set that the copy has at least.
    const divergedFrom =
      this.state.divergedFrom ?? (loaded === null ? lastStoredAcknowledged(disk, stateDirectory) : loaded.state.acknowledged);
    const from = divergedFrom === null ? 'an unknown data set' : `data set ${divergedFrom.dataSet}${loaded === null ? ' or later' : ''}`;
    this.#writeState({
      condition: 'standalone',
      reason: `started with --standalone at ${new Date().toISOString()}; diverged from ${from}`,
      divergedFrom,
    });
    this.options.log('warn', `standalone: the copy keeps its last state and is not followed any more, diverged from ${from}`);
  }

  #openOrder(application: Application, loaded: LoadedStream): void {
    this.#sessionFirstSequence = loaded.state.nextSequence;
    const order = openReplicatedOrder({
      primary: this.options,
      application,
      loaded,
      session: this.session,
      onFailed: (code, error) => this.#fail(code, error),
    });
    this.order = order;
    application.order = order;
    order.onStepped = () => {
      this.throttling.note(order.machine.throttle !== null);
      order.positions.acknowledgements.turnEnded(order, performance.now());
    };
  }

  /** Also without replication: a secondary is told why it is refused, and a promoted one tells that this primary is superseded (I8). */
  async #listenForLinks(): Promise<void> {
    const { options, order } = this;
    const links = new PrimaryLinks({
      order,
      facts: () => this.facts(),
      gatherMs: options.linkGatherMs ?? LIMITS.linkGatherMs,
      onEvent: (event) => logLinkEvent(options.log, event),
      onSuperseded: (message) => this.#superseded(message),
      raiseHostEpoch: (hostEpoch) => this.#writeState({ hostEpoch }),
    });
    this.links = links;
    if (order !== null) order.carrier = links;
    const server = {
      listen: options.replicationListen,
      handlers: {
        opened: (link) => links.opened(link),
        message: (link, bytes) => links.message(link, bytes),
        drained: (link) => links.drained(link),
        closed: (link, code, reason) => links.closed(link, code, reason),
      },
    } satisfies LinkServerOptions;
    this.linkServer = options.openLinks?.(server) ?? new LinkServer(server);
    await this.linkServer.start();
  }

  /** Whatever fails on the way, the volumes are closed and the state is given back; without the marker the stop is unclean. */
  async #stop(): Promise<void> {
    try {
      await this.#stopCleanly();
    } finally {
      await this.#closeAll();
      this.#folder.release();
    }
  }

  async #stopCleanly(): Promise<void> {
    const { options, order } = this;
    const wasServing = this.phase === 'serving';
    await this.nbd?.stop({ timeoutMs: 2_000 });
    this.application?.shutDown();
    await this.#waitFor(() => this.application?.storesUnderWay === 0, LIMITS.cleanStopMs);
    // A store that did not end in time has no number: what it did to the volume was never sent.
    if (wasServing && this.phase === 'serving' && order !== null && this.application?.storesUnderWay === 0) {
      order.step({ event: 'cutRequested', reason: 'shutdown' });
      await this.#waitFor(() => order.machine.unacknowledgedBytes === 0 || this.links?.openLinks.length === 0, LIMITS.cleanStopMs);
      // Failed meanwhile: nothing says that this stop was clean.
      if (this.application.failed) return;
      this.phase = 'stopping';
      this.#endReplication(CLOSE_CODE.shutdown, 'the primary stops');
      await writeStreamState(options.disk, options.stateDirectory, order.streamState(this.state), order.backlog());
      await this.#flushVolumes();
      writeCleanMarker(options.disk, options.stateDirectory);
    }
    if (this.phase === 'standalone' && this.application?.failed === false) await this.#flushVolumes();
  }

  async #flushVolumes(): Promise<void> {
    await Promise.all(this.volumes.map((volume) => awaitDone((done) => volume.flush(done))));
  }

  async #closeAll(): Promise<void> {
    this.#endReplication(CLOSE_CODE.shutdown, 'the primary stops');
    await this.nbd?.stop({ timeoutMs: 0 });
    for (const volume of this.volumes) volume.close();
    this.volumes = [];
  }

  #endOrder(code: number, reason: string): void {
    this.order?.end();
    this.#endedOrder = this.order ?? this.#endedOrder;
    this.order = null;
    this.links?.stop(code, reason);
  }

  #endReplication(code: number, reason: string): void {
    this.#endOrder(code, reason);
    const server = this.linkServer;
    // The close frames go out first.
    if (server !== null) setTimeout(() => server.stop(), 50).unref();
    this.linkServer = null;
  }

  #superseded(message: Extract<WireMessage, { kind: 'superseded' }>): 'recorded' | 'not recorded' | 'not newer' {
    const relation = compareGenerations(this.state.generations, message.generations);
    if (message.groupId !== this.state.groupId || relation !== 'prefix') return 'not newer';
    // A host whose place another one took has nothing to say any more, whatever it was told to become.
    if (message.hostEpoch < this.state.hostEpoch) return 'not newer';
    const newest = message.generations.at(-1);
    const text = `generation ${newest?.number ?? '?'} was promoted at ${new Date(message.promotedAtMs).toISOString()}`;
    let outcome: 'recorded' | 'not recorded' = 'recorded';
    try {
      this.#writeState({ condition: 'superseded', reason: text });
    } catch (error) {
      // It must not serve a write more all the same; the next start refuses for want of a marker, or is told again.
      outcome = 'not recorded';
      this.options.log('error', `that this primary is superseded could not be recorded: ${messageOf(error)}`);
    }
    this.phase = 'superseded';
    this.options.log('error', `superseded: ${text}; NBD service ends`);
    this.application?.fail();
    void this.nbd?.stop({ timeoutMs: 0 });
    this.order?.end();
    setTimeout(
      () =>
        this.#end({
          exitCode: EXIT.refused,
          code: 'ERR_SUPERSEDED',
          message: `this primary was superseded: ${text}`,
          hint: SUPERSEDED_HINT,
        }),
      200,
    );
    return outcome;
  }

  #fail(code: string, error: Error): void {
    if (this.phase === 'failed' || this.phase === 'superseded') return;
    this.phase = 'failed';
    this.options.log('error', `failed: ${error.message}; writes get EIO, nothing more is sent, the secondary can be promoted`, { code });
    this.application?.fail();
    this.order?.end();
    this.links?.stop(CLOSE_CODE.refused, 'the primary failed');
    try {
      this.#writeState({ condition: 'failed', reason: `${code}: ${error.message}` });
    } catch (writeError) {
      // Without the state a restart finds no marker and refuses all the same.
      this.options.log('error', `the failure could not be recorded: ${String(writeError)}`);
    }
  }

  #writeState(change: Partial<HostState>): void {
    const state = { ...this.state, ...change };
    writeHostState(this.options.disk, this.options.stateDirectory, state);
    this.state = state;
  }

  #waitFor(condition: () => boolean, limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    return new Promise((resolve) => {
      const look = (): void => {
        if (condition() || performance.now() > deadline) resolve();
        else setTimeout(look, 5);
      };
      look();
    });
  }

  /** Addresses that are listened on, with the ports that the kernel gave. */
  addresses(): { nbd: string[]; replication: string[] } {
    return { nbd: this.nbd?.addresses().map(formatAddress) ?? [], replication: this.linkServer?.addresses().map(formatAddress) ?? [] };
  }
}
