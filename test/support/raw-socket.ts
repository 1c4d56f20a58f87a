/** A socket that sends whatever a test wants, to a port or a Unix socket. */
import { connect, type Socket } from 'node:net';
import { within } from './host-process.ts';

export type Place = { readonly port: number } | { readonly path: string };

export class RawSocket {
  received: Buffer = Buffer.alloc(0);
  isClosed = false;
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]).subarray(-65_536);
    });
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        resolve();
      });
    });
  }

  static async open(place: Place): Promise<RawSocket> {
    const socket = 'port' in place ? connect({ host: '127.0.0.1', port: place.port }) : connect(place.path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawSocket(socket);
  }

  /** Send and wait until the kernel has taken it, or the other side has hung up. */
  async send(bytes: Uint8Array | string): Promise<void> {
    await within(Promise.race([new Promise<void>((resolve) => void this.#socket.write(bytes, () => resolve())), this.#closed]), 2000);
  }

  /** Whether the other side has ended it within this time. */
  async ended(timeoutMs = 30_000): Promise<boolean> {
    await within(this.#closed, timeoutMs);
    return this.isClosed;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
