/**
 * The records of one data set, encoded once, in the order of their numbers, until they are acknowledged: what is sent, and sent
 * again after a loss, are slices of these bytes. Records lie in chunks, which a pool keeps; a record never spans two. A data set begins
 * with a small chunk and goes on with larger ones, so that a thousand small data sets of an outage take little memory.
 *
 * A chunk goes back to the pool when its data set was released and no socket still waits to send from it.
 */
import { assert } from '../model/assert.ts';
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import type { RecordStream, SyncCommand, WriteCommand } from '../record/contract.ts';
import { encodedWriteBytes, RecordReader, RecordWriter, SYNC_RECORD_BYTES } from '../record/record.ts';

/** Sizes of the first, the second and all further chunks of a data set. Four of the largest records fit into the last. */
const CHUNK_BYTES: readonly number[] = [64 * 1024, 1024 * 1024, 4 * encodedWriteBytes(LIMITS.recordDataBytesMax)];

class Chunk {
  /** Index into CHUNK_BYTES. */
  readonly size: number;
  readonly bytes: Buffer;
  readonly writer: RecordWriter;
  usedBytes = 0;
  /** Sends under way from this chunk, plus one while its data set holds it. */
  uses = 0;

  constructor(size: number) {
    this.size = size;
    this.bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES[size] as number);
    this.writer = new RecordWriter(this.bytes);
  }
}

/** Chunks that were used before: fresh memory is expensive to touch. */
export class ChunkPool {
  readonly #free: readonly Chunk[][] = CHUNK_BYTES.map(() => []);
  readonly #keepBytesMax: number;
  #keptBytes = 0;
  chunksInUse = 0;

  constructor(keepBytesMax: number) {
    this.#keepBytesMax = keepBytesMax;
  }

  /** A chunk for the data set's chunk number `index` that holds at least `bytes`. */
  take(index: number, bytes: number): Chunk {
    let size = Math.min(index, CHUNK_BYTES.length - 1);
    while ((CHUNK_BYTES[size] ?? Number.POSITIVE_INFINITY) < bytes) size += 1;
    assert(size < CHUNK_BYTES.length, `a record of ${bytes} bytes is longer than a chunk`);
    const kept = this.#free[size]?.pop();
    if (kept !== undefined) this.#keptBytes -= kept.bytes.length;
    const chunk = kept ?? new Chunk(size);
    chunk.usedBytes = 0;
    chunk.uses = 1;
    this.chunksInUse += 1;
    return chunk;
  }

  /** End one use of a chunk. */
  release(chunk: Chunk): void {
    chunk.uses -= 1;
    if (chunk.uses > 0) return;
    this.chunksInUse -= 1;
    if (this.#keptBytes + chunk.bytes.length > this.#keepBytesMax) return;
    this.#keptBytes += chunk.bytes.length;
    this.#free[chunk.size]?.push(chunk);
  }
}

/** A run of records as it goes into one message. */
export interface SendSlice {
  readonly bytes: Uint8Array;
  /** Call when the socket no longer needs the bytes. */
  readonly done: () => void;
}

export class SendBuffer {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly #pool: ChunkPool;
  readonly #stream: RecordStream;
  readonly #chunks: Chunk[] = [];
  /** By index (sequence - firstSequence): number of the chunk, and offset of the record in it. */
  #chunkOf = new Uint16Array(1024);
  #offsetOf = new Uint32Array(1024);
  /** Header checksums of the records by index, for the chain. */
  #checksums = new Uint32Array(1024);
  #count = 0;

  constructor(options: { dataSet: DataSetId; firstSequence: SequenceNumber; stream: RecordStream; pool: ChunkPool }) {
    this.dataSet = options.dataSet;
    this.firstSequence = options.firstSequence;
    this.#stream = options.stream;
    this.#pool = options.pool;
  }

  get count(): number {
    return this.#count;
  }

