/**
 * A peer host: keeps copies of its secondary's records in an NVRAM region until they are journaled there (DESIGN section 8; Figure 7,
 * steps 3 and 4), and keeps what a takeover needs to know.
 *
 * Start: lock the state -> check role and condition -> open the region, or begin an empty one -> dial the secondary. What was held
 * before is held on: nothing here waits for anybody, and a stop gives nothing up.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Disk } from '../disk/disk.ts';
import type { Connect } from '../link/link-dialer.ts';
import { EXIT, FarshoreError, RefusedError } from '../model/errors.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import type { HostEnd } from '../model/host-end.ts';
import { LIMITS } from '../model/limits.ts';
import type { PeeredFacts, PeerFacts } from '../model/peer.ts';
import type { StatusReport } from '../model/status.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import { readHostState, writeHostState, type HostState } from '../state/host-state.ts';
import { newSessionId } from '../state/identity.ts';
import { Waiters } from '../runtime/waiters.ts';
import { lockStateFolder, type StateFolder } from '../state/state-folder.ts';
import { releaseFormerStream } from './former-stream.ts';
import { logLinkEvent, type PeerLinkEvent, type PeerLog } from './link-log.ts';
import type { NvramRegion, RegionOptions } from './nvram/contract.ts';
import { openPeerRegion, type RegionStore } from './open-peer-region.ts';
import { PeerLinks } from './peer-links.ts';
import { peerStatus } from './peer-status.ts';
import { regionFiles } from './region-files.ts';

export interface PeerOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly nvram: Omit<RegionOptions, 'disk'>;
  /** Addresses of the secondary; several are several ways to it. */
  readonly connect: readonly string[];
  readonly objectiveMs: number;
  /** Give up a durable region that is not there, and begin an empty one. */
  readonly emptyRegion?: boolean;
  /** Sockets of its own, for a simulation. */
  readonly connectSocket?: Connect;
  /** Regions of its own, for a test; files unless it is told. */
  readonly regions?: RegionStore;
  readonly log: PeerLog;
}

export class Peer {
  readonly options: PeerOptions;
  readonly session = newSessionId();
  readonly startedAtMs = Date.now();
  state: HostState;
  phase: 'starting' | 'holding' | 'failed' | 'stopped' = 'starting';
  reason: string | null = null;
  region: NvramRegion | null = null;
  links: PeerLinks | null = null;
  readonly ended: Promise<HostEnd>;
  #end: (end: HostEnd) => void = () => {};
  #stopping: Promise<void> | null = null;
  readonly #folder: StateFolder;
  readonly #waiters = new Waiters();

  /** Start a peer. @throws RefusedError ERR_NOT_INITIALISED, ERR_STATE_LOCKED, ERR_ROLE, ERR_NVRAM_FOREIGN; what opening the region throws */
  static async start(options: PeerOptions): Promise<Peer> {
    const folder = lockStateFolder(options.disk, options.stateDirectory);
    let peer: Peer | null = null;
    try {
      peer = new Peer(options, folder);
      await peer.#start();
      return peer;
    } catch (error) {
      if (peer === null) folder.release();
      else await peer.stop();
      throw error;
    }
  }

