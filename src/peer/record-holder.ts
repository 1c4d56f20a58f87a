/**
 * Holds the records that come over links: **checks** every record of a message, **stores** the message whole, and **tells** the link how
 * far its records are held and how much more it may bring (DESIGN section 8; Figure 7, steps 3 and 4).
 *
 * All messages of one turn of the event loop are answered by one `held`, after one flush if the region is durable. What a link says
 * about another link's records, and what arrives late on one that another has followed, is never taken: ordinals would lie.
 *
 * It does not know what a record means, nor which are journaled: the secondary says what may be released.
 *
 * @invariant I2, I9, I11
 */
import type { Link } from '../link/link.ts';
import { LIMITS } from '../model/limits.ts';
import type { Ordinal } from '../model/peer.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import type { RecordStream } from '../record/contract.ts';
import { checkRecords, encodeMessage } from '../record/wire.ts';
import type { NvramRegion } from './nvram/contract.ts';

/** Why a link cannot go on: the code and reason with which it is closed. */
export interface LinkEnd {
  readonly code: number;
  readonly reason: string;
}

/** With less credit than this left, room that a release made is told at once, and not with the next keep-alive. */
const CREDIT_LOW_BYTES = 2 * (LIMITS.recordDataBytesMax + LIMITS.batchBytesMax);

/** One ready link, as far as records are concerned. */
export interface HeldLink {
  readonly link: Link;
  readonly stream: RecordStream;
  /** Ordinal of the first record that it brings. */
  readonly base: Ordinal;
  /** Ordinal of the record that it brings next. */
  next: Ordinal;
  /** Encoded bytes and overheads that it has brought, and that it was told it may bring in all. */
  usedBytes: number;
  toldLimitBytes: number;
  toldThrough: Ordinal;
}

export class RecordHolder {
  readonly #region: NvramRegion;
  readonly #onFailed: (error: Error) => void;
  readonly #links = new Set<HeldLink>();
  /** Everything in the region below this ordinal is held as the region promises. */
  #heldThrough: Ordinal;
  /** Records were given up since the last flush began, or that one made room: another may make more. */
  #mayMakeRoom = false;
  #isScheduled = false;
  #isFlushing = false;
  #whenFlushed: (() => void) | null = null;
  #isStopped = false;

  constructor(options: { readonly region: NvramRegion; readonly onFailed: (error: Error) => void }) {
    this.#region = options.region;
    this.#onFailed = options.onFailed;
    this.#heldThrough = options.region.head;
  }

  /** Ready links that are told what is held. */
  get links(): number {
    return this.#links.size;
  }

  /** A link is ready: tell it where it begins, and its first credit. `base`: the head that its hello named. */
  begin(link: Link, stream: RecordStream, base: Ordinal): HeldLink {
    const held: HeldLink = { link, stream, base, next: base, usedBytes: 0, toldLimitBytes: 0, toldThrough: base };
    this.#links.add(held);
    this.tell(held);
    return held;
  }

