/** Judges of every write and flush that a secondary hands to its disk. @invariant I1 I3 I4 I5 */
import { BLOCK_BYTES, decodeHeader, decodeMark, decodeWatermark, HEADER_OFFSET, MARK_OFFSET } from '../../journals/format.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import type { DataSetId } from '../model/ids.ts';
import type { SimulatedDisk } from './disk.ts';
import type { History } from './history.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { remembered } from './remembered.ts';
import { JOURNALS_DIRECTORY, VOLUMES } from './setting.ts';
import { violated } from './violation.ts';

const block = new Uint8Array(BLOCK_BYTES);
const headerAt = remembered(decodeHeader);
const markAt = remembered(decodeMark);
const watermarkAt = remembered(decodeWatermark);

/** The newest watermark that a power cut would leave for sure; -1: none. */
export function durableWatermark(disk: SimulatedDisk): DataSetId {
  const image = disk.image(watermarkPath(JOURNALS_DIRECTORY), 'durable');
  let newest: DataSetId = -1;
  for (const position of [0, BLOCK_BYTES]) {
    if (image === null || image.read(block, position) < BLOCK_BYTES) continue;
    const decoded = watermarkAt(block, position);
    if (decoded.verdict === 'readable') newest = Math.max(newest, decoded.content.point?.dataSet ?? -1);
  }
  return newest;
}

/** Highest data set above the watermark that is flagged durably, with all between. */
export function durableFlagged(host: SecondaryHost): DataSetId {
  const { slots } = host.around.setting.geometry;
  let flagged = durableWatermark(host.disk);
  for (;;) {
    const dataSet = flagged + 1;
    const image = host.disk.image(journalPath(JOURNALS_DIRECTORY, dataSet % slots), 'durable');
    if (image === null) return flagged;
    image.read(block, MARK_OFFSET);
    const mark = markAt(block, dataSet % slots);
    if (mark.verdict !== 'set' || mark.point.dataSet !== dataSet) return flagged;
    image.read(block, HEADER_OFFSET);
    const header = headerAt(block, dataSet % slots);
    if (header.verdict !== 'readable' || header.dataSet !== dataSet) return flagged;
    flagged = dataSet;
  }
}

/** A byte goes to a source volume only while a flagged data set is not yet destaged. @invariant I3 */
export function judgeVolumeStore(host: SecondaryHost): void {
  const { storage } = host.promises;
  // One order of data sets is stored and flushed within one event.
  const { steps } = host.around.universe.world;
  if (storage.storeStep === steps) return;
  storage.storeStep = steps;
  storage.flaggedAtStore = durableFlagged(host);
  if (storage.flaggedAtStore <= durableWatermark(host.disk))
    violated(
      'I3 log first',
      `a source volume is written while no data set above watermark ${durableWatermark(host.disk)} is flagged durably`,
    );
}

/** A flushed volume is the history's at the end of one flagged data set at or above the watermark. @invariant I1 I3 I4 */
export function judgeVolumeFlush(host: SecondaryHost, path: string): void {
  const { storage } = host.promises;
  const watermark = durableWatermark(host.disk);
  const flagged = Math.max(storage.flaggedAtStore, watermark);
  const index = VOLUMES.findIndex((volume) => volume.path === path);
  const found = host.disk.image(path, 'durable') ?? violated('I1 prefix', `the name of volume ${path} is not durable`);
  let equal = false;
  for (let dataSet = Math.max(watermark, -1); dataSet <= flagged && !equal; dataSet += 1) {
    const image = dataSet > host.history.closedThrough ? undefined : host.history.imagesAt(dataSet)[index];
    equal = image !== undefined && found.equals(image);
  }
  if (!equal)
    violated(
      'I4 ascending',
      `volume ${path} was flushed as a mixture: it is the history's at none of data sets ${watermark} to ${flagged}`,
    );
  host.around.counters.statesJudged += 1;
}

/** A watermark goes to the disk: everything through it is in the volumes, durably, and it never goes back. @invariant I5 */
export function judgeWatermarkWrite(host: SecondaryHost, position: number, bytes: Uint8Array): void {
  const decoded = decodeWatermark(bytes.subarray(0, BLOCK_BYTES));
  if (decoded.verdict !== 'readable') violated('I5 retire', 'an unreadable watermark is written');
  judgeOtherNote(host, position, bytes);
  const { point } = decoded.content;
  const before = durableWatermark(host.disk);
  const dataSet = point?.dataSet ?? -1;
  if (dataSet < before) violated('I5 retire', `the watermark goes back from ${before} to ${dataSet}`);
  if (point === null || dataSet <= host.promises.storage.watermark) return;
  if (host.history.sets[dataSet]?.chain !== point.chain) violated('I5 retire', `watermark ${dataSet} names a chain that never was`);
  const flagged = durableFlagged(host);
  if (dataSet > flagged) violated('I5 retire', `watermark ${dataSet} is written, flagged is only ${flagged}`);
  judgeCovered(host, dataSet, flagged);
}