  private constructor(options: PeerOptions, folder: StateFolder) {
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

  /** A secondary has agreed on a live link: then it is not gone, and nobody may take its place. One that is stopped, or lost its power, says nothing more. */
  get isConnected(): boolean {
    return this.links?.isLive ?? false;
  }

  status(): StatusReport {
    return peerStatus(this);
  }

  /** What this host tells a secondary; everything in it is durable, or in the region. */
  facts(): PeerFacts {
    const { state, options, region } = this;
    return {
      protocolVersion: PROTOCOL_VERSION,
      role: 'peer',
      groupName: options.group,
      groupId: state.groupId,
      stream: state.stream,
      generation: state.generations.at(-1)?.number ?? null,
      session: this.session,
      regionId: region?.regionId ?? state.region?.id ?? '',
      hold: options.nvram.hold,
      regionBytes: options.nvram.sizeBytes,
      lostRegions: state.region?.lost ?? [],
      tail: region?.tail ?? 0,
      head: region?.head ?? 0,
      hostEpoch: state.hostEpoch,
    };
  }

  /** Resolve when the condition holds; looked at whenever something moved. */
  until(condition: () => boolean, limitMs: number): Promise<boolean> {
    return this.#waiters.until(condition, limitMs);
  }

  /** Stop: nothing is given up, the region keeps what it holds. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.links?.stop(CLOSE_CODE.shutdown, 'the peer stops');
    try {
      // A region that is closed while it is flushed keeps its lock, and whoever comes next would not get it.
      await this.links?.holder.settled(LIMITS.cleanStopMs);
      this.region?.close();
    } finally {
      if (this.phase !== 'failed') this.phase = 'stopped';
      this.#folder.release();
    }
  }

  async #start(): Promise<void> {
    const { options, state } = this;
    if (state.role !== 'peer')
      throw new RefusedError('ERR_ROLE', `the state in ${options.stateDirectory} is a ${state.role}'s, the config says peer`, {
        hint: 'use the config that belongs to this state folder',
      });
    if (state.condition !== 'active')
      throw new RefusedError('ERR_ROLE', `this peer is ${state.condition}: ${state.reason ?? 'a takeover began'}`, {
        hint: 'finish it: farshore takeover -c FILE',
      });
    this.region = await openPeerRegion({
      region: { disk: options.disk, ...options.nvram },
      store: options.regions ?? regionFiles,
      state,
      writeState: (change) => this.#writeState(change),
      emptyRegion: options.emptyRegion ?? false,
      log: options.log,
    });
    const former = releaseFormerStream(this.region, this.state);
    if (former > 0) options.log('info', `${this.region.path}: ${former} records of a former stream were given up before, and are again`);
    this.#logFound(this.region);
    const { path, hold } = options.nvram;
    if (hold === 'durable' && options.disk.fileSystemOf(path) === 'tmpfs')
      options.log('warn', `${path} lies in memory (tmpfs): "hold: durable" promises there no more than "hold: memory"`);
    this.links = new PeerLinks({
      addresses: options.connect,
      connect: options.connectSocket,
      region: this.region,
      facts: () => this.facts(),
      record: (secondary) => this.#record(secondary),
      onEvent: (event) => this.#linkEvent(event),
      onFailed: (error) => this.#fail(error),
    });
    this.phase = 'holding';
    this.links.start();
  }

  #logFound({ path, tail, head, foundEnd }: NvramRegion): void {
    const { log } = this.options;
    if (head > tail) log('info', `${path} holds ${head - tail} records from before, numbers ${tail} to ${head - 1}`);
    if (foundEnd.verdict === 'unreadable')
      log('warn', `${path} cannot be read from byte ${foundEnd.offset} on: expected ${foundEnd.expected}, found ${foundEnd.found}`);
  }

  /** Keep what a takeover needs, durably and before this host is told a single record. */
  #record(secondary: PeeredFacts): void {
    const { groupId, generations, stream, hostEpoch, volumes, geometry } = secondary;
    const change = { groupId, generations, stream, hostEpoch, volumes, geometry };
    const { state, region } = this;
    const isKnown = Object.entries(change).every(([name, value]) => isDeepStrictEqual(state[name as keyof HostState], value));
    if (!isKnown) this.#writeState(change);
    if (region !== null && region.groupId !== groupId) region.bind(groupId);
  }

  #writeState(change: Partial<HostState>): void {
    const state = { ...this.state, ...change };
    writeHostState(this.options.disk, this.options.stateDirectory, state);
    this.state = state;
  }

  #linkEvent(event: PeerLinkEvent): void {
    logLinkEvent(this.options.log, event);
    if (event.kind === 'refused' && event.final)
      this.#end({ exitCode: EXIT.refused, code: event.code, message: `${event.address}: ${event.sentence}` });
    this.#waiters.look();
  }

  /** A region that failed holds nothing more; what it holds can be read, and the next start looks at it again. */
  #fail(error: Error): void {
    const code = error instanceof FarshoreError ? error.code : 'ERR_NVRAM_FAILED';
    this.phase = 'failed';
    this.reason = `${code}: ${error.message}`;
    this.options.log('error', `failed: ${error.message}`, { code });
    this.links?.stop(CLOSE_CODE.shutdown, code);
    this.#waiters.look();
  }
}
