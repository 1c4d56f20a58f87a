/**
 * Judge of encoded records by the byte table of PROTOCOL.md, written down here once more on purpose: a mistake that the encoder and the
 * decoder share shows itself only to somebody who knows the bytes from elsewhere. @invariant I9
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Chain, DataSetId, SequenceNumber } from '../model/ids.ts';
import { violated } from './violation.ts';

const AT = { version: 4, dataSet: 24, firstSequence: 32, sequence: 40, payloadChecksum: 72, headerChecksum: 76, payload: 80 } as const;
const SYNC_AT = { chain: 88, incarnation: 104 } as const;
const MAGIC = 0x31525346;
const FIRST_CHAIN = '0'.repeat(32);

/** A record's magic, numbers and checksums, each where the table has it. */
export function judgeEncoding(
  bytes: Uint8Array,
  numbers: { dataSet: DataSetId; firstSequence: SequenceNumber; sequence: SequenceNumber },
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isRight =
    view.getUint32(0, true) === MAGIC &&
    view.getUint16(AT.version, true) === 1 &&
    view.getBigUint64(AT.dataSet, true) === BigInt(numbers.dataSet) &&
    view.getBigUint64(AT.firstSequence, true) === BigInt(numbers.firstSequence) &&
    view.getBigUint64(AT.sequence, true) === BigInt(numbers.sequence) &&
    view.getUint32(AT.payloadChecksum, true) === crc32(bytes.subarray(AT.payload)) &&
    view.getUint32(AT.headerChecksum, true) === crc32(bytes.subarray(0, AT.headerChecksum));
  if (!isRight) violated('I9 end to end', `record ${numbers.sequence} of data set ${numbers.dataSet} is not encoded as PROTOCOL.md says`);
}

/** A data set's chain: over the chain before, the header checksums of its writes in their order, and the incarnation. */
export function judgeChain(before: Chain | null, writes: readonly Uint8Array[], sync: Uint8Array): void {
  const hash = createHash('sha256').update(before ?? FIRST_CHAIN, 'hex');
  for (const write of writes) hash.update(write.subarray(AT.headerChecksum, AT.payload));
  hash.update(sync.subarray(SYNC_AT.incarnation, SYNC_AT.incarnation + 8));
  const chain = hash.digest().subarray(0, 16);
  if (Buffer.compare(chain, sync.subarray(SYNC_AT.chain, SYNC_AT.chain + 16)) !== 0)
    violated('I8 handshake', `the chain of a data set is ${chain.toString('hex')}, its sync says something else`);
}
