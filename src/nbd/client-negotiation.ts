/** The client's half of the option phase: structured replies and base:allocation if wanted and offered, then GO. */
import type { Socket } from 'node:net';
import { errnoOf, FarshoreError, messageOf } from '../model/errors.ts';
import { LIMITS } from '../model/limits.ts';
import { NBD_ALLOCATION_CONTEXT, NBD_BYTES, NBD_HANDSHAKE_FLAG, NBD_INFO, NBD_MAGIC, NBD_OPTION, NBD_OPTION_REPLY } from './constants.ts';

export interface ClientAgreement {
  readonly sizeBytes: number;
  readonly flags: number;
  readonly structured: boolean;
}

export interface ClientNegotiationOptions {
  readonly exportName: string;
  readonly structured: boolean;
  readonly timeoutMs: number;
  /** The address, for messages. */
  readonly where: string;
}

interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

interface OptionAnswer {
  /** ACK or an error. */
  readonly last: OptionReply;
  readonly before: readonly OptionReply[];
}

/** Agree on an export over a socket that is being connected. @throws FarshoreError ERR_NBD_CONNECT, ERR_NBD_NEGOTIATION */
export async function negotiateClient(socket: Socket, options: ClientNegotiationOptions): Promise<ClientAgreement> {
  const bytes = new SocketReader(socket, options);
  try {
    const greeting = await bytes.take(NBD_BYTES.greeting);
    if (greeting.readBigUInt64BE(0) !== NBD_MAGIC.init || greeting.readBigUInt64BE(8) !== NBD_MAGIC.option) {
      throw refusal(options, 'it does not greet as an NBD server of the newstyle');
    }
    if ((greeting.readUInt16BE(16) & NBD_HANDSHAKE_FLAG.fixedNewstyle) === 0) throw refusal(options, 'it does not offer fixed newstyle');
    const clientFlags = Buffer.alloc(NBD_BYTES.clientFlags);
    clientFlags.writeUInt32BE(NBD_HANDSHAKE_FLAG.fixedNewstyle | (greeting.readUInt16BE(16) & NBD_HANDSHAKE_FLAG.noZeroes), 0);
    socket.write(clientFlags);

    let structured = false;
    if (options.structured) {
      structured = (await askOption(bytes, NBD_OPTION.structuredReply, Buffer.alloc(0))).last.type === NBD_OPTION_REPLY.ack;
      if (structured) await askOption(bytes, NBD_OPTION.setMetaContext, encodeContextQuery(options.exportName));
    }
    return { ...(await go(bytes, options)), structured };
  } finally {
    bytes.detach();
  }
}

async function go(bytes: SocketReader, options: ClientNegotiationOptions): Promise<{ sizeBytes: number; flags: number }> {
  const { last, before } = await askOption(bytes, NBD_OPTION.go, encodeGo(options.exportName));
  if (last.type !== NBD_OPTION_REPLY.ack) {
    const why =
      last.type === NBD_OPTION_REPLY.errUnknown
        ? `it has no export named "${options.exportName}"`
        : `it refuses (0x${last.type.toString(16)})`;
    throw refusal(options, `${why}${last.data.length > 0 ? `: ${last.data.toString('utf8')}` : ''}`);
  }
  const info = before.find(
    ({ type, data }) => type === NBD_OPTION_REPLY.info && data.length === 12 && data.readUInt16BE(0) === NBD_INFO.export,
  );
  if (info === undefined) throw refusal(options, 'it does not tell the size of the export');
  return { sizeBytes: Number(info.data.readBigUInt64BE(2)), flags: info.data.readUInt16BE(10) };
}

