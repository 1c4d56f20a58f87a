/** Complete data sets as a primary makes them, with random payloads, and a ring of journals filled with them. */
import { randomFillSync } from 'node:crypto';
import type { JournalIdentity, JournalPoolEvents, JournalRing } from '../../journals/contract.ts';
import { BLOCK_BYTES, CHAIN_START, type Chain, type DataSetId, type Geometry, type SequenceNumber } from '../../src/model/ids.ts';
import { encodedWriteBytes, hashChain, RecordWriter, SYNC_RECORD_BYTES } from '../../src/record/record.ts';

export const IDENTITY: JournalIdentity = { groupId: 'b'.repeat(32), generation: 1, stream: 'c'.repeat(16) };
const INCARNATION = 'd'.repeat(16);
const RANDOM_SEED = 12_345;

export interface MadeDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly finalSequence: SequenceNumber;
  readonly chain: Chain;
  /** Encoded, in sequence order, the sync last; views that the next data set takes over. */
  readonly records: readonly Uint8Array[];
  readonly encodedBytes: number;
}

/** Makes data sets one after another; their records lie back to back in one buffer, which is used again. */
export class DataSetMaker {
  readonly buffer: Uint8Array;
  readonly #writer: RecordWriter;
  readonly #payload: Uint8Array;
  readonly #blocks: number;
  readonly #writes: number;
  #dataSet = 0;
  #sequence = 0;
  #chain = CHAIN_START;
  #state = RANDOM_SEED;
  #headBytes = 0;

  /** Writes of `recordBytes` at random places of a volume, as many as a data set of this geometry takes, or `writes`. */
  constructor(options: {
    recordBytes: number;
    volumeBytes: number;
    geometry: Pick<Geometry, 'capacityBytes' | 'recordsMax'>;
    writes?: number;
  }) {
    const { recordBytes, volumeBytes, geometry } = options;
    const encodedBytes = encodedWriteBytes(recordBytes);
    this.#writes = options.writes ?? Math.min(Math.floor(geometry.capacityBytes / encodedBytes), geometry.recordsMax - 1);
    this.buffer = new Uint8Array(this.#writes * encodedBytes + SYNC_RECORD_BYTES);
    this.#writer = new RecordWriter(this.buffer);
    this.#payload = randomFillSync(new Uint8Array(recordBytes));
    this.#blocks = Math.floor(volumeBytes / recordBytes);
  }

  /** Make the next one. */
  next(): MadeDataSet {
    const [dataSet, firstSequence] = [this.#dataSet, this.#sequence];
    const records: Uint8Array[] = [];
    const checksums = new Uint32Array(this.#writes);
    const lengthBytes = this.#payload.length;
    let offset = 0;
    for (let index = 0; index < this.#writes; index += 1) {
      const lba = (this.#randomBlock() * lengthBytes) / BLOCK_BYTES;
      const command = { type: 'write', vlun: 0, lba, lengthBytes, timeUs: 0, payload: this.#payload } as const;
      const bytes = this.#writer.encodeWrite(offset, command, { dataSet, firstSequence, sequence: this.#sequence }, IDENTITY);
      checksums[index] = this.#writer.headerChecksumAt(offset);
      records.push(this.buffer.subarray(offset, offset + bytes));
      offset += bytes;
      this.#sequence += 1;
    }
    this.#headBytes += offset;
    this.#chain = hashChain(this.#chain, checksums, INCARNATION);
    const finalSequence = this.#sequence;
    const cut = { dataSet, firstSequence, finalSequence, reason: 'size', chain: this.#chain, incarnation: INCARNATION } as const;
    const syncBytes = this.#writer.encodeSync(offset, { ...cut, headBytes: this.#headBytes, timeUs: 0 }, IDENTITY);
    records.push(this.buffer.subarray(offset, offset + syncBytes));
    this.#sequence += 1;
    this.#dataSet += 1;
    return { dataSet, firstSequence, finalSequence, chain: this.#chain, records, encodedBytes: offset + syncBytes };
  }

  #randomBlock(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * this.#blocks);
  }
}

/** What a ring of journals reports, handed to whoever waits for it. */
export class RingEvents implements JournalPoolEvents {
  #durable: ((dataSet: DataSetId, records: number) => void) | null = null;
  #flagged: (() => void) | null = null;
  #failed: ((error: Error) => void) | null = null;

  durable(dataSet: DataSetId, records: number): void {
    this.#durable?.(dataSet, records);
  }

  completeFlagDurable(): void {
    this.#flagged?.();
  }

  watermarkDurable(): void {}

  failed(_slot: number, error: Error): void {
    this.#failed?.(error);
  }

  /** Resolve when so many records of the data set are durable. */
  untilDurable(dataSet: DataSetId, records: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#durable = (of, count) => {
        if (of === dataSet && count >= records) resolve();
      };
    });
  }

  untilFlagged(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#flagged = resolve;
    });
  }
}

/** Scan a new ring, whose slots are free then, and give it an identity. */
export async function beginRing(ring: JournalRing): Promise<void> {
  await new Promise<void>((resolve, reject) => ring.scan((error) => (error === null ? resolve() : reject(error))));
  for (const { slot } of ring.buffers) ring.retire(slot);
  ring.setIdentity(IDENTITY);
}

/** Fill every slot with one complete data set, durably; returns the encoded bytes. */
export async function fillRing(ring: JournalRing, events: RingEvents, maker: DataSetMaker): Promise<number> {
  let encodedBytes = 0;
  for (const { slot } of ring.buffers) {
    const made = maker.next();
    ring.openDataSet({ ...made, slot });
    made.records.forEach((bytes, index) => ring.append({ slot, index, bytes }));
    const durable = events.untilDurable(made.dataSet, made.records.length);
    ring.commit();
    await durable;
    encodedBytes += made.encodedBytes;
  }
  return encodedBytes;
}
