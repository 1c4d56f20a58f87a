/**
 * Put segments into a region's file: the records, then the zeroes behind them, the header last. So a process that is killed in between
 * leaves the zeroes that stood there, and the newest segment is whole or not there. (What a power cut leaves of it is told by its
 * checksums and digest.) Through the mapping where there is one, otherwise through the descriptor; two pieces where the ring wraps.
 */
import { crc32 } from 'node:zlib';
import type { DiskFile, FileMapping } from '../../disk/disk.ts';
import { assert } from '../../model/assert.ts';
import { RECORD_TYPE } from '../../model/commands.ts';
import type { RegionId } from '../../model/peer.ts';
import { readId } from '../../record/fields.ts';
import { offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES } from '../../record/layout.ts';
import { beginSegmentHeader, putSegmentNumbers, RING_OFFSET, SEGMENT_HEADER_BYTES, type SegmentNumbers } from './format.ts';

const AT = offsetsOf(RECORD_HEADER);
const TERMINATOR = new Uint8Array(SEGMENT_HEADER_BYTES);
const FIRST_CHECKSUMS = 1024;

export interface RingWriterOptions {
  readonly file: DiskFile;
  readonly mapping: FileMapping | null;
  readonly regionId: RegionId;
  readonly ringBytes: number;
}

export class RingWriter {
  readonly #options: RingWriterOptions;
  readonly #header = new Uint8Array(SEGMENT_HEADER_BYTES);
  readonly #headerView: DataView;
  /** Filled in again and again. */
  readonly #body = { encodedBytes: 0, digest: 0 };
  #checksums = new Uint8Array(FIRST_CHECKSUMS * 4);
  #checksumsView = new DataView(this.#checksums.buffer);

  constructor(options: RingWriterOptions) {
    this.#options = options;
    this.#headerView = beginSegmentHeader(this.#header, options.regionId);
  }

  /** Put one segment at its position. @throws what the disk says; then any part of it may be there */
  putSegment(encoded: Uint8Array, numbers: SegmentNumbers): void {
    const { position, records } = numbers;
    const body = this.#body;
    body.encodedBytes = encoded.length;
    body.digest = this.#digestOf(encoded, records);
    putSegmentNumbers(this.#header, this.#headerView, numbers, body);
    this.put(encoded, position + SEGMENT_HEADER_BYTES);
    this.put(TERMINATOR, position + SEGMENT_HEADER_BYTES + encoded.length);
    this.put(this.#header, position);
  }

  /** Put the zeroes that end the segments. */
  putEnd(position: number): void {
    this.put(TERMINATOR, position);
  }

  /** Put bytes at a position of the ring. */
  put(bytes: Uint8Array, position: number): void {
    const { ringBytes } = this.#options;
    const begin = position % ringBytes;
    const first = Math.min(bytes.length, ringBytes - begin);
    this.putAt(first === bytes.length ? bytes : bytes.subarray(0, first), RING_OFFSET + begin);
    if (first < bytes.length) this.putAt(bytes.subarray(first), RING_OFFSET);
  }

  /** Put what stands from one position up to another there once more, in pieces of a buffer. */
  copyOver(from: number, to: number, piece: Uint8Array): void {
    const { file, ringBytes } = this.#options;
    for (let position = from; position < to;) {
      const begin = position % ringBytes;
      const bytes = piece.subarray(0, Math.min(piece.length, to - position, ringBytes - begin));
      file.readSync(bytes, RING_OFFSET + begin);
      this.putAt(bytes, RING_OFFSET + begin);
      position += bytes.length;
    }
  }

  /** Put bytes at an offset of the file. */
  putAt(bytes: Uint8Array, offset: number): void {
    const { mapping, file } = this.#options;
    if (mapping === null) file.writeSync(bytes, offset);
    else mapping.store(bytes, offset);
  }

  /** CRC-32 of the header checksums of the records, which were checked when they came: their lengths can be followed. */
  #digestOf(encoded: Uint8Array, records: number): number {
    if (this.#checksums.length < records * 4) {
      this.#checksums = new Uint8Array(records * 8);
      this.#checksumsView = new DataView(this.#checksums.buffer);
    }
    const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.length);
    let offset = 0;
    for (let index = 0; index < records; index += 1) {
      assert(offset + RECORD_HEADER_BYTES <= encoded.length, 'as many records as are stored stand in their bytes');
      this.#checksumsView.setUint32(index * 4, view.getUint32(offset + AT.headerChecksum, true), true);
      const type = view.getUint8(offset + AT.type);
      const isBare = type === RECORD_TYPE.zero || type === RECORD_TYPE.trim;
      offset += RECORD_HEADER_BYTES + (isBare ? 0 : readId(view, offset + AT.lengthBytes));
    }
    assert(offset === encoded.length, 'the records that are stored end where their bytes end');
    return crc32(this.#checksums.subarray(0, records * 4));
  }
}
