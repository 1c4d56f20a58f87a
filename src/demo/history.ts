/**
 * What the demo's application did, as only the application can know it: every write in the order in which it was issued, the round
 * that it belongs to, and when it was replied to. The copy is compared with this, never with the primary.
 *
 * A round is a number of requests in flight at once, over one connection for each volume; it is replied to before the next begins.
 */
import { BLOCK_BYTES } from '../model/ids.ts';

export interface DemoVolume {
  readonly name: string;
  readonly blocks: number;
}

export interface DemoWrite {
  /** Place in the history: the order of issue, over all volumes. */
  readonly index: number;
  /** Index of the volume, and so of the connection. */
  readonly volume: number;
  readonly round: number;
  readonly kind: 'write' | 'zero' | 'trim';
  readonly firstBlock: number;
  readonly blocks: number;
  /** By the demo's clock, milliseconds. */
  readonly issuedAtMs: number;
  repliedAtMs: number | null;
}

export class History {
  readonly seed: number;
  readonly volumes: readonly DemoVolume[];
  readonly writes: DemoWrite[] = [];
  rounds = 0;
  acknowledged = 0;
  acknowledgedBytes = 0;
  issuedBytes = 0;
  flushes = 0;

  constructor(seed: number, volumes: readonly DemoVolume[]) {
    this.seed = seed;
    this.volumes = volumes;
  }

  /** Begin a round; every write until the next call belongs to it. */
  beginRound(): void {
    this.rounds += 1;
  }

  issued(write: Pick<DemoWrite, 'volume' | 'kind' | 'firstBlock' | 'blocks' | 'issuedAtMs'>): DemoWrite {
    const entry: DemoWrite = { ...write, index: this.writes.length, round: this.rounds - 1, repliedAtMs: null };
    this.writes.push(entry);
    this.issuedBytes += write.blocks * BLOCK_BYTES;
    return entry;
  }

  replied(write: DemoWrite, nowMs: number): void {
    write.repliedAtMs = nowMs;
    this.acknowledged += 1;
    this.acknowledgedBytes += write.blocks * BLOCK_BYTES;
  }
}
