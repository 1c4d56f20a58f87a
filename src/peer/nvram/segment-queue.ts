/** The held segments of a region, oldest first: where each ends. Three numbers a segment, in memory that follows how many there are. */
import { assert } from '../../model/assert.ts';
import type { RingPlace } from './format.ts';

const FIELDS = 3;
const FIRST_SEGMENTS = 256;

/** A segment by the place behind it. */
export interface QueuedSegment {
  readonly next: RingPlace;
  readonly encodedBytes: number;
}

export class SegmentQueue {
  /** Position and ordinal behind each segment, and its encoded bytes. */
  #ring = new Float64Array(FIRST_SEGMENTS * FIELDS);
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Ordinal behind the oldest segment's records; infinite when there is none. */
  get firstEndOrdinal(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#at(this.#first, 1);
  }

  push(next: RingPlace, encodedBytes: number): void {
    if (this.#count * FIELDS === this.#ring.length) this.#grow();
    const index = ((this.#first + this.#count) * FIELDS) % this.#ring.length;
    this.#ring[index] = next.position;
    this.#ring[index + 1] = next.ordinal;
    this.#ring[index + 2] = encodedBytes;
    this.#count += 1;
  }

  /** Take the oldest away. @param segment number of the oldest */
  shift(segment: number): QueuedSegment {
    assert(this.#count > 0, 'a region gives up only segments that it holds');
    const index = this.#first;
    this.#first = ((this.#first + 1) * FIELDS) % this.#ring.length === 0 ? 0 : this.#first + 1;
    this.#count -= 1;
    return {
      next: { position: this.#at(index, 0), ordinal: this.#at(index, 1), segment: segment + 1 },
      encodedBytes: this.#at(index, 2),
    };
  }

  #at(index: number, field: number): number {
    return this.#ring[index * FIELDS + field] ?? 0;
  }

  #grow(): void {
    const larger = new Float64Array(this.#ring.length * 2);
    const split = this.#first * FIELDS;
    larger.set(this.#ring.subarray(split));
    larger.set(this.#ring.subarray(0, split), this.#ring.length - split);
    this.#ring = larger;
    this.#first = 0;
  }
}
