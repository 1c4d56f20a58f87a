/**
 * Write-back (DESIGN section 8; Figure 7): mirrors every record that is appended to a journal to the peer, and tells the machine what
 * the peer holds. The journals are written all the same, and at once; so a peer that is slow, full or gone costs nothing but the
 * shorter way to an acknowledgement.
 *
 * meet -> (after a restart: fetch what the journals lack) -> level: nothing acknowledged is exposed -> mark `peer may hold more`,
 * durably -> join -> mirror, claim, release. On a loss: what only the peer had is journaled, then the mark is removed.
 *
 * @invariant I2, I3, I11
 */
import type { OpenLinkListener } from '../../link/link-server.ts';
import type { Link } from '../../link/link.ts';
import { formatAddress, type ListenAddress } from '../../model/addresses.ts';
import { messageOf } from '../../model/errors.ts';
import type { DataSetId } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import type { PeeredFacts, PeerFacts, RegionId } from '../../model/peer.ts';
import type { PeerReport } from '../../model/status.ts';
import { MirrorLedger } from '../../protocol/mirror-ledger.ts';
import type { ReceivedRecord } from '../../protocol/secondary-contract.ts';
import { CLOSE_CODE } from '../../record/close-codes.ts';
import { encodeMessage, type WireMessage } from '../../record/wire.ts';
import type { Replica, ReplicaTap } from '../replica.ts';
import type { HeldRecords } from './held-records.ts';
import { MirrorQueue } from './mirror-queue.ts';
import { PeerLinks, type PeerLinkEvent } from './peer-links.ts';

export interface MirrorOptions {
  readonly listen: readonly ListenAddress[];
  readonly openLinks?: OpenLinkListener | undefined;
  readonly facts: () => PeeredFacts | null;
  readonly replica: () => Replica | null;
  /** The region that may hold more, by this host's durable state. */
  readonly marked: () => RegionId | null;
  /** Change that, durably. @throws when the disk does not take it */
  readonly mark: (region: RegionId | null) => void;
  /** Takes what the peer held, while this host waits for it after a restart; null: it does not wait. */
  readonly awaited: () => HeldRecords | null;
  /** Everything that the peer held is journaled. `unreadable`: where its region ended too early. */
  readonly fetched: (records: number, unreadable: string | null) => void;
  readonly failed: (error: unknown) => void;
  readonly onEvent: (event: PeerLinkEvent | MirrorEvent) => void;
  readonly moved: () => void;
}

export type MirrorEvent =
  | { readonly kind: 'joined'; readonly address: string; readonly facts: PeerFacts }
  | { readonly kind: 'write-through'; readonly reason: string; readonly exposed: number }
  | { readonly kind: 'unmarked' }
  | { readonly kind: 'mark failed'; readonly message: string };

/** How far the meeting with the peer on the active link is. */
type Phase = 'none' | 'fetching' | 'journaling' | 'levelling' | 'mirroring';

const TICK_MS = 250;
/** What is journaled is released in one go: so many bytes of it, or with a tick, or when the peer's room gets short. */
const RELEASE_BYTES = 1024 * 1024;
const CREDIT_LOW_BYTES = 2 * (LIMITS.recordDataBytesMax + LIMITS.batchBytesMax);

