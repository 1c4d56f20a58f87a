/** The near end of a link whose far end is a test: real links run on it, what they send is noted, and the test says what arrives. */
import { EventEmitter } from 'node:events';
import type { WebSocket } from 'ws';
import { decodeMessage, encodeMessage, type WireMessage } from '../../src/record/wire.ts';

export class NotedSocket extends EventEmitter {
  binaryType = 'nodebuffer';
  bufferedAmount = 0;
  readonly messages: Buffer[] = [];
  /** How this host closed it; null while it did not. */
  closedWith: { readonly code: number; readonly reason: string } | null = null;
  #parts: Uint8Array[] = [];
  #ended = false;

  /** As the code of a link takes it: only what a link uses is there. */
  get asWebSocket(): WebSocket {
    return this as unknown as WebSocket;
  }

  send(bytes: Uint8Array, options: { fin?: boolean }, done?: () => void): void {
    this.#parts.push(Uint8Array.from(bytes));
    if (options.fin !== false) this.messages.push(Buffer.concat(this.#parts.splice(0)));
    if (done !== undefined) setImmediate(done);
  }

  close(code: number, reason: string): void {
    this.closedWith ??= { code, reason };
    setImmediate(() => this.end(code, reason));
  }

  terminate(): void {
    setImmediate(() => this.end(1006, ''));
  }

  /** The connection is gone. */
  end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.emit('close', code, Buffer.from(reason));
  }

  /** Something arrives from the far end. */
  receive(message: WireMessage | Buffer): void {
    this.emit('message', Buffer.isBuffer(message) ? message : encodeMessage(message), true);
  }

  /** What this host has sent of one kind, decoded. */
  sent<Kind extends WireMessage['kind']>(kind: Kind): Extract<WireMessage, { kind: Kind }>[] {
    return this.messages.map((bytes) => decodeMessage(bytes)).filter((message) => message.kind === kind) as Extract<
      WireMessage,
      { kind: Kind }
    >[];
  }
}
