/** Records for fuzzing: encoded again from what was decoded, and made from fast-check's structures. */
import fc from 'fast-check';
import { CUT_REASON, type CutReason } from '../../src/model/commands.ts';
import { ID_MAX } from '../../src/model/ids.ts';
import type { DecodedRecord, RecordNumbers, RecordStream, WireRecord } from '../../src/record/contract.ts';
import { RecordWriter } from '../../src/record/record.ts';
import { encodePad, encodeSync, encodeWrite } from '../record/samples.ts';
import { must } from './target.ts';

type Decoded = Pick<
  DecodedRecord,
  'encodedBytes' | 'dataSet' | 'firstSequence' | 'sequence' | 'vlun' | 'lba' | 'lengthBytes' | 'timeUs' | 'sync' | 'type'
>;

/** Encode what was decoded again: the same bytes, or something was accepted that nobody writes. */
export function mustReencode(record: Decoded, bytes: Uint8Array, stream: RecordStream): void {
  const again = new Uint8Array(record.encodedBytes);
  const writer = new RecordWriter(again);
  const { type, dataSet, firstSequence, sequence, vlun, lba, lengthBytes, timeUs, sync } = record;
  if (type === 'pad') writer.encodePad(0, record.encodedBytes);
  else if (type === 'sync') {
    must(sync !== null, 'a sync record has its content');
    writer.encodeSync(0, { dataSet, firstSequence, finalSequence: sequence, ...sync, timeUs }, stream);
  } else {
    const payload = type === 'write' ? bytes.subarray(80) : null;
    writer.encodeWrite(0, { type, vlun, lba, lengthBytes, timeUs, payload }, { dataSet, firstSequence, sequence }, stream);
  }
  must(
    Buffer.compare(again, bytes) === 0,
    () => `an accepted ${type} record is encoded otherwise: ${Buffer.from(bytes.subarray(0, 120)).toString('hex')}`,
  );
}

/** The same for a record of a message. */
export function mustReencodeWire(record: WireRecord, stream: RecordStream): void {
  mustReencode(record, record.bytes, stream);
}

/** Numbers up to 2^53 - 1, mostly at the ends of what is allowed. */
export const anyId = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 40 }) },
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, ID_MAX - 1, ID_MAX),
);

export const anyHex = (digits: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: digits, maxLength: digits }),
    fc.constantFrom('0'.repeat(digits), 'f'.repeat(digits)),
  );

const anyNumbers = fc
  .tuple(anyId, anyId, anyId)
  .map(([dataSet, a, b]): RecordNumbers => ({ dataSet, firstSequence: Math.min(a, b), sequence: Math.max(a, b) }));

const anyReason = fc.constantFrom(...(Object.keys(CUT_REASON) as CutReason[]));

/** One right record of any kind, of this stream. */
export function anyRecord(stream: RecordStream): fc.Arbitrary<Uint8Array> {
  const write = fc
    .tuple(
      anyNumbers,
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 2 ** 32 - 2 }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      anyId,
    )
    .map(([numbers, blocks, vlun, lba, timeUs]) => {
      const payload = new Uint8Array(blocks * 512).fill(blocks * 31);
      return encodeWrite({ type: 'write', vlun, lba, lengthBytes: payload.length, timeUs, payload }, numbers, stream);
    });
  const range = fc
    .tuple(
      anyNumbers,
      fc.constantFrom('zero' as const, 'trim' as const),
      fc.integer({ min: 1, max: 2 ** 40 }),
      fc.integer({ min: 0, max: 2 ** 42 }),
      anyId,
    )
    .map(([numbers, type, blocks, lba, timeUs]) =>
      encodeWrite({ type, vlun: 0, lba, lengthBytes: blocks * 512, timeUs, payload: null }, numbers, stream),
    );
  const sync = fc
    .tuple(anyNumbers, anyReason, anyHex(32), anyHex(16), anyId, anyId)
    .map(([{ dataSet, firstSequence, sequence }, reason, chain, incarnation, headBytes, timeUs]) =>
      encodeSync({ dataSet, firstSequence, finalSequence: sequence, reason, chain, incarnation, headBytes, timeUs }, stream),
    );
  const pad = fc.integer({ min: 10, max: 100 }).map((words) => encodePad(words * 8));
  return fc.oneof({ weight: 3, arbitrary: write }, range, sync, { weight: 1, arbitrary: pad });
}
