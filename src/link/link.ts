/**
 * One WebSocket between two hosts. It carries whole binary messages, tells how much waits in its socket, and ends a link that
 * was silent for too long. What the messages mean is not its business. Compression is off and the bulk direction is server
 * to client, which WebSocket does not mask.
 */
import type { WebSocket } from 'ws';
import { LIMITS } from '../model/limits.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';

export interface LinkHandlers {
  /** A message of records is valid only until this returns: its bytes are the link's own. Every other one is the handler's. */
  message(link: Link, bytes: Uint8Array): void;
  /** The socket has room again after `budgetBytes` had said less than half of the limit. */
  drained(link: Link): void;
  closed(link: Link, code: number, reason: string): void;
}

/** A silent link gets so long to send its close frame. */
const TERMINATE_MS = 100;

/** Text of a WebSocket close reason is at most 123 bytes (RFC 6455). */
const CLOSE_REASON_BYTES_MAX = 123;

export class Link {
  readonly id: number;
  readonly address: string;
  readonly openedAtMs: number;
  receivedBytes = 0;
  sentBytes = 0;
  lastReceivedAtMs: number;
  closing = false;
  readonly #socket: WebSocket;
  readonly #handlers: LinkHandlers;
  readonly #silence: NodeJS.Timeout;
  #wasFull = false;
  #closed = false;

  constructor(options: { id: number; address: string; socket: WebSocket; handlers: LinkHandlers }) {
    this.id = options.id;
    this.address = options.address;
    this.#socket = options.socket;
    this.#handlers = options.handlers;
    this.openedAtMs = performance.now();
    this.lastReceivedAtMs = this.openedAtMs;
    this.#socket.binaryType = 'nodebuffer';
    this.#socket.on('message', this.#onMessage);
    this.#socket.on('close', this.#onClose);
    // An error is always followed by 'close', which tells the owner.
    this.#socket.on('error', () => {});
    this.#silence = setInterval(this.#checkSilence, LIMITS.linkSilenceMs / 4);
    this.#silence.unref();
  }

  /** Bytes that wait in this process for the socket to take them. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Bytes that may be sent now before the link is full; 0 when it is closing. */
  get budgetBytes(): number {
    if (this.closing || this.#closed) return 0;
    const budget = LIMITS.linkBufferedBytesMax - this.#socket.bufferedAmount;
    if (budget < LIMITS.linkBufferedBytesMax / 2) this.#wasFull = true;
    return Math.max(0, budget);
  }

  /** Send one message, without copying it; `done` is called when the socket has taken it or never will, so that its bytes may be used again. */
  send(bytes: Uint8Array, done?: () => void): void {
    if (this.closing || this.#closed) {
      if (done !== undefined) setImmediate(done);
      return;
    }
    this.sentBytes += bytes.length;
    this.#socket.send(bytes, { binary: true, compress: false }, () => this.#sent(done));
  }

  #sent(done: (() => void) | undefined): void {
    done?.();
    if (!this.#wasFull || this.#closed || this.#socket.bufferedAmount >= LIMITS.linkBufferedBytesMax / 2) return;
    this.#wasFull = false;
    this.#handlers.drained(this);
  }

  /** Close with a code of PROTOCOL.md; what was sent before still goes out. */
  close(code: number, reason: string): void {
    if (this.closing || this.#closed) return;
    this.closing = true;
    this.#socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, CLOSE_REASON_BYTES_MAX)
        .toString('utf8')
        .replace(/\uFFFD+$/, ''),
    );
  }

  /** End the connection at once; what was sent may be lost. */
  terminate(): void {
    this.closing = true;
    this.#socket.terminate();
  }

  readonly #onMessage = (data: unknown, isBinary: boolean): void => {
    if (this.#closed || this.closing) return;
    const bytes = data as Buffer;
    this.lastReceivedAtMs = performance.now();
    this.receivedBytes += bytes.length;
    // A text frame has no meaning here; an empty message is a violation that the decoder names.
    this.#handlers.message(this, isBinary ? bytes : bytes.subarray(0, 0));
  };

  readonly #onClose = (code: number, reason: Buffer): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.closing = true;
    clearInterval(this.#silence);
    this.#handlers.closed(this, code, reason.toString('utf8'));
  };

  readonly #checkSilence = (): void => {
    if (this.closing || performance.now() - this.lastReceivedAtMs <= LIMITS.linkSilenceMs) return;
    this.close(CLOSE_CODE.silent, 'silent');
    // Nobody may be there to answer the close frame.
    setTimeout(() => this.#socket.terminate(), TERMINATE_MS).unref();
  };
}
