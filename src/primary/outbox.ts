/**
 * What one link is about to send. Records are handed over as soon as they are numbered and leave together when the turn of the event
 * loop ends: the application's replies go first, and many records become one message.
 */
import type { Link } from '../link/link.ts';
import { LIMITS } from '../model/limits.ts';
import type { SendSlice } from './send-buffer.ts';

export class Outbox {
  readonly #link: Link;
  readonly #slices: SendSlice[] = [];
  #flushing = false;

  constructor(link: Link) {
    this.#link = link;
  }

  add(slice: SendSlice): void {
    this.#slices.push(slice);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** Send what is there: slices that lie one after another in a send buffer become one message. */
  #flush(): void {
    this.#flushing = false;
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
