/**
 * Records that wait to be mirrored: references to the messages in which they came, so that nothing is copied. What came back to back in
 * one message goes out as one piece.
 *
 * Bounded (I11): when too much waits, all of it is given up, and waits for its journals only.
 */
import type { DataSetId } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import type { MirrorLedger, MirrorRun } from '../../protocol/mirror-ledger.ts';

/** Records of one data set that lie back to back in one buffer. */
interface Piece {
  readonly dataSet: DataSetId;
  /** Position behind the last record, in the data set's order of append. */
  to: number;
  records: number;
  readonly buffer: ArrayBufferLike;
  readonly start: number;
  end: number;
}

/** What fits into one message to the peer. */
export interface MirrorMessage {
  readonly pieces: readonly Uint8Array[];
  readonly runs: readonly MirrorRun[];
  readonly records: number;
  /** Encoded bytes of the records. */
  readonly bytes: number;
}

export class MirrorQueue {
  readonly #ledger: MirrorLedger;
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
    const last = this.#pieces.at(-1);
    if (
      last !== undefined &&
      last.dataSet === dataSet &&
      last.buffer === bytes.buffer &&
      last.end === bytes.byteOffset &&
      isRoomIn(last, bytes)
    ) {
      last.to = to;
      last.records += 1;
      last.end += bytes.length;
    } else {
      const start = bytes.byteOffset;
      this.#pieces.push({ dataSet, to, records: 1, buffer: bytes.buffer, start, end: start + bytes.length });
    }
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes <= LIMITS.mirrorWaitingBytesMax) return;
    this.#ledger.skipped(new Set(this.#pieces.map((piece) => piece.dataSet)));
    this.clear();
  }

  clear(): void {
    this.#pieces = [];
    this.#waitingBytes = 0;
  }

  /** Take the next message of at most so many encoded bytes, from records that no journal has yet; null: nothing, or it does not fit. */
  take(bytesMax: number): MirrorMessage | null {
    const pieces: Uint8Array[] = [];
    const runs: MirrorRun[] = [];
    let records = 0;
    let bytes = 0;
    let taken = 0;
    for (const piece of this.#pieces) {
      const pieceBytes = piece.end - piece.start;
      if (!this.#ledger.isJournaled(piece)) {
        if (bytes + pieceBytes > bytesMax || (bytes > 0 && bytes + pieceBytes > LIMITS.batchBytesMax)) break;
        pieces.push(new Uint8Array(piece.buffer, piece.start, pieceBytes));
        runs.push({ dataSet: piece.dataSet, to: piece.to });
        records += piece.records;
        bytes += pieceBytes;
      }
      taken += 1;
      this.#waitingBytes -= pieceBytes;
    }
    this.#pieces.splice(0, taken);
    return records === 0 ? null : { pieces, runs, records, bytes };
  }
}

function isRoomIn(piece: Piece, bytes: Uint8Array): boolean {
  return piece.end - piece.start + bytes.length <= LIMITS.batchBytesMax;
}
