/**
 * A proxy for the links of an end-to-end test, in the test's process: the secondary dials it, it dials the primary. It delays,
 * holds, duplicates, damages and cuts, by seed. Reordering comes from links that are held while others pass; within one link
 * the order stays, and nothing is lost but with the link itself, as with TCP.
 *
 *     const proxy = await LinkProxy.open({ target: 'ws://127.0.0.1:4711', seed: 7, faults: { delayMs: 25 } });
 *     secondary.config.replication.connect = [proxy.url];
 */
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { LIMITS } from '../../src/model/limits.ts';
import { RECORD_TYPE } from '../../src/model/commands.ts';
import { MESSAGE_KIND, offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES } from '../../src/record/layout.ts';
import { Random } from '../../src/simulation/random.ts';
import { ProxiedLink, type Direction, type LinkOwner } from './proxied-link.ts';

export type { Direction, ProxiedLink } from './proxied-link.ts';

/** Shares are of messages, 0 to 1. */
export interface LinkFaults {
  /** One way; a round trip takes twice as long. */
  delayMs: number;
  /** Random, on top of the delay. */
  jitterMs: number;
  /** Records messages delivered a second time, on the same link or, later, on another. */
  duplicateShare: number;
  /** Records messages with one bit flipped in the payload of a record. */
  flipPayloadShare: number;
  /** Records messages with one bit flipped in the header of a record. */
  flipHeaderShare: number;
  /** Other messages with one bit flipped anywhere. */
  flipControlShare: number;
}

/** Hears of everything in the order in which it happens at the primary's end. */
export interface LinkWatch {
  opened(link: ProxiedLink): void;
  fromPrimary(link: ProxiedLink, message: Buffer): void;
  deliveredToPrimary(link: ProxiedLink, message: Buffer): void;
  closed(link: ProxiedLink): void;
}

const NO_FAULTS: LinkFaults = { delayMs: 0, jitterMs: 0, duplicateShare: 0, flipPayloadShare: 0, flipHeaderShare: 0, flipControlShare: 0 };
const ELSEWHERE_MS = 200;
const AT = offsetsOf(RECORD_HEADER);

export class LinkProxy implements LinkOwner {
  faults: LinkFaults;
  /** False: every dial is refused, as if the primary were out of reach. */
  reachable = true;
  readonly counters = {
    opened: 0,
    cut: 0,
    halfCut: 0,
    held: 0,
    dropped: 0,
    droppedAcknowledges: 0,
    duplicated: 0,
    flippedPayload: 0,
    flippedHeader: 0,
    flippedControl: 0,
    messages: 0,
    records: 0,
  };
  readonly random: Random;
  readonly links = new Set<ProxiedLink>();
  readonly url: string;
  readonly #server: WebSocketServer;
  readonly #target: string;
  readonly #watch: LinkWatch | null;
  readonly #timers = new Set<NodeJS.Timeout>();
  #nextId = 1;

