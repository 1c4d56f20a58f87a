/**
 * The secondary's links: dials the primary, agrees with it, hands records to the replica and acknowledgements back.
 *
 * Both hosts judge the same facts by the same table; this host binds itself to a group, durably, before its first record. All
 * links belong to one pair of sessions. A refusal that protects the copy ends the process (exit 5): dialling on would not mend it.
 */
import type { Link } from '../link/link.ts';
import { type Connect, LinkDialer } from '../link/link-dialer.ts';
import type { PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import type { SequenceRange, SessionId } from '../model/ids.ts';
import { BrokenInvariant } from '../model/assert.ts';
import { messageOf } from '../model/errors.ts';
import { LIMITS } from '../model/limits.ts';
import { decideHandshake } from '../protocol/handshake.ts';
import type { LinkId } from '../protocol/secondary-contract.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import type { RecordStream, WireRecord } from '../record/contract.ts';
import { decodeMessage, decodeRecords, encodeMessage, isRecordsMessage, type WireMessage } from '../record/wire.ts';
import { throwLater } from '../runtime/throw-later.ts';
import type { HeadHistory } from './head-history.ts';
import type { Replica, ReplicaOutlet } from './replica.ts';

export interface SecondaryLinksOptions {
  readonly addresses: readonly string[];
  readonly links: number;
  readonly connect?: Connect | undefined;
  readonly facts: () => SecondaryFacts;
  /** Null while this host is blank. */
  readonly replica: () => Replica | null;
  readonly stream: () => RecordStream;
  /** Resolves when nothing acknowledged is exposed: only then this host may say what it holds (I2). False: not in time. */
  readonly level?: () => Promise<boolean>;
  readonly heads: HeadHistory;
  /** Durable binding to the primary's group and session; then the replica exists. */
  readonly bind: (primary: PrimaryFacts) => Promise<void>;
  readonly volumeBytes: ReadonlyMap<number, number>;
  readonly onEvent: (event: SecondaryLinkEvent) => void;
  readonly onHead: () => void;
}

export type SecondaryLinkEvent =
  | { readonly kind: 'agreed'; readonly address: string; readonly label: string }
  /** `final`: the two hosts must not replicate, and dialling again cannot change it. */
  | {
      readonly kind: 'refused';
      readonly address: string;
      readonly label: string;
      readonly code: string;
      readonly sentence: string;
      readonly final: boolean;
    }
  | { readonly kind: 'waiting'; readonly address: string; readonly label: string; readonly sentence: string }
  | { readonly kind: 'violation'; readonly address: string; readonly violation: string }
  /** A record arrived with a wrong checksum and was rejected (I9). */
  | { readonly kind: 'damaged'; readonly address: string; readonly damage: string }
  | { readonly kind: 'lost'; readonly address: string; readonly code: number; readonly reason: string }
  | { readonly kind: 'dialFailed'; readonly address: string; readonly message: string };

/** Refusals that end when the primary changes its state; the copy stays and waits to be promoted. */
const PASSING_REFUSALS: ReadonlySet<string> = new Set(['primary failed', 'primary standalone']);

export class SecondaryLinks implements ReplicaOutlet {
  primarySession: SessionId | null = null;
  lastRefusal: string | null = null;
  /** Row of the handshake's table that refused last; null while agreed. */
  lastRefusalLabel: string | null = null;
  onSupersededAcknowledged: (() => void) | null = null;
  checksumRejects = 0;
  readonly dialer: LinkDialer;
  readonly #options: SecondaryLinksOptions;
  readonly #open = new Map<LinkId, Link>();
  #frozen = false;
  readonly #keepAlive: NodeJS.Timeout;
  #binding: Promise<void> = Promise.resolve();

  constructor(options: SecondaryLinksOptions) {
    this.#options = options;
    this.dialer = new LinkDialer({
      addresses: options.addresses,
      links: options.links,
      connect: options.connect,
      handlers: {
        opened: (link) => this.#opened(link),
        message: (link, bytes) => this.#message(link, bytes),
        drained: () => {},
        closed: (link, code, reason) => this.#closed(link, code, reason),
      },
      onDialFailed: (address, message) => options.onEvent({ kind: 'dialFailed', address, message }),
    });
    this.#keepAlive = setInterval(() => this.#sendKeepAlive(), LIMITS.keepAliveMs);
    this.#keepAlive.unref();
  }

  start(): void {
    this.dialer.start();
  }

  /** Take no more records: a promotion has begun. */
  freeze(): void {
    this.#frozen = true;
  }

  /** The promotion was given up: the links are made anew, so that what was not taken meanwhile is sent again. */
  unfreeze(): void {
    this.#frozen = false;
    for (const link of this.dialer.links) link.close(CLOSE_CODE.shutdown, 'a promotion was given up');
  }

  get openLinks(): readonly Link[] {
    return [...this.#open.values()];
  }

  stop(code: number, reason: string): void {
    clearInterval(this.#keepAlive);
    this.dialer.stop(code, reason);
  }

  /** Send acknowledgements, window and positions on the link that has least to send. */
  acknowledge(ranges: readonly SequenceRange[]): void {
    const link = this.#freest();
    const replica = this.#options.replica();
    if (link === null || replica === null) return;
    for (let begin = 0; begin === 0 || begin < ranges.length; begin += LIMITS.ackRangesMax) {
      link.send(
        encodeMessage({
          kind: 'acknowledge',
          windowHigh: replica.machine.windowHigh,
          positions: positionsOf(replica),
          ranges: ranges.slice(begin, begin + LIMITS.ackRangesMax),
        }),
      );
    }
  }

  reject(reject: { link: LinkId; reason: 'window' | 'checksum'; dataSet: number; sequence: number }): void {
    const link = this.#open.get(reject.link);
    const replica = this.#options.replica();
    if (link === undefined || replica === null) return;
    const { reason, dataSet, sequence } = reject;
    link.send(encodeMessage({ kind: 'reject', reason, dataSet, sequence, windowHigh: replica.machine.windowHigh }));
  }

  closeLink(id: LinkId, violation: string): void {
    const link = this.#open.get(id);
    if (link !== undefined) this.#violation(link, violation);
  }

  /** Tell the connected primary, on every link, that it is superseded; false if no link is open. */
  sendSuperseded(message: Extract<WireMessage, { kind: 'superseded' }>): boolean {
    for (const link of this.#open.values()) link.send(encodeMessage(message));
    return this.#open.size > 0;
  }

  #opened(link: Link): void {
    void this.#hello(link);
    const timer = setTimeout(() => {
      if (!this.#open.has(link.id)) link.close(CLOSE_CODE.protocolViolation, 'no handshake in time');
    }, LIMITS.handshakeMs);
    timer.unref();
  }

  /** Binding is durable, and nothing acknowledged depends on a former session of the peer, before this host says anything about itself. */
  async #hello(link: Link): Promise<void> {
    await this.#binding;
    if ((await this.#options.level?.()) === false) link.close(CLOSE_CODE.wait, 'acknowledged records are not journaled yet');
    else link.send(encodeMessage({ kind: 'hello', linkKey: link.id, facts: this.#options.facts() }));
  }

  #message(link: Link, bytes: Uint8Array): void {
    if (this.#open.has(link.id) && isRecordsMessage(bytes)) {
      this.#records(link, bytes);
      return;
    }
    const message = decodeMessage(bytes);
    if (message.kind === 'violation') this.#violation(link, message.violation);
    else if (message.kind === 'welcome') this.#queueWelcome(link, message.facts);
    else if (message.kind === 'refuse') this.#refusedByPrimary(link, message);
    else if (message.kind === 'supersededAcknowledged') this.onSupersededAcknowledged?.();
    else if (!this.#open.has(link.id)) this.#violation(link, `${message.kind} before the handshake`);
    else if (message.kind === 'head') this.#head(message);
    else if (message.kind === 'requestProgress') this.#progress(link, message.closedLinks);
    else this.#violation(link, `${message.kind} from a primary`);
  }

  #head(message: Extract<WireMessage, { kind: 'head' }>): void {
    const destaged = this.#options.replica()?.machine.positions().sequence.destaged ?? null;
    this.#options.heads.headReceived(message.head, destaged, Date.now());
    this.#options.onHead();
  }

  /** One welcome at a time: a second link must find the binding that the first one made. */
  #queueWelcome(link: Link, primary: PrimaryFacts): void {
    this.#binding = this.#binding
      .then(() => this.#welcome(link, primary))
      .catch((error: unknown) => {
        if (error instanceof BrokenInvariant) {
          throwLater(error);
          return;
        }
        this.#options.onEvent({
          kind: 'lost',
          address: link.address,
          code: CLOSE_CODE.shutdown,
          reason: `binding failed: ${messageOf(error)}`,
        });
        link.close(CLOSE_CODE.shutdown, 'binding failed');
      });
  }

  async #welcome(link: Link, primary: PrimaryFacts): Promise<void> {
    if (link.closing || this.#frozen) return;
    const liveOtherSession = this.primarySession !== null && this.primarySession !== primary.session && this.#open.size > 0;
    const decision = decideHandshake({
      primary,
      secondary: this.#options.facts(),
      judge: 'secondary',
      liveOtherSession,
      agreedBefore: this.primarySession === primary.session,
    });
    const { label, sentence, outcome } = decision;
    if (outcome !== 'continue') {
      link.send(encodeMessage({ kind: 'refuse', outcome, label, sentence }));
      this.#refused(link, { outcome, label, sentence, code: decision.code ?? 'ERR_HANDSHAKE_REFUSED' });
      return;
    }
    await this.#options.bind(primary);
    if (link.closing) return;
    this.primarySession = primary.session;
    this.lastRefusal = null;
    this.lastRefusalLabel = null;
    this.#open.set(link.id, link);
    this.dialer.confirm(link);
    link.send(encodeMessage({ kind: 'ready' }));
    // What became durable between hello and now had no link to be acknowledged on.
    this.#progress(link, []);
    this.#options.onEvent({ kind: 'agreed', address: link.address, label });
  }

  #records(link: Link, bytes: Uint8Array): void {
    const replica = this.#options.replica();
    if (this.#frozen || replica === null || replica.failed) return;
    const { records, damaged, violation } = decodeRecords(bytes, this.#options.stream());
    const outside = records.findIndex((record) => !this.#isInside(record));
    const good = outside === -1 ? records : records.slice(0, outside);
    for (const record of good) if (record.sync !== null) this.#noteCut(record);
    if (good.length > 0) replica.step({ event: 'recordsReceived', link: link.id, records: good });
    for (const record of damaged) {
      this.checksumRejects += 1;
      const { sequence, dataSet, offset, expected, found } = record;
      this.#options.onEvent({
        kind: 'damaged',
        address: link.address,
        damage: `record ${sequence} of data set ${dataSet} at byte ${offset} of its message: payload checksum expected ${expected}, found ${found}`,
      });
      this.reject({ link: link.id, reason: 'checksum', dataSet: record.dataSet, sequence: record.sequence });
    }
    if (outside !== -1) {
      const record = records[outside] as WireRecord;
      this.#violation(link, `record ${record.sequence} is outside VLUN ${record.vlun}: block ${record.lba}, ${record.lengthBytes} bytes`);
    } else if (violation !== null) {
      this.#violation(link, violation.violation);
    }
  }

  #isInside(record: WireRecord): boolean {
    if (record.sync !== null) return true;
    const sizeBytes = this.#options.volumeBytes.get(record.vlun);
    return sizeBytes !== undefined && record.lba * 512 + record.lengthBytes <= sizeBytes;
  }

  #noteCut(record: WireRecord): void {
    if (record.sync === null) return;
    this.#options.heads.cutReceived({
      dataSet: record.dataSet,
      finalSequence: record.sequence,
      reason: record.sync.reason,
      timeMs: record.timeUs / 1000,
      headBytes: record.sync.headBytes,
    });
  }

  #progress(link: Link, closedKeys: readonly number[]): void {
    const replica = this.#options.replica();
    if (replica === null) return;
    for (const key of closedKeys) {
      // Nothing can arrive on it any more once it is closed here; then what was received is a fact.
      const closed = this.dialer.links.find((candidate) => candidate.id === key);
      closed?.terminate();
      this.#open.delete(key);
    }
    const { machine } = replica;
    const destaged = machine.positions().destaged;
    link.send(encodeMessage({ kind: 'progress', closedLinks: closedKeys, destaged, windowHigh: machine.windowHigh, held: machine.held() }));
  }

  #refusedByPrimary(link: Link, message: Extract<WireMessage, { kind: 'refuse' }>): void {
    this.#refused(link, { outcome: message.outcome, label: message.label, sentence: message.sentence, code: 'ERR_HANDSHAKE_REFUSED' });
  }

  #refused(link: Link, refusal: { outcome: 'refuse' | 'wait' | 'continue'; label: string; sentence: string; code: string }): void {
    const { label, sentence, code, outcome } = refusal;
    const { address } = link;
    link.close(outcome === 'refuse' ? CLOSE_CODE.refused : CLOSE_CODE.wait, label);
    // Asked again and again while it waits; said once.
    if (sentence === this.lastRefusal) return;
    this.lastRefusal = sentence;
    this.lastRefusalLabel = label;
    if (outcome === 'refuse')
      this.#options.onEvent({ kind: 'refused', address, label, sentence, code, final: !PASSING_REFUSALS.has(label) });
    else this.#options.onEvent({ kind: 'waiting', address, label, sentence });
  }

  #violation(link: Link, violation: string): void {
    this.#options.onEvent({ kind: 'violation', address: link.address, violation });
    link.close(CLOSE_CODE.protocolViolation, violation);
    this.#open.delete(link.id);
  }

  #closed(link: Link, code: number, reason: string): void {
    const wasOpen = this.#open.delete(link.id);
    if (wasOpen) this.#options.onEvent({ kind: 'lost', address: link.address, code, reason });
  }

  /** On every link, because the other side closes one that is silent. */
  #sendKeepAlive(): void {
    const replica = this.#options.replica();
    if (replica === null || this.#open.size === 0) return;
    const bytes = encodeMessage({
      kind: 'acknowledge',
      windowHigh: replica.machine.windowHigh,
      positions: positionsOf(replica),
      ranges: [],
    });
    for (const link of this.#open.values()) link.send(bytes);
  }

  #freest(): Link | null {
    let freest: Link | null = null;
    for (const link of this.#open.values()) if (freest === null || link.bufferedBytes < freest.bufferedBytes) freest = link;
    return freest;
  }
}

function positionsOf(replica: Replica): {
  received: number | null;
  durable: number | null;
  complete: number | null;
  destaged: number | null;
  destagedSequence: number | null;
} {
  const { received, durable, complete, destaged, sequence } = replica.machine.positions();
  return { received, durable, complete, destaged, destagedSequence: sequence.destaged };
}
