/**
 * Records that wait to be mirrored, copied back to back into chunks: the link's own bytes are valid only while a message is handled, and so
 * every message to the peer is one run of bytes. A chunk is used again when nothing of it waits and no socket has to send from it.
 *
 * Bounded (I11): when too much waits, all of it is given up, and waits for its journals only.
 */
import { assert } from '../../model/assert.ts';
import type { DataSetId } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import type { MirrorLedger, MirrorRun } from '../../protocol/mirror-ledger.ts';
import { encodedWriteBytes } from '../../record/record.ts';

/** The largest record, and a batch of small ones before it. */
const CHUNK_BYTES = encodedWriteBytes(LIMITS.recordDataBytesMax) + LIMITS.batchBytesMax;
const KEPT_CHUNKS_MAX = Math.ceil(LIMITS.mirrorWaitingBytesMax / CHUNK_BYTES);

class Chunk {
  readonly bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  usedBytes = 0;
  /** Pieces that wait in it and messages that are being sent, plus one while records are added to it. */
  uses = 1;
}

/** Records of one data set that lie back to back in one chunk. */
interface Piece {
  readonly dataSet: DataSetId;
  /** Position behind the last record, in the data set's order of append. */
  to: number;
  records: number;
  readonly chunk: Chunk;
  readonly start: number;
  end: number;
}

/** What fits into one message to the peer. */
export interface MirrorMessage {
  readonly encoded: Uint8Array;
  readonly runs: readonly MirrorRun[];
  readonly records: number;
  /** Encoded bytes of the records. */
  readonly bytes: number;
  /** Call when the socket no longer needs the bytes. */
  readonly done: () => void;
}

export class MirrorQueue {
  readonly #ledger: MirrorLedger;
  readonly #free: Chunk[] = [];
  #chunk: Chunk | null = null;
  #pieces: Piece[] = [];
  #waitingBytes = 0;

  constructor(ledger: MirrorLedger) {
    this.#ledger = ledger;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Let a record wait; when too much does, all of it is given up: it is not mirrored any more. */
  add(dataSet: DataSetId, to: number, bytes: Uint8Array): void {
    const chunk = this.#room(bytes.length);
    const start = chunk.usedBytes;
    chunk.bytes.set(bytes, start);
    chunk.usedBytes = start + bytes.length;
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.dataSet === dataSet && last.chunk === chunk && last.end === start && isRoomIn(last, bytes)) {
      last.to = to;
      last.records += 1;
      last.end = chunk.usedBytes;
    } else {
      chunk.uses += 1;
      this.#pieces.push({ dataSet, to, records: 1, chunk, start, end: chunk.usedBytes });
    }
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes <= LIMITS.mirrorWaitingBytesMax) return;
    this.#ledger.skipped(new Set(this.#pieces.map((piece) => piece.dataSet)));
    this.clear();
  }

  clear(): void {
    for (const { chunk } of this.#pieces) this.#release(chunk);
    this.#pieces = [];
    this.#waitingBytes = 0;
  }

  /** Take the next message of at most so many encoded bytes, from records that no journal has yet; null: nothing, or it does not fit. */
  take(bytesMax: number): MirrorMessage | null {
    const runs: MirrorRun[] = [];
    let first: Piece | null = null;
    let records = 0;
    let bytes = 0;
    let taken = 0;
    for (const piece of this.#pieces) {
      const pieceBytes = piece.end - piece.start;
      if (!this.#ledger.isJournaled(piece)) {
        if (bytes + pieceBytes > bytesMax || (bytes > 0 && bytes + pieceBytes > LIMITS.batchBytesMax)) break;
        if (first !== null && (first.chunk !== piece.chunk || first.start + bytes !== piece.start)) break;
        first ??= piece;
        // For the message, which is sent when the piece is gone.
        if (first === piece) piece.chunk.uses += 1;
        runs.push({ dataSet: piece.dataSet, to: piece.to });
        records += piece.records;
        bytes += pieceBytes;
      }
      taken += 1;
      this.#waitingBytes -= pieceBytes;
    }
    for (const { chunk } of this.#pieces.splice(0, taken)) this.#release(chunk);
    if (first === null) return null;
    const { chunk, start } = first;
    return { encoded: chunk.bytes.subarray(start, start + bytes), runs, records, bytes, done: () => this.#release(chunk) };
  }

  #room(bytes: number): Chunk {
    assert(bytes <= CHUNK_BYTES, `a record of ${bytes} bytes is longer than a chunk`);
    const chunk = this.#chunk;
    if (chunk !== null) {
      // Nothing of it is needed any more: memory that was just used is fastest.
      if (chunk.uses === 1) chunk.usedBytes = 0;
      if (chunk.usedBytes + bytes <= CHUNK_BYTES) return chunk;
      this.#release(chunk);
    }
    const next = this.#free.pop() ?? new Chunk();
    next.usedBytes = 0;
    next.uses = 1;
    this.#chunk = next;
    return next;
  }

  #release(chunk: Chunk): void {
    chunk.uses -= 1;
    if (chunk.uses === 0 && this.#free.length < KEPT_CHUNKS_MAX) this.#free.push(chunk);
  }
}

function isRoomIn(piece: Piece, bytes: Uint8Array): boolean {
  return piece.end - piece.start + bytes.length <= LIMITS.batchBytesMax;
}