export class Mirror implements ReplicaTap {
  readonly #options: MirrorOptions;
  readonly #ledger = new MirrorLedger();
  readonly #queue = new MirrorQueue(this.#ledger);
  readonly #links: PeerLinks;
  readonly #tick: NodeJS.Timeout;
  #phase: Phase = 'none';
  #facts: PeerFacts | null = null;
  /** Credit of the active link, and what was used of it, in encoded bytes with the region's overhead. */
  #limitBytes = 0;
  #usedBytes = 0;
  /** Since when the peer owes an answer, by the monotonic clock. */
  #awaitedSinceMs = 0;
  #keptAliveAtMs = 0;
  #fetched: { readonly records: number; readonly unreadable: string | null } | null = null;
  #reason = 'no peer has dialled yet';
  /** Why this host gives the active link up itself. */
  #lossReason: string | null = null;
  #markFailure: string | null = null;
  #isFlushing = false;
  #paused: string | null = null;
  #stopped = false;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#links = new PeerLinks({
      listen: options.listen,
      openLinks: options.openLinks,
      facts: options.facts,
      paused: () => this.#paused,
      needed: () => (options.awaited() === null ? null : options.marked()),
      onEvent: (event) => this.#linkEvent(event),
      handlers: {
        activated: (link, facts) => this.#activated(link, facts),
        lost: () => this.#lost(),
        message: (message) => this.#message(message),
        records: (bytes) => this.#records(bytes),
        drained: () => this.endTurn(),
      },
    });
    this.#tick = setInterval(() => this.#ticked(), TICK_MS);
    this.#tick.unref();
  }

  start(): Promise<void> {
    return this.#links.start();
  }

  /** Mirror no more. The mark stays: whoever stops this host says when nothing needs the peer any more. */
  stop(code: number, reason: string): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#tick);
    this.#leave(reason);
    this.#links.stop(code, reason);
  }

  /** Let no peer add anything: a promotion has begun, and counts what there is. */
  pause(): void {
    this.#paused = 'this secondary is being promoted, and counts what there is';
    this.#lossReason = 'a promotion is under way';
    this.#links.meetAgain(CLOSE_CODE.wait, 'a promotion has begun');
  }

  resume(): void {
    this.#paused = null;
    this.#lossReason = null;
  }

  report(exposedRecords: number): PeerReport {
    const isUp = this.#phase === 'mirroring';
    return {
      address: this.addresses().join(', '),
      up: isUp,
      regionId: this.#facts?.regionId ?? null,
      hold: this.#facts?.hold ?? null,
      heldRecords: this.#ledger.heldRecords,
      heldBytes: this.#ledger.heldBytes,
      exposedRecords,
      mayHoldMore: this.#options.marked(),
      reason: isUp ? this.#fullReason : this.#reason,
    };
  }

  get #fullReason(): string | null {
    const isFull = this.#queue.waitingBytes > 0 && this.#creditBytes < CREDIT_LOW_BYTES;
    return isFull ? "the peer's region is full: what waits for it is acknowledged when its journal is durable" : null;
  }

  /** Where the peer is awaited, with the ports that the kernel gave. */
  addresses(): string[] {
    return this.#links.addresses().map(formatAddress);
  }

  // What the replica tells.

  opened(dataSet: DataSetId, journaled: number): void {
    this.#ledger.opened(dataSet, journaled);
  }

  appended(dataSet: DataSetId, { bytes }: Pick<ReceivedRecord, 'bytes'>): void {
    const to = this.#ledger.appended(dataSet);
    if (this.#phase === 'mirroring') this.#queue.add(dataSet, to, bytes);
  }

  journaled(dataSet: DataSetId, records: number): void {
    this.#ledger.journaled(dataSet, records);
  }

  retired(dataSet: DataSetId): void {
    this.#ledger.retired(dataSet);
  }

  /** Send what waits, claim what is held, release what is journaled. */
  endTurn(): void {
    // A claim is a step of the replica, which ends with a turn of its own.
    if (this.#isFlushing || this.#stopped) return;
    this.#isFlushing = true;
    try {
      this.#goOn();
      if (this.#phase === 'mirroring') this.#mirror();
    } finally {
      this.#isFlushing = false;
    }
  }

  #mirror(): void {
    const link = this.#links.active;
    const replica = this.#options.replica();
    if (link === null || replica === null) return;
    this.#send(link);
    for (const claim of this.#ledger.claims()) replica.step({ event: 'peerHeld', ...claim });
    if (this.#ledger.releasableBytes >= RELEASE_BYTES || this.#creditBytes < CREDIT_LOW_BYTES) this.#release(link);
  }

  #release(link: Link): void {
    const through = this.#ledger.release();
    if (through !== null) link.send(encodeMessage({ kind: 'release', through }));
  }

  /** Encoded bytes of one more message that the peer takes. */
  get #creditBytes(): number {
    return this.#limitBytes - this.#usedBytes - LIMITS.regionOverheadBytes;
  }

  #send(link: Link): void {
    // While the peer owes an answer what comes is gathered: one message after another costs both hosts least, and waits for one round trip.
    while (!this.#ledger.awaitsPeer || this.#queue.waitingBytes >= LIMITS.batchBytesMax) {
      const message = this.#queue.take(Math.min(this.#creditBytes, link.budgetBytes));
      if (message === null) return;
      if (!this.#ledger.awaitsPeer) this.#awaitedSinceMs = performance.now();
      this.#ledger.sent(message);
      this.#usedBytes += message.bytes + LIMITS.regionOverheadBytes;
      link.send(message.encoded, message.done);
    }
  }

  #activated(link: Link, facts: PeerFacts): void {
    this.#facts = facts;
    this.#limitBytes = 0;
    this.#usedBytes = 0;
    if (this.#options.awaited() === null) {
      this.#phase = 'levelling';
    } else if (this.#options.marked() === facts.regionId) {
      this.#phase = 'fetching';
      this.#reason = `fetching what the peer at ${link.address} held`;
      link.send(encodeMessage({ kind: 'fetch' }));
    } else {
      // The peer proves that the region is gone: there is nothing to fetch, and nothing to wait for.
      this.#fetched = {
        records: 0,
        unreadable: `the region ${this.#options.marked() ?? ''} is gone: the peer at ${link.address} had to begin a new one`,
      };
      this.#phase = 'journaling';
    }
    this.endTurn();
  }

  /** Go on to the next phase as soon as its condition holds. */
  #goOn(): void {
    const replica = this.#options.replica();
    if (replica === null || replica.failed) return;
    if (this.#phase === 'journaling' && this.#fetched !== null && replica.ring.pendingBytes === 0) {
      const { records, unreadable } = this.#fetched;
      this.#fetched = null;
      this.#phase = 'levelling';
      this.#options.fetched(records, unreadable);
    }
    if (this.#phase === 'levelling' && replica.machine.exposed === 0) this.#join(replica);
  }

  #join(replica: Replica): void {
    const link = this.#links.active;
    const facts = this.#facts;
    if (link === null || facts === null || !this.#mark(facts.regionId)) return;
    this.#phase = 'mirroring';
    this.#ledger.joined(facts);
    replica.step({ event: 'peerJoined' });
    this.#options.onEvent({ kind: 'joined', address: link.address, facts });
    this.#options.moved();
  }

  #mark(region: RegionId | null): boolean {
    if (this.#options.marked() === region) return true;
    try {
      this.#options.mark(region);
      this.#markFailure = null;
      return true;
    } catch (error) {
      const message = messageOf(error);
      this.#reason = `the state folder does not take which peer may hold more: ${message}`;
      if (message !== this.#markFailure) this.#options.onEvent({ kind: 'mark failed', message });
      this.#markFailure = message;
      return false;
    }
  }

  #message(message: WireMessage): void {
    const link = this.#links.active;
    if (link === null) return;
    if (message.kind === 'held') this.#held(link, message);
    else if (message.kind === 'fetched' && this.#phase === 'fetching') {
      this.#fetched = message;
      this.#phase = 'journaling';
      this.endTurn();
    } else this.#links.violation(link, `${message.kind} from a peer`);
  }

  #held(link: Link, { through, limitBytes }: Extract<WireMessage, { kind: 'held' }>): void {
    this.#limitBytes = Math.max(this.#limitBytes, limitBytes);
    if (this.#phase !== 'mirroring') return;
    const before = this.#ledger.heldRecords;
    const violation = this.#ledger.held(through);
    if (violation !== null) return this.#links.violation(link, violation);
    if (this.#ledger.heldRecords > before) this.#awaitedSinceMs = performance.now();
    this.endTurn();
  }

  #records(bytes: Uint8Array): void {
    const link = this.#links.active;
    const awaited = this.#options.awaited();
    if (link === null) return;
    if (this.#phase !== 'fetching' || awaited === null) return this.#links.violation(link, 'records that nobody asked for');
    try {
      // Bytes that were changed on the way are asked for again, on the next link (I9); what is whole and contradicts this copy is the end.
      const fault = awaited.take(bytes);
      if (fault !== null) this.#links.violation(link, fault);
    } catch (error) {
      this.#options.failed(error);
    }
  }

  #lost(): void {
    this.#leave(this.#lossReason ?? 'the link to the peer was lost');
    this.#lossReason = null;
    this.endTurn();
    this.#options.moved();
  }

  #leave(reason: string): void {
    const wasMirroring = this.#phase === 'mirroring';
    this.#phase = 'none';
    this.#facts = null;
    this.#fetched = null;
    this.#reason = reason;
    this.#queue.clear();
    if (!wasMirroring) return;
    this.#ledger.left();
    const replica = this.#options.replica();
    replica?.step({ event: 'peerLost' });
    this.#options.onEvent({ kind: 'write-through', reason, exposed: replica?.machine.exposed ?? 0 });
  }

  #linkEvent(event: PeerLinkEvent): void {
    if (event.kind === 'refused' || event.kind === 'waiting') this.#reason = event.sentence;
    else if (event.kind === 'violation') this.#reason = `the peer broke the protocol: ${event.violation}`;
    this.#options.onEvent(event);
  }

  #ticked(): void {
    const nowMs = performance.now();
    if (this.#ledger.awaitsPeer && nowMs - this.#awaitedSinceMs > LIMITS.peerAnswerMs) {
      this.#lossReason = `the peer did not answer for ${LIMITS.peerAnswerMs} ms`;
      this.#links.giveUp(CLOSE_CODE.silent, 'slow');
    }
    if (nowMs - this.#keptAliveAtMs >= LIMITS.keepAliveMs) {
      this.#keptAliveAtMs = nowMs;
      this.#links.keepAlive(encodeMessage({ kind: 'release', through: this.#ledger.releasedThrough }));
    }
    if (this.#phase === 'levelling') this.endTurn();
    const link = this.#links.active;
    if (link !== null && this.#phase === 'mirroring') this.#release(link);
    this.#unmarkWhenSafe();
  }

  /** Without a peer, and with everything acknowledged in the journals, a restart need not wait for anybody. */
  #unmarkWhenSafe(): void {
    const replica = this.#options.replica();
    if (this.#phase !== 'none' || replica === null || replica.failed || this.#options.awaited() !== null) return;
    if (this.#options.marked() === null || replica.machine.exposed > 0) return;
    if (this.#mark(null)) this.#options.onEvent({ kind: 'unmarked' });
  }
}
