/**
 * The peer's links: dials its secondary over every address, meets it, and hands what comes to the holder (DESIGN section 8; Figure 1: if
 * the interconnect fails, the other network carries the traffic).
 *
 * peerHello -> peerWelcome -> **judge** the same facts -> **record** what a takeover needs, durably -> ready, held -> (fetch -> records,
 * fetched) -> records, release. The secondary chooses the link on which it sends records; the others stand by.
 *
 * @invariant I2, I8
 */
import { type Connect, LinkDialer } from '../link/link-dialer.ts';
import type { Link } from '../link/link.ts';
import { messageOf } from '../model/errors.ts';
import type { SessionId } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import type { Ordinal, PeeredFacts, PeerFacts } from '../model/peer.ts';
import { decidePeering } from '../protocol/peer-meeting.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import type { RecordStream } from '../record/contract.ts';
import { decodeMessage, encodeMessage, isRecordsMessage, type WireMessage } from '../record/wire.ts';
import { FetchStream, type FetchReport } from './fetch-stream.ts';
import type { PeerLinkEvent } from './link-log.ts';
import type { NvramRegion } from './nvram/contract.ts';
import { RecordHolder, type HeldLink, type LinkEnd } from './record-holder.ts';

export interface PeerLinksOptions {
  readonly addresses: readonly string[];
  readonly connect?: Connect | undefined;
  readonly region: NvramRegion;
  /** What this host says of itself now. */
  readonly facts: () => PeerFacts;
  /** Keep durably what the secondary says, and bind the region to its group. @throws when the disk does not take it */
  readonly record: (secondary: PeeredFacts) => void;
  readonly onEvent: (event: PeerLinkEvent) => void;
  /** The region failed: nothing more is held. */
  readonly onFailed: (error: Error) => void;
}

/** Without a word for so long a session is not live: the other side repeats its own every `LIMITS.keepAliveMs`. */
const LIVE_MS = 3 * LIMITS.keepAliveMs;

/** Rows of the table by which the secondary is the wrong one: this host goes on dialling. */
const PASSING_REFUSALS: ReadonlySet<string> = new Set(['superseded host', 'secondary of an old generation']);

/** One link from its opening on. */
interface Met {
  readonly link: Link;
  /** Head of the region when hello went out: the ordinal of the first record that comes. */
  readonly base: Ordinal;
  /** Null until this host has answered `ready`. */
  ready: { readonly facts: PeeredFacts; readonly held: HeldLink } | null;
  fetch: FetchStream | null;
}

