/**
 * How far the copy is behind its primary, as the secondary can tell: the primary's last head against what is destaged here. While no
 * link is up nobody knows what was written since, so the seconds grow with the age of the last head.
 */
import type { Head } from '../model/handshake.ts';
import type { CutReason } from '../model/commands.ts';
import type { DataSetId, SequenceNumber } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';

/** What the sync command of a data set told: the primary's head at the cut. */
export interface Cut {
  readonly dataSet: DataSetId;
  readonly finalSequence: SequenceNumber;
  readonly reason: CutReason;
  /** The primary's clock at the cut, milliseconds since 1970. */
  readonly timeMs: number;
  /** Encoded bytes of all records since the stream began. */
  readonly headBytes: number;
}

export interface KnownHead {
  readonly head: Head;
  /** This host's clock when the head arrived, milliseconds since 1970. */
  readonly receivedAtMs: number;
}

export class HeadHistory {
  known: KnownHead | null = null;
  /** The cut at which the copy is consistent now. */
  destagedCut: Cut | null = null;
  readonly #cuts: Cut[] = [];
  #destaged: DataSetId = -1;
  /** The primary's clock when the copy was last level with a head. */
  #levelAtMs: number | null = null;

  /** A sync command was received: once or again, of a data set that may be destaged already. */
  cutReceived(cut: Cut): void {
    if (cut.dataSet <= this.#destaged || this.#cuts.some((known) => known.dataSet === cut.dataSet)) return;
    this.#cuts.push(cut);
    this.#cuts.sort((a, b) => a.dataSet - b.dataSet);
    // A ring cannot hold more; what is above its window will come again.
    if (this.#cuts.length > LIMITS.slotsMax) this.#cuts.pop();
  }

  headReceived(head: Head, destagedSequence: SequenceNumber | null, nowMs: number): void {
    this.known = { head, receivedAtMs: nowMs };
    if (head.sequence <= (destagedSequence ?? -1)) this.#levelAtMs = head.timeMs;
  }

  destaged(dataSet: DataSetId): void {
    this.#destaged = Math.max(this.#destaged, dataSet);
    while (this.#cuts[0] !== undefined && this.#cuts[0].dataSet <= dataSet) this.destagedCut = this.#cuts.shift() as Cut;
  }

  /** What is known of the cut of one data set; null if its sync command came before this process began. */
  cutOf(dataSet: DataSetId): Cut | null {
    if (this.destagedCut?.dataSet === dataSet) return this.destagedCut;
    return this.#cuts.find((cut) => cut.dataSet === dataSet) ?? null;
  }

  behind(
    destaged: { dataSet: DataSetId | null; sequence: SequenceNumber | null },
    linked: boolean,
    nowMs: number,
  ): { dataSets: number; bytes: number; seconds: number } {
    const { known } = this;
    if (known === null) return { dataSets: 0, bytes: 0, seconds: 0 };
    const { head, receivedAtMs } = known;
    const silentSeconds = linked ? 0 : Math.max(0, nowMs - receivedAtMs) / 1000;
    if (head.sequence <= (destaged.sequence ?? -1)) return { dataSets: 0, bytes: 0, seconds: silentSeconds };
    const since = Math.max(this.#levelAtMs ?? 0, this.destagedCut?.timeMs ?? 0);
    return {
      dataSets: Math.max(1, head.dataSet - (destaged.dataSet ?? -1)),
      bytes: Math.max(0, head.bytes - (this.destagedCut?.headBytes ?? 0)),
      seconds: (since === 0 ? 0 : Math.max(0, head.timeMs - since) / 1000) + silentSeconds,
    };
  }
}
