/** What a small world's primary was told, over all lives of its secondary: it never sends these numbers again. */
import type { DataSetId, SequenceNumber } from '../../model/ids.ts';
import { add, hashNumber, type Lanes } from './sector-hash.ts';
import type { SmallHistory } from './small-history.ts';

const TOLD_KIND = 1;
const WATERMARK_KIND = 2;
const PROMOTION_KIND = 3;

export class Told {
  /** The newest watermark that the disk was seen to keep; -1: none. */
  watermark: DataSetId = -1;
  /** The newest data set of which anything was delivered; -1: none. */
  delivered: DataSetId = -1;
  /** The host was told to promote itself. */
  mayBePromoting = false;
  readonly #numbers: boolean[] = [];
  readonly #lanes: Lanes = { low: 0, high: 0 };

  tell(sequence: SequenceNumber): void {
    if (this.#numbers[sequence] === true) return;
    this.#numbers[sequence] = true;
    add(this.#lanes, hashNumber(TOLD_KIND, sequence));
  }

  has(sequence: SequenceNumber): boolean {
    return this.#numbers[sequence] === true;
  }

  /** The newest data set that was acknowledged complete together with all before it; -1: none. */
  completeThrough(history: SmallHistory): DataSetId {
    const broken = history.sets.find(({ records }) => records.some(({ sequence }) => !this.has(sequence)));
    return (broken?.dataSet ?? history.sets.length) - 1;
  }

  copy(): Told {
    const copy = new Told();
    copy.watermark = this.watermark;
    copy.delivered = this.delivered;
    copy.mayBePromoting = this.mayBePromoting;
    for (const sequence of this.#numbers.keys()) if (this.has(sequence)) copy.tell(sequence);
    return copy;
  }

  /** Add to a key everything that a judgement depends on besides the disk: promises, and the history as far as it was sent. */
  addTo(lanes: Lanes, history: SmallHistory): void {
    add(lanes, this.#lanes);
    add(lanes, hashNumber(WATERMARK_KIND, this.watermark + 1));
    if (this.mayBePromoting) add(lanes, hashNumber(PROMOTION_KIND, 1));
    if (this.delivered >= 0) add(lanes, history.prefixLanes(this.delivered));
  }
}
