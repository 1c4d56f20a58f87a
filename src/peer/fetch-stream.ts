/**
 * Sends everything that a region holds over one link, oldest first, as fast as the link takes it: the answer to `fetch` after a restart
 * of the secondary (DESIGN section 8).
 */
import type { Link } from '../link/link.ts';
import { messageOf } from '../model/errors.ts';
import type { Ordinal } from '../model/peer.ts';
import { encodeMessage } from '../record/wire.ts';
import type { HeldSegment, NvramRegion, RegionEnd } from './nvram/contract.ts';

export interface FetchReport {
  readonly records: number;
  /** Where and why reading ended before everything that was ever held; null: it did not. */
  readonly unreadable: string | null;
}

export class FetchStream {
  readonly #link: Link;
  readonly #region: NvramRegion;
  readonly #segments: Generator<HeldSegment, RegionEnd>;
  readonly #onDone: (report: FetchReport) => void;
  /** Head of the region when this process opened it: what is behind its end was lost before. */
  readonly #openedHead: Ordinal;
  #records = 0;
  #isDone = false;

  constructor(options: { link: Link; region: NvramRegion; openedHead: Ordinal; onDone: (report: FetchReport) => void }) {
    this.#link = options.link;
    this.#region = options.region;
    this.#segments = options.region.segments();
    this.#onDone = options.onDone;
    this.#openedHead = options.openedHead;
  }

  /** Send as much as the link has room for; called again whenever it has. A link that is closed has none. */
  pump(): void {
    while (!this.#isDone && this.#link.budgetBytes > 0) {
      const next = this.#next();
      if (next.done !== true) {
        this.#records += next.value.records;
        // A copy: the segment is a view until the next one is asked for, and the socket may take it later.
        this.#link.send(new Uint8Array(next.value.encoded));
      } else {
        this.#isDone = true;
        const report = { records: this.#records, unreadable: this.#unreadable(next.value) };
        this.#link.send(encodeMessage({ kind: 'fetched', ...report }));
        this.#onDone(report);
      }
    }
  }

  /** A region that cannot be read at all ends there: what could be read was sent. */
  #next(): IteratorResult<HeldSegment, RegionEnd> {
    try {
      return this.#segments.next();
    } catch (error) {
      return { done: true, value: { verdict: 'unreadable', offset: 0, expected: 'a region that can be read', found: messageOf(error) } };
    }
  }

  #unreadable(end: RegionEnd): string | null {
    const { path, head, foundEnd } = this.#region;
    // When records came since, whatever was behind the end was missed, and made good, before they did.
    const found = end.verdict === 'unreadable' || head > this.#openedHead ? end : foundEnd;
    if (found.verdict === 'clean-end') return null;
    return `${path} cannot be read from byte ${found.offset} on: expected ${found.expected}, found ${found.found}`;
  }
}
