/** What must hold in a small world after each recovery, at rest, and after a promotion. @invariant I1 I2 I5 I7 */
import { decodeHeader, HEADER_OFFSET, BLOCK_BYTES } from '../../../journals/format.ts';
import { journalPath } from '../../../journals/files.ts';
import type { Replica } from '../../secondary/replica.ts';
import type { Secondary } from '../../secondary/secondary.ts';
import type { SimulatedDisk } from '../disk.ts';
import { durableWatermark } from '../storage-oracle.ts';
import { violated } from '../violation.ts';
import type { SmallHistory } from './small-history.ts';
import { GEOMETRY, JOURNALS_DIRECTORY, VOLUMES } from './small-setting.ts';
import type { Told } from './told.ts';

interface Judged {
  readonly disk: SimulatedDisk;
  readonly told: Told;
  readonly history: SmallHistory;
}

/**
 * A recovery has ended: the watermark did not go back and is durable, every acknowledged number above it is in the rebuilt bitmap, and every number
 * that is there stands durably in its journal, with its own bytes. What is there counts as told from now on: the handshake tells it.
 */
export function judgeRebuilt({ secondary, told, history, disk }: Judged & { readonly secondary: Secondary }): void {
  const { replica, ring } = secondary;
  if (replica === null || ring === null) return violated('I1 prefix', 'a bound host comes back without a copy');
  const watermark = replica.machine.origin.dataSet - 1;
  if (watermark < told.watermark) violated('I1 prefix', `the watermark went back from ${told.watermark} to ${watermark}`);
  if (watermark > durableWatermark(disk))
    violated('I5 retire', `recovery goes on from watermark ${watermark}, which only the page cache has`);
  if ((history.sets[watermark]?.point.chain ?? null) !== (replica.watermarkPoint?.chain ?? null))
    violated('I1 prefix', `watermark ${watermark} has a chain that never was`);
  const held = new Map(replica.machine.held().map((set) => [set.dataSet, set]));
  for (const { dataSet, firstSequence, records } of history.sets.slice(watermark + 1)) {
    const set = held.get(dataSet);
    held.delete(dataSet);
    if (set !== undefined && set.firstSequence !== firstSequence)
      violated('I7 numbers', `data set ${dataSet} is held from ${set.firstSequence}`);
    const slot = dataSet % GEOMETRY.slots;
    const image = disk.image(journalPath(JOURNALS_DIRECTORY, slot), 'durable');
    const offsets = new Uint32Array(ring.buffers[slot]?.offsets ?? new ArrayBuffer(0));
    for (const [index, { sequence, wire }] of records.entries()) {
      const has = set !== undefined && ((set.durable[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
      if (!has && told.has(sequence)) violated('I2 ack', `number ${sequence} of data set ${dataSet} was acknowledged and is lost`);
      if (!has) continue;
      if (image?.holds(offsets[index] ?? 0, wire.bytes) !== true)
        violated('I2 ack', `number ${sequence} of data set ${dataSet} is held, and is not durable with its own bytes`);
      told.tell(sequence);
    }
  }
  for (const dataSet of held.keys()) violated('I7 numbers', `data set ${dataSet} is held and was never sent`);
}

/** Everything complete is destaged: both volumes are the history's at exactly the watermark, which is not older than what was promised. */
export function judgeRest({ replica, told, history, disk }: Judged & { readonly replica: Replica }): void {
  const reached = replica.watermarkPoint?.dataSet ?? -1;
  const complete = told.completeThrough(history);
  if (reached < complete) violated('I1 prefix', `the copy is at data set ${reached}; ${complete} was acknowledged complete`);
  if (reached < told.watermark) violated('I1 prefix', `the copy goes back from ${told.watermark} to ${reached}`);
  judgeVolumes({ disk, history, told }, reached);
}

/** A promoted host is at exactly one data set, not older than what was promised, and nothing above it is left in the journals. */
export function judgePromoted({ secondary, told, history, disk }: Judged & { readonly secondary: Secondary }): void {
  if (!told.mayBePromoting) violated('I8 generation', 'a host that nobody promoted finds itself promoted');
  const kept = secondary.state.divergedFrom;
  const reached = kept?.dataSet ?? -1;
  const complete = told.completeThrough(history);
  if (reached < Math.max(complete, told.watermark))
    violated('I1 prefix', `promoted at data set ${reached}; ${complete} was acknowledged complete, watermark ${told.watermark}`);
  if (kept !== null && history.sets[reached]?.point.chain !== kept.chain) violated('I1 prefix', 'promoted at a chain that never was');
  judgeVolumes({ disk, history, told }, reached);
  const block = new Uint8Array(BLOCK_BYTES);
  for (let slot = 0; slot < GEOMETRY.slots; slot += 1) {
    disk.image(journalPath(JOURNALS_DIRECTORY, slot), 'durable')?.read(block, HEADER_OFFSET);
    const header = decodeHeader(block);
    if (header.verdict !== 'readable' || (header.dataSet !== null && header.dataSet > reached))
      violated('I8 generation', `promoted at data set ${reached}, and slot ${slot} still holds a later one`);
  }
}

function judgeVolumes({ disk, history }: Judged, dataSet: number): void {
  const images = history.imagesAt(dataSet);
  for (const [index, { path, name }] of VOLUMES.entries()) {
    const image = images[index];
    for (const what of ['cached', 'durable'] as const)
      if (image === undefined || disk.image(path, what)?.equals(image) !== true)
        violated('I1 prefix', `volume ${name} (${what}) is not the history's at data set ${dataSet}`);
  }
}