  static async open(options: { target: string; seed?: number; faults?: Partial<LinkFaults>; watch?: LinkWatch }): Promise<LinkProxy> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, maxPayload: LIMITS.messageBytesMax * 2 });
    await new Promise<void>((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', reject);
    });
    return new LinkProxy(server, options);
  }

  private constructor(
    server: WebSocketServer,
    options: { target: string; seed?: number; faults?: Partial<LinkFaults>; watch?: LinkWatch },
  ) {
    this.#server = server;
    this.#target = options.target;
    this.#watch = options.watch ?? null;
    this.random = new Random(options.seed ?? 1);
    this.faults = { ...NO_FAULTS, ...options.faults };
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (front) => this.#accept(front));
  }

  /** From now on messages pass unharmed; what was held is let go by itself. */
  calm(): void {
    this.faults = { ...NO_FAULTS };
  }

  /** Cut a link on both sides; a random number of the waiting messages of each direction still arrives. */
  cut(link: ProxiedLink): void {
    if (link.isClosed) return;
    this.counters.cut += 1;
    link.terminate({ toPrimary: this.#part(link.toPrimary.pending), toSecondary: this.#part(link.toSecondary.pending) });
  }

  /** Cut one end at once; the other end lives on for a while and gets what still waits for it. */
  cutOneSide(link: ProxiedLink, side: 'primary' | 'secondary', lagMs: number): void {
    if (link.isClosed) return;
    this.counters.halfCut += 1;
    if (side === 'primary') link.back.terminate();
    else link.front.terminate();
    // Its close would be passed on behind what waits; after this time it is cut at the latest.
    link.hold(lagMs / 2);
    this.#later(lagMs, () => link.terminate());
  }

  /** Cut all links, both sides. */
  cutAll(): void {
    // A link leaves the set when it is cut; a set may shrink while it is walked.
    for (const link of this.links) this.cut(link);
  }

  /** Let nothing pass on a link for a while: it clogs. */
  hold(link: ProxiedLink, ms: number): void {
    this.counters.held += 1;
    link.hold(ms);
  }

  /** A random open link, or null. */
  anyLink(): ProxiedLink | null {
    const links = [...this.links];
    return links[Math.floor(this.random.next() * links.length)] ?? null;
  }

  async close(): Promise<void> {
    this.reachable = false;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const link of this.links) link.terminate();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  // --- What links ask and tell.

  delayMs(): number {
    return this.faults.delayMs + this.random.next() * this.faults.jitterMs;
  }

  arrived(link: ProxiedLink, direction: Direction, message: Buffer): Buffer {
    this.counters.messages += 1;
    if (direction === 'toSecondary') {
      this.#watch?.fromPrimary(link, message);
      if (message[0] === MESSAGE_KIND.records || message[0] === MESSAGE_KIND.head) link.carriesRecords = true;
    }
    if (message[0] !== MESSAGE_KIND.records) return this.#hit(this.faults.flipControlShare) ? this.#flipAnywhere(message) : message;
    this.counters.records += 1;
    if (this.#hit(this.faults.duplicateShare)) this.#duplicate(link, message);
    if (this.#hit(this.faults.flipPayloadShare)) return this.#flipRecord(message, 'payload');
    if (this.#hit(this.faults.flipHeaderShare)) return this.#flipRecord(message, 'header');
    return message;
  }

  delivered(link: ProxiedLink, direction: Direction, message: Buffer): void {
    if (direction === 'toPrimary') this.#watch?.deliveredToPrimary(link, message);
  }

  dropped(direction: Direction, message: Buffer): void {
    this.counters.dropped += 1;
    if (direction === 'toPrimary' && message[0] === MESSAGE_KIND.acknowledge) this.counters.droppedAcknowledges += 1;
  }

  closed(link: ProxiedLink): void {
    this.links.delete(link);
    this.#watch?.closed(link);
  }

  // --- Faults.

  #accept(front: WebSocket): void {
    if (!this.reachable) {
      front.terminate();
      return;
    }
    this.counters.opened += 1;
    const back = new WebSocket(this.#target, { perMessageDeflate: false, maxPayload: LIMITS.messageBytesMax * 2 });
    front.binaryType = 'nodebuffer';
    back.binaryType = 'nodebuffer';
    const link = new ProxiedLink({ id: this.#nextId++, front, back, owner: this });
    this.links.add(link);
    this.#watch?.opened(link);
  }

  #hit(share: number): boolean {
    return share > 0 && this.random.next() < share;
  }

  #part(count: number): number {
    return Math.floor(this.random.next() * (count + 1));
  }

  #duplicate(link: ProxiedLink, message: Buffer): void {
    this.counters.duplicated += 1;
    const copy = Buffer.from(message);
    if (this.random.next() < 0.5) {
      // Behind the original, which is queued when this turn is over.
      queueMicrotask(() => link.toSecondary.enqueue(copy));
      return;
    }
    this.#later(this.random.next() * ELSEWHERE_MS, () => {
      const others = [...this.links].filter((other) => other !== link && other.carriesRecords);
      others[Math.floor(this.random.next() * others.length)]?.toSecondary.enqueue(copy);
    });
  }

  #flipAnywhere(message: Buffer): Buffer {
    this.counters.flippedControl += 1;
    return this.#flip(message, 0, message.length);
  }

  #flipRecord(message: Buffer, part: 'payload' | 'header'): Buffer {
    const records = recordPlaces(message).filter((place) => part === 'header' || place.payloadBytes > 0);
    const place = records[Math.floor(this.random.next() * records.length)];
    if (place === undefined) return message;
    if (part === 'header') {
      this.counters.flippedHeader += 1;
      return this.#flip(message, place.offset, RECORD_HEADER_BYTES);
    }
    this.counters.flippedPayload += 1;
    return this.#flip(message, place.offset + RECORD_HEADER_BYTES, place.payloadBytes);
  }

  #flip(message: Buffer, offset: number, length: number): Buffer {
    const damaged = Buffer.from(message);
    const at = offset + Math.floor(this.random.next() * length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(this.random.next() * 8));
    return damaged;
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }
}

export interface RecordPlace {
  readonly offset: number;
  readonly dataSet: number;
  readonly sequence: number;
  readonly isSync: boolean;
  readonly payloadBytes: number;
}

/** Where the records of an intact records message lie. */
export function recordPlaces(message: Buffer): RecordPlace[] {
  const places: RecordPlace[] = [];
  for (let offset = 0; offset + RECORD_HEADER_BYTES <= message.length;) {
    const type = message[offset + AT.type];
    const hasPayload = type === RECORD_TYPE.write || type === RECORD_TYPE.sync;
    const payloadBytes = hasPayload ? Number(message.readBigUInt64LE(offset + AT.lengthBytes)) : 0;
    places.push({
      offset,
      dataSet: Number(message.readBigUInt64LE(offset + AT.dataSet)),
      sequence: Number(message.readBigUInt64LE(offset + AT.sequence)),
      isSync: type === RECORD_TYPE.sync,
      payloadBytes,
    });
    offset += RECORD_HEADER_BYTES + payloadBytes;
  }
  return places;
}