/** A torn write must leave a note: never over the newest durable one, unless to write the same again. */
function judgeOtherNote(host: SecondaryHost, position: number, bytes: Uint8Array): void {
  const image = host.disk.image(watermarkPath(JOURNALS_DIRECTORY), 'durable');
  if (image === null || image.holds(position, bytes)) return;
  const [here, other] = [position, position === 0 ? BLOCK_BYTES : 0].map((at) => {
    image.read(block, at);
    const decoded = decodeWatermark(block);
    return decoded.verdict === 'readable' ? decoded.content.counter : -1;
  });
  if ((here ?? 0) > (other ?? 0))
    violated('I5 retire', `a watermark is written over the newest durable one, which stands at byte ${position}`);
}

/** Each block of the durable volumes is at data set `from` or at a later flagged one: what is under way may be there in part. */
function judgeCovered(host: SecondaryHost, from: DataSetId, flagged: DataSetId): void {
  for (const [index, { path, sizeBytes, name }] of VOLUMES.entries()) {
    const found = host.disk.image(path, 'durable') ?? violated('I5 retire', `volume ${name} has no durable name`);
    const images = [];
    for (let dataSet = from; dataSet <= flagged; dataSet += 1) images.push(host.history.imagesAt(dataSet)[index]);
    if (images.some((image) => image !== undefined && found.equals(image))) continue;
    const bytes = new Uint8Array(512);
    for (let position = 0; position < sizeBytes; position += bytes.length) {
      found.read(bytes, position);
      if (images.some((image) => image?.holds(position, bytes) === true)) continue;
      if (
        host.history.records.some(
          ({ dataSet, header, bytes: record }) =>
            dataSet > from && dataSet <= flagged && header.vlun === VOLUMES[index]?.vlun && coversBlock(header, record, position, bytes),
        )
      )
        continue;
      violated('I5 retire', `watermark ${from} is written before volume ${name} has it durably (byte ${position})`);
    }
  }
}

function coversBlock(
  header: { lba: number; lengthBytes: number; type: string; payloadOffset: number; offset: number },
  record: Uint8Array,
  position: number,
  found: Uint8Array,
): boolean {
  const begin = position - header.lba * 512;
  if (begin < 0 || begin >= header.lengthBytes) return false;
  if (header.type !== 'write') return found.every((byte) => byte === 0);
  const payload = header.payloadOffset - header.offset;
  return Buffer.compare(record.subarray(payload + begin, payload + begin + found.length), found) === 0;
}

/** A slot gets another data set only after a durable watermark covers the one that it had. @invariant I5 */
export function judgeJournalWrite(host: SecondaryHost, path: string, position: number, bytes: Uint8Array): void {
  if (position !== HEADER_OFFSET || bytes.length < BLOCK_BYTES) return;
  const next = decodeHeader(bytes.subarray(0, BLOCK_BYTES));
  const image = host.disk.image(path, 'durable');
  if (image === null || next.verdict !== 'readable') return;
  image.read(block, HEADER_OFFSET);
  const before = decodeHeader(block);
  if (before.verdict !== 'readable' || before.dataSet === null || before.dataSet === next.dataSet) return;
  const watermark = durableWatermark(host.disk);
  const mayDiscard = next.dataSet === null && host.mayBePromoting;
  if (before.dataSet > watermark && !mayDiscard)
    violated('I5 retire', `the slot of data set ${before.dataSet} is used again at watermark ${watermark}`);
}

/** All volumes equal the history at the end of one data set. */
export function judgeVolumesAt(disk: SimulatedDisk, history: History, dataSet: number, what: 'cached' | 'durable'): void {
  const images = history.imagesAt(dataSet);
  for (const [index, { path, name }] of VOLUMES.entries()) {
    const image = images[index];
    if (image !== undefined && disk.image(path, what)?.equals(image) === true) continue;
    violated('I1 prefix', `volume ${name} (${what}) is not the history's at data set ${dataSet}`);
  }
}
