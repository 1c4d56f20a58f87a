/** A stopped secondary whose payloads are random bytes, written as files, so that it can be damaged in every way before it is packed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { BLOCK_BYTES, encodeHeader, encodeMark, encodeWatermark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { Random } from '../../src/demo/random.ts';
import { CHAIN_START, type HistoryPoint } from '../../src/model/ids.ts';
import { hashChain, RecordReader, RecordWriter } from '../../src/record/record.ts';
import { encodeChecked, type HostState } from '../../src/state/host-state.ts';

const SLOTS = 4;
const SLOT_BYTES = 65_536;
const WATERMARK = 3;
const NEWEST = 6;
const IDENTITY = { groupId: '5a'.repeat(16), generation: 1, stream: '1d2e3f4a5b6c7d8e' };
const INCARNATION = '0123456789abcdef';
const VOLUME_BYTES = 262_144;

export interface DataRing {
  readonly stateDirectory: string;
  readonly journals: string;
  /** Every payload that was ever written into a journal. */
  readonly payloads: readonly Buffer[];
}

/** Bytes that follow from a seed, and that no compression or pattern would make. */
export function randomBytesOf(random: Random, lengthBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: lengthBytes }, () => random.between(0, 255)));
}

/** Data sets 0 to 6 in four slots: through 3 in the volumes, 4 complete, 5 complete and not flagged, 6 partial; old bytes behind the later ones. */
export function writeDataRing(folder: string, seed: number): DataRing {
  const random = new Random(seed);
  const images = Array.from({ length: SLOTS }, () => Buffer.alloc(SLOT_BYTES));
  const payloads: Buffer[] = [];
  const points: HistoryPoint[] = [];
  let before: HistoryPoint = { dataSet: -1, finalSequence: -1, chain: CHAIN_START };
  for (let dataSet = 0; dataSet <= NEWEST; dataSet += 1) {
    const image = images[dataSet % SLOTS] as Buffer;
    before = writeDataSet(image, { dataSet, before, random, payloads });
    points.push(before);
  }
  const stateDirectory = join(folder, 'state');
  const journals = join(stateDirectory, 'journals');
  mkdirSync(journals, { recursive: true });
  for (const [slot, image] of images.entries()) writeFileSync(journalPath(journals, slot), image);
  writeFileSync(watermarkPath(journals), watermarkOf(points));
  writeFileSync(join(stateDirectory, 'host-state.json'), encodeChecked(STATE));
  return { stateDirectory, journals, payloads };
}

const STATE: HostState = {
  formatVersion: 1,
  role: 'secondary',
  condition: 'active',
  reason: 'it was refused by 10.1.2.3:7000 and said so in /var/log/secret',
  groupName: 'orders',
  groupId: IDENTITY.groupId,
  generations: [
    {
      number: 1,
      id: 'aa'.repeat(8),
      afterDataSet: null,
      afterSequence: null,
      chain: CHAIN_START,
      firstDataSet: 0,
      firstSequence: 0,
    },
  ],
  stream: IDENTITY.stream,
  volumes: [
    { vlun: 0, name: 'db1', sizeBytes: VOLUME_BYTES },
    { vlun: 1, name: 'db2', sizeBytes: VOLUME_BYTES },
  ],
  hostEpoch: 0,
  lastPrimarySession: INCARNATION,
  divergedFrom: null,
};

interface SetOptions {
  readonly dataSet: number;
  readonly before: HistoryPoint;
  readonly random: Random;
  readonly payloads: Buffer[];
}

/** Header, records, sync and flag of one data set; a later one leaves more of the former's bytes behind it. */
function writeDataSet(image: Buffer, { dataSet, before, random, payloads }: SetOptions): HistoryPoint {
  const firstSequence = before.finalSequence + 1;
  encodeHeader(image.subarray(0, BLOCK_BYTES), {
    ...IDENTITY,
    slot: dataSet % SLOTS,
    slots: SLOTS,
    slotBytes: SLOT_BYTES,
    dataSet,
    firstSequence,
  });
  image.fill(0, MARK_OFFSET, RECORDS_OFFSET);
  const writer = new RecordWriter(image);
  const reader = new RecordReader(image);
  const checksums: number[] = [];
  let offset = RECORDS_OFFSET;
  const writes = dataSet < SLOTS ? 9 : 5;
  for (let index = 0; index < writes; index += 1) {
    const type = index === 2 ? 'zero' : 'write';
    const lengthBytes = 512 * random.between(1, 8);
    // One payload comes twice: what is equal has to stay equal.
    const payload = index === 4 ? (payloads.at(-1) as Buffer) : randomBytesOf(random, lengthBytes);
    if (type === 'write') payloads.push(payload);
    const command = { type, vlun: index % 2, lba: random.between(0, 400), timeUs: 1_700_000_000_000_000 + index } as const;
    const data = type === 'write' ? { lengthBytes: payload.length, payload } : { lengthBytes, payload: null };
    offset += writer.encodeWrite(offset, { ...command, ...data }, { dataSet, firstSequence, sequence: firstSequence + index }, IDENTITY);
  }
  for (let at = RECORDS_OFFSET; at < offset;) {
    const record = reader.readAt(at, offset);
    if (record.kind !== 'record') throw new Error('a record of the test cannot be read');
    checksums.push(record.headerChecksum);
    at += record.encodedBytes;
  }
  const chain = hashChain(before.chain, Uint32Array.from(checksums), INCARNATION);
  const finalSequence = firstSequence + writes;
  const sync = {
    dataSet,
    firstSequence,
    finalSequence,
    reason: 'flush',
    chain,
    incarnation: INCARNATION,
    headBytes: 1,
    timeUs: 2,
  } as const;
  if (dataSet < NEWEST) offset += writer.encodeSync(offset, sync, IDENTITY);
  image.fill(0, offset, Math.ceil((offset + 80) / BLOCK_BYTES) * BLOCK_BYTES);
  const point = { dataSet, finalSequence, chain };
  if (dataSet <= WATERMARK + 1) encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: IDENTITY.stream, point });
  return point;
}

function watermarkOf(points: readonly HistoryPoint[]): Buffer {
  const bytes = Buffer.alloc(2 * BLOCK_BYTES);
  for (const [block, dataSet] of [WATERMARK - 1, WATERMARK].entries()) {
    const content = { ...IDENTITY, point: points[dataSet] ?? null, hostEpoch: 0, counter: 7 + block };
    encodeWatermark(bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES), content);
  }
  return bytes;
}