/** Send an option and gather its replies up to the ACK or the error. */
async function askOption(bytes: SocketReader, option: number, data: Buffer): Promise<OptionAnswer> {
  bytes.socket.write(encodeOption(option, data));
  const before: OptionReply[] = [];
  for (;;) {
    const header = await bytes.take(NBD_BYTES.optionReplyHeader);
    const lengthBytes = header.readUInt32BE(16);
    if (
      header.readBigUInt64BE(0) !== NBD_MAGIC.optionReply ||
      lengthBytes > LIMITS.nbdOptionBytesMax ||
      before.length > LIMITS.nbdOptionsMax
    ) {
      throw refusal(bytes.options, 'it sent a malformed option reply');
    }
    const type = header.readUInt32BE(12);
    const reply: OptionReply = { type, data: await bytes.take(lengthBytes) };
    if (type === NBD_OPTION_REPLY.ack || type >= 0x8000_0000) return { last: reply, before };
    before.push(reply);
  }
}

/** Encode one option of a client. */
export function encodeOption(option: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(NBD_BYTES.optionHeader);
  header.writeBigUInt64BE(NBD_MAGIC.option, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** Encode the data of GO or INFO. */
export function encodeGo(exportName: string, wanted: readonly number[] = [NBD_INFO.blockSize]): Buffer {
  const tail = Buffer.alloc(2 + 2 * wanted.length);
  tail.writeUInt16BE(wanted.length, 0);
  wanted.forEach((item, index) => tail.writeUInt16BE(item, 2 + 2 * index));
  return Buffer.concat([lengthAndText(exportName), tail]);
}

/** Encode the data of SET_META_CONTEXT or LIST_META_CONTEXT. */
export function encodeContextQuery(exportName: string, queries: readonly string[] = [NBD_ALLOCATION_CONTEXT.name]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(queries.length, 0);
  return Buffer.concat([lengthAndText(exportName), count, ...queries.map(lengthAndText)]);
}

function lengthAndText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}

function refusal(options: ClientNegotiationOptions, why: string): FarshoreError {
  return new FarshoreError('ERR_NBD_NEGOTIATION', `no agreement with the NBD server at ${options.where}: ${why}`, {
    details: { address: options.where, exportName: options.exportName },
  });
}

/** Exactly as many bytes as asked for, as long as the time limit lasts. */
class SocketReader {
  readonly socket: Socket;
  readonly options: ClientNegotiationOptions;
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer = Buffer.alloc(0);
  #wanted: { lengthBytes: number; resolve: (bytes: Buffer) => void; reject: (error: Error) => void } | null = null;
  #failure: FarshoreError | null = null;

  readonly #data = (chunk: Buffer): void => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#deliver();
  };
  readonly #failed = (error?: Error): void => this.#fail(error === undefined ? 'the connection was closed' : messageOf(error), error);
  readonly #closed = (): void => this.#failed();

  constructor(socket: Socket, options: ClientNegotiationOptions) {
    this.socket = socket;
    this.options = options;
    this.#timer = setTimeout(() => this.#fail(`no answer within ${options.timeoutMs} ms`), options.timeoutMs);
    socket.on('data', this.#data);
    socket.on('error', this.#failed);
    socket.on('close', this.#closed);
  }

  take(lengthBytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      this.#wanted = { lengthBytes, resolve, reject };
      this.#deliver();
    });
  }

  /** Stop listening; bytes that came too early go back to the socket. */
  detach(): void {
    clearTimeout(this.#timer);
    this.socket.off('data', this.#data);
    this.socket.off('error', this.#failed);
    this.socket.off('close', this.#closed);
    if (this.#bytes.length > 0) this.socket.unshift(this.#bytes);
  }

  #deliver(): void {
    if (this.#wanted === null || this.#bytes.length < this.#wanted.lengthBytes) return;
    const { lengthBytes, resolve } = this.#wanted;
    this.#wanted = null;
    const taken = this.#bytes.subarray(0, lengthBytes);
    this.#bytes = this.#bytes.subarray(lengthBytes);
    resolve(taken);
  }

  #fail(why: string, cause?: Error): void {
    this.#failure ??= new FarshoreError('ERR_NBD_CONNECT', `cannot use the NBD server at ${this.options.where}: ${why}`, {
      cause,
      details: { address: this.options.where, errno: errnoOf(cause) ?? null },
    });
    this.#wanted?.reject(this.#failure);
    this.#wanted = null;
  }
}
