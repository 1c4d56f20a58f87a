/**
 * The transmission phase: bytes in any pieces -> checked requests. Pure: no sockets, no clock.
 *
 * States, one method each: header -> (payload | discard) -> header ..., or stopped in front of a request for which there is no
 * room, until `resume`. A payload that lies wholly inside one chunk is a view of it; others are assembled in pooled buffers.
 * The payload of a WRITE that is refused is consumed without being stored, so it costs no memory however long it claims to be.
 */
import { assert } from '../model/assert.ts';
import { BLOCK_BYTES } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import type { BufferPool, PooledBuffer } from './buffer-pool.ts';
import { NBD_BYTES, NBD_COMMAND_FLAG, NBD_COMMAND_NAMES, NBD_MAGIC } from './constants.ts';
import type { NbdCommandName } from './constants.ts';
import { NBD_ERRNO } from './contract.ts';
import type { NbdErrno } from './contract.ts';

/** A rest of a payload shorter than this comes with the requests behind it in one read. */
const DIRECT_BYTES_MIN = 64 * 1024;

/** One request as it stands on the wire, and the verdict on it. The parser reuses the one object that it has. */
export interface RequestHeader {
  /** Null: a command number that the protocol does not have. */
  command: NbdCommandName | null;
  flags: number;
  /** The 64 bits that the reply gives back. */
  cookieHigh: number;
  cookieLow: number;
  /** Exact up to 2^53; what is above is past the end of any export. */
  offset: number;
  lengthBytes: number;
  errno: NbdErrno;
}

/** What a request is checked against. */
export interface TransmissionFacts {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly structured: boolean;
  readonly allocationContext: boolean;
  /** Set when the server is being stopped: new requests get ESHUTDOWN. */
  shuttingDown: boolean;
}

export interface TransmissionSink {
  /** Is there room for this request? If not, the parser stops in front of it until `resume`. */
  admits(header: RequestHeader): boolean;
  /** Take a whole request; `payload` is null unless it is an accepted WRITE, `pooled` is its buffer if it was assembled. */
  received(header: RequestHeader, payload: Uint8Array | null, pooled: PooledBuffer | null): void;
  /** The client breached the protocol: nothing more is parsed. */
  violated(reason: 'requestMagic'): void;
}

const FLAGS_ALLOWED: Readonly<Record<NbdCommandName, number>> = {
  read: NBD_COMMAND_FLAG.fua | NBD_COMMAND_FLAG.df,
  write: NBD_COMMAND_FLAG.fua,
  disconnect: 0xffff,
  flush: NBD_COMMAND_FLAG.fua,
  trim: NBD_COMMAND_FLAG.fua,
  cache: NBD_COMMAND_FLAG.fua,
  writeZeroes: NBD_COMMAND_FLAG.fua | NBD_COMMAND_FLAG.noHole | NBD_COMMAND_FLAG.fastZero,
  blockStatus: NBD_COMMAND_FLAG.fua | NBD_COMMAND_FLAG.reqOne,
};

/**
 * Judge one request: 0, or the errno of its reply. Zero-length requests are unspecified by the protocol; here they get
 * EINVAL, because a command that does nothing is more likely a client's mistake than its wish.
 */
export function validateRequest(header: RequestHeader, facts: TransmissionFacts): NbdErrno {
  const { command, offset, lengthBytes } = header;
  if (command === null) return NBD_ERRNO.EINVAL;
  if (command === 'disconnect') return NBD_ERRNO.ok;
  if ((header.flags & ~FLAGS_ALLOWED[command]) !== 0) return NBD_ERRNO.EINVAL;
  if ((header.flags & NBD_COMMAND_FLAG.df) !== 0 && !facts.structured) return NBD_ERRNO.EINVAL;
  if (command === 'blockStatus' && !facts.allocationContext) return NBD_ERRNO.EINVAL;
  if (facts.shuttingDown) return NBD_ERRNO.ESHUTDOWN;
  if (command === 'flush') return offset === 0 && lengthBytes === 0 ? NBD_ERRNO.ok : NBD_ERRNO.EINVAL;

  const changes = command === 'write' || command === 'writeZeroes' || command === 'trim';
  if (changes && facts.readOnly) return NBD_ERRNO.EPERM;
  if (lengthBytes === 0) return NBD_ERRNO.EINVAL;
  if ((command === 'read' || command === 'write') && lengthBytes > LIMITS.nbdPayloadBytesMax) return NBD_ERRNO.EINVAL;
  if (offset + lengthBytes > facts.sizeBytes) {
    return command === 'write' || command === 'writeZeroes' ? NBD_ERRNO.ENOSPC : NBD_ERRNO.EINVAL;
  }
  return offset % BLOCK_BYTES === 0 && lengthBytes % BLOCK_BYTES === 0 ? NBD_ERRNO.ok : NBD_ERRNO.EINVAL;
}