  /** Take a message of records; what ends the link, or null. Nothing of a message that is not wholly good is stored. */
  take(held: HeldLink, message: Uint8Array): LinkEnd | null {
    if (this.#isStopped) return null;
    const region = this.#region;
    if (held.next !== region.head)
      return { code: CLOSE_CODE.otherSession, reason: `begins at record ${held.next}, the region is at ${region.head}: meet again` };
    const { records, fault } = checkRecords(message, held.stream);
    if (fault !== null) return violation(fault);
    const costBytes = message.length + LIMITS.regionOverheadBytes;
    if (held.usedBytes + costBytes > held.toldLimitBytes)
      return violation(`credit: ${held.usedBytes + costBytes} bytes sent, at most ${held.toldLimitBytes} allowed`);
    // The credit was told before another link brought its last records.
    if (costBytes > region.freeBytes) return { code: CLOSE_CODE.otherSession, reason: 'the region has less room than it had: meet again' };
    try {
      region.store(message, records);
    } catch (error) {
      this.#fail(error as Error);
      return null;
    }
    held.next += records;
    held.usedBytes += costBytes;
    this.#schedule();
    return null;
  }

  /** Give up what a journal has; what ends the link, or null. */
  release(through: Ordinal): LinkEnd | null {
    const region = this.#region;
    if (this.#isStopped || through <= region.tail) return null;
    if (through > region.head) return violation(`release through ${through}, the region is at ${region.head}`);
    try {
      region.release(through);
      this.#mayMakeRoom = true;
    } catch (error) {
      this.#fail(error as Error);
      return null;
    }
    this.#schedule();
    return null;
  }

  ended(held: HeldLink): void {
    this.#links.delete(held);
  }

  stop(): void {
    this.#isStopped = true;
    this.#links.clear();
  }

  /** Resolve when no flush is under way any more, or when that takes too long. */
  settled(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#whenFlushed = null;
        resolve();
      };
      const timer = setTimeout(finish, limitMs);
      // The region may flush for itself, beside what was asked of it here.
      const flush = (): void => this.#region.whenHeld(finish);
      if (this.#isFlushing) this.#whenFlushed = flush;
      else flush();
    });
  }

  /** Send `held`, whether anything is new or not. */
  tell(held: HeldLink): void {
    held.toldThrough = this.#throughOf(held);
    held.toldLimitBytes = this.#limitOf(held);
    held.link.send(encodeMessage({ kind: 'held', through: held.toldThrough, limitBytes: held.toldLimitBytes }));
  }

  #throughOf({ base, next }: HeldLink): Ordinal {
    // Records of other links have the same ordinals as those that this one would have brought: they are not its own.
    return Math.max(base, Math.min(this.#heldThrough, next));
  }

  #limitOf({ base, next, usedBytes, toldLimitBytes }: HeldLink): number {
    const limitBytes = usedBytes + this.#region.freeBytes;
    return next > base ? Math.max(limitBytes, toldLimitBytes) : limitBytes;
  }

  /** Everything that this turn of the event loop brings is answered once. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#endTurn();
    });
  }

  #endTurn(): void {
    if (this.#isStopped) return;
    const through = this.#region.head;
    if (this.#isFlushing || (through === this.#heldThrough && !this.#needsRoom())) {
      this.#tellNews();
      return;
    }
    this.#isFlushing = true;
    this.#mayMakeRoom = false;
    const { freeBytes } = this.#region;
    this.#region.whenHeld((error) => {
      this.#isFlushing = false;
      this.#whenFlushed?.();
      if (this.#isStopped) return;
      if (error !== null) {
        this.#fail(error);
        return;
      }
      this.#heldThrough = through;
      if (this.#region.freeBytes > freeBytes) this.#mayMakeRoom = true;
      if (this.#region.head > through || this.#needsRoom()) this.#schedule();
      this.#tellNews();
    });
  }

  /** A durable region counts released space as free after a flush only: without one, a link without credit would wait for ever. */
  #needsRoom(): boolean {
    return this.#mayMakeRoom && [...this.#links].some(isShort);
  }

  #tellNews(): void {
    for (const held of this.#links) {
      const hasCredit = isShort(held) && this.#limitOf(held) > held.toldLimitBytes;
      if (hasCredit || this.#throughOf(held) > held.toldThrough) this.tell(held);
    }
  }

  /** A region that failed a store or a flush is never believed again (I10). */
  #fail(error: Error): void {
    this.stop();
    this.#onFailed(error);
  }
}

function isShort({ toldLimitBytes, usedBytes }: HeldLink): boolean {
  return toldLimitBytes - usedBytes < CREDIT_LOW_BYTES;
}

function violation(reason: string): LinkEnd {
  return { code: CLOSE_CODE.protocolViolation, reason };
}
