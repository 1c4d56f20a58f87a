/**
 * A writer that knows what it was told: every 4 KiB block it writes carries a stamp (writer, block, ascending count) in each of its
 * eight 512-byte sectors, and it keeps for each block the newest stamp that was acknowledged and the newest that was issued. So an image
 * can be judged after a crash: an old stamp is a lost write, an unknown one is garbage, and two in one block are a torn write.
 */
import { readFileSync } from 'node:fs';
import type { NbdClient } from '../../src/nbd/client.ts';
import type { Host } from './host-process.ts';

const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;

export interface StampedWriterOptions {
  readonly host: Host;
  readonly volume?: string;
  /** First block, and how many: writers of one volume take disjoint ranges. */
  readonly firstBlock?: number;
  readonly blocks: number;
  /** Writes in flight. */
  readonly depth: number;
  /** A flush after so many writes. */
  readonly flushEvery?: number;
  /** Pause after each write, for a light load. */
  readonly pauseMs?: number;
}

export class StampedWriter {
  /** Stamps, by block; 0: never. */
  readonly issued: Uint32Array;
  readonly acknowledged: Uint32Array;
  /** Acknowledged, and a later flush was answered. */
  readonly flushed: Uint32Array;
  writes = 0;
  flushes = 0;
  /** The block of each stamp: `history[0]` was written by stamp 1. With one write in flight this is the order of the stream. */
  readonly history: number[] = [];
  readonly #options: StampedWriterOptions;
  readonly #firstBlock: number;
  #client: NbdClient | null = null;
  #stopping = false;
  #stamp = 0;
  #workers: Promise<unknown> = Promise.resolve();
  #random = 0x2545_f491;

  constructor(options: StampedWriterOptions) {
    this.#options = options;
    this.#firstBlock = options.firstBlock ?? 0;
    this.issued = new Uint32Array(options.blocks);
    this.acknowledged = new Uint32Array(options.blocks);
    this.flushed = new Uint32Array(options.blocks);
  }

  /** Connect and begin to write. What an earlier run wrote stays known. */
  async start(): Promise<void> {
    this.#stopping = false;
    this.#client = await this.#options.host.connect(this.#options.volume);
    this.#workers = Promise.all(Array.from({ length: this.#options.depth }, (_, index) => this.#work(index)));
  }

  /** Write no more, wait for what is in flight, flush and disconnect. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#workers;
    await this.#flush();
    await this.#client?.close();
  }

  /** Wait until the connection was lost or refused every writer. */
  async lost(): Promise<void> {
    await this.#workers;
    this.#client?.destroy();
  }

  /** Each worker has its own blocks, so that two writes of one block are never in flight together. */
  async #work(worker: number): Promise<void> {
    const { depth, blocks, flushEvery, pauseMs } = this.#options;
    const own = Math.floor(blocks / depth);
    let sinceFlush = 0;
    while (!this.#stopping) {
      const block = worker * own + (this.#next() % own);
      this.#stamp += 1;
      const stamp = this.#stamp;
      this.history.push(block);
      this.issued[block] = stamp;
      try {
        await (this.#client as NbdClient).write((this.#firstBlock + block) * BLOCK_BYTES, stampedBlock(this.#firstBlock + block, stamp));
        this.acknowledged[block] = stamp;
        this.writes += 1;
        sinceFlush += 1;
        if (flushEvery !== undefined && sinceFlush >= flushEvery) {
          sinceFlush = 0;
          await this.#flush();
        }
      } catch {
        return;
      }
      if (pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async #flush(): Promise<void> {
    const covered = this.acknowledged.slice();
    await this.#client?.flush();
    this.flushes += 1;
    for (const [block, stamp] of covered.entries()) if (stamp > (this.flushed[block] ?? 0)) this.flushed[block] = stamp;
  }

  #next(): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return this.#random >>> 0;
  }

  /**
   * Judge an image: every block is whole, was written by this writer, and is not older than `atLeast` says (default: what was
   * acknowledged). Returns what is wrong, the first few only.
   */
  faults(imagePath: string, atLeast: Uint32Array | null = this.acknowledged): string[] {
    const image = readFileSync(imagePath);
    const faults: string[] = [];
    for (let block = 0; block < this.#options.blocks && faults.length < 5; block += 1) {
      const at = (this.#firstBlock + block) * BLOCK_BYTES;
      const found = stampOf(image.subarray(at, at + BLOCK_BYTES), this.#firstBlock + block);
      const least = atLeast?.[block] ?? 0;
      const most = this.issued[block] ?? 0;
      if (found === null) faults.push(`block ${block} is torn or garbage`);
      else if (found < least || found > most) faults.push(`block ${block} holds write ${found}, expected ${least} to ${most}`);
    }
    return faults;
  }

  /**
   * Judge an image by the prefix rule (I1): it must be the state after exactly the first `writes` writes. Only for a writer with one
   * write in flight. Returns what is wrong, the first few only.
   */
  faultsAfter(imagePath: string, writes: number): string[] {
    const expected = new Uint32Array(this.#options.blocks);
    for (const [index, block] of this.history.slice(0, writes).entries()) expected[block] = index + 1;
    const image = readFileSync(imagePath);
    const faults: string[] = [];
    for (let block = 0; block < this.#options.blocks && faults.length < 5; block += 1) {
      const at = (this.#firstBlock + block) * BLOCK_BYTES;
      const found = stampOf(image.subarray(at, at + BLOCK_BYTES), this.#firstBlock + block);
      if (found !== expected[block])
        faults.push(`block ${block} holds write ${found ?? 'garbage'}, expected write ${expected[block]} after ${writes} writes`);
    }
    return faults;
  }
}

function stampedBlock(block: number, stamp: number): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES, stamp & 0xff);
  for (let at = 0; at < BLOCK_BYTES; at += SECTOR_BYTES) {
    bytes.writeUInt32LE(block, at);
    bytes.writeUInt32LE(stamp, at + 4);
  }
  return bytes;
}

/** The stamp of a block that is whole; 0 for one that was never written; null for a torn or foreign one. */
function stampOf(bytes: Buffer, block: number): number | null {
  const stamp = bytes.readUInt32LE(4);
  const expected = stamp === 0 ? Buffer.alloc(BLOCK_BYTES) : stampedBlock(block, stamp);
  return bytes.equals(expected) ? stamp : null;
}
