/**
 * A small NBD client: for tests, and for the workload of `farshore demo`. Many requests may be in flight; each call is a
 * promise. It does not reconnect: when the connection is lost, every call rejects with ERR_NBD_LOST.
 */
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { FarshoreError } from '../model/errors.ts';
import { LIMITS } from '../model/limits.ts';
import { negotiateClient } from './client-negotiation.ts';
import type { ClientAgreement } from './client-negotiation.ts';
import { NBD_BYTES, NBD_CHUNK, NBD_CHUNK_FLAG_DONE, NBD_COMMAND, NBD_COMMAND_FLAG, NBD_MAGIC } from './constants.ts';
import type { NbdCommandName } from './constants.ts';
import type { NbdErrno } from './contract.ts';
import { errnoFromWire, errnoName } from './counters.ts';
import { formatAddress } from '../model/addresses.ts';
import type { ListenAddress } from '../model/addresses.ts';

export interface NbdClientOptions {
  readonly address: ListenAddress;
  /** '' asks for the server's default export. */
  readonly exportName?: string;
  /** Ask for structured replies, and for base:allocation with them. Default true. */
  readonly structured?: boolean;
  /** Limit for connecting and negotiating. Default 10 s. */
  readonly timeoutMs?: number;
}

/** The server answered a request with an errno. */
export class NbdReplyError extends FarshoreError {
  override readonly name = 'NbdReplyError';
  readonly errno: NbdErrno;
  constructor(command: NbdCommandName, errno: NbdErrno, range: { offset: number; lengthBytes: number }) {
    const name = errnoName(errno);
    super('ERR_NBD_REPLY', `the NBD server answered ${name} to ${command} of ${range.lengthBytes} bytes at ${range.offset}`, {
      details: { command, errno: name, ...range },
    });
    this.errno = errno;
  }
}

interface Call {
  readonly command: NbdCommandName;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly data: Buffer | null;
  /** First error chunk of a structured reply. */
  errno: NbdErrno;
  resolve(data: Buffer): void;
  reject(error: Error): void;
}

const NOTHING: Buffer = Buffer.alloc(0);

export class NbdClient {
  readonly sizeBytes: number;
  readonly flags: number;
  readonly structured: boolean;
  readonly #socket: Socket;
  readonly #where: string;
  readonly #calls = new Map<number, Call>();
  #nextCookie = 1;
  #lost: FarshoreError | null = null;
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  #neededBytes: number = NBD_BYTES.simpleReply;

