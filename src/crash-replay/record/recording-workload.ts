/**
 * The application of a recording: one request after the other over one NBD connection for each volume, in transactions of a few writes
 * and a flush, at which the primary cuts. Half of the writes go to a small hot region, so that they overlap; some are zeroes or trims. The
 * last one always overlaps an earlier one of its transaction, and thus of its data set: a replay in another order is seen.
 * What it writes follows from the seed; how far it comes does not.
 */
import { Random } from '../../demo/random.ts';
import { sleep } from '../../demo/waits.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import type { NbdClient } from '../../nbd/client.ts';
import type { RecordedHistory, RecordedWrite } from './recorded-history.ts';

const WRITES_MIN = 4;
const WRITES_MAX = 7;
/** A transaction is smaller than any data set may be, so that only flushes cut. */
const WRITE_BLOCKS_MAX = 8;
const HOT_BLOCKS = 24;
/** Between two requests, so that a data set takes several commits. */
const PAUSE_MS_MAX = 4;
/** After a transaction, so that as a rule its data set is destaged before the next one begins. */
const REST_MS = 25;

export class RecordingWorkload {
  readonly #history: RecordedHistory;
  readonly #clients: readonly NbdClient[];
  readonly #random: Random;

  /** @param clients one for each volume, in their order */
  constructor(history: RecordedHistory, clients: readonly NbdClient[]) {
    this.#history = history;
    this.#clients = clients;
    this.#random = new Random(history.seed);
  }

  /** Write one transaction and flush it. @throws FarshoreError ERR_NBD_REPLY, ERR_NBD_LOST */
  async transaction(): Promise<void> {
    const { volumes } = this.#history;
    const writes = this.#random.between(WRITES_MIN, WRITES_MAX);
    const first = this.#history.writes.length;
    for (let turn = 0; turn < writes - 1; turn += 1) {
      // Each volume is in every transaction.
      const index = turn < volumes.length ? turn : this.#random.between(0, volumes.length - 1);
      await this.#write(index, this.#plan(index));
    }
    const index = this.#random.between(0, Math.min(volumes.length, writes - 1) - 1);
    await this.#write(index, this.#planOver(index, this.#history.writes[first + index] as RecordedWrite));
    await this.#client(this.#random.between(0, volumes.length - 1)).flush();
    this.#history.flushes += 1;
    await sleep(REST_MS);
  }

  async #write(index: number, write: RecordedWrite): Promise<void> {
    const history = this.#history;
    const number = history.writes.push(write) - 1;
    const client = this.#client(index);
    const offset = write.lba * BLOCK_BYTES;
    const lengthBytes = write.blocks * BLOCK_BYTES;
    if (write.kind === 'write') await client.write(offset, history.payloadOf(number));
    else if (write.kind === 'zero') await client.writeZeroes(offset, lengthBytes);
    else await client.trim(offset, lengthBytes);
    await sleep(this.#random.between(0, PAUSE_MS_MAX));
  }

  #plan(index: number): RecordedWrite {
    const random = this.#random;
    const volumeBlocks = this.#blocksOf(index);
    const roll = random.between(0, 9);
    const kind = roll > 1 ? 'write' : roll === 0 ? 'zero' : 'trim';
    const blocks = random.between(1, WRITE_BLOCKS_MAX);
    const regionBlocks = random.oneIn(2) ? Math.min(HOT_BLOCKS, volumeBlocks) : volumeBlocks;
    return { kind, vlun: this.#vlunOf(index), lba: random.between(0, regionBlocks - blocks), blocks };
  }

  /** A long write that begins or ends within another one, so that a commit can be torn inside it. */
  #planOver(index: number, under: RecordedWrite): RecordedWrite {
    const blocks = WRITE_BLOCKS_MAX;
    const lba = under.lba + this.#random.between(1 - blocks, under.blocks - 1);
    return { kind: 'write', vlun: this.#vlunOf(index), lba: Math.max(0, Math.min(lba, this.#blocksOf(index) - blocks)), blocks };
  }

  #vlunOf(index: number): number {
    return this.#history.volumes[index]?.vlun ?? 0;
  }

  #blocksOf(index: number): number {
    return (this.#history.volumes[index]?.sizeBytes ?? 0) / BLOCK_BYTES;
  }

  #client(index: number): NbdClient {
    return this.#clients[index] as NbdClient;
  }
}