export class TransmissionParser {
  readonly #facts: TransmissionFacts;
  readonly #sink: TransmissionSink;
  readonly #pool: BufferPool;
  readonly #header: RequestHeader = { command: null, flags: 0, cookieHigh: 0, cookieLow: 0, offset: 0, lengthBytes: 0, errno: 0 };
  /** A header that came in pieces. */
  readonly #split = Buffer.alloc(NBD_BYTES.requestHeader);
  readonly #splitView = new DataView(this.#split.buffer, this.#split.byteOffset, NBD_BYTES.requestHeader);
  #splitFilled = 0;

  #state: 'header' | 'admission' | 'payload' | 'discard' | 'ended' = 'header';
  /** Chunks that wait behind the current one because the parser is stopped. */
  readonly #waiting: Buffer[] = [];
  #chunk: Buffer = Buffer.alloc(0);
  #view: DataView = this.#splitView;
  #position = 0;
  #pooled: PooledBuffer | null = null;
  /** Bytes of the payload that have been assembled or discarded. */
  #payloadDone = 0;
  #parsing = false;

  constructor(options: { facts: TransmissionFacts; sink: TransmissionSink; pool: BufferPool }) {
    this.#facts = options.facts;
    this.#sink = options.sink;
    this.#pool = options.pool;
  }

  /** Stopped in front of a request that was not admitted. */
  get stopped(): boolean {
    return this.#state === 'admission';
  }

  /** True while a part of a request has come and the rest has not. */
  get insideRequest(): boolean {
    return this.#splitFilled > 0 || this.#state === 'payload' || this.#state === 'discard' || this.#state === 'admission';
  }

