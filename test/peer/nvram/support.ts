/** Regions, and records to put into them. */
import * as assert from 'uvu/assert';
import type { Disk } from '../../../src/disk/disk.ts';
import type { RegionHold } from '../../../src/model/peer.ts';
import type { HeldSegment, NvramRegion, OpenedRegion, RegionEnd } from '../../../src/peer/nvram/contract.ts';
import { createRegion } from '../../../src/peer/nvram/create-region.ts';
import { openRegion } from '../../../src/peer/nvram/open-region.ts';
import { RecordWriter, RECORD_HEADER_BYTES, SYNC_RECORD_BYTES } from '../../../src/record/record.ts';

export const REGION_ID = '00112233445566778899aabbccddeeff';
export const GROUP_ID = 'ffeeddccbbaa99887766554433221100';
export const STREAM = { generation: 3, stream: '0123456789abcdef' };
export const MIB = 1024 * 1024;
export const SIZE_BYTES = 4 * MIB;
const DATA_SET_RECORDS = 8;

export interface Made {
  readonly disk: Disk;
  readonly path: string;
  readonly sizeBytes: number;
  readonly hold: RegionHold;
}

/** Encode one record: a write of `payloadBytes` bytes, a zero without any, or the sync command that closes its data set. */
export function encodeRecord(sequence: number, payloadBytes: number): Uint8Array {
  const dataSet = Math.floor(sequence / DATA_SET_RECORDS);
  const firstSequence = dataSet * DATA_SET_RECORDS;
  const timeUs = 1_795_378_504_000_000 + sequence;
  if (sequence % DATA_SET_RECORDS === DATA_SET_RECORDS - 1) {
    const bytes = new Uint8Array(SYNC_RECORD_BYTES);
    const sync = {
      dataSet,
      firstSequence,
      finalSequence: sequence,
      reason: 'age',
      chain: GROUP_ID,
      incarnation: STREAM.stream,
      headBytes: 7,
      timeUs,
    } as const;
    new RecordWriter(bytes).encodeSync(0, sync, STREAM);
    return bytes;
  }
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + payloadBytes);
  const payload = payloadBytes === 0 ? null : new Uint8Array(payloadBytes).fill((sequence % 251) + 1);
  const command = {
    type: payload === null ? 'zero' : 'write',
    vlun: 1,
    lba: sequence,
    lengthBytes: payloadBytes || 512,
    timeUs,
    payload,
  } as const;
  new RecordWriter(bytes).encodeWrite(0, command, { dataSet, firstSequence, sequence }, STREAM);
  return bytes;
}

/** Encode one message's records: numbers `first` to `first + records - 1`. */
export function encodeMessage(first: number, records: number, payloadBytes = 512): Uint8Array {
  return Buffer.concat(Array.from({ length: records }, (_, index) => encodeRecord(first + index, payloadBytes)));
}

/** Make a region and open it. */
export async function makeRegion(options: Made): Promise<NvramRegion> {
  await createRegion({ ...options, regionId: REGION_ID });
  return reopen(options);
}

/** Open what must be a region. */
export function reopen(options: Made): NvramRegion {
  const opened = openRegion(options);
  if (opened.kind !== 'open') throw new Error(`the region is ${shown(opened)}`);
  return opened.region;
}

function shown(opened: Exclude<OpenedRegion, { kind: 'open' }>): string {
  return opened.kind === 'missing' ? 'missing' : `unreadable at ${opened.offset}: expected ${opened.expected}, found ${opened.found}`;
}

/** Take everything that a region hands out. */
export function readAll(region: NvramRegion): { segments: HeldSegment[]; end: RegionEnd } {
  const segments: HeldSegment[] = [];
  const walk = region.segments();
  for (let step = walk.next(); ; step = walk.next()) {
    if (step.done === true) return { segments, end: step.value };
    segments.push({ ...step.value, encoded: step.value.encoded.slice() });
  }
}

/** Assert that a region holds exactly these messages, in order, ending cleanly. */
export function assertHolds(
  region: NvramRegion,
  messages: readonly { firstOrdinal: number; records: number; encoded: Uint8Array }[],
): void {
  const { segments, end } = readAll(region);
  assert.is(end.verdict, 'clean-end');
  assert.equal(
    segments.map(({ firstOrdinal, records, encoded }) => [firstOrdinal, records, encoded.length]),
    messages.map(({ firstOrdinal, records, encoded }) => [firstOrdinal, records, encoded.length]),
  );
  for (const [index, { encoded }] of segments.entries())
    assert.is(Buffer.compare(encoded, messages[index]?.encoded ?? new Uint8Array(0)), 0);
  assert.is(
    region.heldBytes,
    messages.reduce((sum, { encoded }) => sum + encoded.length, 0),
  );
}

/** Wait until what is stored is held. */
export function held(region: NvramRegion): Promise<void> {
  return new Promise((resolve, reject) => region.whenHeld((error) => (error === null ? resolve() : reject(error))));
}
