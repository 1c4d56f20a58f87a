/** The listening side of the links (the primary): WebSocket servers on several addresses, at most `LIMITS.linksMax` links. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { formatAddress, type ListenAddress } from '../model/addresses.ts';
import { LIMITS } from '../model/limits.ts';
import { listenOn, type ListenPurpose } from '../runtime/listen.ts';
import { Link, type LinkHandlers } from './link.ts';

export interface LinkServerOptions {
  readonly listen: readonly ListenAddress[];
  readonly handlers: LinkHandlers & { opened(link: Link): void };
  /** What is listened for, in messages; replication unless it is told. */
  readonly purpose?: ListenPurpose;
}

const REPLICATION: ListenPurpose = { what: 'replication', setting: 'replication.listen', code: 'ERR_LISTEN' };

/** What a primary needs of whoever listens for links. */
export type LinkListener = Pick<LinkServer, 'start' | 'stop' | 'addresses'>;
export type OpenLinkListener = (options: LinkServerOptions) => LinkListener;

export class LinkServer {
  readonly #options: LinkServerOptions;
  readonly #servers: { http: Server; sockets: WebSocketServer }[] = [];
  readonly #links = new Set<Link>();
  #nextLinkId = 1;

  constructor(options: LinkServerOptions) {
    this.#options = options;
  }

  /** Listen on every address. @throws FarshoreError ERR_LISTEN naming the address and the cause. */
  async start(): Promise<void> {
    try {
      for (const address of this.#options.listen) this.#servers.push(await this.#listen(address));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Bound addresses, with the port that the kernel gave for port 0. */
  addresses(): ListenAddress[] {
    return this.#servers.map(({ http }) => {
      const bound = http.address() as AddressInfo | string;
      return typeof bound === 'string' ? { kind: 'unix', path: bound } : { kind: 'tcp', host: bound.address, port: bound.port };
    });
  }

  get links(): readonly Link[] {
    return [...this.#links];
  }

  /** Stop listening and end what is left of the links. */
  stop(): void {
    for (const { http, sockets } of this.#servers) {
      sockets.close();
      http.close();
      http.closeAllConnections();
    }
    this.#servers.length = 0;
    for (const link of this.#links) link.terminate();
  }

  async #listen(address: ListenAddress): Promise<{ http: Server; sockets: WebSocketServer }> {
    const http = createServer({ connectionsCheckingInterval: LIMITS.keepAliveMs }, (_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain' }).end('this is a Farshore replication port; it speaks WebSocket\n');
    });
    // Whoever does not finish its request in time is hung up on, and there are never more such connections than this (I11).
    http.headersTimeout = LIMITS.handshakeMs;
    http.requestTimeout = LIMITS.handshakeMs;
    http.maxConnections = LIMITS.linkConnectionsMax;
    const sockets = new WebSocketServer({
      server: http,
      perMessageDeflate: false,
      maxPayload: LIMITS.messageBytesMax,
      clientTracking: false,
    });
    sockets.on('connection', (socket, request) => {
      if (this.#links.size >= LIMITS.linksMax) {
        socket.close(1013, `at most ${LIMITS.linksMax} links`);
        return;
      }
      const { remoteAddress, remotePort } = request.socket;
      const handlers: LinkHandlers = {
        ...this.#options.handlers,
        closed: (link, code, reason) => {
          this.#links.delete(link);
          this.#options.handlers.closed(link, code, reason);
        },
      };
      const link = new Link({
        id: this.#nextLinkId++,
        address: remoteAddress === undefined ? formatAddress(address) : `${remoteAddress}:${remotePort}`,
        socket,
        handlers,
      });
      this.#links.add(link);
      this.#options.handlers.opened(link);
    });
    // Listening errors arrive on the HTTP server, and the WebSocket server repeats them.
    sockets.on('error', () => {});
    await listenOn(http, address, this.#options.purpose ?? REPLICATION);
    http.on('error', () => {});
    return { http, sockets };
  }
}
