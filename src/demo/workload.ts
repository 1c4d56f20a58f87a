/**
 * The demo's application: one NBD connection for each volume, and rounds of up to 32 requests over both. Half of the writes go to a
 * small hot region, so that they overlap often, also within a round; some are unaligned, some are zeroes or trims, some carry FUA, and
 * there are flushes. What it writes follows from the seed alone; how far it comes does not.
 */
import { BLOCK_BYTES } from '../model/ids.ts';
import type { NbdClient } from '../nbd/client.ts';
import type { DemoWrite, History } from './history.ts';
import { Pattern } from './pattern.ts';
import { Random } from './random.ts';
import { sleep, within } from './waits.ts';

export const REQUESTS_MAX = 32;
/** 256 KiB. */
export const WRITE_BLOCKS_MAX = 512;
const HOT_BLOCKS = 8192;
/** The demo shows replication, not the disk's limit: this much a second is plenty, and a slow disk carries it too. */
const BYTES_PER_SECOND_MAX = 48 * 1024 * 1024;
const ROUND_MS = 60_000;

type PlannedRequest =
  | { readonly kind: 'flush'; readonly volume: number }
  | {
      readonly kind: DemoWrite['kind'];
      readonly volume: number;
      readonly firstBlock: number;
      readonly blocks: number;
      readonly fua: boolean;
    };

export class Workload {
  readonly #history: History;
  readonly #clients: readonly NbdClient[];
  readonly #random: Random;
  readonly #patterns: readonly Pattern[];
  /** One for each request of a round. */
  readonly #buffers = Array.from({ length: REQUESTS_MAX }, () => new Int32Array((WRITE_BLOCKS_MAX * BLOCK_BYTES) / 4));
  readonly #startedAtMs = performance.now();

  constructor(history: History, clients: readonly NbdClient[]) {
    this.#history = history;
    this.#clients = clients;
    this.#random = new Random(history.seed);
    this.#patterns = history.volumes.map((_, volume) => new Pattern(history.seed, volume));
  }

  /** One round, and a pause if it came too early. @throws FarshoreError ERR_NBD_REPLY, ERR_NBD_LOST, ERR_DEMO_TIMEOUT */
  async round(): Promise<void> {
    const requests = this.#issue(this.#random.between(REQUESTS_MAX / 4, REQUESTS_MAX));
    await within(Promise.all(requests), { what: 'the replies to a round of writes', limitMs: ROUND_MS });
    const earlyMs = (this.#history.issuedBytes / BYTES_PER_SECOND_MAX) * 1000 - (performance.now() - this.#startedAtMs);
    if (earlyMs > 1) await sleep(earlyMs);
  }

  /**
   * A round in which `kill` is called as soon as the first few of its requests are replied to. Resolves when each request was replied
   * to or lost; returns how many were lost: if it was the primary, this was the last round.
   */
  async roundWithKill(kill: () => void): Promise<number> {
    let replies = 0;
    const killAfter = this.#random.between(1, REQUESTS_MAX / 4);
    const requests = this.#issue(REQUESTS_MAX).map(async (request) => {
      await request;
      replies += 1;
      if (replies === killAfter) kill();
    });
    const ends = await within(Promise.allSettled(requests), { what: 'each request to be replied to or lost', limitMs: ROUND_MS });
    return ends.filter((end) => end.status === 'rejected').length;
  }

  #issue(count: number): Promise<void>[] {
    this.#history.beginRound();
    return Array.from({ length: count }, (_, slot) => this.#request(this.#plan(), this.#buffers[slot] as Int32Array));
  }

  async #request(planned: PlannedRequest, words: Int32Array): Promise<void> {
    const client = this.#clients[planned.volume] as NbdClient;
    if (planned.kind === 'flush') {
      await client.flush();
      this.#history.flushes += 1;
      return;
    }
    const write = this.#history.issued({ ...planned, issuedAtMs: performance.now() });
    const offset = write.firstBlock * BLOCK_BYTES;
    const lengthBytes = write.blocks * BLOCK_BYTES;
    const { fua } = planned;
    if (write.kind === 'write') {
      (this.#patterns[write.volume] as Pattern).fill(words, write);
      await client.write(offset, new Uint8Array(words.buffer, 0, lengthBytes), { fua });
    } else if (write.kind === 'zero') await client.writeZeroes(offset, lengthBytes, { fua });
    else await client.trim(offset, lengthBytes, { fua });
    this.#history.replied(write, performance.now());
  }

  #plan(): PlannedRequest {
    const random = this.#random;
    const volume = random.oneIn(3) ? 1 : 0;
    if (random.oneIn(64)) return { kind: 'flush', volume };
    const kind = random.oneIn(24) ? 'zero' : random.oneIn(32) ? 'trim' : 'write';
    const fua = random.oneIn(64);
    // As often small and aligned to 4 KiB, as databases write, as of any size and place.
    const unit = random.oneIn(2) ? 8 : 1;
    const blocks = unit === 8 ? 8 * random.between(1, 4) : Math.floor(2 ** (random.next() * Math.log2(WRITE_BLOCKS_MAX + 1)));
    const volumeBlocks = this.#history.volumes[volume]?.blocks ?? 0;
    const regionBlocks = random.oneIn(2) ? Math.min(HOT_BLOCKS, volumeBlocks) : volumeBlocks;
    const firstBlock = unit * random.between(0, Math.floor((regionBlocks - blocks) / unit));
    return { kind, volume, firstBlock, blocks, fua };
  }
}
