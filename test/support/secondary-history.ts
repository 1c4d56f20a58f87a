/** What a primary would send: a history of data sets with real chains, and the image of the volume after each. */
import { createHash } from 'node:crypto';
import { CHAIN_START } from '../../src/model/ids.ts';
import type { Chain, DataSetId, SequenceNumber, SessionId } from '../../src/model/ids.ts';
import type { HistoryOrigin } from '../../src/model/handshake.ts';
import type { ReceivedRecord, SyncContent } from '../../src/protocol/secondary-contract.ts';

export const INCARNATION: SessionId = '00000000000000aa';
export const RECORD_BYTES = 64;

/** A write of one block: its name and its new content, such as A, A1. */
export type BlockWrite = readonly [block: string, content: string];
/** The content of a volume, by block. */
export type Image = ReadonlyMap<string, string>;

export interface HistoryDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly finalSequence: SequenceNumber;
  readonly chain: Chain;
  readonly records: readonly ReceivedRecord[];
  /** The volume after this data set. */
  readonly image: Image;
}

export function hashChainForTest(previous: Chain, headerChecksums: Uint32Array, incarnation: SessionId): Chain {
  const hash = createHash('sha256').update(previous);
  hash.update(new Uint8Array(headerChecksums.buffer, headerChecksums.byteOffset, headerChecksums.byteLength));
  return hash.update(incarnation).digest('hex').slice(0, 32);
}

function checksumOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE(0);
}

export function makeRecord(options: {
  dataSet: DataSetId;
  firstSequence: SequenceNumber;
  sequence: SequenceNumber;
  write?: BlockWrite;
  sync?: SyncContent;
  encodedBytes?: number;
}): ReceivedRecord {
  const { dataSet, firstSequence, sequence, write, sync } = options;
  return {
    type: sync === undefined ? 'write' : 'sync',
    dataSet,
    firstSequence,
    sequence,
    encodedBytes: options.encodedBytes ?? RECORD_BYTES,
    headerChecksum: checksumOf(JSON.stringify([dataSet, sequence, write, sync])),
    sync: sync ?? null,
    bytes: new TextEncoder().encode(write?.join('=') ?? ''),
  };
}

/** The block write that a record carries. */
export function blockWriteOf(record: ReceivedRecord): BlockWrite {
  const [block = '', content = ''] = new TextDecoder().decode(record.bytes).split('=');
  return [block, content];
}

/** Show an image in one order, so that two can be compared. */
export function showImage(image: Image): string {
  return [...image]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([block, content]) => `${block}=${content}`)
    .join(' ');
}

export class SecondaryHistory {
  readonly dataSets: readonly HistoryDataSet[];
  readonly origin: HistoryOrigin;
  readonly #bySequence = new Map<SequenceNumber, ReceivedRecord>();

  /** @param sets the block writes of each data set; the sync follows by itself */
  constructor(sets: readonly (readonly BlockWrite[])[], start: { dataSet?: DataSetId; firstSequence?: SequenceNumber } = {}) {
    this.origin = { dataSet: start.dataSet ?? 0, firstSequence: start.firstSequence ?? 0, chain: CHAIN_START };
    const image = new Map<string, string>();
    let sequence = this.origin.firstSequence;
    let chain = CHAIN_START;
    this.dataSets = sets.map((writes, index) => {
      const dataSet = this.origin.dataSet + index;
      const firstSequence = sequence;
      const records = writes.map((write) => makeRecord({ dataSet, firstSequence, sequence: sequence++, write }));
      for (const [block, content] of writes) image.set(block, content);
      chain = hashChainForTest(
        chain,
        Uint32Array.from(records, (record) => record.headerChecksum),
        INCARNATION,
      );
      const finalSequence = sequence++;
      records.push(
        makeRecord({
          dataSet,
          firstSequence,
          sequence: finalSequence,
          sync: { reason: 'flush', chain, incarnation: INCARNATION, headBytes: 0 },
        }),
      );
      for (const record of records) this.#bySequence.set(record.sequence, record);
      return { dataSet, firstSequence, finalSequence, chain, records, image: new Map(image) };
    });
  }

  get records(): ReceivedRecord[] {
    return this.dataSets.flatMap((set) => [...set.records]);
  }

  at(sequence: SequenceNumber): ReceivedRecord {
    const record = this.#bySequence.get(sequence);
    if (record === undefined) throw new Error(`the history has no record ${sequence}`);
    return record;
  }

  dataSet(dataSet: DataSetId): HistoryDataSet {
    const found = this.dataSets[dataSet - this.origin.dataSet];
    if (found === undefined) throw new Error(`the history has no data set ${dataSet}`);
    return found;
  }

  /** The volume after this data set; empty before the first. */
  imageAfter(dataSet: DataSetId): Image {
    return dataSet < this.origin.dataSet ? new Map() : this.dataSet(dataSet).image;
  }
}

/** Figure 3 of the patent: data sets 0 to 3, sequence numbers 134 to 148. */
export function figure3History(): SecondaryHistory {
  return new SecondaryHistory(
    [
      [
        ['A', 'A0'],
        ['B', 'B0'],
        ['C', 'C0'],
        ['D', 'D0'],
        ['E', 'E0'],
        ['F', 'F0'],
      ],
      [['D', 'D1']],
      [
        ['E', 'E1'],
        ['A', 'A1'],
      ],
      [
        ['B', 'B2'],
        ['F', 'F1'],
      ],
    ],
    { firstSequence: 134 },
  );
}
