/**
 * Read the segments of a region's ring from its file: for opening, for a fetch, and for inspection beside a running peer. Reads only,
 * and never throws on any bytes: what a disk cannot read, and what is no segment, is the end of what is held, with its reason.
 *
 * A segment counts whole or not at all: its header must be the next one of this region, and its records intact, as many as it says,
 * and the very ones that it was stored with (its digest), not those of an earlier lap of the ring in their place.
 * @invariant I9
 */
import { crc32 } from 'node:zlib';
import type { DiskFile } from '../../disk/disk.ts';
import { messageOf } from '../../model/errors.ts';
import { LIMITS } from '../../model/limits.ts';
import type { RegionId } from '../../model/peer.ts';
import { isZero } from '../../record/fields.ts';
import { RECORD_HEADER_BYTES, type DecodedRecord } from '../../record/record.ts';
import { RecordReader } from '../../record/record-reader.ts';
import type { RegionEnd } from './contract.ts';
import { decodeSegmentHeader, RING_OFFSET, SEGMENT_HEADER_BYTES, type RingPlace, type SegmentHeader } from './format.ts';

/** What is read: an open file, or the bytes of one. */
export type RegionBytes = Pick<DiskFile, 'path' | 'readSync'>;

export interface ScannedSegment {
  readonly place: RingPlace;
  readonly header: SegmentHeader;
  /** Its records as they came; valid until the next segment is read. */
  readonly encoded: Uint8Array;
  /** The place behind it. */
  readonly next: RingPlace;
}

/** What a walk along the ring knows when it comes to a place. */
export interface WalkState {
  /** Opening that stored the segment before; an older one behind it is left over. */
  readonly opening: number;
  /** Position at which the ring is full: what stands there is the tail again. */
  readonly limit: number;
}

type Found<What> = ({ readonly kind: 'found' } & What) | { readonly kind: 'end'; readonly end: RegionEnd };

const FIRST_BUFFER_BYTES = 512 * 1024;
const CHECKSUM_BYTES = 4;

export class SegmentReader {
  readonly ringBytes: number;
  readonly #file: RegionBytes;
  readonly #regionId: RegionId;
  readonly #header = new Uint8Array(SEGMENT_HEADER_BYTES);
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #reader = new RecordReader(this.#buffer);

  constructor(options: { readonly file: RegionBytes; readonly regionId: RegionId; readonly ringBytes: number }) {
    this.#file = options.file;
    this.#regionId = options.regionId;
    this.ringBytes = options.ringBytes;
  }

  /** The file's byte at which a position of the ring stands. */
  fileOffsetOf(position: number): number {
    return RING_OFFSET + (position % this.ringBytes);
  }

