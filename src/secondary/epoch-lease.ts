/**
 * The lease of a host that a peer may replace (DESIGN section 8): it writes to the shared storage only within `epochLeaseMs` after it
 * last **began** a successful read of the watermark that named no higher host epoch. The reads go past its page cache. The clock
 * (CLOCK_MONOTONIC) goes on while the process is stopped, and is the same in its worker threads.
 *
 * So a host that was stopped, or cut off from its storage, writes nothing more once another has raised the host epoch and waited
 * `epochSettleMs`. What it does not cover: a write that the kernel, or a thread of the pool, had taken over before the process was
 * stopped (at most two journal commits, one watermark and one store), and a machine that was suspended, whose clock stands still.
 * The fence is the first line; this is the second.
 */
import type { Disk } from '../disk/disk.ts';
import { alignedStart } from '../disk/alignment.ts';
import { epochUnread, hostSuperseded } from '../../journals/errors.ts';
import { EpochReader, hostEpochIn } from '../../journals/watermark-epoch.ts';
import { LIMITS } from '../model/limits.ts';
import { LeaseEnded, leaseHolds, type WriteLease } from './write-lease.ts';

export interface EpochLeaseOptions {
  readonly disk: Disk;
  /** Of the journals. */
  readonly directory: string;
  /** This host's own. */
  readonly hostEpoch: number;
  readonly events: {
    /** The lease ended, and writes wait for a read of the host epoch; `why` is null when none has failed. */
    expired(why: string | null): void;
    /** It holds again, and what waited goes on. */
    renewed(): void;
    /** Another host took this one's place: nothing is ever written again. */
    superseded(error: Error): void;
  };
  /** Nanoseconds of a clock that goes on while the process is stopped; one of its own for a simulation. */
  readonly nowNs?: () => bigint;
}

const NS_PER_MS = 1_000_000n;

export class EpochLease implements WriteLease {
  readonly cell = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
  readonly #until = new BigInt64Array(this.cell);
  readonly #options: EpochLeaseOptions;
  readonly #reader: EpochReader;
  readonly #nowNs: () => bigint;
  #waiting: ((error: Error | null) => void)[] = [];
  #reading = false;
  #toldExpired = false;
  #lastError: string | null = null;
  #ended: Error | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** @throws RefusedError ERR_WATERMARK_MISSING; FarshoreError ERR_EPOCH_UNREAD */
  constructor(options: EpochLeaseOptions) {
    this.#options = options;
    this.#nowNs = options.nowNs ?? (() => process.hrtime.bigint());
    this.#reader = new EpochReader({ disk: options.disk, directory: options.directory, alignedStart });
  }

  /** Read for the first time, then again and again. @throws RefusedError ERR_HOST_SUPERSEDED; FarshoreError ERR_EPOCH_UNREAD */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#read((error) => (error === null ? resolve() : reject(error))));
    this.#timer = setInterval(() => this.#tick(), LIMITS.epochReadMs);
    this.#timer.unref();
  }

  mayWrite(): boolean {
    return this.#ended === null && leaseHolds(this.#until, this.#nowNs());
  }

  whenHeld(work: (error: Error | null) => void): void {
    if (this.#ended !== null) return work(this.#ended);
    // What waits longer goes first.
    if (this.#waiting.length === 0 && this.mayWrite()) return work(null);
    this.#waiting.push(work);
    this.#noteExpiry();
  }

  /** Give the lease up: what waits for it is told so, and nothing is written after this. */
  end(reason: Error = new LeaseEnded('this host stops')): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    Atomics.store(this.#until, 0, 0n);
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const work of this.#waiting.splice(0)) work(reason);
    if (!this.#reading) this.#reader.close(() => {});
  }

  #tick(): void {
    this.#noteExpiry();
    // A read that hangs is waited for: another would only hang beside it.
    if (!this.#reading) this.#read(() => {});
  }

  #read(done: (error: Error | null) => void): void {
    const beganNs = this.#nowNs();
    this.#reading = true;
    this.#reader.read((error, bytes) => {
      this.#reading = false;
      if (this.#ended !== null) {
        this.#reader.close(() => {});
        return done(this.#ended);
      }
      done(this.#judge(beganNs, error, bytes));
    });
  }

  #judge(beganNs: bigint, error: Error | null, bytes: Uint8Array): Error | null {
    const { directory, hostEpoch, events } = this.#options;
    const found = error === null ? hostEpochIn(bytes) : null;
    if (found === null) {
      const unread = error ?? epochUnread(this.#reader.path, new Error('neither block can be read'));
      this.#lastError = unread.message;
      return unread;
    }
    if (found.hostEpoch > hostEpoch) {
      const superseded = hostSuperseded(directory, { own: hostEpoch, found: found.hostEpoch });
      events.superseded(superseded);
      this.end(superseded);
      return superseded;
    }
    this.#lastError = null;
    Atomics.store(this.#until, 0, beganNs + BigInt(LIMITS.epochLeaseMs) * NS_PER_MS);
    this.#goOn();
    return null;
  }

  /** Each of those that waited looks again: the read may have taken longer than the lease. */
  #goOn(): void {
    if (!this.mayWrite()) return;
    if (this.#toldExpired) this.#options.events.renewed();
    this.#toldExpired = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) this.whenHeld(work);
  }

  #noteExpiry(): void {
    if (this.#toldExpired || this.mayWrite() || this.#ended !== null) return;
    this.#toldExpired = true;
    this.#options.events.expired(this.#lastError);
  }
}
