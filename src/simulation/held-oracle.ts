/** Judges of what a secondary holds and says: acknowledgements, rebuilt bitmaps, and what two hosts agree on. @invariant I1 I2 I7 */
import { decodeHeader, HEADER_OFFSET, RECORDS_OFFSET, BLOCK_BYTES } from '../../journals/format.ts';
import { journalPath } from '../../journals/files.ts';
import type { HeldDataSet } from '../model/handshake.ts';
import type { DataSetId, SequenceRange } from '../model/ids.ts';
import type { RegionId } from '../model/peer.ts';
import { offsetsOf, RECORD_HEADER } from '../record/layout.ts';
import type { History, HistoryDataSet, HistoryRecord } from './history.ts';
import type { Image } from './image.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { remembered } from './remembered.ts';
import { hostStatePath } from '../state/host-state.ts';
import { JOURNALS_DIRECTORY, STATE_DIRECTORY } from './setting.ts';
import type { Life } from './virtual-time.ts';
import { durableWatermark } from './storage-oracle.ts';
import { violated } from './violation.ts';

const SEQUENCE_AT = offsetsOf(RECORD_HEADER).sequence;
const block = new Uint8Array(BLOCK_BYTES);
const headerAt = remembered(decodeHeader);

/** An acknowledgement leaves the host: its numbers are durable with every earlier byte of their journal, and were given. @invariant I2 */
export function judgeAcknowledgement(host: SecondaryHost, ranges: readonly SequenceRange[]): void {
  const watermark = durableWatermark(host.disk);
  for (const { from, to } of ranges) {
    for (let sequence = from; sequence <= to; sequence += 1) {
      const record = host.history.records[sequence] ?? violated('I2 ack', `number ${sequence} is acknowledged and was never given`);
      if (record.dataSet > watermark) judgeSafe(host, record);
      else host.promises.tell(sequence);
      host.around.counters.acknowledged += 1;
    }
  }
}

/** A record is durable, or the current session of the peer holds it, and then a restart would know whom to ask. @invariant I2 */
function judgeSafe(host: SecondaryHost, record: HistoryRecord): void {
  const fault = durabilityFault(host, record);
  if (fault === null) return host.promises.tell(record.sequence);
  const holder = host.around.ledger.holderOf(record.sequence, host.life) ?? violated('I2 ack', fault);
  if (!isMarked(host, holder.region.id))
    violated(
      'I2 ack',
      `number ${record.sequence} is acknowledged on the peer's word, and no restart would wait for region ${holder.region.id}`,
    );
  host.promises.tellOnWord(record.sequence);
  host.around.counters.acknowledgedByPeer += 1;
}

/** Whether a restart waits for this region, or, with null, for any. */
export function isMarked(host: SecondaryHost, region: RegionId | null): boolean {
  const state = host.disk.image(hostStatePath(STATE_DIRECTORY), 'durable')?.bytes() ?? new Uint8Array(0);
  return Buffer.from(state).includes(`"peerMayHoldMore": "${region ?? ''}`);
}

/** Whether nothing but this host's disk is needed for a record. */
export function isCovered(host: SecondaryHost, record: HistoryRecord): boolean {
  return record.dataSet <= durableWatermark(host.disk) || (host.ring !== null && durabilityFault(host, record) === null);
}

/** Look again which of the numbers that were told on the peer's word the journals have. */
export function prunePromises(host: SecondaryHost): void {
  const { promises, history } = host;
  if (promises.onWord.size + promises.onlyPeer.size === 0) return;
  promises.prune((sequence) => {
    const record = history.records[sequence];
    return record !== undefined && isCovered(host, record);
  });
}

/** One record is in the durable part of its journal, behind a header of its data set and nothing that is not durable. */
export function judgeDurable(host: SecondaryHost, record: HistoryRecord): void {
  const fault = durabilityFault(host, record);
  if (fault !== null) violated('I2 ack', fault);
}

