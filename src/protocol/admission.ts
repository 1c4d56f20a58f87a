/**
 * Which write may be stored next (DESIGN section 2, steps 1-2; I11): requests wait in one line, and the first one that has to
 * wait makes all later ones wait. An admitted request keeps room reserved until it is stored and numbered.
 *
 * A request is admitted when it and all reserved ones fit into one data set beside what is open (so it is never split over two),
 * and the backlog limit holds. When nothing at all is unacknowledged it is admitted whatever its size, or it would wait for ever.
 */
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';
import type { PrimaryEvent, RequestId } from './primary-contract.ts';

export type WriteRequested = Extract<PrimaryEvent, { event: 'writeRequested' }>;

/** Requests that wait or are being stored: more than all NBD connections together may have under way is a fault of the shell. */
export const REQUESTS_MAX = 4 * LIMITS.nbdConnectionsMax * LIMITS.nbdRequestsInFlightMax;

/** `cut`: it fits when the open data set is closed. `stored`: it fits when reserved requests were numbered, and then cut. */
export type AdmissionVerdict = 'admit' | 'cut' | 'stored' | 'backlog';

/** What is numbered already. */
export interface Numbered {
  /** Encoded bytes and records of the open data set, 0 when none is open. */
  readonly openBytes: number;
  readonly openRecords: number;
  readonly unacknowledgedBytes: number;
}

/** Maxima of one data set without its sync. */
export interface DataSetRoom {
  readonly bytes: number;
  readonly records: number;
}

export class Admission {
  #waiting: WriteRequested[] = [];
  /** Index of the first that waits: the line is moved up only now and then. */
  #first = 0;
  #storing = new Map<RequestId, WriteRequested>();
  #reservedBytes = 0;
  #reservedRecords = 0;
  #room: DataSetRoom;
  readonly #backlogLimitBytes: number;
  readonly #numbered: Numbered;

  constructor(options: { readonly room: DataSetRoom; readonly backlogLimitBytes: number; readonly numbered: Numbered }) {
    this.#room = options.room;
    this.#backlogLimitBytes = options.backlogLimitBytes;
    this.#numbered = options.numbered;
  }

  /** Keep to other maxima from now on. */
  set room(room: DataSetRoom) {
    this.#room = room;
  }

  get waiting(): number {
    return this.#waiting.length - this.#first;
  }

  /** The request that is next, null when none waits. */
  get head(): WriteRequested | null {
    return this.#waiting[this.#first] ?? null;
  }

  /** Put a request at the end of the line. */
  request(request: WriteRequested): void {
    const { encodedBytes, records } = request;
    assert(records >= 1 && encodedBytes > 0, 'a write has at least one record');
    assert(
      encodedBytes <= this.#room.bytes && records <= this.#room.records,
      'a request that does not fit into one data set is split by the shell',
    );
    assert(this.waiting + this.#storing.size < REQUESTS_MAX, 'more than % requests under way', REQUESTS_MAX);
    this.#waiting.push(request);
  }

  /** Judge the request that is next. */
  judge({ encodedBytes, records }: WriteRequested): AdmissionVerdict {
    const { openBytes, openRecords, unacknowledgedBytes } = this.#numbered;
    const taken = unacknowledgedBytes + this.#reservedBytes;
    if (taken > 0 && taken + encodedBytes > this.#backlogLimitBytes) return 'backlog';
    const bytes = this.#reservedBytes + encodedBytes;
    const count = this.#reservedRecords + records;
    if (openBytes + bytes <= this.#room.bytes && openRecords + count <= this.#room.records) return 'admit';
    return bytes <= this.#room.bytes && count <= this.#room.records ? 'cut' : 'stored';
  }

  /** Take the first request out of the line and reserve its room until `stored`. */
  admit(): WriteRequested {
    const request = this.head;
    assert(request !== null, 'a request waits');
    assert(!this.#storing.has(request.request), 'request % is being stored already', request.request);
    this.#first += 1;
    if (this.#first === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    this.#storing.set(request.request, request);
    this.#reservedBytes += request.encodedBytes;
    this.#reservedRecords += request.records;
    return request;
  }

  /** Give the reserved room back: the request is about to be numbered. */
  stored(request: RequestId): WriteRequested {
    const stored = this.#storing.get(request);
    assert(stored !== undefined, 'request % was not admitted, or stored before', request);
    this.#storing.delete(request);
    this.#reservedBytes -= stored.encodedBytes;
    this.#reservedRecords -= stored.records;
    return stored;
  }

  /** Tell whether a request that is about to be numbered fits into the open data set; always, unless the maxima became smaller. */
  fits({ encodedBytes, records }: WriteRequested): boolean {
    const { openBytes, openRecords } = this.#numbered;
    return openBytes + encodedBytes <= this.#room.bytes && openRecords + records <= this.#room.records;
  }

  /** Largest request that waits or is being stored. */
  largest(): { bytes: number; records: number } {
    let bytes = 0;
    let records = 0;
    for (const request of [...this.#waiting.slice(this.#first), ...this.#storing.values()]) {
      bytes = Math.max(bytes, request.encodedBytes);
      records = Math.max(records, request.records);
    }
    return { bytes, records };
  }

  /** Forget everything: the group failed, and the shell answers. */
  clear(): void {
    this.#waiting.length = 0;
    this.#first = 0;
    this.#storing.clear();
    this.#reservedBytes = 0;
    this.#reservedRecords = 0;
  }
}
