/** Records, images and rings for the tests of the journals. */
import type { Disk } from '../../src/disk/disk.ts';
import { BLOCK_BYTES as LBA_BYTES, CHAIN_START } from '../../src/model/ids.ts';
import type { Geometry } from '../../src/model/ids.ts';
import { RecordWriter, SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import type { JournalIdentity, JournalPoolEvents, JournalRing, ScannedJournal } from '../../journals/contract.ts';
import { createRing } from '../../journals/create.ts';
import { encodeHeader, encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { openRing } from '../../journals/ring.ts';

export const DIRECTORY = '/ring';
export const IDENTITY: JournalIdentity = { groupId: '00112233445566778899aabbccddeeff', generation: 3, stream: '0123456789abcdef' };
export const LATER_IDENTITY: JournalIdentity = { ...IDENTITY, generation: 4, stream: 'fedcba9876543210' };
export const SMALL: Geometry = geometryOf({ slots: 4, slotBytes: 64 * 1024 });
export const alignedStart = (): number => 0;
export const chainOf = (dataSet: number): string => String(dataSet).padStart(32, '0');

export interface RecordOptions {
  readonly dataSet: number;
  readonly firstSequence: number;
  readonly sequence: number;
  readonly blocks?: number;
  readonly identity?: JournalIdentity;
}

/** Encode a write of `blocks` blocks whose bytes follow from its numbers; 0 blocks: a zero command. */
export function encodeRecord({ dataSet, firstSequence, sequence, blocks = 1, identity = IDENTITY }: RecordOptions): Uint8Array {
  const target = new Uint8Array(blocks * LBA_BYTES + 256);
  const payload = blocks === 0 ? null : new Uint8Array(blocks * LBA_BYTES).fill((sequence * 7 + dataSet) % 251);
  const lengthBytes = payload?.length ?? LBA_BYTES;
  const command = {
    type: payload === null ? ('zero' as const) : ('write' as const),
    vlun: 1,
    lba: sequence,
    lengthBytes,
    timeUs: 1_000_000 + sequence,
    payload,
  };
  const encodedBytes = new RecordWriter(target).encodeWrite(0, command, { dataSet, firstSequence, sequence }, identity);
  return target.subarray(0, encodedBytes);
}

export function encodeSyncRecord({ dataSet, firstSequence, sequence, identity = IDENTITY }: RecordOptions): Uint8Array {
  const target = new Uint8Array(SYNC_RECORD_BYTES);
  const sync = {
    dataSet,
    firstSequence,
    finalSequence: sequence,
    reason: 'flush' as const,
    chain: CHAIN_START,
    incarnation: '1122334455667788',
    headBytes: 0,
    timeUs: 5,
  };
  new RecordWriter(target).encodeSync(0, sync, identity);
  return target;
}

export function encodePadRecord(lengthBytes: number): Uint8Array {
  const target = new Uint8Array(lengthBytes);
  new RecordWriter(target).encodePad(0, lengthBytes);
  return target;
}

export interface ImageOptions {
  readonly dataSet: number | null;
  readonly records: readonly Uint8Array[];
  readonly identity?: JournalIdentity;
  readonly flagged?: boolean;
  readonly imageBytes?: number;
}

/** Build a journal's bytes for slot `dataSet mod 4`. */
export function buildImage({
  dataSet,
  records,
  identity = IDENTITY,
  flagged = false,
  imageBytes = SMALL.slotBytes,
}: ImageOptions): Uint8Array {
  const image = new Uint8Array(imageBytes);
  const slot = (dataSet ?? 0) % SMALL.slots;
  const firstSequence = dataSet === null ? null : dataSet * 100;
  encodeHeader(image, { ...identity, slot, slots: SMALL.slots, slotBytes: imageBytes, dataSet, firstSequence });
  const point = { dataSet: dataSet ?? 0, finalSequence: 9, chain: chainOf(9) };
  if (flagged) encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: identity.stream, point });
  let offset = RECORDS_OFFSET;
  for (const record of records) {
    image.set(record, offset);
    offset += record.length;
  }
  return image;
}

export function create(disk: Disk, geometry: Geometry = SMALL): Promise<void> {
  return new Promise((resolve, reject) => {
    createRing({ disk, directory: DIRECTORY, geometry, alignedStart }, (error) => (error === null ? resolve() : reject(error)));
  });
}

export interface Told {
  readonly durable: Map<number, number>;
  readonly flags: number[];
  readonly watermarks: number[];
  readonly failures: { slot: number; fatal: boolean; message: string }[];
  readonly events: JournalPoolEvents;
}

/** Events that remember what they were told; `hook` runs after each. */
export function listen(hook: () => void = () => {}): Told {
  const told: Omit<Told, 'events'> = { durable: new Map(), flags: [], watermarks: [], failures: [] };
  const events: JournalPoolEvents = {
    durable: (dataSet, records) => {
      told.durable.set(dataSet, records);
      hook();
    },
    completeFlagDurable: (dataSet) => {
      told.flags.push(dataSet);
      hook();
    },
    watermarkDurable: (point) => {
      told.watermarks.push(point.dataSet);
      hook();
    },
    failed: (slot, error, fatal) => {
      told.failures.push({ slot, fatal, message: error.message });
      hook();
    },
  };
  return { ...told, events };
}

export function open(disk: Disk, told: Told = listen(), geometry: Geometry = SMALL, commitGapMs = 0): JournalRing {
  const ring = openRing({ disk, directory: DIRECTORY, geometry, alignedStart, events: told.events, commitGapMs });
  ring.setIdentity(IDENTITY);
  return ring;
}

export function scan(ring: JournalRing): Promise<readonly ScannedJournal[]> {
  return new Promise((resolve, reject) => ring.scan((error, journals) => (error === null ? resolve(journals) : reject(error))));
}

/** Call something that takes `done` last, and wait. */
export function call(work: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => work((error) => (error === null ? resolve() : reject(error))));
}

/** Create and open a ring whose slots are free. */
export async function fresh(disk: Disk, told: Told = listen(), geometry: Geometry = SMALL, commitGapMs = 0): Promise<JournalRing> {
  await create(disk, geometry);
  const ring = open(disk, told, geometry, commitGapMs);
  await scan(ring);
  return ring;
}

/** Wait until `condition` holds; turns of the event loop, not time. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 200_000; turn += 1) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never happened: ${what}`);
}

export const sequencesOf = (journal: ScannedJournal | undefined): number[] =>
  (journal?.records ?? []).filter((record) => record.type !== 'pad').map((record) => record.sequence);
