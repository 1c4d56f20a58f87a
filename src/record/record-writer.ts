/**
 * Encode records into one large buffer. Nothing is allocated per record: the header is built in a scratch of its own, whose
 * view lives as long as the writer, and copied into place.
 *
 * @design section 4; Fig. 4 (write command, sync command)
 */
import { crc32 } from './crc32.ts';
import { assert } from '../model/assert.ts';
import { CUT_REASON, RECORD_TYPE } from '../model/commands.ts';
import type { RecordTypeCode } from '../model/commands.ts';
import { BLOCK_BYTES } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import type { RecordNumbers, RecordStream, SyncCommand, WriteCommand } from './contract.ts';
import { hexHalf, isHex, writeHex, writeId } from './fields.ts';
import {
  FORMAT_MAGIC,
  FORMAT_VERSION,
  NO_VLUN,
  offsetsOf,
  RECORD_HEADER,
  RECORD_HEADER_BYTES,
  SYNC_PAYLOAD,
  SYNC_PAYLOAD_BYTES,
  SYNC_RECORD_BYTES,
} from './layout.ts';

const AT = offsetsOf(RECORD_HEADER);
const SYNC_AT = offsetsOf(SYNC_PAYLOAD);

/** Encoded bytes of a write record with so many bytes of payload (zero and trim records: 0). */
export function encodedWriteBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + payloadBytes;
}