  /** Encode a write, zero or trim command under the next number. */
  appendWrite(command: WriteCommand, sequence: SequenceNumber): void {
    assert(sequence === this.firstSequence + this.#count, 'record % is not the next of data set %', sequence, this.dataSet);
    const chunk = this.#room(encodedWriteBytes(command.payload === null ? 0 : command.payload.length));
    const numbers = { dataSet: this.dataSet, firstSequence: this.firstSequence, sequence };
    this.#added(chunk, chunk.writer.encodeWrite(chunk.usedBytes, command, numbers, this.#stream));
  }

  /** Encode the sync command that closes the data set. */
  appendSync(command: Omit<SyncCommand, 'dataSet' | 'firstSequence'>): void {
    assert(
      command.finalSequence === this.firstSequence + this.#count,
      `sync ${command.finalSequence} is not the next of data set ${this.dataSet}`,
    );
    const chunk = this.#room(SYNC_RECORD_BYTES);
    this.#added(
      chunk,
      chunk.writer.encodeSync(chunk.usedBytes, { ...command, dataSet: this.dataSet, firstSequence: this.firstSequence }, this.#stream),
    );
  }

  /** Take over a record that an earlier run of this primary encoded (clean stop). */
  appendEncoded(bytes: Uint8Array): void {
    const chunk = this.#room(bytes.length);
    chunk.bytes.set(bytes, chunk.usedBytes);
    this.#added(chunk, bytes.length);
  }

  /** Header checksums of all records so far, in the order of their numbers. */
  headerChecksums(): Uint32Array {
    return this.#checksums.subarray(0, this.#count);
  }

  /** The records `from` .. `to` as runs of bytes that lie together, one for each chunk that they touch. */
  slices(from: SequenceNumber, to: SequenceNumber): SendSlice[] {
    const slices: SendSlice[] = [];
    let index = from - this.firstSequence;
    const last = to - this.firstSequence;
    assert(index >= 0 && last < this.#count && index <= last, 'records % to % are not in data set %', from, to, this.dataSet);
    while (index <= last) {
      const number = this.#chunkOf[index] as number;
      const chunk = this.#chunks[number] as Chunk;
      const begin = this.#offsetOf[index] as number;
      let next = index + 1;
      while (next <= last && this.#chunkOf[next] === number) next += 1;
      const endsInside = next < this.#count && this.#chunkOf[next] === number;
      chunk.uses += 1;
      slices.push({
        bytes: chunk.bytes.subarray(begin, endsInside ? this.#offsetOf[next] : chunk.usedBytes),
        done: () => this.#pool.release(chunk),
      });
      index = next;
    }
    return slices;
  }

  /** Check both checksums of one record in this buffer (I9). */
  isIntact(sequence: SequenceNumber): boolean {
    const index = sequence - this.firstSequence;
    const chunk = this.#chunks[this.#chunkOf[index] as number] as Chunk;
    return new RecordReader(chunk.bytes).readAt(this.#offsetOf[index] as number, chunk.usedBytes).kind === 'record';
  }

  /** Number of the first record whose checksums do not hold, or null. */
  firstDamaged(): SequenceNumber | null {
    for (let index = 0; index < this.#count; index += 1) if (!this.isIntact(this.firstSequence + index)) return this.firstSequence + index;
    return null;
  }

  /** Every record is acknowledged: the chunks are free. */
  release(): void {
    for (const chunk of this.#chunks) this.#pool.release(chunk);
    this.#chunks.length = 0;
  }

  #room(bytes: number): Chunk {
    const chunk = this.#chunks.at(-1);
    if (chunk !== undefined && chunk.usedBytes + bytes <= chunk.bytes.length) return chunk;
    const fresh = this.#pool.take(this.#chunks.length, bytes);
    this.#chunks.push(fresh);
    return fresh;
  }

  #added(chunk: Chunk, bytes: number): void {
    const index = this.#count;
    if (index === this.#offsetOf.length) this.#grow();
    this.#chunkOf[index] = this.#chunks.length - 1;
    this.#offsetOf[index] = chunk.usedBytes;
    this.#checksums[index] = chunk.writer.headerChecksumAt(chunk.usedBytes);
    chunk.usedBytes += bytes;
    this.#count += 1;
  }

  #grow(): void {
    const length = Math.min(this.#offsetOf.length * 4, LIMITS.dataSetRecordsMax);
    assert(length > this.#count, `data set ${this.dataSet} has more than ${LIMITS.dataSetRecordsMax} records`);
    const grow = <T extends Uint16Array | Uint32Array>(old: T, made: T): T => (made.set(old), made);
    this.#chunkOf = grow(this.#chunkOf, new Uint16Array(length));
    this.#offsetOf = grow(this.#offsetOf, new Uint32Array(length));
    this.#checksums = grow(this.#checksums, new Uint32Array(length));
  }
}
