/** The server's end of a connection whose other end is a test: a real stream, with what else a connection uses of a socket. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

export class NbdTestSocket extends Duplex {
  readonly output: Buffer[] = [];

  readonly #isSlow: boolean;

  /** @param isSlow takes bytes in later turns, so that they wait, and are lost when the socket is destroyed */
  constructor(isSlow: boolean) {
    super({ allowHalfOpen: true, autoDestroy: true });
    this.#isSlow = isSlow;
    this.on('error', () => {});
  }

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #take(chunks: readonly Buffer[], done: () => void): void {
    for (const chunk of chunks) this.output.push(Buffer.from(chunk));
    if (this.#isSlow) setImmediate(done);
    else done();
  }

  /** End the writing side and close when everything has left, as net.Socket does. */
  destroySoon(): void {
    if (this.writableFinished) {
      this.destroy();
      return;
    }
    this.once('finish', () => this.destroy());
    this.end();
  }
}
