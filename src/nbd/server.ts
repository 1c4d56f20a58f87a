/** The NBD server: listeners, the limit of connections, and one flush of all gathered replies per turn of the event loop. */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';
import { BufferPool } from './buffer-pool.ts';
import { NbdConnection } from './connection.ts';
import type { ConnectionContext } from './connection.ts';
import type { NbdBackend } from './contract.ts';
import { createNbdCounters } from './counters.ts';
import type { NbdCounters, NbdEndReason } from './counters.ts';
import { formatAddress } from '../model/addresses.ts';
import type { ListenAddress } from '../model/addresses.ts';
import { adoptSocket } from '../runtime/adopt-socket.ts';
import { listenOn } from '../runtime/listen.ts';
import { SlabPool, SlabReceiver } from './slab-receiver.ts';

/** What happens rarely enough to be told one by one; everything else is in the counters. */
export type NbdEvent =
  | { readonly kind: 'connected'; readonly connectionId: number; readonly peer: string }
  | { readonly kind: 'ended'; readonly connectionId: number; readonly peer: string; readonly reason: NbdEndReason }
  | { readonly kind: 'refused'; readonly connectionsMax: number }
  | { readonly kind: 'listenerFailed'; readonly address: string; readonly error: Error };

export interface NbdServerOptions {
  readonly backend: NbdBackend;
  readonly listen: readonly ListenAddress[];
  readonly onEvent?: (event: NbdEvent) => void;
}

/** A client whose host died without a word is noticed by the kernel's probes, which begin after so long. */
const KEEP_ALIVE_MS = 30_000;

/** What a host needs of whoever serves its volumes. */
export type NbdService = Pick<NbdServer, 'start' | 'stop' | 'addresses'>;
export type OpenNbdService = (options: NbdServerOptions) => NbdService;

const PURPOSE = { what: 'NBD clients', setting: 'nbd.listen', code: 'ERR_NBD_LISTEN' } as const;

export class NbdServer {
  readonly counters: NbdCounters = createNbdCounters();
  readonly pool = new BufferPool();
  readonly #slabs = new SlabPool(LIMITS.nbdSlabsKeptMax);
  readonly #backend: NbdBackend;
  readonly #listen: readonly ListenAddress[];
  readonly #onEvent: ((event: NbdEvent) => void) | undefined;
  readonly #servers: Server[] = [];
  readonly #addresses: ListenAddress[] = [];
  readonly #connections = new Set<NbdConnection>();
  readonly #context: ConnectionContext;
  /** Connections with replies of this turn. */
  #flushing: NbdConnection[] = [];
  readonly #flushAll: () => void;
  #nextConnectionId = 1;
  #state: 'new' | 'started' | 'stopping' = 'new';
  readonly #whenEmpty: (() => void)[] = [];

  constructor(options: NbdServerOptions) {
    this.#backend = options.backend;
    this.#listen = options.listen;
    this.#onEvent = options.onEvent;
    this.#flushAll = () => this.#flush();
    this.#context = {
      backend: options.backend,
      pool: this.pool,
      counters: this.counters,
      flushLater: (connection) => this.#flushLater(connection),
      ended: (connection, reason) => this.#ended(connection, reason),
    };
  }

  /** Listen on every address, or on none. @throws FarshoreError ERR_NBD_LISTEN */
  async start(): Promise<void> {
    assert(this.#state === 'new', 'an NBD server is started once');
    this.#state = 'started';
    try {
      for (const address of this.#listen) {
        const server = createServer(
          { noDelay: true, allowHalfOpen: true, pauseOnConnect: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
          (socket) => this.#accept(socket),
        );
        const bound = await listenOn(server, address, PURPOSE);
        server.on('error', (error) => this.#onEvent?.({ kind: 'listenerFailed', address: formatAddress(bound), error }));
        this.#servers.push(server);
        this.#addresses.push(bound);
      }
    } catch (error) {
      await this.stop({ timeoutMs: 0 });
      throw error;
    }
  }

  /** Where the server listens, with the ports that the kernel chose. */
  addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /**
   * Stop cleanly: accept nobody, answer new requests with ESHUTDOWN, wait for what is under way at most `timeoutMs`, then
   * close every connection. Requests that are still at the backend then finish silently.
   */
  async stop(options: { timeoutMs: number }): Promise<void> {
    this.#state = 'stopping';
    const listenersClosed = this.#servers.splice(0).map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
    for (const connection of this.#connections) connection.shutDown();
    if (this.#connections.size > 0) {
      const empty = new Promise<void>((resolve) => void this.#whenEmpty.push(resolve));
      const timer = setTimeout(() => {
        for (const connection of this.#connections) connection.destroy();
      }, options.timeoutMs);
      await empty;
      clearTimeout(timer);
    }
    await Promise.all(listenersClosed);
  }

  #accept(socket: Socket): void {
    if (this.#state !== 'started' || this.#connections.size >= LIMITS.nbdConnectionsMax) {
      this.counters.connectionsRefused += 1;
      this.#onEvent?.({ kind: 'refused', connectionsMax: LIMITS.nbdConnectionsMax });
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    const id = this.#nextConnectionId;
    this.#nextConnectionId += 1;
    const peer = socket.remoteAddress === undefined ? 'unix' : `${socket.remoteAddress}:${socket.remotePort}`;
    this.#connections.add(this.#connect(socket, id, peer));
    this.counters.connectionsAccepted += 1;
    this.#connectionsChanged();
    this.#onEvent?.({ kind: 'connected', connectionId: id, peer });
  }

  #connect(accepted: Socket, id: number, peer: string): NbdConnection {
    const receiver = new SlabReceiver(this.#slabs);
    const socket = adoptSocket(accepted, receiver);
    if (socket !== null) return new NbdConnection(socket, this.#context, { id, peer, receiver });
    const connection = new NbdConnection(accepted, this.#context, { id, peer, receiver: null });
    accepted.resume();
    return connection;
  }

  #ended(connection: NbdConnection, reason: NbdEndReason): void {
    this.#connections.delete(connection);
    this.#connectionsChanged();
    this.#onEvent?.({ kind: 'ended', connectionId: connection.id, peer: connection.peer, reason });
    if (this.#connections.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #connectionsChanged(): void {
    this.counters.connectionsOpen = this.#connections.size;
    this.#backend.connectionsChanged?.(this.#connections.size);
  }

  #flushLater(connection: NbdConnection): void {
    if (this.#flushing.length === 0) setImmediate(this.#flushAll);
    this.#flushing.push(connection);
  }

  #flush(): void {
    const connections = this.#flushing;
    this.#flushing = [];
    for (const connection of connections) connection.flush();
  }
}
