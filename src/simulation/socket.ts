/**
 * One end of a simulated link, with the part of a WebSocket's interface that Farshore's `Link` uses. In one direction messages keep their
 * order, as TCP keeps it; a loss is always the loss of the link, with what was under way from some message on.
 */
import type { Network, Side } from './network.ts';
import type { Life } from './virtual-time.ts';

type Listener = (...args: never[]) => void;

interface Waiting {
  readonly parts: readonly Uint8Array[];
  readonly done: readonly (() => void)[];
}

export class SimulatedSocket {
  binaryType = 'nodebuffer';
  bufferedAmount = 0;
  state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting';
  /** The other end. */
  peer: SimulatedSocket | null = null;
  readonly life: Life;
  readonly address: string;
  readonly side: Side;
  /** When what was sent last arrives: nothing overtakes it on this link. */
  arrivesLastUs = 0;
  /** When the socket took the last message. */
  tookLastUs = 0;
  /** Messages that wait for a clogged direction to clear. */
  readonly held: (() => void)[] = [];
  /** Something arrived that breaks the protocol: it may be closed for that. */
  provoked = false;
  carriesRecords = false;
  /** Nothing that is sent on it arrives. */
  swallowed = false;
  readonly #network: Network;
  readonly #listeners = new Map<string, { listener: Listener; once: boolean }[]>();
  #fragments: Uint8Array[] = [];

  constructor(options: { network: Network; life: Life; address: string; side: Side }) {
    this.#network = options.network;
    this.life = options.life;
    this.address = options.address;
    this.side = options.side;
  }

  on(name: string, listener: Listener): this {
    return this.#listen(name, listener, false);
  }

  once(name: string, listener: Listener): this {
    return this.#listen(name, listener, true);
  }

  #listen(name: string, listener: Listener, once: boolean): this {
    const known = this.#listeners.get(name);
    if (known === undefined) this.#listeners.set(name, [{ listener, once }]);
    else known.push({ listener, once });
    return this;
  }

  emit(name: string, ...args: unknown[]): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) return;
    for (const entry of Array.from(listeners)) {
      if (entry.once) listeners.splice(listeners.indexOf(entry), 1);
      (entry.listener as (...given: unknown[]) => void)(...args);
    }
  }

  send(bytes: Uint8Array, options: { fin?: boolean }, done?: () => void): void {
    if (this.state !== 'open') {
      if (done !== undefined) this.#network.later(this, 'send ended', done);
      return;
    }
    this.bufferedAmount += bytes.length;
    this.#fragments.push(bytes);
    if (options.fin === false) return;
    const message: Waiting = { parts: this.#fragments, done: done === undefined ? [] : [done] };
    this.#fragments = [];
    this.#network.sending(this, message.parts);
    // The socket takes the bytes later: until it says so they must not change.
    this.#network.later(this, 'socket took', () => {
      for (const part of message.parts) this.bufferedAmount -= part.length;
      const taken = Buffer.concat(message.parts);
      if (this.state === 'open' || this.state === 'closing') this.#network.carry(this, taken);
      for (const tell of message.done) tell();
    });
  }

  close(code: number, reason: string): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    const wasOpen = this.state === 'open';
    this.state = 'closing';
    this.#network.closing(this, code, reason, wasOpen);
  }

  terminate(): void {
    if (this.state === 'closed') return;
    this.state = 'closing';
    this.#network.breakLink(this);
  }

  /** The link is gone for this end. */
  ended(code: number, reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.held.length = 0;
    this.emit('close', code, Buffer.from(reason));
  }
}
