/**
 * Delivery: what the primary machine does with records once they are numbered (DESIGN section 7; Fig. 2, step 4). Pure.
 *
 * Records go out at once on any link that is ready and inside the window; acknowledgements, rejects, lost links and handshakes
 * decide what is sent again. When a data set is closed, and what a write waits for, is not decided here.
 */
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { lostAtSessionStart, LinkSchedule } from './link-schedule.ts';
import { RECORD_STATE } from './outgoing-data-set.ts';
import type { OutgoingQueue } from './outgoing-queue.ts';
import type { PrimaryEffect, PrimaryEvent } from './primary-contract.ts';
import type { LinkId } from './secondary-contract.ts';

export type EventOf<Name extends PrimaryEvent['event']> = Extract<PrimaryEvent, { event: Name }>;

export class PrimaryDelivery {
  readonly counters = { recordsSent: 0, recordsResent: 0, rejects: 0 };
  /** Where the effects of the current step go. */
  effects: PrimaryEffect[] = [];
  /** Highest data set that the secondary admits; null before the first session. It never goes back within a session (I6). */
  windowHigh: DataSetId | null = null;
  readonly #queue: OutgoingQueue;
  readonly #links = new LinkSchedule();
  readonly #batchBytesMax: number;

  constructor(options: { readonly queue: OutgoingQueue; readonly batchBytesMax: number }) {
    this.#queue = options.queue;
    this.#batchBytesMax = options.batchBytesMax;
  }

  get hasLinks(): boolean {
    return this.#links.openCount > 0;
  }

  #moveWindow(windowHigh: DataSetId): void {
    if (this.windowHigh === null || windowHigh > this.windowHigh) this.windowHigh = windowHigh;
  }

  /** Take acknowledged numbers; all below `nextSequence` were given. */
  acknowledged({ link, ranges, windowHigh }: EventOf<'acknowledged'>, nextSequence: SequenceNumber): void {
    for (const range of ranges) {
      const violation = range.to < nextSequence ? this.#queue.acknowledge(range) : `acknowledged number ${range.to}, which was never given`;
      if (violation !== null) return this.#closeLink(link, violation);
    }
    this.#moveWindow(windowHigh);
  }

  /** Take a refused record back: send it again when the window admits it, or after the third wrong checksum check the buffer (I9). */
  rejected({ link: linkId, reason, dataSet, sequence, windowHigh }: EventOf<'rejected'>, nextSequence: SequenceNumber): void {
    const link = this.#links.find(linkId);
    if (link === null) return;
    this.counters.rejects += 1;
    const set = this.#queue.find(sequence);
    if (sequence >= nextSequence || (set !== null && set.dataSet !== dataSet)) {
      return this.#closeLink(linkId, `rejected number ${sequence} of data set ${dataSet}, which was never given`);
    }
    this.#moveWindow(windowHigh);
    // Acknowledged meanwhile, or refused before: nothing is to be done.
    if (set === null || set.stateOf(sequence - set.firstSequence) !== link.state) return;
    const index = sequence - set.firstSequence;
    if (reason === 'checksum' && set.countChecksumReject(index) >= LIMITS.checksumRejectsMax) {
      set.holdForVerification(index);
      this.effects.push({ effect: 'verifyRecord', dataSet, sequence });
    } else {
      this.#queue.sendAgain(set, index);
    }
  }

  /** Take the verdict on a record's send buffer; false when a record that is still needed is damaged. */
  verified({ dataSet, sequence, intact }: EventOf<'recordVerified'>): boolean {
    const set = this.#queue.get(dataSet);
    const index = set === null ? -1 : sequence - set.firstSequence;
    if (set === null || set.stateOf(index) !== RECORD_STATE.verifying) return true;
    if (!intact) return false;
    set.forgetChecksumRejects(index);
    this.#queue.sendAgain(set, index);
    return true;
  }

  /** Begin a session: all links are new, and what the secondary holds is not sent again. */
  sessionEstablished({ windowHigh, held, destaged }: EventOf<'sessionEstablished'>): void {
    this.#links.reset();
    this.#queue.acknowledgeThrough(destaged);
    this.#queue.reconcile(held, lostAtSessionStart());
    this.windowHigh = windowHigh;
  }

  /** Take the secondary's answer about links that were closed. */
  progressReported({ closedLinks, held, destaged, windowHigh }: EventOf<'progressReported'>): void {
    const lost = this.#links.answer(closedLinks);
    this.#queue.acknowledgeThrough(destaged);
    this.#queue.reconcile(held, lost);
    this.#moveWindow(windowHigh);
  }

  /** Forget the open links; their records wait for the next session. */
  sessionLost(): void {
    this.#links.closeAll();
  }

  linkOpened(link: LinkId): void {
    const refusal = this.#links.open(link);
    if (refusal !== null) this.effects.push({ effect: 'closeLink', link, violation: refusal });
  }

  linkReady({ link, budgetBytes }: EventOf<'linkReady'>): void {
    const open = this.#links.find(link);
    if (open !== null) open.budgetBytes = budgetBytes;
  }

  /** Ask what was received, also when nothing is in this link's hands: acknowledgements may have been lost with it. */
  linkClosed(link: LinkId): void {
    if (!this.#links.close(link)) return;
    if (this.#queue.isEmpty) {
      this.#links.answer([link]);
      return;
    }
    const asked = this.#links.nextToAsk();
    if (asked !== null) this.effects.push({ effect: 'requestProgress', link: asked.link, closedLinks: this.#links.unanswered() });
  }

  #closeLink(link: LinkId, violation: string): void {
    const open = this.#links.find(link);
    if (open === null || open.closing) return;
    open.closing = true;
    this.effects.push({ effect: 'closeLink', link, violation });
  }

  /** Send what may be sent, as far as the links can take it. */
  send(): void {
    const { windowHigh } = this;
    if (windowHigh === null) return;
    while (this.#queue.hasSendable(windowHigh)) {
      const link = this.#links.next();
      if (link === null) return;
      const run = this.#queue.nextRun(windowHigh, Math.min(this.#batchBytesMax, link.budgetBytes));
      if (run === null) return;
      this.#queue.hand(run, link.state);
      link.budgetBytes -= run.bytes;
      const { dataSet, firstSequence } = run.set;
      const from = firstSequence + run.start;
      const to = firstSequence + run.end;
      if (run.again) this.counters.recordsResent += to - from + 1;
      else this.counters.recordsSent += to - from + 1;
      this.effects.push({ effect: 'sendRecords', link: link.link, dataSet, from, to, again: run.again });
    }
  }
}
