/** One request of one connection, as the backend sees it. */
import { assert } from '../model/assert.ts';
import type { PooledBuffer } from './buffer-pool.ts';
import { NBD_COMMAND_FLAG } from './constants.ts';
import type { NbdErrno, NbdRequest } from './contract.ts';
import type { Slab } from './slab-receiver.ts';
import type { RequestHeader } from './transmission.ts';

/** Whoever turns the backend's answer into a reply. */
export interface RequestOwner {
  requestCompleted(request: ConnectionRequest, errno: NbdErrno): void;
}

/** A request at the backend: it goes back to its connection when it is completed. */
export class ConnectionRequest implements NbdRequest {
  readonly command: NbdRequest['command'];
  readonly exportIndex: number;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly fua: boolean;
  readonly fastZero: boolean;
  readonly noHole: boolean;
  readonly data: Uint8Array | null;
  readonly cookieHigh: number;
  readonly cookieLow: number;
  /** READ: the buffer to fill. WRITE: the payload's buffer if it was assembled. */
  readonly pooled: PooledBuffer | null;
  /** WRITE: the slab in which the payload was received, if it is still there. */
  readonly slab: Slab | null;
  #connection: RequestOwner | null;

  constructor(
    connection: RequestOwner,
    header: RequestHeader,
    content: {
      command: NbdRequest['command'];
      exportIndex: number;
      data: Uint8Array | null;
      pooled: PooledBuffer | null;
      slab: Slab | null;
    },
  ) {
    const { flags } = header;
    const { command } = content;
    this.command = command;
    this.exportIndex = content.exportIndex;
    this.offset = header.offset;
    this.lengthBytes = header.lengthBytes;
    // A read is never less durable for being forced, so FUA has a meaning for changes only.
    this.fua = (flags & NBD_COMMAND_FLAG.fua) !== 0 && (command === 'write' || command === 'writeZeroes' || command === 'trim');
    this.fastZero = (flags & NBD_COMMAND_FLAG.fastZero) !== 0;
    this.noHole = (flags & NBD_COMMAND_FLAG.noHole) !== 0;
    this.data = content.data;
    this.cookieHigh = header.cookieHigh;
    this.cookieLow = header.cookieLow;
    this.pooled = content.pooled;
    this.slab = content.slab;
    this.#connection = connection;
  }

  complete(errno: NbdErrno): void {
    const connection = this.#connection;
    assert(connection !== null, 'a % request was completed twice', this.command);
    this.#connection = null;
    connection.requestCompleted(this, errno);
  }
}
