/**
 * The links as the primary machine sees them: which are open and can take how many bytes, whose turn it is, and which were
 * closed without the secondary having said yet what it received from them.
 *
 * Each link has a small number, its state byte in `OutgoingDataSet`. The byte of a closed link is used again only when the
 * secondary has answered for it, because until then records still carry it.
 */
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';
import { RECORD_STATE } from './outgoing-data-set.ts';
import type { LinkId } from './secondary-contract.ts';

/** Closed links that may wait for the secondary's answer (I11); further links are refused until it comes. */
export const UNANSWERED_LINKS_MAX = 64;

/** State bytes: one per link that is open or unanswered. */
const LINK_STATES = LIMITS.linksMax + UNANSWERED_LINKS_MAX;

export interface OutgoingLink {
  readonly link: LinkId;
  /** State byte of the records in its hands. */
  readonly state: number;
  /** Bytes that its socket can still take; the last record may take it below zero. */
  budgetBytes: number;
  /** It broke the protocol: nothing more is sent on it, although its end was not reported yet. */
  closing: boolean;
}

export class LinkSchedule {
  #open: OutgoingLink[] = [];
  #unanswered: OutgoingLink[] = [];
  #freeStates: number[] = [];
  #turn = 0;

  constructor() {
    this.reset();
  }

  get openCount(): number {
    return this.#open.length;
  }

  /** Forget all links: a session was agreed anew, and its handshake tells what was received from the old ones. */
  reset(): void {
    this.#open = [];
    this.#unanswered = [];
    this.#freeStates = Array.from({ length: LINK_STATES }, (_, index) => RECORD_STATE.firstLink + LINK_STATES - 1 - index);
    this.#turn = 0;
  }

  /** Forget the open links, and keep their state bytes until `reset`: the session is lost. */
  closeAll(): void {
    this.#open = [];
  }

  /** Add a link; why it is refused, or null. */
  open(link: LinkId): string | null {
    assert(this.find(link) === null, `link ${link} is open already`);
    if (this.#open.length >= LIMITS.linksMax) return `more than ${LIMITS.linksMax} links`;
    if (this.#unanswered.length >= UNANSWERED_LINKS_MAX)
      return `${UNANSWERED_LINKS_MAX} closed links wait for an answer to requestProgress`;
    const state = this.#freeStates.pop();
    assert(state !== undefined, 'every link that is open or unanswered has its own state byte');
    this.#open.push({ link, state, budgetBytes: 0, closing: false });
    return null;
  }

  find(link: LinkId): OutgoingLink | null {
    for (const open of this.#open) if (open.link === link) return open;
    return null;
  }

  /** Move a link to those that wait for an answer; false when it was not open. */
  close(link: LinkId): boolean {
    const index = this.#open.findIndex((open) => open.link === link);
    if (index < 0) return false;
    this.#unanswered.push(...this.#open.splice(index, 1));
    return true;
  }

  /** The link whose turn it is among those that can take bytes, or null. The turn passes on, so all links carry traffic. */
  next(): OutgoingLink | null {
    const count = this.#open.length;
    for (let step = 0; step < count; step += 1) {
      const index = (this.#turn + step) % count;
      const link = this.#open[index];
      if (link !== undefined && link.budgetBytes > 0 && !link.closing) {
        this.#turn = (index + 1) % count;
        return link;
      }
    }
    return null;
  }

  /** An open link to ask on, in turn; null when there is none. */
  nextToAsk(): OutgoingLink | null {
    const usable = this.#open.filter((link) => !link.closing);
    const link = usable[this.#turn % usable.length];
    if (link === undefined) return null;
    this.#turn = (this.#turn + 1) % this.#open.length;
    return link;
  }

  /** Closed links that were not answered for yet. */
  unanswered(): LinkId[] {
    return this.#unanswered.map((closed) => closed.link);
  }

  /** Take an answer for these links: a table by state byte with 1 for the records that were in their hands. */
  answer(closedLinks: readonly LinkId[]): Uint8Array {
    const lost = new Uint8Array(256);
    const named = new Set(closedLinks);
    this.#unanswered = this.#unanswered.filter((closed) => {
      if (!named.has(closed.link)) return true;
      lost[closed.state] = 1;
      this.#freeStates.push(closed.state);
      return false;
    });
    return lost;
  }
}

/** The table of states whose records are lost unless the secondary says that it holds them, when a session begins. */
export function lostAtSessionStart(): Uint8Array {
  const lost = new Uint8Array(256);
  lost.fill(1, RECORD_STATE.firstLink);
  lost[RECORD_STATE.received] = 1;
  return lost;
}
