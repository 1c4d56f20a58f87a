/**
 * A primary without links: it numbers writes as the real one does, with real records and real chains, and knows for each data set
 * the image of every volume at its end. What it was told to be acknowledged it forgets to send for ever, as the real one does.
 */
import { CHAIN_START, type HistoryPoint, type SequenceNumber } from '../../src/model/ids.ts';
import { encodedWriteBytes, hashChain, RecordWriter, SYNC_RECORD_BYTES, type RecordStream } from '../../src/record/record.ts';
import { decodeRecords, encodeMessage } from '../../src/record/wire.ts';
import type { WireRecord } from '../../src/record/contract.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import type { Random } from '../../src/simulation/random.ts';

export interface ModelRecord {
  readonly dataSet: number;
  readonly sequence: SequenceNumber;
  /** The encoded record, as it must stand in a journal. */
  readonly bytes: Uint8Array;
}

export interface ModelDataSet {
  readonly dataSet: number;
  readonly firstSequence: SequenceNumber;
  readonly point: HistoryPoint;
  /** In the order of their numbers, the sync last. */
  readonly records: readonly ModelRecord[];
  /** The volumes at its end, in the order of the configs. */
  readonly images: readonly Uint8Array[];
}

export interface ModelPrimaryOptions {
  readonly random: Random;
  readonly stream: RecordStream;
  readonly volumes: readonly VolumeConfig[];
  readonly capacityBytes: number;
}

const INCARNATION = '00000000000000c7';
const BLOCK = 512;

export class ModelPrimary {
  readonly dataSets: ModelDataSet[] = [];
  readonly acknowledged = new Set<SequenceNumber>();
  /** What is to be sent, in no order. */
  waiting: ModelRecord[] = [];
  readonly #options: ModelPrimaryOptions;
  readonly #images: Uint8Array[];
  readonly #blank: readonly Uint8Array[];
  #nextSequence = 0;
  #headBytes = 0;
  #chain = CHAIN_START;

  constructor(options: ModelPrimaryOptions) {
    this.#options = options;
    this.#images = options.volumes.map((volume) => new Uint8Array(volume.sizeBytes));
    this.#blank = options.volumes.map((volume) => new Uint8Array(volume.sizeBytes));
  }

