/** Records back to back, as bytes into the decoder of the record encoding. */
import fc from 'fast-check';
import { LIMITS } from '../../src/model/limits.ts';
import { RECORD_HEADER_BYTES, RecordReader } from '../../src/record/record.ts';
import { concatenate, encodePad, encodeWrite, payload, RECORDS, STREAM, WRITE } from '../record/samples.ts';
import { fixRecords } from './checksums.ts';
import { anyRecord, mustReencode } from './record-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const samples = Object.values(RECORDS);
/** Found: a pad under right checksums that says it is of a stream. */
const padOfAStream = encodePad(88);
padOfAStream[16] = 1;
fixRecords(padOfAStream);
const wide = encodeWrite({ ...WRITE, lengthBytes: 8192, payload: payload(8192) });

export const recordTarget: Target = {
  name: 'record',
  property: 'what is decoded encodes to the same bytes, and nothing is read beyond the end or twice',
  golden: [...samples.map((sample) => [sample]), [concatenate(...samples, new Uint8Array(160))], [wide], [padOfAStream]],
  generator: fc.array(anyRecord(STREAM), { minLength: 1, maxLength: 5 }).map((records) => [concatenate(...records)]),
  fix: (part) => fixRecords(part),
  testInputs: 12_000,
  mustReach: ['end', 'incomplete', 'magic', 'version', 'header-checksum', 'type', 'length', 'identifier', 'payload-checksum'],
  run: ([bytes = new Uint8Array(0)]: Input): string => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const reader = new RecordReader(bytes);
    const sharedReader = new RecordReader(shared);
    for (let at = 0, steps = 0; ; steps += 1) {
      must(steps <= bytes.length / RECORD_HEADER_BYTES + 1, 'each step reads a record of its own');
      const found = reader.readAt(at, bytes.length);
      must(JSON.stringify(found) === JSON.stringify(sharedReader.readAt(at, bytes.length)), 'shared memory reads the same');
      if (found.kind === 'incomplete') {
        const { neededBytes } = found;
        must(
          neededBytes > bytes.length - at && neededBytes <= RECORD_HEADER_BYTES + LIMITS.recordDataBytesMax,
          `${neededBytes} bytes needed at ${at}`,
        );
      }
      if (found.kind === 'bad' && found.intactHeader === null) return found.reason;
      if (found.kind === 'bad') must((found.intactHeader?.encodedBytes ?? 0) <= bytes.length - at, 'a damaged payload is inside the bytes');
      if (found.kind === 'bad') return found.reason;
      if (found.kind !== 'record') return found.kind;
      must(
        found.offset === at && found.encodedBytes >= RECORD_HEADER_BYTES && at + found.encodedBytes <= bytes.length,
        'a record lies inside the bytes',
      );
      mustReencode(found, bytes.subarray(at, at + found.encodedBytes), found);
      must(reader.readAt(at, at + found.encodedBytes - 1).kind === 'incomplete', 'without its last byte a record is incomplete');
      at += found.encodedBytes;
    }
  },
};
