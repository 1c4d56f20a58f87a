/**
 * Watches at the primary's end of a LinkProxy that no acknowledged record is sent again.
 *
 * An acknowledgement that was handed to the primary's socket is not known to it yet, and records that it sent before may still be
 * on their way. So a number counts as acknowledged for a link only after two echoes: **ping** the link that carried the
 * acknowledgement, and when the pong is back the primary has handled it; then **ping** every link, and what comes behind that
 * pong was sent with knowledge of it. A link that opens later knows everything confirmed before.
 */
import { decodeMessage } from '../../src/record/wire.ts';
import { MESSAGE_KIND } from '../../src/record/layout.ts';
import type { SequenceRange } from '../../src/model/ids.ts';
import { recordPlaces, type LinkWatch, type ProxiedLink } from './link-proxy.ts';

const BARRIER_MS = 20;

interface Watched {
  readonly link: ProxiedLink;
  /** Handed to the primary on this link since the last ping. */
  fresh: SequenceRange[];
  /** Confirmed batches that everything which comes on this link was sent with knowledge of. */
  knownThrough: number;
  readonly echoes: Map<string, () => void>;
}

export class ResendWatch implements LinkWatch {
  /** Acknowledged records that were sent again; must stay empty. */
  readonly violations: string[] = [];
  recordsSent = 0;
  /** Records that were seen more than once: resends of what was not acknowledged are right. */
  recordsSentAgain = 0;
  readonly #watched = new Map<ProxiedLink, Watched>();
  /** Batch by number; a number is entered when it is confirmed first. */
  readonly #confirmed = new Map<number, number>();
  readonly #seen = new Set<number>();
  readonly #finalOf = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;
  #batches = 0;
  #nextEcho = 1;

  constructor() {
    this.#timer = setInterval(() => this.#barrier(), BARRIER_MS);
    this.#timer.unref();
  }

  /** Numbers known to be acknowledged. */
  get acknowledgedCount(): number {
    return this.#confirmed.size;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  opened(link: ProxiedLink): void {
    const watched: Watched = { link, fresh: [], knownThrough: this.#batches, echoes: new Map() };
    this.#watched.set(link, watched);
    link.back.on('pong', (payload: Buffer) => {
      const key = payload.toString('utf8');
      const echo = watched.echoes.get(key);
      watched.echoes.delete(key);
      echo?.();
    });
  }

  fromPrimary(link: ProxiedLink, message: Buffer): void {
    if (message[0] !== MESSAGE_KIND.records) return;
    const knownThrough = this.#watched.get(link)?.knownThrough ?? 0;
    for (const { sequence, dataSet, isSync } of recordPlaces(message)) {
      this.recordsSent += 1;
      if (this.#seen.has(sequence)) this.recordsSentAgain += 1;
      this.#seen.add(sequence);
      if (isSync) this.#finalOf.set(dataSet, sequence);
      const batch = this.#confirmed.get(sequence);
      if (batch !== undefined && batch <= knownThrough)
        this.violations.push(
          `record ${sequence} of data set ${dataSet} on link ${link.id}, acknowledged in batch ${batch} of ${knownThrough}`,
        );
    }
  }

  deliveredToPrimary(link: ProxiedLink, bytes: Buffer): void {
    const kind = bytes[0];
    if (kind !== MESSAGE_KIND.acknowledge && kind !== MESSAGE_KIND.progress) return;
    const watched = this.#watched.get(link);
    const message = decodeMessage(bytes);
    if (watched === undefined) return;
    if (message.kind === 'acknowledge') watched.fresh.push(...message.ranges);
    if (message.kind !== 'progress') return;
    for (const { firstSequence, durable } of message.held) {
      for (let index = 0; index < durable.length * 8; index += 1) {
        if (((durable[index >> 3] ?? 0) >> (index & 7)) & 1) watched.fresh.push({ from: firstSequence + index, to: firstSequence + index });
      }
    }
    const final = message.destaged === null ? undefined : this.#finalOf.get(message.destaged);
    if (final !== undefined) watched.fresh.push({ from: Math.max(0, final - 5000), to: final });
  }

  closed(link: ProxiedLink): void {
    this.#watched.delete(link);
  }

  #barrier(): void {
    for (const watched of this.#watched.values()) {
      if (watched.fresh.length === 0) continue;
      const ranges = watched.fresh;
      watched.fresh = [];
      this.#echo(watched, () => this.#handled(ranges));
    }
  }

  /** The primary has handled these acknowledgements. */
  #handled(ranges: readonly SequenceRange[]): void {
    this.#batches += 1;
    const batch = this.#batches;
    for (const { from, to } of ranges) {
      for (let sequence = from; sequence <= to; sequence += 1) if (!this.#confirmed.has(sequence)) this.#confirmed.set(sequence, batch);
    }
    for (const watched of this.#watched.values()) {
      this.#echo(watched, () => {
        watched.knownThrough = Math.max(watched.knownThrough, batch);
      });
    }
  }

  #echo(watched: Watched, then: () => void): void {
    const { back } = watched.link;
    if (back.readyState !== back.OPEN) return;
    const key = String(this.#nextEcho++);
    watched.echoes.set(key, then);
    back.ping(key);
  }
}