  /** Read the header of the segment at a place. */
  headerAt(place: RingPlace, state: WalkState): Found<{ readonly header: SegmentHeader }> {
    const { position } = place;
    const unreadable = (offset: number, expected: string, found: string): Found<never> => ({
      kind: 'end',
      end: { verdict: 'unreadable', offset: this.fileOffsetOf(position + offset), expected, found },
    });
    if (position + SEGMENT_HEADER_BYTES > state.limit)
      return unreadable(0, 'the end of the segments before the ring is full', 'a full ring');
    const failed = this.#read(this.#header, position);
    if (failed !== null) return unreadable(0, 'bytes that the disk can read', failed);
    if (isZero(this.#header, 0, SEGMENT_HEADER_BYTES))
      return { kind: 'end', end: { verdict: 'clean-end', offset: this.fileOffsetOf(position) } };
    const decoded = decodeSegmentHeader(this.#header);
    if (decoded.verdict === 'later-version') return unreadable(4, 'a segment of format version 1', `version ${decoded.version}`);
    if (decoded.verdict === 'unreadable') return unreadable(decoded.offset, `a segment header (${decoded.expected})`, decoded.found);
    const header = decoded.content;
    if (header.regionId !== this.#regionId) return unreadable(16, `a segment of region ${this.#regionId}`, `region ${header.regionId}`);
    // Left over from an earlier lap, or stored before the region was opened last and not found then: no segment is held behind the last one.
    if (header.opening < state.opening || header.segment < place.segment || header.position < position)
      return { kind: 'end', end: { verdict: 'clean-end', offset: this.fileOffsetOf(position) } };
    const wrong = wrongHeader(header, place, state.limit);
    return wrong === null ? { kind: 'found', header } : unreadable(0, wrong.expected, wrong.found);
  }

  /** Read the whole segment at a place. @param collect takes its records, with their offsets in `encoded` */
  segmentAt(place: RingPlace, state: WalkState, collect: DecodedRecord[] | null = null): Found<{ readonly segment: ScannedSegment }> {
    const found = this.headerAt(place, state);
    if (found.kind === 'end') return found;
    const { header } = found;
    const from = place.position + SEGMENT_HEADER_BYTES;
    const encoded = this.#bufferOf(header.encodedBytes);
    const failed = this.#read(encoded, from);
    const fault =
      failed === null ? this.#checkRecords(header, collect) : { offset: 0, expected: 'bytes that the disk can read', found: failed };
    if (fault !== null) {
      const { offset, expected } = fault;
      return { kind: 'end', end: { verdict: 'unreadable', offset: this.fileOffsetOf(from + offset), expected, found: fault.found } };
    }
    return { kind: 'found', segment: { place, header, encoded, next: placeAfter(place, header) } };
  }

  /** @returns what is wrong, with its offset in the segment's records; null: nothing */
  #checkRecords(header: SegmentHeader, collect: DecodedRecord[] | null): { offset: number; expected: string; found: string } | null {
    const { encodedBytes, records } = header;
    const checksums = new Uint8Array(records * CHECKSUM_BYTES);
    const view = new DataView(checksums.buffer);
    const reader = this.#reader;
    let count = 0;
    let offset = 0;
    for (; offset < encodedBytes; count += 1) {
      const decoded = collect === null ? null : reader.readAt(offset, encodedBytes);
      const verdict = decoded === null ? reader.examine(offset, encodedBytes) : decoded.kind;
      if (decoded?.kind === 'record') collect?.push(decoded);
      if (verdict === 'bad')
        return { offset, expected: `a record (${reader.fault.reason}: ${reader.fault.expected})`, found: reader.fault.found };
      if (verdict === 'incomplete')
        return {
          offset,
          expected: `a record of at least ${reader.neededBytes} bytes`,
          found: `${encodedBytes - offset} bytes to the segment's end`,
        };
      if (verdict === 'end' || reader.header.type === 'pad')
        return { offset, expected: 'a record of a command', found: verdict === 'end' ? 'zeroes' : 'a pad' };
      if (count === records) return { offset, expected: `${records} records, as the segment's header says`, found: 'more' };
      view.setUint32(count * CHECKSUM_BYTES, reader.header.headerChecksum, true);
      offset += reader.header.encodedBytes;
    }
    if (count !== records) return { offset: 0, expected: `${records} records, as the segment's header says`, found: `${count}` };
    if (crc32(checksums) !== header.digest)
      return { offset: 0, expected: 'the records that the segment was stored with', found: 'other records' };
    return null;
  }

  #bufferOf(lengthBytes: number): Uint8Array {
    if (this.#buffer.length < lengthBytes) {
      this.#buffer = new Uint8Array(Math.ceil(lengthBytes / FIRST_BUFFER_BYTES) * FIRST_BUFFER_BYTES);
      this.#reader = new RecordReader(this.#buffer);
    }
    return this.#buffer.subarray(0, lengthBytes);
  }

  /** Read a range of the ring, in two pieces where it wraps. @returns what the disk said; null: read */
  #read(target: Uint8Array, position: number): string | null {
    const begin = position % this.ringBytes;
    const first = Math.min(target.length, this.ringBytes - begin);
    return (
      this.#readPiece(target.subarray(0, first), RING_OFFSET + begin) ??
      (first === target.length ? null : this.#readPiece(target.subarray(first), RING_OFFSET))
    );
  }

  #readPiece(target: Uint8Array, offset: number): string | null {
    try {
      const bytesRead = this.#file.readSync(target, offset);
      return bytesRead === target.length ? null : `${bytesRead} bytes at byte ${offset}, expected ${target.length}`;
    } catch (error) {
      return messageOf(error);
    }
  }
}

export function placeAfter(place: RingPlace, header: Pick<SegmentHeader, 'encodedBytes' | 'records'>): RingPlace {
  return {
    position: place.position + SEGMENT_HEADER_BYTES + header.encodedBytes,
    ordinal: place.ordinal + header.records,
    segment: place.segment + 1,
  };
}

/** What an intact header contradicts. */
function wrongHeader(header: SegmentHeader, place: RingPlace, limit: number): { expected: string; found: string } | null {
  const { segment, position, firstOrdinal, tailOrdinal, encodedBytes, records } = header;
  if (segment !== place.segment || position !== place.position || firstOrdinal !== place.ordinal)
    return {
      expected: `segment ${place.segment} at position ${place.position} with ordinal ${place.ordinal}`,
      found: `segment ${segment} at position ${position} with ordinal ${firstOrdinal}`,
    };
  if (tailOrdinal > firstOrdinal) return { expected: `a tail of at most ${firstOrdinal}`, found: `${tailOrdinal}` };
  if (records === 0 || encodedBytes < records * RECORD_HEADER_BYTES || encodedBytes % 8 !== 0 || encodedBytes > LIMITS.messageBytesMax)
    return { expected: `records of 8 to ${LIMITS.messageBytesMax} bytes`, found: `${records} records of ${encodedBytes} bytes` };
  const end = position + SEGMENT_HEADER_BYTES + encodedBytes + SEGMENT_HEADER_BYTES;
  return end > limit ? { expected: `at most ${limit - position} bytes to the tail`, found: `${end - position} bytes` } : null;
}