  private constructor(socket: Socket, agreement: ClientAgreement, where: string) {
    this.#socket = socket;
    this.#where = where;
    this.sizeBytes = agreement.sizeBytes;
    this.flags = agreement.flags;
    this.structured = agreement.structured;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail());
  }

  /** Connect and choose an export. @throws FarshoreError ERR_NBD_CONNECT, ERR_NBD_NEGOTIATION */
  static async connect(options: NbdClientOptions): Promise<NbdClient> {
    const { address } = options;
    const where = formatAddress(address);
    const socket = connectSocket(
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port, noDelay: true },
    );
    try {
      const agreement = await negotiateClient(socket, {
        exportName: options.exportName ?? '',
        structured: options.structured ?? true,
        timeoutMs: options.timeoutMs ?? LIMITS.handshakeMs,
        where,
      });
      return new NbdClient(socket, agreement, where);
    } catch (error) {
      socket.on('error', () => {});
      socket.destroy();
      throw error;
    }
  }

  /** Requests that have no reply yet. */
  get inFlight(): number {
    return this.#calls.size;
  }

  /** Read a range. @throws NbdReplyError ERR_NBD_REPLY; FarshoreError ERR_NBD_LOST (all calls) */
  read(offset: number, lengthBytes: number): Promise<Buffer> {
    return this.#call('read', { offset, lengthBytes });
  }

  async write(offset: number, data: Uint8Array, options: { fua?: boolean } = {}): Promise<void> {
    await this.#call('write', { offset, lengthBytes: data.length, payload: data, flags: fuaFlag(options) });
  }

  async flush(): Promise<void> {
    await this.#call('flush', { offset: 0, lengthBytes: 0 });
  }

  async trim(offset: number, lengthBytes: number, options: { fua?: boolean } = {}): Promise<void> {
    await this.#call('trim', { offset, lengthBytes, flags: fuaFlag(options) });
  }

  async writeZeroes(
    offset: number,
    lengthBytes: number,
    options: { fua?: boolean; noHole?: boolean; fastZero?: boolean } = {},
  ): Promise<void> {
    const { noHole, fastZero } = NBD_COMMAND_FLAG;
    const flags = fuaFlag(options) | (options.noHole === true ? noHole : 0) | (options.fastZero === true ? fastZero : 0);
    await this.#call('writeZeroes', { offset, lengthBytes, flags });
  }

  async cache(offset: number, lengthBytes: number): Promise<void> {
    await this.#call('cache', { offset, lengthBytes });
  }

  /** Extents of base:allocation as the server sent them: pairs of length and flags. */
  async blockStatus(offset: number, lengthBytes: number): Promise<readonly { lengthBytes: number; flags: number }[]> {
    const payload = await this.#call('blockStatus', { offset, lengthBytes });
    const extents = [];
    for (let position = 4; position + 8 <= payload.length; position += 8) {
      extents.push({ lengthBytes: payload.readUInt32BE(position), flags: payload.readUInt32BE(position + 4) });
    }
    return extents;
  }

  /** Send any request as it stands, also one that the protocol forbids: for tests of servers. */
  raw(command: NbdCommandName, request: { offset: number; lengthBytes: number; flags: number; payload?: Uint8Array }): Promise<Buffer> {
    return this.#call(command, request);
  }

  /** Say goodbye, wait until what is in flight is answered, and close. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => void this.#socket.once('close', () => resolve()));
    if (this.#lost === null) {
      this.#socket.end(encodeRequest({ command: 'disconnect', cookie: 0, flags: 0, offset: 0, lengthBytes: 0 }));
    }
    const timer = setTimeout(() => this.#socket.destroy(), LIMITS.handshakeMs);
    await closed;
    clearTimeout(timer);
  }

  /** Drop the connection as a killed client would. */
  destroy(): void {
    this.#socket.destroy();
  }

  #call(command: NbdCommandName, request: { offset: number; lengthBytes: number; flags?: number; payload?: Uint8Array }): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost);
      const { offset, lengthBytes, payload } = request;
      const cookie = this.#nextCookie;
      this.#nextCookie += 1;
      const data = command === 'read' && lengthBytes <= LIMITS.nbdPayloadBytesMax ? Buffer.allocUnsafe(lengthBytes) : null;
      this.#calls.set(cookie, { command, offset, lengthBytes, data, errno: 0, resolve, reject });
      const header = encodeRequest({ command, cookie, flags: request.flags ?? 0, offset, lengthBytes });
      if (payload === undefined) {
        this.#socket.write(header);
        return;
      }
      this.#socket.cork();
      this.#socket.write(header);
      this.#socket.write(payload);
      this.#socket.uncork();
    });
  }

  #received(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#neededBytes) return;
    let bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
    while (this.#lost === null && bytes.length > 0) {
      const needed = this.#replyBytes(bytes);
      if (needed === null) return;
      this.#neededBytes = needed;
      if (bytes.length < needed) break;
      this.#reply(bytes.subarray(0, needed));
      bytes = bytes.subarray(needed);
      this.#neededBytes = NBD_BYTES.simpleReply;
    }
    this.#pieces = bytes.length === 0 ? [] : [bytes];
    this.#pendingBytes = bytes.length;
  }

  /** Bytes of the reply that begins here, or as many as are needed to know; null if it is no reply. */
  #replyBytes(bytes: Buffer): number | null {
    if (bytes.length < NBD_BYTES.simpleReply) return NBD_BYTES.simpleReply;
    const magic = bytes.readUInt32BE(0);
    const call = this.#calls.get(cookieAt(bytes));
    if (call === undefined) return this.#breach('a reply to no request');
    if (magic === NBD_MAGIC.simpleReply) {
      return NBD_BYTES.simpleReply + (call.data !== null && bytes.readUInt32BE(4) === 0 ? call.lengthBytes : 0);
    }
    if (magic !== NBD_MAGIC.structuredReply || !this.structured) return this.#breach(`a reply with magic 0x${magic.toString(16)}`);
    if (bytes.length < NBD_BYTES.structuredReplyHeader) return NBD_BYTES.structuredReplyHeader;
    const bodyBytes = bytes.readUInt32BE(16);
    if (bodyBytes > LIMITS.nbdPayloadBytesMax + LIMITS.nbdOptionBytesMax) return this.#breach(`a chunk of ${bodyBytes} bytes`);
    return NBD_BYTES.structuredReplyHeader + bodyBytes;
  }

  #reply(bytes: Buffer): void {
    const cookie = cookieAt(bytes);
    const call = this.#calls.get(cookie);
    if (call === undefined) return;
    if (bytes.readUInt32BE(0) === NBD_MAGIC.simpleReply) {
      call.data?.set(bytes.subarray(NBD_BYTES.simpleReply));
      return this.#settle(cookie, call, { errno: errnoFromWire(bytes.readUInt32BE(4)), result: call.data ?? NOTHING });
    }
    const type = bytes.readUInt16BE(6);
    const body = bytes.subarray(NBD_BYTES.structuredReplyHeader);
    if ((type & 0x8000) !== 0) {
      if (body.length < 6) return void this.#breach('an error chunk that is too short');
      if (call.errno === 0) call.errno = errnoFromWire(body.readUInt32BE(0));
    } else if (type === NBD_CHUNK.offsetData || type === NBD_CHUNK.offsetHole) {
      if (!storeChunk(call, type, body)) return void this.#breach('a data chunk outside its request');
    }
    if ((bytes.readUInt16BE(4) & NBD_CHUNK_FLAG_DONE) === 0) return;
    const result = type === NBD_CHUNK.blockStatus ? Buffer.from(body) : (call.data ?? NOTHING);
    this.#settle(cookie, call, { errno: call.errno, result });
  }

  #settle(cookie: number, call: Call, answer: { errno: NbdErrno; result: Buffer }): void {
    this.#calls.delete(cookie);
    if (answer.errno === 0) call.resolve(answer.result);
    else call.reject(new NbdReplyError(call.command, answer.errno, call));
  }

  #breach(what: string): null {
    this.#fail(new FarshoreError('ERR_NBD_PROTOCOL', `the NBD server at ${this.#where} sent ${what}`));
    this.#socket.destroy();
    return null;
  }

  #fail(cause?: Error): void {
    this.#lost ??=
      cause instanceof FarshoreError
        ? cause
        : new FarshoreError('ERR_NBD_LOST', `the connection to the NBD server at ${this.#where} is closed`, { cause });
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reject(this.#lost);
  }
}

