/**
 * An application with one command in flight, over all volumes of a host: the order in which it wrote is the order of the stream, so what
 * the volumes hold at the end of any data set follows from how many commands there were until then, and from nothing else.
 */
import type { NbdClient } from '../../src/nbd/client.ts';
import { Random } from '../../src/simulation/random.ts';
import { sleep, type Host } from './host-process.ts';

const BLOCK_BYTES = 512;

export interface OrderedWorkloadOptions {
  readonly host: Host;
  readonly volumes: readonly { readonly name: string; readonly sizeMiB: number }[];
  readonly seed: number;
  /** Blocks of 512 bytes of the longest command. */
  readonly blocksMax: number;
  /** A flush after so many commands. */
  readonly flushEvery: number;
  /** Share of commands that make zeroes, 0 to 1. */
  readonly zeroShare: number;
  readonly pauseMs?: number;
}

interface Command {
  readonly volume: number;
  readonly offset: number;
  readonly lengthBytes: number;
  /** 0: zeroes. */
  readonly stamp: number;
}

export class OrderedWorkload {
  readonly #options: OrderedWorkloadOptions;
  readonly #random: Random;
  readonly #commands: Command[] = [];
  #clients: NbdClient[] = [];
  #stopping = false;
  #work: Promise<void> = Promise.resolve();
  /** The volumes after the first `#applied` commands. */
  #images: Buffer[] = [];
  #applied = Number.POSITIVE_INFINITY;

  constructor(options: OrderedWorkloadOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  get count(): number {
    return this.#commands.length;
  }

  /** Connect to every volume and begin to write. */
  async start(): Promise<void> {
    const { host, volumes } = this.#options;
    for (const { name } of volumes) this.#clients.push(await host.connect(name));
    this.#stopping = false;
    this.#work = this.#write();
    this.#work.catch(() => {});
  }

  /** @throws what the writer met */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#work;
    for (const client of this.#clients.splice(0)) await client.close();
  }

  /** The volumes after so many commands, in the order of the options; valid until the next call. */
  imagesAfter(count: number): readonly Buffer[] {
    if (count > this.#commands.length) throw new Error(`the workload has issued ${this.#commands.length} commands, not ${count}`);
    if (count < this.#applied) {
      this.#images = this.#options.volumes.map(({ sizeMiB }) => Buffer.alloc(sizeMiB * 1024 * 1024));
      this.#applied = 0;
    }
    for (const command of this.#commands.slice(this.#applied, count)) {
      const bytes = Buffer.alloc(command.lengthBytes);
      stampBlocks(bytes, command);
      bytes.copy(this.#images[command.volume] as Buffer, command.offset);
    }
    this.#applied = count;
    return this.#images;
  }

  async #write(): Promise<void> {
    const { volumes, blocksMax, flushEvery, zeroShare, pauseMs = 0 } = this.#options;
    const bytes = Buffer.alloc(blocksMax * BLOCK_BYTES);
    while (!this.#stopping) {
      const volume = this.#int(volumes.length);
      const blocks = 1 + this.#int(blocksMax);
      const sizeBlocks = ((volumes[volume]?.sizeMiB ?? 0) * 1024 * 1024) / BLOCK_BYTES;
      const offset = this.#int(sizeBlocks - blocks) * BLOCK_BYTES;
      const command = {
        volume,
        offset,
        lengthBytes: blocks * BLOCK_BYTES,
        stamp: this.#random.next() < zeroShare ? 0 : this.#commands.length + 1,
      };
      this.#commands.push(command);
      await this.#issue(command, bytes.subarray(0, command.lengthBytes));
      if (this.#commands.length % flushEvery === 0) await this.#clients[volume]?.flush();
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }

  async #issue(command: Command, bytes: Buffer): Promise<void> {
    const client = this.#clients[command.volume] as NbdClient;
    const { offset, lengthBytes, stamp } = command;
    if (stamp !== 0) await client.write(offset, stampBlocks(bytes, command));
    else if (this.#random.next() < 0.5) await client.writeZeroes(offset, lengthBytes);
    else await client.trim(offset, lengthBytes);
  }

  #int(below: number): number {
    return Math.floor(this.#random.next() * below);
  }
}

/** Every block says of which command it is, and which block. */
function stampBlocks(bytes: Buffer, { stamp, offset }: Command): Buffer {
  if (stamp === 0) return bytes.fill(0);
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    bytes.fill(stamp & 0xff, at, at + BLOCK_BYTES);
    bytes.writeUInt32LE(stamp, at);
    bytes.writeUInt32LE((offset + at) / BLOCK_BYTES, at + 4);
  }
  return bytes;
}