/** Encoder over one buffer (plain or shared memory), which it never grows. */
export class RecordWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #header = new Uint8Array(RECORD_HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #checkedHeader = this.#header.subarray(0, AT.headerChecksum);
  readonly #syncPayload = new Uint8Array(SYNC_PAYLOAD_BYTES);
  readonly #syncPayloadView = new DataView(this.#syncPayload.buffer);
  #stream = '';

  constructor(buffer: Uint8Array) {
    // A Buffer's own subarray and set are slower than a Uint8Array's.
    this.#bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    for (let index = 0; index < FORMAT_MAGIC.length; index += 1) this.#header[AT.magic + index] = FORMAT_MAGIC.charCodeAt(index);
    this.#headerView.setUint16(AT.version, FORMAT_VERSION, true);
  }

  /**
   * Encode a write, zero or trim command; returns its encoded bytes. The payload's checksum is computed here, once (I9).
   * @invariant I9
   */
  encodeWrite(offset: number, command: WriteCommand, numbers: RecordNumbers, stream: RecordStream): number {
    const payload = command.payload;
    assert((payload !== null) === (command.type === 'write'), 'a payload belongs to a write, and only to a write');
    assert(command.lengthBytes > 0 && command.lengthBytes % BLOCK_BYTES === 0, 'a command must cover whole blocks');
    assert(
      (command.lba + command.lengthBytes / BLOCK_BYTES) * BLOCK_BYTES <= Number.MAX_SAFE_INTEGER,
      'a command must end below 2^53 bytes',
    );
    if (payload !== null) {
      assert(payload.length === command.lengthBytes, 'the payload must be as long as the command says');
      assert(payload.length <= LIMITS.recordDataBytesMax, 'a payload must not exceed recordDataBytesMax');
    }
    const encodedBytes = RECORD_HEADER_BYTES + (payload === null ? 0 : payload.length);
    assert(offset + encodedBytes <= this.#bytes.length, 'the record must fit into its buffer');
    assert(command.vlun >= 0 && command.vlun < NO_VLUN, 'a VLUN must be from 0 to 2^32 - 2');
    this.#setStream(stream);
    this.#setCommand(RECORD_TYPE[command.type], command.vlun, command.lba, command.lengthBytes);
    this.#setNumbers(numbers.dataSet, numbers.firstSequence, numbers.sequence, command.timeUs);
    this.#finish(offset, payload === null ? 0 : crc32(payload));
    if (payload !== null) this.#bytes.set(payload, offset + RECORD_HEADER_BYTES);
    return encodedBytes;
  }

  /** Encode the sync command that closes a data set; returns SYNC_RECORD_BYTES. */
  encodeSync(offset: number, sync: SyncCommand, stream: RecordStream): number {
    assert(offset + SYNC_RECORD_BYTES <= this.#bytes.length, 'the sync record must fit into its buffer');
    const payload = this.#syncPayload;
    payload[SYNC_AT.reason] = CUT_REASON[sync.reason];
    writeHex(payload, SYNC_AT.chain, sync.chain, 32);
    writeHex(payload, SYNC_AT.incarnation, sync.incarnation, 16);
    writeId(this.#syncPayloadView, SYNC_AT.headBytes, sync.headBytes);
    this.#setStream(stream);
    this.#setCommand(RECORD_TYPE.sync, NO_VLUN, 0, SYNC_PAYLOAD_BYTES);
    this.#setNumbers(sync.dataSet, sync.firstSequence, sync.finalSequence, sync.timeUs);
    this.#finish(offset, crc32(payload));
    this.#bytes.set(payload, offset + RECORD_HEADER_BYTES);
    return SYNC_RECORD_BYTES;
  }

  /** Encode a pad of `bytes` in all, header included: a multiple of 8, at least RECORD_HEADER_BYTES; returns `bytes`. */
  encodePad(offset: number, bytes: number): number {
    assert(bytes >= RECORD_HEADER_BYTES && bytes % 8 === 0, 'a pad must be a multiple of 8 and hold its header');
    assert(bytes - RECORD_HEADER_BYTES <= LIMITS.recordDataBytesMax, 'a pad must not exceed recordDataBytesMax');
    assert(offset + bytes <= this.#bytes.length, 'the pad must fit into its buffer');
    const zeroes = this.#bytes.subarray(offset + RECORD_HEADER_BYTES, offset + bytes).fill(0);
    this.#headerView.setUint32(AT.generation, 0, true);
    this.#header.fill(0, AT.stream, AT.stream + 8);
    this.#stream = '';
    this.#setCommand(RECORD_TYPE.pad, NO_VLUN, 0, zeroes.length);
    this.#setNumbers(0, 0, 0, 0);
    this.#finish(offset, crc32(zeroes));
    return bytes;
  }

  /** Header checksum of the record that begins at `offset`: what the chain is made of. */
  headerChecksumAt(offset: number): number {
    return this.#view.getUint32(offset + AT.headerChecksum, true);
  }

  #setStream({ generation, stream }: RecordStream): void {
    this.#headerView.setUint32(AT.generation, generation, true);
    if (stream === this.#stream) return;
    assert(isHex(stream, 16), 'a stream must be 16 lower-case hex digits');
    this.#headerView.setUint32(AT.stream, hexHalf(stream, 0), false);
    this.#headerView.setUint32(AT.stream + 4, hexHalf(stream, 1), false);
    this.#stream = stream;
  }

  #setCommand(type: RecordTypeCode, vlun: number, lba: number, lengthBytes: number): void {
    const view = this.#headerView;
    view.setUint8(AT.type, type);
    view.setUint32(AT.vlun, vlun, true);
    writeId(view, AT.lba, lba);
    writeId(view, AT.lengthBytes, lengthBytes);
  }

  #setNumbers(dataSet: number, firstSequence: number, sequence: number, timeUs: number): void {
    const view = this.#headerView;
    assert(sequence >= firstSequence, "a sequence number must not be below its data set's first");
    writeId(view, AT.dataSet, dataSet);
    writeId(view, AT.firstSequence, firstSequence);
    writeId(view, AT.sequence, sequence);
    writeId(view, AT.timeUs, timeUs);
  }

  /** Checksum the header and copy it into place. */
  #finish(offset: number, payloadChecksum: number): void {
    this.#headerView.setUint32(AT.payloadChecksum, payloadChecksum, true);
    this.#headerView.setUint32(AT.headerChecksum, crc32(this.#checkedHeader), true);
    this.#bytes.set(this.#header, offset);
  }
}