function durabilityFault(host: SecondaryHost, record: HistoryRecord): string | null {
  const ring = host.ring ?? violated('I2 ack', 'a host acknowledges without journals');
  const { slots } = ring.geometry;
  const slot = record.dataSet % slots;
  const durable = durableJournal(host, slot);
  durable.read(block, HEADER_OFFSET);
  const header = headerAt(block, slot);
  if (header.verdict !== 'readable' || header.dataSet !== record.dataSet)
    return `number ${record.sequence} is acknowledged, and the durable header of slot ${slot} is not of data set ${record.dataSet}`;
  const offset = offsetOf(host, record);
  if (!durable.holds(offset, record.bytes))
    return `number ${record.sequence} of data set ${record.dataSet} is acknowledged before it is durable`;
  const { shared, start } = ring.buffers[slot] as { shared: SharedArrayBuffer; start: number };
  judgePrefix(host, { slot, dataSet: record.dataSet, journal: new Uint8Array(shared, start, offset) });
  if (!durable.holds(RECORDS_OFFSET, new Uint8Array(shared, start + RECORDS_OFFSET, offset - RECORDS_OFFSET)))
    return `number ${record.sequence} of data set ${record.dataSet} is acknowledged before an earlier byte of its journal is durable`;
  return null;
}

/** How far a journal of a host's life was found to be records of its data set and nothing else. */
const prefixes = new WeakMap<Life, Map<number, { readonly dataSet: DataSetId; readonly end: number }>>();

/** What cannot be read ends a journal: nothing behind it counts. */
function judgePrefix(host: SecondaryHost, { slot, dataSet, journal }: { slot: number; dataSet: DataSetId; journal: Uint8Array }): void {
  const known = prefixes.get(host.life) ?? new Map<number, { dataSet: DataSetId; end: number }>();
  prefixes.set(host.life, known);
  const before = known.get(slot);
  let end = before?.dataSet === dataSet ? before.end : RECORDS_OFFSET;
  while (end < journal.length) {
    const sequence = Number(Buffer.from(journal.buffer, journal.byteOffset + end + SEQUENCE_AT, 8).readBigUInt64LE());
    const record = host.history.records[sequence];
    if (record?.dataSet !== dataSet || Buffer.compare(record.bytes, journal.subarray(end, end + record.bytes.length)) !== 0)
      violated('I2 ack', `slot ${slot} has no record of data set ${dataSet} at byte ${end}, and what stands behind it is acknowledged`);
    end += record.bytes.length;
  }
  if (end > (before?.dataSet === dataSet ? before.end : 0)) known.set(slot, { dataSet, end });
}

function durableJournal(host: SecondaryHost, slot: number): Image {
  return (
    host.disk.image(journalPath(JOURNALS_DIRECTORY, slot), 'durable') ?? violated('I2 ack', `the name of journal ${slot} is not durable`)
  );
}

function offsetOf(host: SecondaryHost, record: HistoryRecord): number {
  const ring = host.ring ?? violated('I2 ack', 'no journals');
  const buffer = ring.buffers[record.dataSet % ring.geometry.slots] as { offsets: SharedArrayBuffer };
  const first = host.history.sets[record.dataSet]?.firstSequence ?? 0;
  return new Uint32Array(buffer.offsets)[record.sequence - first] as number;
}

/** Numbers that a host says it holds durably, in the handshake or after a lost link: the primary will never send them again. */
export function judgeHeld(host: SecondaryHost, held: readonly HeldDataSet[]): void {
  for (const { dataSet, firstSequence, durable, finalSequence } of held) {
    const set = host.history.sets[dataSet] ?? violated('I7 numbers', `data set ${dataSet} is held and was never begun`);
    if (set.firstSequence !== firstSequence)
      violated('I7 numbers', `data set ${dataSet} is held from ${firstSequence}, it begins at ${set.firstSequence}`);
    if (finalSequence !== null && set.finalSequence !== finalSequence)
      violated('I7 numbers', `data set ${dataSet} is held to ${finalSequence}`);
    for (let index = 0; index < durable.length * 8; index += 1) {
      if (((durable[index >> 3] ?? 0) & (1 << (index & 7))) === 0) continue;
      const sequence = firstSequence + index;
      const record = set.records[index] ?? violated('I7 numbers', `number ${sequence} of data set ${dataSet} is held and was never given`);
      judgeSafe(host, record);
    }
  }
}

