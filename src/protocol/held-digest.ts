/**
 * The digest of what is held of a data set. Chains prove complete data sets; a partial one of a restored or cloned primary may
 * have the same numbers and other commands, and would become a mixture if only its missing numbers were sent.
 */
import { CHAIN_START } from '../model/ids.ts';
import type { Digest } from '../model/ids.ts';
import { bitAt, highestBit } from './handshake-history.ts';
import type { HashChain } from './secondary-contract.ts';

const NO_INCARNATION = '0'.repeat(16);

/**
 * Hash the header checksums of the received records in sequence order; null if a number is received that has no checksum here.
 *
 * @param received bit i stands for the i-th record of the data set
 * @param headerChecksums by the same index; those of records that are not received are not looked at
 */
export function digestHeld(received: Uint8Array, headerChecksums: Uint32Array, hashChain: HashChain): Digest | null {
  const last = highestBit(received);
  if (last >= headerChecksums.length) return null;
  const checksums = new Uint32Array(last + 1);
  let count = 0;
  for (let index = 0; index <= last; index += 1) {
    if (!bitAt(received, index)) continue;
    checksums[count] = headerChecksums[index] ?? 0;
    count += 1;
  }
  return hashChain(CHAIN_START, checksums.subarray(0, count), NO_INCARNATION);
}
