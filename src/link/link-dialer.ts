/**
 * The dialling side of the links (the secondary): keeps `links` links open over the given addresses, and dials a lost one again
 * after a pause that doubles up to a limit. Which data went over which link is not its business.
 */
import type { WebSocket } from 'ws';
import { LIMITS } from '../model/limits.ts';
import { messageOf } from '../model/errors.ts';
import { dialSocket } from './dial-socket.ts';
import { Link, type LinkHandlers } from './link.ts';

export interface LinkDialerOptions {
  /** `ws://host:port` or `ws+unix:/path`; several are several paths. */
  readonly addresses: readonly string[];
  /** Links in all, spread over the addresses in turn; every address gets at least one. */
  readonly links: number;
  readonly handlers: LinkHandlers & { opened(link: Link): void };
  /** Begins a connection; a WebSocket unless a simulation has a network of its own. */
  readonly connect?: Connect | undefined;
  /** Told when a dial fails, for the log and status. */
  readonly onDialFailed?: (address: string, message: string) => void;
}

export type Connect = (address: string) => WebSocket;

/** State of one path, for status. */
export interface Path {
  readonly address: string;
  link: Link | null;
  lastError: string | null;
  pauseMs: number;
  timer: NodeJS.Timeout | null;
  dialling: WebSocket | null;
}

export class LinkDialer {
  readonly paths: readonly Path[];
  readonly #options: LinkDialerOptions;
  #nextLinkId = 1;
  #running = false;

  constructor(options: LinkDialerOptions) {
    this.#options = options;
    const count = Math.min(LIMITS.linksMax, Math.max(options.links, options.addresses.length));
    this.paths = Array.from({ length: count }, (_, index) => ({
      address: options.addresses[index % options.addresses.length] ?? '',
      link: null,
      lastError: null,
      pauseMs: LIMITS.redialMinMs,
      timer: null,
      dialling: null,
    }));
  }

  start(): void {
    this.#running = true;
    for (const path of this.paths) this.#dial(path);
  }

  /** A link that was agreed by the handshake: the next pause of its path is short again. */
  confirm(link: Link): void {
    for (const path of this.paths) if (path.link === link) path.pauseMs = LIMITS.redialMinMs;
  }

  /** Dial no more, and end every link with this code. */
  stop(code: number, reason: string): void {
    this.#running = false;
    for (const path of this.paths) {
      if (path.timer !== null) clearTimeout(path.timer);
      path.timer = null;
      path.dialling?.terminate();
      path.link?.close(code, reason);
    }
  }

  get links(): readonly Link[] {
    return this.paths.flatMap((path) => (path.link === null ? [] : [path.link]));
  }

  #dial(path: Path): void {
    if (!this.#running) return;
    path.timer = null;
    const socket = (this.#options.connect ?? dialSocket)(path.address);
    path.dialling = socket;
    socket.on('error', (error) => {
      path.lastError = messageOf(error);
      if (path.link === null) this.#options.onDialFailed?.(path.address, path.lastError);
    });
    socket.once('close', () => {
      path.dialling = null;
      if (path.link === null) this.#redial(path);
    });
    socket.once('open', () => {
      path.dialling = null;
      const handlers: LinkHandlers = {
        ...this.#options.handlers,
        closed: (link, code, reason) => {
          path.link = null;
          path.lastError = reason === '' ? `closed (${code})` : reason;
          this.#redial(path);
          this.#options.handlers.closed(link, code, reason);
        },
      };
      const link = new Link({ id: this.#nextLinkId++, address: path.address, socket, handlers });
      path.link = link;
      path.lastError = null;
      this.#options.handlers.opened(link);
    });
  }

  #redial(path: Path): void {
    if (!this.#running || path.timer !== null) return;
    // Half of the pause is random, so that links that fell together do not dial together for ever.
    path.timer = setTimeout(() => this.#dial(path), path.pauseMs * (0.5 + Math.random() / 2));
    path.pauseMs = Math.min(path.pauseMs * 2, LIMITS.redialMaxMs);
  }
}