function fuaFlag(options: { fua?: boolean }): number {
  return options.fua === true ? NBD_COMMAND_FLAG.fua : 0;
}

function cookieAt(bytes: Buffer): number {
  return bytes.readUInt32BE(8) * 2 ** 32 + bytes.readUInt32BE(12);
}

/** Put a chunk's data where it belongs; false if it lies outside the request. */
function storeChunk(call: Call, type: number, body: Buffer): boolean {
  if (call.data === null || body.length < NBD_BYTES.chunkOffset) return false;
  const start = Number(body.readBigUInt64BE(0)) - call.offset;
  const isHole = type === NBD_CHUNK.offsetHole;
  if (isHole && body.length < 12) return false;
  const length = isHole ? body.readUInt32BE(8) : body.length - NBD_BYTES.chunkOffset;
  if (start < 0 || start + length > call.lengthBytes) return false;
  if (isHole) call.data.fill(0, start, start + length);
  else call.data.set(body.subarray(NBD_BYTES.chunkOffset), start);
  return true;
}

/** Encode one request without its payload. */
export function encodeRequest(request: {
  command: NbdCommandName;
  cookie: number;
  flags: number;
  offset: number;
  lengthBytes: number;
}): Buffer {
  const bytes = Buffer.allocUnsafe(NBD_BYTES.requestHeader);
  bytes.writeUInt32BE(NBD_MAGIC.request, 0);
  bytes.writeUInt16BE(request.flags, 4);
  bytes.writeUInt16BE(NBD_COMMAND[request.command], 6);
  bytes.writeUInt32BE(Math.floor(request.cookie / 2 ** 32), 8);
  bytes.writeUInt32BE(request.cookie % 2 ** 32, 12);
  bytes.writeBigUInt64BE(BigInt(request.offset), 16);
  bytes.writeUInt32BE(request.lengthBytes, 24);
  return bytes;
}