/** After recovery: the bitmaps have every acknowledged number, each with its own bytes. */
export function judgeRestored(host: SecondaryHost): void {
  judgeRebuilt(host, host.history);
  const point = host.secondary?.replica?.watermarkPoint ?? null;
  if (point !== null && point.dataSet > durableWatermark(host.disk))
    violated('I5 retire', `recovery goes on from watermark ${point.dataSet}, which only the page cache has`);
  const { machine } = host.secondary?.replica ?? {};
  if (machine !== undefined) judgeHeld(host, machine.held());
}

/**
 * The rebuilt bitmaps contain every acknowledged number of data sets above the watermark; below it the volumes have them.
 *
 * @param without the peer: what only it has is not there yet, or never will be
 */
export function judgeRebuilt(
  host: Pick<SecondaryHost, 'promises' | 'secondary'>,
  history: History,
  without: 'nobody' | 'peer' = 'peer',
): void {
  const replica = host.secondary?.replica ?? null;
  const { promises } = host;
  const isOwed = (sequence: number): boolean =>
    promises.wasTold(sequence) && (without === 'nobody' || !(promises.onWord.has(sequence) || promises.onlyPeer.has(sequence)));
  if (replica === null) {
    if (history.records.some(({ sequence }) => isOwed(sequence))) violated('I1 prefix', 'a host that acknowledged is blank');
    return;
  }
  const origin = replica.machine.origin.dataSet;
  if (origin - 1 < host.promises.storage.watermark)
    violated('I1 prefix', `the watermark went back from ${host.promises.storage.watermark} to ${origin - 1}`);
  const bits = new Map(replica.machine.held().map((set) => [set.dataSet, set.durable]));
  for (const set of history.sets.slice(origin)) {
    const durable = bits.get(set.dataSet) ?? new Uint8Array(0);
    for (const { sequence } of set.records) {
      const index = sequence - set.firstSequence;
      const has = ((durable[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
      if (!has && isOwed(sequence)) violated('I2 ack', `number ${sequence} of data set ${set.dataSet} was acknowledged and is lost`);
    }
  }
}

/** Two hosts agreed to go on: the secondary has everything that the primary saw acknowledged, and nothing of another history. @invariant I1 I8 */
export function judgeAgreement(primary: PrimaryHost, secondary: SecondaryHost): void {
  const order = primary.primary?.order ?? null;
  const replica = secondary.secondary?.replica ?? null;
  // A copy that failed since is followed no further.
  if (order === null || replica === null || replica.failed) return;
  const origin = replica.machine.origin;
  const { history } = primary;
  const before = history.sets[origin.dataSet - 1];
  if (origin.dataSet > 0 && before?.chain !== origin.chain)
    violated('I8 handshake', `agreed although the copy at data set ${origin.dataSet - 1} is of another history`);
  secondary.history = history;
  judgeHeld(secondary, replica.machine.held());
  const held = new Map(replica.machine.held().map((set) => [set.dataSet, set]));
  const acknowledged = order.acknowledged?.dataSet ?? -1;
  const complete = replica.machine.complete().at(-1)?.dataSet ?? origin.dataSet - 1;
  // In write-back mode a data set is acknowledged before it is complete: then all of it is held, or was when the hello said so.
  const has = ({ sequence, dataSet }: { sequence: number; dataSet: DataSetId }): boolean =>
    isSet(held.get(dataSet)?.durable, sequence - (held.get(dataSet)?.firstSequence ?? 0)) ||
    secondary.promises.onWord.has(sequence) ||
    isCovered(secondary, history.records[sequence] as HistoryRecord);
  const isWhole = (set: HistoryDataSet): boolean => set.records.every(has);
  if (complete < acknowledged && !history.sets.slice(complete + 1, acknowledged + 1).every(isWhole))
    violated('I8 handshake', `agreed with a copy that has data set ${complete}; ${acknowledged} was acknowledged complete`);
  for (const { dataSet, acknowledged: bits, firstSequence } of order.machine.unacknowledged()) {
    if (dataSet < origin.dataSet) continue;
    for (let index = 0; index < bits.length * 8; index += 1) {
      if (isSet(bits, index) && !has({ sequence: firstSequence + index, dataSet }))
        violated(
          'I8 handshake',
          `agreed with a copy that lacks number ${firstSequence + index} of data set ${dataSet}, which was acknowledged`,
        );
    }
  }
}

function isSet(bits: Uint8Array | undefined, index: number): boolean {
  return ((bits?.[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}