  int(below: number): number {
    return Math.floor(this.#options.random.next() * below);
  }

  chance(share: number): boolean {
    return this.#options.random.next() < share;
  }

  /** The volumes at the end of a data set; -1: before the first. */
  imagesAt(dataSet: number): readonly Uint8Array[] {
    return dataSet < 0 ? this.#blank : (this.dataSets[dataSet] as ModelDataSet).images;
  }

  /** Take writes and close a data set, until there are so many. */
  writeThrough(dataSet: number): void {
    while (this.dataSets.length <= dataSet) this.#writeDataSet(this.dataSets.length);
  }

  /** Highest data set of which everything was acknowledged, with all before it; -1: none. */
  acknowledgedThrough(): number {
    const broken = this.dataSets.findIndex((set) => set.records.some((record) => !this.acknowledged.has(record.sequence)));
    return (broken === -1 ? this.dataSets.length : broken) - 1;
  }

  /** Links were lost: everything that is not acknowledged is sent again. */
  resendAll(): void {
    this.waiting = this.dataSets.flatMap((set) => set.records.filter((record) => !this.acknowledged.has(record.sequence)));
  }

  /** Take up to `count` records that the window admits, in any order, the lowest data set somewhat before the others. */
  take(count: number, windowHigh: number): ModelRecord[] {
    const taken: ModelRecord[] = [];
    const lowest = this.waiting.reduce((min, record) => Math.min(min, record.dataSet), Infinity);
    for (let tries = 0; taken.length < count && tries < 4 * count && this.waiting.length > 0; tries += 1) {
      const index = this.int(this.waiting.length);
      const record = this.waiting[index] as ModelRecord;
      if (record.dataSet > windowHigh || (record.dataSet !== lowest && this.chance(0.5))) continue;
      this.waiting[index] = this.waiting.at(-1) as ModelRecord;
      this.waiting.pop();
      taken.push(record);
    }
    return taken;
  }

  /** Any record that was made so far. */
  any(): ModelRecord | null {
    const records = this.dataSets[this.int(this.dataSets.length)]?.records ?? [];
    return records[this.int(records.length)] ?? null;
  }

  /** Carry records over the wire: what the secondary's decoder makes of them. */
  overTheWire(records: readonly ModelRecord[]): readonly WireRecord[] {
    const message = encodeMessage({ kind: 'records', encoded: Buffer.concat(records.map((record) => record.bytes)) });
    const decoded = decodeRecords(message, this.#options.stream);
    if (decoded.violation !== null || decoded.damaged.length > 0) throw new Error('the model encodes what the decoder takes');
    return decoded.records;
  }

  #writeDataSet(dataSet: number): void {
    const { capacityBytes } = this.#options;
    const firstSequence = this.#nextSequence;
    const records: ModelRecord[] = [];
    const checksums: number[] = [];
    // Many records of one size lie exactly on one another when a slot is used again.
    const blocksMax = this.chance(0.5) ? 1 : 12;
    const writes = this.chance(0.05) ? 0 : this.chance(0.1) ? 1000 : 1 + this.int(14);
    let bytes = 0;
    for (let index = 0; index < writes; index += 1) {
      const encoded = this.#encodeWrite({ dataSet, firstSequence, sequence: this.#nextSequence }, 1 + this.int(blocksMax));
      if (bytes + encoded.bytes.length > capacityBytes) break;
      encoded.apply();
      bytes += encoded.bytes.length;
      checksums.push(encoded.headerChecksum);
      records.push({ dataSet, sequence: this.#nextSequence, bytes: encoded.bytes });
      this.#nextSequence += 1;
    }
    this.#headBytes += bytes;
    this.#chain = hashChain(this.#chain, Uint32Array.from(checksums), INCARNATION);
    const finalSequence = this.#nextSequence;
    records.push({ dataSet, sequence: finalSequence, bytes: this.#encodeSync(dataSet, firstSequence, finalSequence) });
    this.#nextSequence += 1;
    const point = { dataSet, finalSequence, chain: this.#chain };
    this.dataSets.push({ dataSet, firstSequence, point, records, images: this.#images.map((image) => image.slice()) });
    this.waiting.push(...records);
  }

  #encodeWrite(
    numbers: { dataSet: number; firstSequence: number; sequence: number },
    blocks: number,
  ): { bytes: Uint8Array; headerChecksum: number; apply: () => void } {
    const { volumes, stream } = this.#options;
    const place = this.int(volumes.length);
    const volume = volumes[place] as VolumeConfig;
    const image = this.#images[place] as Uint8Array;
    const kind = this.chance(0.1) ? 'zero' : this.chance(0.1) ? 'trim' : 'write';
    // A zero command has no payload, so it may cover a whole volume.
    const lengthBytes = Math.min(volume.sizeBytes, kind !== 'write' && this.chance(0.2) ? volume.sizeBytes : blocks * BLOCK);
    const lba = this.int((volume.sizeBytes - lengthBytes) / BLOCK + 1);
    const payload = kind === 'write' ? payloadOf(numbers.sequence, lengthBytes) : null;
    const bytes = new Uint8Array(encodedWriteBytes(payload?.length ?? 0));
    const writer = new RecordWriter(bytes);
    writer.encodeWrite(0, { type: kind, vlun: volume.vlun, lba, lengthBytes, timeUs: 1_000 + numbers.sequence, payload }, numbers, stream);
    const apply = (): void => {
      if (payload === null) image.fill(0, lba * BLOCK, lba * BLOCK + lengthBytes);
      else image.set(payload, lba * BLOCK);
    };
    return { bytes, headerChecksum: writer.headerChecksumAt(0), apply };
  }

  #encodeSync(dataSet: number, firstSequence: number, finalSequence: number): Uint8Array {
    const bytes = new Uint8Array(SYNC_RECORD_BYTES);
    const sync = {
      dataSet,
      firstSequence,
      finalSequence,
      reason: 'flush' as const,
      chain: this.#chain,
      incarnation: INCARNATION,
      headBytes: this.#headBytes,
      timeUs: 1_000 + finalSequence,
    };
    new RecordWriter(bytes).encodeSync(0, sync, this.#options.stream);
    return bytes;
  }
}

/** Bytes that tell, in every block, of which write they are. */
function payloadOf(sequence: number, lengthBytes: number): Uint8Array {
  const payload = new Uint8Array(lengthBytes).fill(1 + (sequence % 250));
  const view = new DataView(payload.buffer);
  for (let block = 0; block < lengthBytes; block += BLOCK) view.setUint32(block, sequence + 1);
  return payload;
}
