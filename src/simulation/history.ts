/**
 * The history that all judgements are made by: every record that a primary numbered, in the order of the numbers, and what the
 * volumes are at the end of each data set. It is read from the primary's send buffers as soon as records stand there.
 */
import type { ReplicatedOrder } from '../primary/replicated-order.ts';
import { BLOCK_BYTES, type Chain, type DataSetId, type SequenceNumber } from '../model/ids.ts';
import type { DecodedRecord } from '../record/contract.ts';
import { RecordReader } from '../record/record.ts';
import { Image } from './image.ts';
import type { Arena } from './memory.ts';
import { judgeChain, judgeEncoding } from './record-oracle.ts';
import { VOLUMES } from './setting.ts';
import { violated } from './violation.ts';

export interface HistoryRecord {
  readonly sequence: SequenceNumber;
  readonly dataSet: DataSetId;
  readonly header: DecodedRecord;
  readonly bytes: Uint8Array;
}

export interface HistoryDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly records: HistoryRecord[];
  /** Known when the data set was closed. */
  chain: Chain | null;
  finalSequence: SequenceNumber | null;
  images: readonly Image[] | null;
}

export class History {
  readonly sets: HistoryDataSet[];
  /** By sequence number. */
  readonly records: HistoryRecord[];
  /** The volumes with everything that was numbered. */
  readonly head: readonly Image[];
  readonly #arena: Arena;
  readonly #empty: readonly Image[];

  constructor(arena: Arena, from?: { history: History; dataSets: number }) {
    this.#arena = arena;
    this.#empty = VOLUMES.map(({ sizeBytes }) => {
      const image = new Image(arena);
      image.put(sizeBytes, 0, null);
      return image;
    });
    this.sets = from?.history.sets.slice(0, from.dataSets) ?? [];
    const next = (this.sets.at(-1)?.finalSequence ?? -1) + 1;
    this.records = from?.history.records.slice(0, next) ?? [];
    this.head = this.imagesAt(this.sets.length - 1).map((image) => image.fork());
  }

  get nextSequence(): SequenceNumber {
    return this.records.length;
  }

  /** Highest data set that was closed; -1: none. */
  get closedThrough(): DataSetId {
    const last = this.sets.at(-1);
    return last === undefined ? -1 : last.chain === null ? last.dataSet - 1 : last.dataSet;
  }

  imagesAt(dataSet: DataSetId): readonly Image[] {
    if (dataSet < 0) return this.#empty;
    return this.sets[dataSet]?.images ?? violated('history', `data set ${dataSet} was never closed`);
  }

  /** The same past up to here, and another future: what a primary that was restored from an older copy lives in. */
  forkAt(dataSets: number): History {
    return new History(this.#arena, { history: this, dataSets });
  }

  /** Take in what the primary has numbered since. */
  observe(order: ReplicatedOrder): void {
    for (const [dataSet, buffer] of order.buffers) {
      const set = this.sets[dataSet] ?? this.#begin(dataSet, buffer.firstSequence);
      if (set.records.length >= buffer.count) continue;
      for (const slice of buffer.slices(set.firstSequence + set.records.length, set.firstSequence + buffer.count - 1)) {
        const reader = new RecordReader(slice.bytes);
        for (let offset = 0; offset < slice.bytes.length;) {
          const record = reader.readAt(offset, slice.bytes.length);
          if (record.kind !== 'record') return violated('history', `the send buffer of data set ${dataSet} is damaged`);
          this.#add(set, record, slice.bytes.subarray(offset, offset + record.encodedBytes));
          offset += record.encodedBytes;
        }
        slice.done();
      }
    }
  }

  #begin(dataSet: DataSetId, firstSequence: SequenceNumber): HistoryDataSet {
    if (dataSet !== this.sets.length || firstSequence !== this.records.length || this.closedThrough !== dataSet - 1)
      violated(
        'I7 numbers',
        `data set ${dataSet} begins at ${firstSequence}; the history ends with data set ${this.sets.length - 1} and number ${this.records.length - 1}`,
      );
    const set: HistoryDataSet = { dataSet, firstSequence, records: [], chain: null, finalSequence: null, images: null };
    this.sets.push(set);
    return set;
  }

  #add(set: HistoryDataSet, header: DecodedRecord, bytes: Uint8Array): void {
    const sequence = this.records.length;
    if (header.sequence !== sequence || header.dataSet !== set.dataSet)
      violated('I7 numbers', `number ${header.sequence} of data set ${header.dataSet} came after number ${sequence - 1}`);
    const record = { sequence, dataSet: set.dataSet, header, bytes: this.#arena.copyOf(bytes) };
    judgeEncoding(record.bytes, { dataSet: set.dataSet, firstSequence: set.firstSequence, sequence });
    if (header.sync !== null)
      judgeChain(
        this.sets[set.dataSet - 1]?.chain ?? null,
        set.records.map((write) => write.bytes),
        record.bytes,
      );
    set.records.push(record);
    this.records.push(record);
    if (header.sync !== null) {
      set.chain = header.sync.chain;
      set.finalSequence = sequence;
      set.images = this.head.map((image) => image.fork());
      return;
    }
    const image = this.head[volumeIndex(header.vlun)] as Image;
    const payload =
      header.type === 'write'
        ? record.bytes.subarray(header.payloadOffset - header.offset, header.payloadOffset - header.offset + header.lengthBytes)
        : null;
    image.put(header.lba * BLOCK_BYTES, header.lengthBytes, payload);
  }
}

export function volumeIndex(vlun: number): number {
  return VOLUMES.findIndex((volume) => volume.vlun === vlun);
}
