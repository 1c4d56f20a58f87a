/**
 * Reads WebSocket frames out of a slab that the socket reads into, again and again: a whole binary frame is a view into the slab, so what
 * most bytes of a link are is neither allocated nor copied. It knows no other frame: ping and pong are passed on as they are, and from
 * anything else on, valid or not, all bytes are passed on to the receiver that knows all of RFC 6455.
 *
 * buffer -> the socket reads -> took: deliver every whole frame -> buffer ...
 *
 * The slab holds one frame and what was read behind it; it grows only as far as bytes of one frame are there (I11).
 */
import { assert } from '../model/assert.ts';

/** FIN and the opcode, without a reserved bit (RFC 6455, section 5.2). */
const WHOLE_BINARY = 0x82;
const PING = 0x89;
const PONG = 0x8a;
/** A length byte below it has no mask bit. */
const MASKED = 0x80;
const LENGTH_16 = 126;
/** The longest header of an unmasked frame. */
const HEADER_BYTES_MAX = 10;

/** One read takes no more: what it brought is still in the processor's cache when its checksums are computed. */
const READ_BYTES_MAX = 256 * 1024;
/** So much of a frame that is still to come is read by itself: the next frame then begins where the slab does. */
const ALONE_BYTES_MIN = 64 * 1024;

export interface FrameReaderOptions {
  /** Size of the slab that is kept. */
  readonly slabBytes: number;
  /** A longer message is left to the receiver, which refuses it. */
  readonly messageBytesMax: number;
  /** A whole binary message: the bytes are valid only until this returns. */
  readonly deliver: (message: Buffer) => void;
  /** Bytes for the receiver, its own. */
  readonly pass: (bytes: Buffer) => void;
}

export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #kept: Buffer;
  #slab: Buffer;
  /** What was read and not taken: bytes `#start` .. `#end` of the slab. */
  #start = 0;
  #end = 0;
  /** Header and payload of the frame at `#start`; 0: not known yet. */
  #frameBytes = 0;
  /** Until `begin`, and again from the first frame on that this reader does not know. */
  #isPassing = true;
  #window: Buffer;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
    this.#kept = Buffer.allocUnsafeSlow(Math.max(options.slabBytes, READ_BYTES_MAX));
    this.#slab = this.#kept;
    this.#window = this.#kept.subarray(0, READ_BYTES_MAX);
  }

  /** The next byte that is read begins a frame. */
  begin(): void {
    assert(this.#start === this.#end, 'frames begin when nothing is left of what came before');
    this.#isPassing = false;
  }

  /** Where the next read goes. */
  buffer(): Buffer {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
      this.#slab = this.#kept;
    }
    if (this.#start + Math.max(this.#frameBytes, HEADER_BYTES_MAX) > this.#slab.length) this.#makeRoom();
    const missing = this.#frameBytes - (this.#end - this.#start);
    const from = this.#end;
    const to = Math.min(this.#slab.length, from + (missing < ALONE_BYTES_MIN ? READ_BYTES_MAX : missing));
    const window = this.#window;
    // A read as a rule goes where the one before went.
    if (window.buffer !== this.#slab.buffer || window.byteOffset !== this.#slab.byteOffset + from || window.length !== to - from)
      this.#window = this.#slab.subarray(from, to);
    return this.#window;
  }

  /** So many bytes were read into the buffer. */
  took(bytes: number): void {
    this.#end += bytes;
    while (!this.#isPassing) {
      const headerBytes = this.#examine();
      if (headerBytes === 0 || this.#end - this.#start < this.#frameBytes) break;
      const begin = this.#start;
      this.#start = begin + this.#frameBytes;
      this.#frameBytes = 0;
      if (this.#slab[begin] === WHOLE_BINARY) this.#options.deliver(this.#slab.subarray(begin + headerBytes, this.#start));
      else this.#pass(begin, this.#start);
    }
    if (!this.#isPassing || this.#start === this.#end) return;
    const begin = this.#start;
    this.#start = this.#end;
    this.#frameBytes = 0;
    this.#pass(begin, this.#end);
  }

  /** Learn how long the frame at the start is; bytes of its header, or 0: it is not all there, or from here on all is passed on. */
  #examine(): number {
    this.#frameBytes = 0;
    const at = this.#start;
    const have = this.#end - at;
    if (have < 2) return 0;
    const first = this.#slab[at];
    const length = this.#slab[at + 1] as number;
    const isControl = first === PING || first === PONG;
    this.#isPassing = (first !== WHOLE_BINARY && !isControl) || length >= MASKED || (isControl && length >= LENGTH_16);
    const headerBytes = length < LENGTH_16 ? 2 : length === LENGTH_16 ? 4 : HEADER_BYTES_MAX;
    if (this.#isPassing || have < headerBytes) return 0;
    const payloadBytes =
      length < LENGTH_16
        ? length
        : length === LENGTH_16
          ? this.#slab.readUInt16BE(at + 2)
          : this.#slab.readUInt32BE(at + 2) * 2 ** 32 + this.#slab.readUInt32BE(at + 6);
    this.#isPassing = payloadBytes > this.#options.messageBytesMax;
    if (this.#isPassing) return 0;
    this.#frameBytes = headerBytes + payloadBytes;
    return headerBytes;
  }

  /** Move what is there to the front; a slab that is too small for the frame grows to twice of what is there. */
  #makeRoom(): void {
    const have = this.#end - this.#start;
    const isLarge = this.#frameBytes > this.#slab.length && have * 2 > this.#slab.length;
    if (isLarge) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#slab.length * 2, this.#options.messageBytesMax + HEADER_BYTES_MAX));
      larger.set(this.#slab.subarray(this.#start, this.#end));
      this.#slab = larger;
    } else if (this.#start > 0) {
      this.#slab.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = have;
  }

  #pass(from: number, to: number): void {
    this.#options.pass(Buffer.from(this.#slab.subarray(from, to)));
  }
}
