/**
 * One link inside the proxy of link-proxy.ts: a WebSocket to the secondary, one to the primary, and between them a queue of whole
 * messages for each direction. TCP keeps the order of a link and loses nothing while it lives; so does this. What is in the
 * queues when a link is cut is lost from some message on.
 */
import { WebSocket } from 'ws';

export type Direction = 'toPrimary' | 'toSecondary';

/** What decides about messages, and hears of them. */
export interface LinkOwner {
  /** Time between arrival and delivery of the next message. */
  delayMs(): number;
  /** A message arrived at the proxy: what is queued in its place. */
  arrived(link: ProxiedLink, direction: Direction, message: Buffer): Buffer;
  /** A message was handed to the socket of its receiver. */
  delivered(link: ProxiedLink, direction: Direction, message: Buffer): void;
  /** A message was lost together with its link. */
  dropped(direction: Direction, message: Buffer): void;
  closed(link: ProxiedLink): void;
}

interface Queued {
  readonly message: Buffer | null;
  readonly releaseAtMs: number;
  /** The sender's close, delivered in its turn. */
  readonly close: { readonly code: number; readonly reason: string } | null;
}

/** Bytes in one queue, or in a receiver's socket, beyond which the sender is no longer read. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
const RETRY_MS = 5;

/** One direction of a link. */
class Lane {
  readonly direction: Direction;
  bytes = 0;
  readonly #link: ProxiedLink;
  readonly #source: WebSocket;
  readonly #sink: WebSocket;
  readonly #owner: LinkOwner;
  readonly #queue: Queued[] = [];
  #heldUntilMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #sinkOpen = false;
  #ended = false;

  constructor(link: ProxiedLink, options: { direction: Direction; source: WebSocket; sink: WebSocket; owner: LinkOwner }) {
    this.direction = options.direction;
    this.#link = link;
    this.#source = options.source;
    this.#sink = options.sink;
    this.#owner = options.owner;
    this.#source.on('message', (message: Buffer) => {
      if (!this.#ended) this.enqueue(this.#owner.arrived(link, this.direction, message));
    });
    this.#source.on('error', () => {});
    this.#source.on('close', (code: number, reason: Buffer) => this.#push(null, { code, reason: reason.toString('utf8') }));
    if (this.#sink.readyState === WebSocket.OPEN) this.#sinkOpen = true;
    else
      this.#sink.once('open', () => {
        this.#sinkOpen = true;
        this.#pump();
      });
  }

  enqueue(message: Buffer): void {
    this.bytes += message.length;
    this.#push(message, null);
    if (this.bytes > QUEUE_BYTES_MAX && !this.#source.isPaused) this.#source.pause();
  }

  hold(ms: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, performance.now() + ms);
  }

  get pending(): number {
    return this.#queue.length;
  }

  /** Deliver this many of the waiting messages at once, and drop the others. */
  end(deliver: number): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const messages = this.#queue.flatMap(({ message }) => (message === null ? [] : [message]));
    this.#queue.length = 0;
    for (const message of messages.slice(0, deliver)) this.#deliver(message);
    for (const message of messages.slice(deliver)) this.#owner.dropped(this.direction, message);
  }

  #push(message: Buffer | null, close: Queued['close']): void {
    if (this.#ended) return;
    const before = this.#queue.at(-1)?.releaseAtMs ?? 0;
    this.#queue.push({ message, close, releaseAtMs: Math.max(before, performance.now() + this.#owner.delayMs()) });
    this.#pump();
  }

  #pump(): void {
    if (this.#timer !== null || this.#ended) return;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const now = performance.now();
      const full = this.#sink.bufferedAmount > QUEUE_BYTES_MAX;
      const waitMs = full ? RETRY_MS : Math.max(this.#heldUntilMs, next.releaseAtMs) - now;
      // A sink that is still dialling wakes the lane when it is open; one that failed ends the link.
      if (!this.#sinkOpen) return;
      if (waitMs > 0.5) {
        this.#timer = setTimeout(() => {
          this.#timer = null;
          this.#pump();
        }, waitMs);
        return;
      }
      this.#queue.shift();
      if (next.close !== null) return this.#link.closeOrderly(this.direction, next.close);
      this.#deliver(next.message as Buffer);
    }
  }

  #deliver(message: Buffer): void {
    this.bytes -= message.length;
    if (this.#source.isPaused && this.bytes < QUEUE_BYTES_MAX / 2) this.#source.resume();
    if (this.#sink.readyState !== WebSocket.OPEN) {
      this.#owner.dropped(this.direction, message);
      return;
    }
    this.#sink.send(message, { binary: true, compress: false });
    this.#owner.delivered(this.#link, this.direction, message);
  }
}

export class ProxiedLink {
  readonly id: number;
  /** The secondary's end. */
  readonly front: WebSocket;
  /** The primary's end. */
  readonly back: WebSocket;
  /** The primary has sent records or its head: the secondary takes records on this link. */
  carriesRecords = false;
  isClosed = false;
  readonly toPrimary: Lane;
  readonly toSecondary: Lane;
  readonly #owner: LinkOwner;

  constructor(options: { id: number; front: WebSocket; back: WebSocket; owner: LinkOwner }) {
    const { id, front, back, owner } = options;
    this.id = id;
    this.front = front;
    this.back = back;
    this.#owner = owner;
    this.toPrimary = new Lane(this, { direction: 'toPrimary', source: front, sink: back, owner });
    this.toSecondary = new Lane(this, { direction: 'toSecondary', source: back, sink: front, owner });
    // The primary is not there: the secondary's dial fails too.
    back.once('error', () => {
      if (!this.isClosed && back.readyState !== WebSocket.OPEN) this.terminate();
    });
  }

  hold(ms: number): void {
    this.toPrimary.hold(ms);
    this.toSecondary.hold(ms);
  }

  /** The sender's close has come to its turn: pass it on, and end what goes the other way. */
  closeOrderly(direction: Direction, { code, reason }: { code: number; reason: string }): void {
    const sink = direction === 'toPrimary' ? this.back : this.front;
    if (code >= 4000 && code <= 4999) sink.close(code, reason);
    else if (code === 1000) sink.close();
    else sink.terminate();
    this.#ended({ toPrimary: 0, toSecondary: 0 });
  }

  /** Cut the link: each direction still delivers a given number of its waiting messages. */
  terminate(deliver: { toPrimary: number; toSecondary: number } = { toPrimary: 0, toSecondary: 0 }): void {
    this.#ended(deliver);
    this.front.terminate();
    this.back.terminate();
  }

  #ended(deliver: { toPrimary: number; toSecondary: number }): void {
    if (this.isClosed) return;
    this.toPrimary.end(deliver.toPrimary);
    this.toSecondary.end(deliver.toSecondary);
    this.isClosed = true;
    this.#owner.closed(this);
  }
}
