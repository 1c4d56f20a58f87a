/**
 * Writes blocks that say what they are, through our own NBD client, and remembers what every block must hold: each connection
 * writes its own stripe, and never twice into a block at once, so the last write that was replied to is what must be found.
 */
import { openSync, readSync, closeSync } from 'node:fs';
import type { NbdClient } from '../../src/nbd/client.ts';
import type { Host } from './host-process.ts';
import { sleep } from './host-process.ts';
import { Random } from '../../src/simulation/random.ts';

export const WORKLOAD_BLOCK_BYTES = 4096;
const READ_BYTES = 1024 * 1024;

export interface StampedWorkloadOptions {
  readonly host: Host;
  readonly volume?: string;
  readonly seed?: number;
  readonly connections?: number;
  readonly depth?: number;
  readonly blocksMax?: number;
  /** A flush after so many writes of a connection; 0: none. */
  readonly flushEvery?: number;
  /** Shares of the writes, 0 to 1. */
  readonly fuaShare?: number;
  readonly zeroShare?: number;
  /** Pause of a writer between two writes. */
  readonly pauseMs?: number;
  /** Only the first part of the volume. */
  readonly lengthBytes?: number;
}

export class StampedWorkload {
  writes = 0;
  flushes = 0;
  bytes = 0;
  readonly #options: StampedWorkloadOptions;
  readonly #random: Random;
  readonly #clients: NbdClient[] = [];
  #stamps = new Uint32Array(0);
  #nextStamp = 1;
  #stopping = false;
  #work: Promise<void>[] = [];

  constructor(options: StampedWorkloadOptions) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
  }

  /** Connect, and begin to write. */
  async start(): Promise<void> {
    const { host, volume, connections = 2, depth = 4 } = this.#options;
    for (let index = 0; index < connections; index += 1) this.#clients.push(await host.connect(volume));
    const sizeBytes = Math.min(this.#options.lengthBytes ?? Infinity, this.#clients[0]?.sizeBytes ?? 0);
    if (this.#stamps.length === 0) this.#stamps = new Uint32Array(Math.floor(sizeBytes / WORKLOAD_BLOCK_BYTES));
    this.#stopping = false;
    const stripe = Math.floor(this.#stamps.length / (connections * depth));
    this.#work = this.#clients.flatMap((client, index) =>
      Array.from({ length: depth }, (_, writer) => this.#write(client, (index * depth + writer) * stripe, stripe)),
    );
    // A failed writer is reported by stop().
    for (const work of this.#work) work.catch(() => {});
  }

  /** Write for so long, then stop. */
  async run(ms: number): Promise<void> {
    await this.start();
    await sleep(ms);
    await this.stop();
  }

  /** Let the writes in flight be answered. @throws what a writer met */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#work);
    for (const client of this.#clients.splice(0)) await client.close();
  }

  /** Check a volume's image against what was replied to; the first block that differs as a sentence, or null. */
  differenceIn(path: string): string | null {
    const file = openSync(path, 'r');
    const piece = Buffer.alloc(READ_BYTES);
    try {
      for (let block = 0; block < this.#stamps.length; block += READ_BYTES / WORKLOAD_BLOCK_BYTES) {
        readSync(file, piece, 0, READ_BYTES, block * WORKLOAD_BLOCK_BYTES);
        const difference = this.#differenceOf(piece, block);
        if (difference !== null) return `${path}: ${difference}`;
      }
      return null;
    } finally {
      closeSync(file);
    }
  }

  #differenceOf(piece: Buffer, first: number): string | null {
    const words = new Uint32Array(piece.buffer, piece.byteOffset, piece.length / 4);
    const perBlock = WORKLOAD_BLOCK_BYTES / 4;
    for (let index = 0; index < words.length; index += 1) {
      const block = first + Math.floor(index / perBlock);
      if (block >= this.#stamps.length) return null;
      const stamp = this.#stamps[block] ?? 0;
      const expected = index % 2 === 0 ? stamp : stamp === 0 ? 0 : block;
      if (words[index] !== expected)
        return `block ${block} must hold write ${stamp}, found ${words[index - (index % 2)]} at word ${index % perBlock}`;
    }
    return null;
  }

  async #write(client: NbdClient, first: number, count: number): Promise<void> {
    const { blocksMax = 8, flushEvery = 0, fuaShare = 0, zeroShare = 0, pauseMs = 0 } = this.#options;
    const bytes = Buffer.alloc(blocksMax * WORKLOAD_BLOCK_BYTES);
    for (let written = 1; !this.#stopping; written += 1) {
      const blocks = 1 + Math.floor(this.#random.next() * blocksMax);
      const begin = first + Math.floor(this.#random.next() * (count - blocks));
      const lengthBytes = blocks * WORKLOAD_BLOCK_BYTES;
      const fua = this.#random.next() < fuaShare;
      const zero = this.#random.next() < zeroShare;
      const stamp = zero ? 0 : this.#nextStamp++;
      if (zero) await client.writeZeroes(begin * WORKLOAD_BLOCK_BYTES, lengthBytes, { fua });
      else await client.write(begin * WORKLOAD_BLOCK_BYTES, stampBlocks(bytes, { begin, blocks, stamp }), { fua });
      this.#stamps.fill(stamp, begin, begin + blocks);
      this.writes += 1;
      this.bytes += lengthBytes;
      if (flushEvery > 0 && written % flushEvery === 0) {
        await client.flush();
        this.flushes += 1;
      }
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }
}

/** Fill blocks with their stamp and their own number. */
function stampBlocks(bytes: Buffer, { begin, blocks, stamp }: { begin: number; blocks: number; stamp: number }): Buffer {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const perBlock = WORKLOAD_BLOCK_BYTES / 4;
  for (let index = 0; index < blocks * perBlock; index += 2) {
    words[index] = stamp;
    words[index + 1] = begin + Math.floor(index / perBlock);
  }
  return bytes.subarray(0, blocks * WORKLOAD_BLOCK_BYTES);
}
