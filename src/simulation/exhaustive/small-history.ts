/** What a primary sends in one small world: records by the production codec, with their real chain, and the volumes after each data set. */
import { BLOCK_BYTES, CHAIN_START, type Chain, type DataSetId, type HistoryPoint, type SequenceNumber } from '../../model/ids.ts';
import type { WriteType } from '../../model/commands.ts';
import type { WireRecord } from '../../record/contract.ts';
import { encodedWriteBytes, hashChain, RecordWriter, SYNC_RECORD_BYTES } from '../../record/record.ts';
import { decodeRecords } from '../../record/wire.ts';
import { Image } from '../image.ts';
import { HEAP } from '../memory.ts';
import { violated } from '../violation.ts';
import { add, hashNumber, type Lanes } from './sector-hash.ts';
import { INCARNATION, STREAM, VOLUMES } from './small-setting.ts';

const RECORD_KIND = 4;

/** One command of a history, as an application would give it. */
export interface SmallCommand {
  readonly type: WriteType;
  /** Index of the volume. */
  readonly volume: number;
  readonly lba: number;
  readonly blocks: number;
}

export interface SmallRecord {
  readonly sequence: SequenceNumber;
  readonly dataSet: DataSetId;
  /** As it arrives: decoded and checked by the production decoder. */
  readonly wire: WireRecord;
}

export interface SmallDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly point: HistoryPoint;
  /** In the order of their numbers, the sync last. */
  readonly records: readonly SmallRecord[];
  /** The volumes at its end. */
  readonly images: readonly Image[];
}

export class SmallHistory {
  readonly sets: readonly SmallDataSet[];
  readonly records: readonly SmallRecord[];
  readonly #prefixes: readonly Lanes[];
  readonly #empty = VOLUMES.map(({ sizeBytes }) => imageOf(new Uint8Array(sizeBytes)));

  constructor(commands: readonly (readonly SmallCommand[])[]) {
    const volumes = VOLUMES.map(({ sizeBytes }) => new Uint8Array(sizeBytes));
    const head = { sequence: 0, bytes: 0, chain: CHAIN_START };
    this.sets = commands.map((set, dataSet) => closeDataSet(dataSet, set, volumes, head));
    this.records = this.sets.flatMap(({ records }) => records);
    const sum = { low: 0, high: 0 };
    this.#prefixes = this.sets.map(({ records }) => {
      for (const { wire, sequence } of records) {
        add(sum, hashNumber(RECORD_KIND + sequence, wire.headerChecksum));
      }
      return { ...sum };
    });
  }

  /** Hash of every record through a data set: histories that agree there have one key. */
  prefixLanes(dataSet: DataSetId): Lanes {
    return this.#prefixes[dataSet] ?? violated('simulation', `data set ${dataSet} was never sent`);
  }

  get last(): DataSetId {
    return this.sets.length - 1;
  }

  imagesAt(dataSet: DataSetId): readonly Image[] {
    if (dataSet < 0) return this.#empty;
    return this.sets[dataSet]?.images ?? violated('I1 prefix', `data set ${dataSet} was never sent`);
  }
}

function closeDataSet(
  dataSet: DataSetId,
  commands: readonly SmallCommand[],
  volumes: readonly Uint8Array[],
  head: { sequence: SequenceNumber; bytes: number; chain: Chain },
): SmallDataSet {
  const firstSequence = head.sequence;
  const checksums: number[] = [];
  const records = commands.map((command): SmallRecord => {
    const sequence = head.sequence++;
    const { bytes, checksum } = encodeCommand(command, { dataSet, firstSequence, sequence }, volumes[command.volume] as Uint8Array);
    head.bytes += bytes.length;
    checksums.push(checksum);
    return { sequence, dataSet, wire: overTheWire(bytes) };
  });
  head.chain = hashChain(head.chain, Uint32Array.from(checksums), INCARNATION);
  const finalSequence = head.sequence++;
  const { chain } = head;
  const sync = { dataSet, firstSequence, finalSequence, chain, incarnation: INCARNATION, headBytes: head.bytes };
  const encoded = new Uint8Array(SYNC_RECORD_BYTES);
  new RecordWriter(encoded).encodeSync(0, { ...sync, reason: 'flush', timeUs: 1_000 + finalSequence }, STREAM);
  records.push({ sequence: finalSequence, dataSet, wire: overTheWire(encoded) });
  return { dataSet, firstSequence, point: { dataSet, finalSequence, chain }, records, images: volumes.map(imageOf) };
}

function encodeCommand(
  { type, volume, lba, blocks }: SmallCommand,
  numbers: { dataSet: DataSetId; firstSequence: SequenceNumber; sequence: SequenceNumber },
  image: Uint8Array,
): { bytes: Uint8Array; checksum: number } {
  const lengthBytes = blocks * BLOCK_BYTES;
  const payload = type === 'write' ? payloadOf(numbers.sequence, lengthBytes) : null;
  const bytes = new Uint8Array(encodedWriteBytes(payload?.length ?? 0));
  const writer = new RecordWriter(bytes);
  const { vlun } = VOLUMES[volume] ?? violated('simulation', `there is no volume ${volume}`);
  writer.encodeWrite(0, { type, vlun, lba, lengthBytes, timeUs: 1_000 + numbers.sequence, payload }, numbers, STREAM);
  if (payload === null) image.fill(0, lba * BLOCK_BYTES, lba * BLOCK_BYTES + lengthBytes);
  else image.set(payload, lba * BLOCK_BYTES);
  return { bytes, checksum: writer.headerChecksumAt(0) };
}

/** Every block says of which write it is, and which block of it. */
function payloadOf(sequence: SequenceNumber, lengthBytes: number): Uint8Array {
  const payload = new Uint8Array(lengthBytes);
  for (let block = 0; block * BLOCK_BYTES < lengthBytes; block += 1)
    payload.fill(1 + 16 * (sequence + 1) + block, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  return payload;
}

function overTheWire(encoded: Uint8Array): WireRecord {
  const { records, damaged, violation } = decodeRecords(encoded, STREAM);
  const [record] = records;
  if (record === undefined || damaged.length > 0 || violation !== null)
    return violated('protocol', 'the decoder refuses what the encoder made');
  return record;
}

function imageOf(bytes: Uint8Array): Image {
  const image = new Image(HEAP);
  image.put(0, bytes.length, bytes.slice());
  return image;
}
