/**
 * Watches at the primary's end of a LinkProxy how long each record took from leaving for the secondary to its acknowledgement, and that
 * what was acknowledged is known when something dies.
 */
import { decodeMessage } from '../../src/record/wire.ts';
import { MESSAGE_KIND } from '../../src/record/layout.ts';
import { recordPlaces, type LinkWatch, type ProxiedLink } from './link-proxy.ts';

export class AcknowledgeWatch implements LinkWatch {
  /** Milliseconds of each record that has a payload, in the order of their acknowledgement. */
  latenciesMs: number[] = [];
  /** Highest sequence number below which everything was acknowledged to the primary, -1 before the first. */
  through = -1;
  readonly #sentAtMs = new Map<number, number>();
  readonly #acknowledged = new Set<number>();
  readonly #waiting: (() => void)[] = [];

  /** Records with a payload that were sent and not acknowledged. */
  get outstanding(): number {
    return this.#sentAtMs.size;
  }

  /** Resolve when at least so many latencies are known. */
  async known(count: number): Promise<void> {
    while (this.latenciesMs.length < count) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }

  opened(): void {}

  closed(): void {}

  fromPrimary(_link: ProxiedLink, message: Buffer): void {
    if (message[0] !== MESSAGE_KIND.records) return;
    const now = performance.now();
    // Sent again after a loss, it waits since it was sent first.
    for (const { sequence, isSync } of recordPlaces(message))
      if (!isSync && !this.#sentAtMs.has(sequence)) this.#sentAtMs.set(sequence, now);
  }

  deliveredToPrimary(_link: ProxiedLink, bytes: Buffer): void {
    if (bytes[0] !== MESSAGE_KIND.acknowledge) return;
    const message = decodeMessage(bytes);
    if (message.kind !== 'acknowledge') return;
    const now = performance.now();
    for (const { from, to } of message.ranges) for (let sequence = from; sequence <= to; sequence += 1) this.#acknowledge(sequence, now);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #acknowledge(sequence: number, now: number): void {
    const sentAtMs = this.#sentAtMs.get(sequence);
    if (sentAtMs !== undefined) this.latenciesMs.push(now - sentAtMs);
    this.#sentAtMs.delete(sequence);
    this.#acknowledged.add(sequence);
    while (this.#acknowledged.delete(this.through + 1)) this.through += 1;
  }
}

/** The value below which this share of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
