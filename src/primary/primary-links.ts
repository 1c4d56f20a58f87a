/**
 * The primary's links: the handshake with a secondary, and the messages of an agreed session pair in both directions.
 *
 * hello -> decide -> welcome -> ready: only then the link carries records. All links belong to one pair of sessions: a secondary
 * that is another process waits until the links of the former one are gone. Whatever breaks the protocol costs its sender the
 * link, never the process.
 */
import type { Link } from '../link/link.ts';
import { assert } from '../model/assert.ts';
import { messageOf } from '../model/errors.ts';
import type { PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import type { DataSetId, SequenceNumber, SessionId } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { agree, decideHandshake } from '../protocol/handshake.ts';
import type { LinkId } from '../protocol/secondary-contract.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import { decodeMessage, encodeMessage, type WireMessage } from '../record/wire.ts';
import { Outbox } from './outbox.ts';
import type { RecordCarrier, ReplicatedOrder } from './replicated-order.ts';
import type { SendSlice } from './send-buffer.ts';
import { writeBytesMaxOf } from './write-parts.ts';

export interface PrimaryLinksOptions {
  /** Null when this primary stands alone: then every secondary is refused, and a promoted one is still listened to (I8). */
  readonly order: ReplicatedOrder | null;
  readonly facts: () => PrimaryFacts;
  /** Least time between two messages of little on one link. */
  readonly gatherMs: number;
  readonly onEvent: (event: LinkEvent) => void;
  /** The secondary was promoted and says so. What became of the news: only what is recorded durably is acknowledged, so that the promoted host goes on telling it. */
  readonly onSuperseded: (message: Extract<WireMessage, { kind: 'superseded' }>) => 'recorded' | 'not recorded' | 'not newer';
  /** A proven secondary has a higher host epoch: durable when it returns. @throws when it could not be recorded */
  readonly raiseHostEpoch: (hostEpoch: number) => void;
}

/** How the other side names a damaged header of a record; with a damaged first byte it is taken for another message. */
const DAMAGED_HEADER = /^(?:record-header|message-kind|protocol-version)/;

/** A superseded host gets so long to send its close frame; one that is stopped never does. */
const TERMINATE_MS = 100;

export type LinkEvent =
  | { readonly kind: 'agreed'; readonly address: string; readonly session: SessionId; readonly label: string }
  | { readonly kind: 'refused'; readonly address: string; readonly label: string; readonly sentence: string }
  | { readonly kind: 'waiting'; readonly address: string; readonly label: string; readonly sentence: string }
  | { readonly kind: 'violation'; readonly address: string; readonly violation: string }
  | { readonly kind: 'hostEpoch'; readonly address: string; readonly hostEpoch: number; readonly error: string | null }
  | { readonly kind: 'lost'; readonly address: string; readonly code: number; readonly reason: string };

/** What the secondary last said of its own positions. */
export interface FarPositions {
  received: DataSetId | null;
  durable: DataSetId | null;
  complete: DataSetId | null;
  destaged: DataSetId | null;
  destagedSequence: SequenceNumber | null;
}

interface Agreed {
  readonly link: Link;
  readonly outbox: Outbox;
  readonly linkKey: number;
  readonly facts: SecondaryFacts;
  phase: 'ready-awaited' | 'open';
  /** What the machine thinks it may still send on this link. */
  budgetBytes: number;
}

export class PrimaryLinks implements RecordCarrier {
  far: FarPositions = { received: null, durable: null, complete: null, destaged: null, destagedSequence: null };
  session: SessionId | null = null;
  lastRefusal: string | null = null;
  readonly #options: PrimaryLinksOptions;
  #order: ReplicatedOrder | null;
  readonly #agreed = new Map<LinkId, Agreed>();
  /** Keys of lost links, by link number, until the secondary has answered for them. */
  readonly #keys = new Map<LinkId, number>();
  readonly #keepAlive: NodeJS.Timeout;
  /** Links of this session that were lost and not replaced yet, newest last, so that a lost path is seen here too. */
  readonly #lost: { readonly address: string; readonly error: string }[] = [];

  constructor(options: PrimaryLinksOptions) {
    this.#options = options;
    this.#order = options.order;
    this.#keepAlive = setInterval(() => this.sendHead(), LIMITS.keepAliveMs);
    this.#keepAlive.unref();
  }

  get openLinks(): readonly Link[] {
    return [...this.#agreed.values()].filter((entry) => entry.phase === 'open').map((entry) => entry.link);
  }

  /** Lost links that no new one has replaced. */
  get lostLinks(): readonly { readonly address: string; readonly error: string }[] {
    return this.#lost;
  }

  opened(link: Link): void {
    const timer = setTimeout(() => {
      if (this.#agreed.get(link.id)?.phase !== 'open') link.close(CLOSE_CODE.protocolViolation, 'no handshake in time');
    }, LIMITS.handshakeMs);
    timer.unref();
  }

  message(link: Link, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (message.kind === 'violation') this.#violation(link, message.violation);
    else if (message.kind === 'hello') this.#hello(link, message);
    else if (message.kind === 'superseded') this.#superseded(link, message);
    else if (message.kind === 'refuse') this.#refusedByPeer(link, message);
    else {
      const agreed = this.#agreed.get(link.id);
      if (agreed === undefined) this.#violation(link, `${message.kind} before the handshake`);
      else if (message.kind === 'ready' && agreed.phase === 'ready-awaited') this.#ready(agreed);
      else if (message.kind === 'ready') this.#violation(link, 'a second ready');
      else if (agreed.phase !== 'open') this.#violation(link, `${message.kind} before ready`);
      else this.#received(agreed, message);
    }
  }

  drained(link: Link): void {
    const agreed = this.#agreed.get(link.id);
    if (agreed?.phase === 'open') this.#offerBudget(agreed);
  }

  closed(link: Link, code: number, reason: string): void {
    const agreed = this.#agreed.get(link.id);
    this.#agreed.delete(link.id);
    const order = this.#order;
    if (agreed?.phase !== 'open' || order === null) return;
    this.#options.onEvent({ kind: 'lost', address: link.address, code, reason });
    this.#lost.push({ address: link.address, error: reason === '' ? `closed (${code})` : reason });
    if (this.#lost.length > LIMITS.linksMax) this.#lost.shift();
    // A damaged header has no number that could be rejected, so the send buffer is checked instead (I9).
    if (code === CLOSE_CODE.protocolViolation && DAMAGED_HEADER.test(reason)) order.verifyBuffers();
    order.step({ event: 'linkClosed', link: link.id });
    if (this.openLinks.length === 0) {
      this.#keys.clear();
      this.#lost.length = 0;
      order.step({ event: 'sessionLost' });
    }
  }

  /** End all links and carry no more: the primary stops, failed, or gives replication up. A hello is still answered. */
  stop(code: number, reason: string): void {
    clearInterval(this.#keepAlive);
    this.#order = null;
    for (const { link } of this.#agreed.values()) link.close(code, reason);
    this.#agreed.clear();
  }

  /** Only links of an agreed session carry anything, and there is none without an order. */
  get #live(): ReplicatedOrder {
    assert(this.#order !== null, 'an agreed link belongs to a primary that replicates');
    return this.#order;
  }

  sendRecords(id: LinkId, slice: SendSlice): void {
    const agreed = this.#agreed.get(id);
    if (agreed === undefined) {
      slice.done();
      return;
    }
    agreed.budgetBytes -= slice.bytes.length;
    agreed.outbox.add(slice);
  }

  requestProgress(id: LinkId, closedLinks: readonly LinkId[]): void {
    const closedKeys = closedLinks.map((closed) => this.#keys.get(closed) ?? 0);
    this.#agreed.get(id)?.link.send(encodeMessage({ kind: 'requestProgress', closedLinks: closedKeys }));
  }

  closeLink(id: LinkId, violation: string): void {
    const agreed = this.#agreed.get(id);
    if (agreed !== undefined) this.#violation(agreed.link, violation);
  }

  refillBudgets(): void {
    for (const agreed of this.#agreed.values()) {
      if (agreed.phase === 'open' && agreed.budgetBytes < LIMITS.linkBufferedBytesMax / 2) this.#offerBudget(agreed);
    }
  }

  /** Keep-alive: the head, so that the far side knows how far it is behind. */
  sendHead(): void {
    if (this.#agreed.size === 0) return;
    const bytes = encodeMessage({ kind: 'head', head: this.#live.machine.head(Date.now()) });
    for (const agreed of this.#agreed.values()) if (agreed.phase === 'open') agreed.link.send(bytes);
  }

  /** Its outbox is empty: there may be room that nobody has been told of. */
  #sent(agreed: Agreed): void {
    if (this.#agreed.get(agreed.link.id) === agreed && agreed.phase === 'open' && this.#order !== null) this.#offerBudget(agreed);
  }

  #offerBudget(agreed: Agreed): void {
    // What waits in the outbox is as good as in the socket: without it one link would be handed everything in a single turn.
    const budgetBytes = agreed.link.budgetBytes - agreed.outbox.waitingBytes;
    if (budgetBytes <= Math.max(0, agreed.budgetBytes)) return;
    agreed.budgetBytes = budgetBytes;
    this.#live.step({ event: 'linkReady', link: agreed.link.id, budgetBytes });
  }

  #hello(link: Link, message: Extract<WireMessage, { kind: 'hello' }>): void {
    if (this.#agreed.has(link.id)) {
      this.#violation(link, 'a second hello');
      return;
    }
    if (!this.#judged(link, message.facts)) return;
    const { facts } = message;
    const agreed: Agreed = {
      link,
      outbox: new Outbox(link, this.#options.gatherMs, () => this.#sent(agreed)),
      linkKey: message.linkKey,
      facts,
      phase: 'ready-awaited',
      budgetBytes: 0,
    };
    this.#agreed.set(link.id, agreed);
    link.send(encodeMessage({ kind: 'welcome', facts: this.#options.facts() }));
  }

  /** Ask the handshake's table; unless it says to continue, the link is told why and closed. */
  #judged(link: Link, secondary: SecondaryFacts): boolean {
    const primary = this.#options.facts();
    const liveOtherSession = this.session !== null && this.session !== secondary.session && this.openLinks.length > 0;
    const decision = decideHandshake({
      primary,
      secondary,
      judge: 'primary',
      liveOtherSession,
      agreedBefore: this.session === secondary.session,
      digestOf: (held) => this.#order?.digestOf(held) ?? null,
      largestKeptBytes: this.#order?.machine.capacityNeeded().bytes ?? 0,
    });
    const { label, sentence, outcome, hostEpochRaised } = decision;
    if (hostEpochRaised !== null && !this.#raised(link, hostEpochRaised)) return false;
    if (outcome === 'continue') {
      if (!this.#agreed.has(link.id)) this.#options.onEvent({ kind: 'agreed', address: link.address, session: secondary.session, label });
      return true;
    }
    link.send(encodeMessage({ kind: 'refuse', outcome, label, sentence }));
    link.close(outcome === 'refuse' ? CLOSE_CODE.refused : CLOSE_CODE.wait, label);
    // A secondary that waits for better times dials again and again; the log says it once.
    if (sentence === this.lastRefusal) return false;
    this.lastRefusal = sentence;
    this.#options.onEvent({ kind: outcome === 'refuse' ? 'refused' : 'waiting', address: link.address, label, sentence });
    return false;
  }

  /**
   * Record the higher host epoch, then shut out every host with a lower one: a link that is closing hands nothing on, so that no
   * acknowledgement of a superseded host counts from here on. Not recorded: nobody is shut out, and the new host gets no answer.
   */
  #raised(link: Link, hostEpoch: number): boolean {
    const { address } = link;
    try {
      this.#options.raiseHostEpoch(hostEpoch);
    } catch (error) {
      this.#options.onEvent({ kind: 'hostEpoch', address, hostEpoch, error: messageOf(error) });
      link.close(CLOSE_CODE.shutdown, 'the host epoch could not be recorded');
      return false;
    }
    this.#options.onEvent({ kind: 'hostEpoch', address, hostEpoch, error: null });
    for (const { link: other, facts } of this.#agreed.values()) {
      if (facts.hostEpoch >= hostEpoch) continue;
      other.close(CLOSE_CODE.superseded, 'superseded host');
      setTimeout(() => other.terminate(), TERMINATE_MS).unref();
    }
    return true;
  }

  #ready(agreed: Agreed): void {
    const { link, facts } = agreed;
    const order = this.#live;
    const first = this.openLinks.length === 0;
    if (!first && this.session !== facts.session) {
      link.close(CLOSE_CODE.otherSession, 'another session was faster');
      return;
    }
    // The application went on writing since the hello: what is kept must still fit into the secondary's slots.
    if (first && !this.#judged(link, facts)) return;
    this.session = facts.session;
    this.#keys.set(link.id, agreed.linkKey);
    this.#lost.shift();
    this.lastRefusal = null;
    if (first) {
      const agreement = agree(this.#options.facts(), facts);
      // Before the step: the rest of a write in parts may be asked for within it, and must fit into what is agreed now.
      order.writeBytesMax = writeBytesMaxOf(agreement.dataSetBytesMax);
      order.agreed = { dataSetBytesMax: agreement.dataSetBytesMax, recordsMax: agreement.recordsMax };
      this.#destaged(facts.watermark?.dataSet ?? null);
      order.step({ event: 'sessionEstablished', ...agreement, held: facts.held, destaged: facts.watermark?.dataSet ?? null });
    }
    // A step may admit a write that waited, whose store fails: then the group has failed, and all links are closed already.
    if (this.#order !== null) order.step({ event: 'linkOpened', link: link.id });
    if (this.#order === null) return;
    // Only now: every step ends with budgets for the open links, and one for a link that the machine does not know yet would be lost.
    agreed.phase = 'open';
    this.#offerBudget(agreed);
    this.sendHead();
  }

  #received(agreed: Agreed, message: WireMessage): void {
    const order = this.#live;
    const link = agreed.link.id;
    switch (message.kind) {
      case 'acknowledge':
        this.far = { ...message.positions };
        this.#destaged(message.positions.destaged);
        order.positions.acknowledgements.acknowledged(message.ranges, performance.now());
        order.step({ event: 'acknowledged', link, ranges: message.ranges, windowHigh: message.windowHigh });
        return;
      case 'reject':
        order.step({
          event: 'rejected',
          link,
          reason: message.reason,
          dataSet: message.dataSet,
          sequence: message.sequence,
          windowHigh: message.windowHigh,
        });
        return;
      case 'progress': {
        // A key that was used twice must not answer for a link that is open: its records would never be asked for again.
        const closedLinks = [...this.#keys]
          .filter(([id, key]) => !this.#agreed.has(id) && message.closedLinks.includes(key))
          .map(([id]) => id);
        for (const id of closedLinks) this.#keys.delete(id);
        order.step({
          event: 'progressReported',
          closedLinks,
          held: message.held,
          destaged: message.destaged,
          windowHigh: message.windowHigh,
        });
        return;
      }
      default:
        this.#violation(agreed.link, `${message.kind} from a secondary`);
    }
  }

  #destaged(dataSet: DataSetId | null): void {
    this.far.destaged = dataSet;
    this.#live.positions.destaged(dataSet);
    this.far.destagedSequence ??= this.#live.positions.destagedSequence;
  }

  #superseded(link: Link, message: Extract<WireMessage, { kind: 'superseded' }>): void {
    const outcome = this.#options.onSuperseded(message);
    if (outcome === 'recorded') {
      link.send(encodeMessage({ kind: 'supersededAcknowledged', groupId: message.groupId }));
      link.close(CLOSE_CODE.superseded, 'superseded');
    } else if (outcome === 'not recorded') {
      link.close(CLOSE_CODE.shutdown, 'superseded, and it could not be recorded');
    } else {
      link.close(CLOSE_CODE.refused, 'this does not supersede the generation here');
    }
  }

  #refusedByPeer(link: Link, message: Extract<WireMessage, { kind: 'refuse' }>): void {
    const { label, sentence } = message;
    if (message.outcome === 'refuse') this.lastRefusal = sentence;
    this.#options.onEvent({ kind: message.outcome === 'refuse' ? 'refused' : 'waiting', address: link.address, label, sentence });
    link.close(CLOSE_CODE.shutdown, label);
  }

  #violation(link: Link, violation: string): void {
    this.#options.onEvent({ kind: 'violation', address: link.address, violation });
    link.close(CLOSE_CODE.protocolViolation, violation);
  }
}
