/**
 * A sync whose chain is of another history, although everything else of it is right: of all that a copy checks, only the chain over its
 * own records tells (DESIGN section 2, step 8). The copy must fail before it acknowledges it, and stays as it was.
 */
import { crc32 } from 'node:zlib';
import { offsetsOf, RECORD_HEADER, RECORD_HEADER_BYTES, SYNC_PAYLOAD } from '../record/layout.ts';
import type { DecodedRecord } from '../record/contract.ts';
import type { SecondaryHost } from './secondary-host.ts';
import type { Simulation } from './simulation.ts';
import { durableFlagged, durableWatermark } from './storage-oracle.ts';
import { recordsOf } from './stray.ts';

const AT = offsetsOf(RECORD_HEADER);
const CHAIN_AT = RECORD_HEADER_BYTES + offsetsOf(SYNC_PAYLOAD).chain;

/** Let the next sync that completes the lowest data set arrive with another chain. From then on the host may fail, and refuse to start. */
export function forgeChain({ network }: Simulation, host: SecondaryHost): void {
  network.forge = (to, bytes) => {
    const sync =
      to.life === host.life && host.promotion === 'none' ? recordsOf(bytes).find((record) => completes(host, record)) : undefined;
    if (sync === undefined) return null;
    network.forge = () => null;
    host.damage = { flagged: durableFlagged(host), watermark: durableWatermark(host.disk), where: 'a sync with another chain' };
    return withOtherChain(bytes, sync);
  };
}

/** Whether this sync is all that the lowest data set lacks; so it is not acknowledged before the chain was looked at. */
function completes(host: SecondaryHost, { type, dataSet, sequence }: DecodedRecord): boolean {
  const { machine } = host.secondary?.replica ?? {};
  if (type !== 'sync' || machine === undefined) return false;
  const complete = machine.complete().at(-1)?.dataSet ?? machine.origin.dataSet - 1;
  const held = machine.held().find((set) => set.dataSet === dataSet);
  if (dataSet !== complete + 1 || held === undefined || held.finalSequence !== null) return false;
  for (let index = 0; index < sequence - held.firstSequence; index += 1)
    if (((held.durable[index >> 3] ?? 0) & (1 << (index & 7))) === 0) return false;
  return true;
}

function withOtherChain(message: Uint8Array, { offset, encodedBytes }: DecodedRecord): Uint8Array {
  const forged = Uint8Array.from(message);
  const sync = forged.subarray(offset, offset + encodedBytes);
  const header = new DataView(sync.buffer, sync.byteOffset, sync.length);
  sync[CHAIN_AT] = (sync[CHAIN_AT] ?? 0) ^ 1;
  header.setUint32(AT.payloadChecksum, crc32(sync.subarray(RECORD_HEADER_BYTES)), true);
  header.setUint32(AT.headerChecksum, crc32(sync.subarray(0, AT.headerChecksum)), true);
  return forged;
}
