/** A peer of one loop: stores messages into a real region as fast as it can, gives up old ones, and says how far they are held. Ends by being killed. */
import { writeSync } from 'node:fs';
import { NodeDisk } from '../../../src/disk/node-disk.ts';
import type { RegionHold } from '../../../src/model/peer.ts';
import { LIMITS } from '../../../src/model/limits.ts';
import { held, reopen, encodeMessage } from './support.ts';

const [path = '', size = '', hold = ''] = process.argv.slice(2);
const region = reopen({ disk: new NodeDisk(), path, sizeBytes: Number(size), hold: hold as RegionHold });
const RECORDS = [1, 3, 7, 40];

for (let round = 0; ; round += 1) {
  const records = RECORDS[round % RECORDS.length] ?? 1;
  const encoded = encodeMessage(region.head, records, 4096);
  while (encoded.length + LIMITS.regionOverheadBytes > region.freeBytes) {
    const through = Math.ceil((region.tail + region.head) / 2);
    tell(through);
    region.release(through);
    await held(region);
  }
  region.store(encoded, records);
  await held(region);
  tell(region.tail);
}

/** Say what is, or is about to be, given up, and how far records are held. */
function tell(through: number): void {
  writeSync(1, `${through} ${region.head}\n`);
}