export class PeerLinks {
  readonly dialer: LinkDialer;
  readonly holder: RecordHolder;
  /** A secondary was met in this run. */
  hasMet = false;
  lastRefusal: string | null = null;
  readonly #unreachable = new Map<string, string>();
  readonly #options: PeerLinksOptions;
  readonly #met = new Map<number, Met>();
  readonly #openedHead: Ordinal;
  readonly #keepAlive: NodeJS.Timeout;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#openedHead = options.region.head;
    this.holder = new RecordHolder({ region: options.region, onFailed: options.onFailed });
    this.dialer = new LinkDialer({
      addresses: options.addresses.slice(0, LIMITS.peerLinksMax),
      links: options.addresses.length,
      connect: options.connect,
      handlers: {
        opened: (link) => this.#opened(link),
        message: (link, bytes) => this.#message(link, bytes),
        drained: (link) => this.#met.get(link.id)?.fetch?.pump(),
        closed: (link, code, reason) => this.#closed(link, code, reason),
      },
      onDialFailed: (address, message) => this.#dialFailed(address, message),
    });
    this.#keepAlive = setInterval(() => this.#tellAll(), LIMITS.keepAliveMs);
    this.#keepAlive.unref();
  }

  /** Dialled again and again; said once. */
  #dialFailed(address: string, message: string): void {
    if (this.#unreachable.get(address) === message) return;
    this.#unreachable.set(address, message);
    this.#options.onEvent({ kind: 'dialFailed', address, message });
  }

  start(): void {
    this.dialer.start();
  }

  stop(code: number, reason: string): void {
    clearInterval(this.#keepAlive);
    this.holder.stop();
    this.dialer.stop(code, reason);
  }

  /** Links on which a secondary and this host have agreed. */
  get readyLinks(): readonly Link[] {
    return [...this.#met.values()].flatMap(({ link, ready }) => (ready === null || link.closing ? [] : [link]));
  }

  /** A secondary was heard on one of them, not long ago. */
  get isLive(): boolean {
    return this.readyLinks.some(isLive);
  }

  #opened(link: Link): void {
    const facts = this.#options.facts();
    this.#met.set(link.id, { link, base: facts.head, ready: null, fetch: null });
    link.send(encodeMessage({ kind: 'peerHello', facts }));
    const timer = setTimeout(() => {
      if (this.#met.get(link.id)?.ready === null) link.close(CLOSE_CODE.protocolViolation, 'no handshake in time');
    }, LIMITS.handshakeMs);
    timer.unref();
  }

  #message(link: Link, bytes: Uint8Array): void {
    const met = this.#met.get(link.id);
    if (met === undefined) return;
    if (met.ready !== null && isRecordsMessage(bytes)) {
      if (met.fetch !== null) this.#violation(link, 'records before everything was fetched');
      else this.#end(link, this.holder.take(met.ready.held, bytes));
      return;
    }
    const message = decodeMessage(bytes);
    if (message.kind === 'violation') this.#violation(link, message.violation);
    else if (message.kind === 'refuse') this.#refused(link, { ...message, code: 'ERR_HANDSHAKE_REFUSED' });
    else if (met.ready === null) this.#handshake(met, message);
    else if (message.kind === 'release') this.#end(link, this.holder.release(message.through));
    else if (message.kind === 'fetch') this.#fetch(met, met.ready.held);
    else this.#violation(link, `${message.kind} from a secondary to its peer`);
  }

  #handshake(met: Met, message: WireMessage): void {
    if (message.kind === 'peerWelcome') this.#welcome(met, message.facts);
    else this.#violation(met.link, `${message.kind} before the handshake`);
  }

  #welcome(met: Met, secondary: PeeredFacts): void {
    const { link } = met;
    const decision = decidePeering({
      secondary,
      // As they are now: another link may have bound this host since this one's hello.
      peer: this.#options.facts(),
      judge: 'peer',
      marked: null,
      liveOtherPeer: this.#hasLiveOther(secondary),
    });
    const { outcome, label, sentence, code } = decision;
    if (outcome !== 'continue') {
      link.send(encodeMessage({ kind: 'refuse', outcome, label, sentence }));
      this.#refused(link, { outcome, label, sentence, code: code ?? 'ERR_HANDSHAKE_REFUSED' });
      return;
    }
    try {
      this.#options.record(secondary);
    } catch (error) {
      this.#options.onEvent({ kind: 'notRecorded', address: link.address, message: messageOf(error) });
      link.close(CLOSE_CODE.shutdown, 'what the secondary says could not be recorded');
      return;
    }
    const { stream, generations, session } = secondary;
    const recordStream = { stream, generation: generations.at(-1)?.number ?? 0 };
    this.#closeFormer(session, recordStream);
    link.send(encodeMessage({ kind: 'ready' }));
    const held = this.holder.begin(link, recordStream, met.base);
    met.ready = { facts: secondary, held };
    this.hasMet = true;
    this.#unreachable.clear();
    this.lastRefusal = null;
    this.dialer.confirm(link);
    this.#options.onEvent({ kind: 'agreed', address: link.address, label });
  }

  #hasLiveOther({ session }: PeeredFacts): boolean {
    return [...this.#met.values()].some(({ link, ready }) => ready !== null && ready.facts.session !== session && isLive(link));
  }

  /** Links of another session of the secondary are dead, and those of an earlier meeting may not bring records of another stream. */
  #closeFormer(session: SessionId, { stream, generation }: RecordStream): void {
    for (const { link, ready } of this.#met.values()) {
      if (ready === null) continue;
      const { facts, held } = ready;
      if (facts.session === session && held.stream.stream === stream && held.stream.generation === generation) continue;
      link.close(CLOSE_CODE.otherSession, 'another meeting of the secondary has followed');
    }
  }

  #fetch(met: Met, held: HeldLink): void {
    if (met.fetch !== null || held.next > held.base) return this.#violation(met.link, 'fetch is not the first');
    const { link } = met;
    const fetch = new FetchStream({
      link,
      region: this.#options.region,
      openedHead: this.#openedHead,
      onDone: (report) => this.#fetched(met, report),
    });
    met.fetch = fetch;
    fetch.pump();
  }

  #fetched(met: Met, report: FetchReport): void {
    met.fetch = null;
    this.#options.onEvent({ kind: 'fetched', address: met.link.address, ...report });
  }

  #refused(link: Link, refusal: { outcome: 'refuse' | 'wait'; label: string; sentence: string; code: string }): void {
    const { label, sentence, code, outcome } = refusal;
    const { address } = link;
    link.close(outcome === 'refuse' ? CLOSE_CODE.refused : CLOSE_CODE.wait, label);
    // Asked again and again while it waits; said once.
    if (sentence === this.lastRefusal) return;
    this.lastRefusal = sentence;
    if (outcome === 'wait') this.#options.onEvent({ kind: 'waiting', address, label, sentence });
    else {
      const isFinal = !PASSING_REFUSALS.has(label) && this.readyLinks.length === 0;
      this.#options.onEvent({ kind: 'refused', address, label, sentence, code, final: isFinal });
    }
  }

  #end(link: Link, end: LinkEnd | null): void {
    if (end === null) return;
    if (end.code === CLOSE_CODE.protocolViolation) {
      this.#violation(link, end.reason);
      return;
    }
    link.close(end.code, end.reason);
  }

  #violation(link: Link, violation: string): void {
    this.#options.onEvent({ kind: 'violation', address: link.address, violation });
    link.close(CLOSE_CODE.protocolViolation, violation);
  }

  #closed(link: Link, code: number, reason: string): void {
    const met = this.#met.get(link.id);
    this.#met.delete(link.id);
    if (met === undefined || met.ready === null) return;
    this.holder.ended(met.ready.held);
    this.#options.onEvent({ kind: 'lost', address: link.address, code, reason });
  }

  /** On every link, because the other side closes one that is silent. */
  #tellAll(): void {
    for (const { ready, link } of this.#met.values()) if (ready !== null && !link.closing) this.holder.tell(ready.held);
  }
}

function isLive({ closing, lastReceivedAtMs }: Link): boolean {
  return !closing && performance.now() - lastReceivedAtMs < LIVE_MS;
}