  /** Take the next bytes; calls the sink for each request that they complete. */
  push(chunk: Buffer): void {
    if (this.#state === 'ended' || chunk.length === 0) return;
    if (this.#position < this.#chunk.length || this.stopped) {
      this.#waiting.push(chunk);
    } else {
      this.#use(chunk);
    }
    this.#parse();
  }

  /**
   * The rest of a long payload that is being assembled, if it is the next thing to come: whoever reads the socket may read right
   * into it and say `payloadReceived`.
   */
  payloadRest(): Uint8Array | null {
    if (this.#state !== 'payload' || this.#pooled === null || this.#position < this.#chunk.length || this.#waiting.length > 0) return null;
    const { lengthBytes } = this.#header;
    if (lengthBytes - this.#payloadDone < DIRECT_BYTES_MIN) return null;
    return this.#pooled.data(lengthBytes).subarray(this.#payloadDone);
  }

  /** So many bytes of `payloadRest` were filled. */
  payloadReceived(lengthBytes: number): void {
    if (this.#state === 'ended') return;
    assert(this.#state === 'payload' && this.#pooled !== null, 'a payload is being assembled');
    this.#payloadDone += lengthBytes;
    if (this.#payloadDone === this.#header.lengthBytes) this.#deliver(this.#pooled.data(this.#payloadDone));
  }

  /** Copy what waits unparsed, because the memory that it was pushed in is about to be used again. */
  keepUnparsed(): void {
    if (this.#position < this.#chunk.length) this.#use(Buffer.from(this.#chunk.subarray(this.#position)));
  }

  /** Go on after a stop, if there is room now. */
  resume(): void {
    this.#parse();
  }

  /** Parse nothing more and give the buffer of an unfinished payload back. */
  end(): void {
    this.#state = 'ended';
    this.#waiting.length = 0;
    this.#chunk = this.#split;
    this.#position = this.#chunk.length;
    if (this.#pooled !== null) this.#pool.release(this.#pooled);
    this.#pooled = null;
  }

  #use(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#position = 0;
    this.#view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  }

  #parse(): void {
    // A sink that calls back into the parser must not start a second loop over the same bytes.
    if (this.#parsing) return;
    this.#parsing = true;
    while (this.#step()) {
      const next = this.#position === this.#chunk.length ? this.#waiting.shift() : undefined;
      if (next !== undefined) this.#use(next);
    }
    this.#parsing = false;
  }

  /** Carry out one state; false when it can do nothing more now. */
  #step(): boolean {
    switch (this.#state) {
      case 'header':
        return this.#parseHeader();
      case 'admission':
        return this.#admit();
      case 'payload':
        return this.#assemblePayload();
      case 'discard':
        return this.#discardPayload();
      case 'ended':
        break;
    }
    return false;
  }

  #parseHeader(): boolean {
    const available = this.#chunk.length - this.#position;
    if (available === 0) return false;
    if (this.#splitFilled === 0 && available >= NBD_BYTES.requestHeader) {
      const position = this.#position;
      this.#position += NBD_BYTES.requestHeader;
      return this.#decodeHeader(this.#view, position);
    }
    const taken = Math.min(available, NBD_BYTES.requestHeader - this.#splitFilled);
    this.#chunk.copy(this.#split, this.#splitFilled, this.#position, this.#position + taken);
    this.#position += taken;
    this.#splitFilled += taken;
    // A wrong magic is refused as soon as it is there, not when the rest of a header may have come.
    if (this.#splitFilled >= 4 && this.#splitView.getUint32(0) !== NBD_MAGIC.request) return this.#violate();
    if (this.#splitFilled < NBD_BYTES.requestHeader) return true;
    this.#splitFilled = 0;
    return this.#decodeHeader(this.#splitView, 0);
  }

  #decodeHeader(view: DataView, position: number): boolean {
    if (view.getUint32(position) !== NBD_MAGIC.request) return this.#violate();
    const header = this.#header;
    header.flags = view.getUint16(position + 4);
    header.command = NBD_COMMAND_NAMES[view.getUint16(position + 6)] ?? null;
    header.cookieHigh = view.getUint32(position + 8);
    header.cookieLow = view.getUint32(position + 12);
    header.offset = view.getUint32(position + 16) * 2 ** 32 + view.getUint32(position + 20);
    header.lengthBytes = view.getUint32(position + 24);
    header.errno = validateRequest(header, this.#facts);
    this.#state = 'admission';
    return true;
  }

  #admit(): boolean {
    const header = this.#header;
    if (!this.#sink.admits(header)) return false;
    this.#payloadDone = 0;
    if (header.command !== 'write' || header.lengthBytes === 0) return this.#deliver(null);
    if (header.errno !== NBD_ERRNO.ok) {
      this.#state = 'discard';
      return true;
    }
    const end = this.#position + header.lengthBytes;
    if (end <= this.#chunk.length) {
      const payload = this.#chunk.subarray(this.#position, end);
      this.#position = end;
      return this.#deliver(payload);
    }
    this.#pooled = this.#pool.acquire(header.lengthBytes);
    this.#state = 'payload';
    return true;
  }

  #assemblePayload(): boolean {
    assert(this.#pooled !== null, 'a payload is assembled in a pooled buffer');
    const { lengthBytes } = this.#header;
    const taken = Math.min(this.#chunk.length - this.#position, lengthBytes - this.#payloadDone);
    const payload = this.#pooled.data(lengthBytes);
    this.#chunk.copy(payload, this.#payloadDone, this.#position, this.#position + taken);
    this.#position += taken;
    this.#payloadDone += taken;
    return this.#payloadDone === lengthBytes ? this.#deliver(payload) : taken > 0;
  }

  #discardPayload(): boolean {
    const { lengthBytes } = this.#header;
    const taken = Math.min(this.#chunk.length - this.#position, lengthBytes - this.#payloadDone);
    this.#position += taken;
    this.#payloadDone += taken;
    return this.#payloadDone === lengthBytes ? this.#deliver(null) : taken > 0;
  }

  #deliver(payload: Uint8Array | null): boolean {
    const pooled = this.#pooled;
    this.#pooled = null;
    this.#state = 'header';
    this.#sink.received(this.#header, payload, pooled);
    return true;
  }

  #violate(): boolean {
    this.end();
    this.#sink.violated('requestMagic');
    return false;
  }
}
