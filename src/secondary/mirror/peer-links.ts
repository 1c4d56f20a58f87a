/**
 * Where the peer dials (DESIGN section 8): peerHello -> decide -> peerWelcome -> ready. Of the links that are ready one is active and
 * carries records; the others stand by, for the peer may have several ways here (Figure 1). When the active one is lost the others
 * are closed too, so that the peer meets this host again and says anew what it holds.
 */
import { LinkServer, type LinkListener, type OpenLinkListener } from '../../link/link-server.ts';
import type { Link } from '../../link/link.ts';
import type { ListenAddress } from '../../model/addresses.ts';
import { LIMITS } from '../../model/limits.ts';
import type { PeeredFacts, PeerFacts, RegionId } from '../../model/peer.ts';
import { decidePeering } from '../../protocol/peer-meeting.ts';
import { CLOSE_CODE } from '../../record/close-codes.ts';
import { decodeMessage, encodeMessage, isRecordsMessage, type WireMessage } from '../../record/wire.ts';

export interface PeerLinksOptions {
  readonly listen: readonly ListenAddress[];
  readonly openLinks?: OpenLinkListener | undefined;
  /** Null while this host is blank. */
  readonly facts: () => PeeredFacts | null;
  /** The region without which this host does not go on after a restart; null: none. */
  readonly needed: () => RegionId | null;
  /** Why no peer is met now, as one sentence; null: it is. */
  readonly paused: () => string | null;
  readonly onEvent: (event: PeerLinkEvent) => void;
  readonly handlers: {
    /** This link is the active one from now on. */
    activated(link: Link, facts: PeerFacts): void;
    /** The active one is gone. */
    lost(): void;
    message(message: WireMessage): void;
    records(bytes: Uint8Array): void;
    drained(): void;
  };
}

export type PeerLinkEvent =
  | { readonly kind: 'met'; readonly address: string; readonly label: string }
  | {
      readonly kind: 'refused' | 'waiting';
      readonly address: string;
      readonly label: string;
      readonly code: string;
      readonly sentence: string;
      /** What the peer had said; null: it was the peer who refused. */
      readonly facts: PeerFacts | null;
    }
  | { readonly kind: 'violation'; readonly address: string; readonly violation: string }
  | { readonly kind: 'lost'; readonly address: string; readonly code: number; readonly reason: string };

/** A peer that does not answer gets so long to send its close frame. */
const TERMINATE_MS = 100;

interface Met {
  readonly link: Link;
  readonly facts: PeerFacts;
  isReady: boolean;
}

