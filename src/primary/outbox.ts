/**
 * What one link is about to send. Records are handed over as soon as they are numbered and leave when the turn of the event loop
 * ends: the application's replies go first, and many records become one message. What comes within a millisecond of the last message
 * is gathered until it is over or until there is much: a message and its answer cost both hosts more than ten records do.
 */
import type { Link } from '../link/link.ts';
import { LIMITS } from '../model/limits.ts';
import type { SendSlice } from './send-buffer.ts';

/** So much is worth a message of its own. */
const GATHER_BYTES_MAX = 64 * 1024;

export class Outbox {
  readonly #link: Link;
  readonly #gatherMs: number;
  readonly #onSent: () => void;
  readonly #slices: SendSlice[] = [];
  #gatheredBytes = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #gathering: NodeJS.Timeout | null = null;
  #flushing = false;

  /**
   * @param gatherMs least time between two messages of little; 0: none
   * @param onSent called when what waited was handed to the link
   */
  constructor(link: Link, gatherMs: number, onSent: () => void) {
    this.#link = link;
    this.#gatherMs = gatherMs;
    this.#onSent = onSent;
  }

  /** Bytes that the link will get and does not count yet. */
  get waitingBytes(): number {
    return this.#gatheredBytes;
  }

  add(slice: SendSlice): void {
    this.#slices.push(slice);
    this.#gatheredBytes += slice.bytes.length;
    if (this.#flushing) return;
    if (this.#gatheredBytes < GATHER_BYTES_MAX) {
      if (this.#gathering !== null) return;
      if (performance.now() - this.#sentAtMs < this.#gatherMs) {
        this.#gathering = setTimeout(() => this.#flush(), this.#gatherMs);
        return;
      }
    }
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** Send what is there: slices that lie one after another in a send buffer become one message. */
  #flush(): void {
    this.#flushing = false;
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#gathering = null;
    this.#gatheredBytes = 0;
    this.#sentAtMs = performance.now();
    const slices = this.#slices.splice(0);
    let begin = 0;
    while (begin < slices.length) {
      let end = begin + 1;
      let lengthBytes = (slices[begin] as SendSlice).bytes.length;
      while (end < slices.length && follows(slices[end - 1] as SendSlice, slices[end] as SendSlice)) {
        lengthBytes += (slices[end] as SendSlice).bytes.length;
        if (lengthBytes > LIMITS.batchBytesMax) break;
        end += 1;
      }
      this.#send(slices.slice(begin, end));
      begin = end;
    }
    this.#onSent();
  }

  #send(run: readonly SendSlice[]): void {
    const first = run[0] as SendSlice;
    const last = run.at(-1) as SendSlice;
    const lengthBytes = last.bytes.byteOffset + last.bytes.length - first.bytes.byteOffset;
    const bytes = run.length === 1 ? first.bytes : new Uint8Array(first.bytes.buffer, first.bytes.byteOffset, lengthBytes);
    this.#link.send(bytes, () => {
      for (const slice of run) slice.done();
    });
  }
}

function follows(before: SendSlice, after: SendSlice): boolean {
  return before.bytes.buffer === after.bytes.buffer && before.bytes.byteOffset + before.bytes.length === after.bytes.byteOffset;
}
