/** The chain (DESIGN section 1): what proves that two hosts have a common history up to a data set. */
import { createHash } from 'node:crypto';
import { assert } from '../model/assert.ts';
import type { Chain, SessionId } from '../model/ids.ts';
import { isHex } from './fields.ts';

const CHAIN_DIGITS = 32;

/**
 * Hash chain(N-1), the header checksums of N's write, zero and trim records in sequence order, and the primary's incarnation:
 * the first 128 bits of SHA-256 over 16 bytes, 4 little-endian bytes per checksum, 8 bytes.
 */
export function hashChain(previous: Chain, headerChecksums: Uint32Array, incarnation: SessionId): Chain {
  assert(isHex(previous, CHAIN_DIGITS) && isHex(incarnation, 16), 'chain and incarnation must be lower-case hex digits of their length');
  const checksums = new DataView(new ArrayBuffer(headerChecksums.length * 4));
  for (let index = 0; index < headerChecksums.length; index += 1) checksums.setUint32(index * 4, headerChecksums[index] ?? 0, true);
  const hash = createHash('sha256').update(previous, 'hex').update(checksums).update(incarnation, 'hex');
  return hash.digest('hex').slice(0, CHAIN_DIGITS);
}