export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #listener: LinkListener;
  readonly #met = new Map<number, Met>();
  #active: Met | null = null;
  #lastSentence: string | null = null;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    const server = {
      listen: options.listen,
      purpose: { what: 'the peer', setting: 'peer.listen', code: 'ERR_LISTEN' as const },
      handlers: {
        opened: (link: Link) => this.#opened(link),
        message: (link: Link, bytes: Uint8Array) => this.#message(link, bytes),
        drained: (link: Link) => {
          if (link === this.#active?.link) options.handlers.drained();
        },
        closed: (link: Link, code: number, reason: string) => this.#closed(link, code, reason),
      },
    };
    this.#listener = options.openLinks?.(server) ?? new LinkServer(server);
  }

  get active(): Link | null {
    return this.#active?.link ?? null;
  }

  addresses(): ListenAddress[] {
    return this.#listener.addresses();
  }

  start(): Promise<void> {
    return this.#listener.start();
  }

  stop(code: number, reason: string): void {
    this.#active = null;
    for (const { link } of this.#met.values()) link.close(code, reason);
    this.#met.clear();
    this.#listener.stop();
  }

  /** The peer is of no use now: it dials again, and says anew what it holds. */
  meetAgain(code: number, reason: string): void {
    const wasActive = this.#active !== null;
    this.#active = null;
    for (const { link } of this.#met.values()) link.close(code, reason);
    this.#met.clear();
    if (wasActive) this.#options.handlers.lost();
  }

  /** The active link is given up: it did not answer, or broke the protocol. */
  giveUp(code: number, reason: string): void {
    const link = this.#active?.link;
    link?.close(code, reason);
    // Nobody may be there to answer the close frame.
    setTimeout(() => link?.terminate(), TERMINATE_MS).unref();
    this.meetAgain(CLOSE_CODE.wait, 'the active link was given up');
  }

  keepAlive(bytes: Uint8Array): void {
    for (const { link, isReady } of this.#met.values()) if (isReady) link.send(bytes);
  }

  #opened(link: Link): void {
    const timer = setTimeout(() => {
      if (this.#met.get(link.id)?.isReady !== true) link.close(CLOSE_CODE.protocolViolation, 'no handshake in time');
    }, LIMITS.handshakeMs);
    timer.unref();
  }

  #message(link: Link, bytes: Uint8Array): void {
    const { handlers } = this.#options;
    const isActive = link === this.#active?.link;
    if (isActive && isRecordsMessage(bytes)) return handlers.records(bytes);
    const message = decodeMessage(bytes);
    if (message.kind === 'violation') this.violation(link, message.violation);
    else if (message.kind === 'peerHello') this.#hello(link, message.facts);
    else if (message.kind === 'refuse') this.#refusedByPeer(link, message);
    else if (message.kind === 'ready') this.#ready(link);
    else if (isActive) handlers.message(message);
    // What stands by tells that it is alive, and nothing else.
    else if (message.kind !== 'held' || this.#met.get(link.id)?.isReady !== true)
      this.violation(link, `${message.kind} on a link that is not active`);
  }

  #hello(link: Link, facts: PeerFacts): void {
    if (this.#met.has(link.id)) return this.violation(link, 'a second peerHello');
    const { paused } = this.#options;
    const why = paused();
    if (why !== null) {
      link.send(encodeMessage({ kind: 'refuse', outcome: 'wait', label: 'not now', sentence: why }));
      link.close(CLOSE_CODE.wait, 'not now');
      return;
    }
    const secondary = this.#options.facts();
    const decision = decidePeering({
      secondary,
      peer: facts,
      judge: 'secondary',
      marked: this.#options.needed(),
      // Also one that is still to answer: two of them would take turns in what is released.
      liveOtherPeer: [...this.#met.values()].some((met) => met.facts.session !== facts.session),
    });
    const { outcome, label, sentence } = decision;
    if (outcome === 'continue' && secondary !== null) {
      this.#met.set(link.id, { link, facts, isReady: false });
      link.send(encodeMessage({ kind: 'peerWelcome', facts: secondary }));
      this.#options.onEvent({ kind: 'met', address: link.address, label });
      this.#lastSentence = null;
      return;
    }
    const refuses = outcome === 'refuse';
    link.send(encodeMessage({ kind: 'refuse', outcome: refuses ? 'refuse' : 'wait', label, sentence }));
    link.close(refuses ? CLOSE_CODE.refused : CLOSE_CODE.wait, label);
    this.#say({
      kind: refuses ? 'refused' : 'waiting',
      address: link.address,
      label,
      code: decision.code ?? 'ERR_PEER_REFUSED',
      sentence,
      facts,
    });
  }

  #ready(link: Link): void {
    const met = this.#met.get(link.id);
    if (met === undefined || met.isReady) return this.violation(link, met === undefined ? 'ready before the handshake' : 'a second ready');
    met.isReady = true;
    if (this.#active !== null) return;
    this.#active = met;
    this.#options.handlers.activated(link, met.facts);
  }

  #refusedByPeer(link: Link, { label, sentence, outcome }: Extract<WireMessage, { kind: 'refuse' }>): void {
    link.close(CLOSE_CODE.shutdown, label);
    const kind = outcome === 'refuse' ? 'refused' : 'waiting';
    this.#say({ kind, address: link.address, label, code: 'ERR_PEER_REFUSED', sentence, facts: null });
  }

  /** A peer that waits dials again and again; the log says it once. */
  #say(event: Extract<PeerLinkEvent, { kind: 'refused' | 'waiting' }>): void {
    if (event.sentence === this.#lastSentence) return;
    this.#lastSentence = event.sentence;
    this.#options.onEvent(event);
  }

  /** Whatever breaks the protocol costs its sender the link. */
  violation(link: Link, violation: string): void {
    this.#options.onEvent({ kind: 'violation', address: link.address, violation });
    link.close(CLOSE_CODE.protocolViolation, violation);
    this.#gone(link);
  }

  #closed(link: Link, code: number, reason: string): void {
    if (this.#met.get(link.id)?.isReady === true) this.#options.onEvent({ kind: 'lost', address: link.address, code, reason });
    this.#gone(link);
  }

  #gone(link: Link): void {
    const wasActive = this.#active?.link === link;
    this.#met.delete(link.id);
    if (wasActive) this.meetAgain(CLOSE_CODE.wait, 'the active link was lost');
  }
}
