/**
 * One data set of a replay by hand: verify every record of its journal and note where each number lies, then store the records in
 * the order of their numbers, whatever the order in which they arrived (I4). Memory: twelve bytes for each record of one data set.
 */
import { scanFile, type RecordInWindow } from '../../../journals/file-scan.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { assert } from '../../model/assert.ts';
import { CorruptionError } from '../../model/errors.ts';
import { BLOCK_BYTES, type SequenceNumber, type Vlun, type VolumeEntry } from '../../model/ids.ts';
import { LIMITS } from '../../model/limits.ts';
import type { DecodedRecord, DecodeResult, SyncContent } from '../../record/contract.ts';
import { hashChain, RECORD_HEADER_BYTES, RecordReader } from '../../record/record.ts';
import type { Volume } from '../../volume/contract.ts';
import type { ReplaySet } from './replay-plan.ts';

/** What a data set changes of one volume. */
export interface VolumeTally {
  commands: number;
  /** Bytes of the volume, each as often as it is changed. */
  changedBytes: number;
}

/** Where the records of a verified data set lie, by sequence number less the first one; the sync is the last. */
export interface DataSetIndex {
  readonly set: ReplaySet;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly checksums: Uint32Array;
  readonly tallies: ReadonlyMap<Vlun, VolumeTally>;
}

export interface IndexOptions {
  readonly disk: Disk;
  readonly set: ReplaySet;
  readonly volumes: ReadonlyMap<Vlun, VolumeEntry>;
  /** Memory to scan through, of `scanWindow`. */
  readonly window: Uint8Array;
  /** Called with every record that changes a volume, once, in the file's order. */
  readonly take?: (found: RecordInWindow) => void;
}

/** Verify checksums, numbers, bounds and chain of a data set. @throws CorruptionError ERR_REPLAY_DAMAGED naming file, byte, expected and found; errno of open */
export async function indexDataSet(options: IndexOptions): Promise<DataSetIndex> {
  const { disk, set, window } = options;
  const indexing = new Indexing(options);
  const file = disk.open(set.path, { readOnly: true });
  try {
    const { tail } = await scanFile({ file, slot: set.slot, window, take: (found) => indexing.take(found) });
    return indexing.end(tail);
  } finally {
    file.closeSync();
  }
}

/** One thing in a journal that is not as it was, or not as it must be. */
function damaged(set: ReplaySet, offset: number, { expected, found }: { expected: string; found: string }): CorruptionError {
  return new CorruptionError(
    'ERR_REPLAY_DAMAGED',
    `${set.path}, byte ${offset}: data set ${set.dataSet}: expected ${expected}, found ${found}`,
    {
      hint: 'farshore journal verify shows everything that is damaged',
      details: { path: set.path, offset, dataSet: set.dataSet, expected, found },
    },
  );
}

class Indexing {
  readonly #options: IndexOptions;
  readonly #offsets: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #checksums: Uint32Array;
  readonly #tallies = new Map<Vlun, VolumeTally>();
  #sync: SyncContent | null = null;

  constructor(options: IndexOptions) {
    const { firstSequence, finalSequence } = options.set;
    const count = finalSequence - firstSequence + 1;
    this.#options = options;
    this.#offsets = new Uint32Array(count);
    this.#lengths = new Uint32Array(count);
    this.#checksums = new Uint32Array(count);
  }

  take(found: RecordInWindow): void {
    const { record, fileOffset } = found;
    if (record.type === 'pad') return;
    const { set } = this.#options;
    this.#checkNumbers(record, fileOffset);
    const index = record.sequence - set.firstSequence;
    if (this.#offsets[index] !== 0) {
      if (this.#checksums[index] === record.headerChecksum) return;
      throw damaged(set, fileOffset, { expected: `number ${record.sequence} once`, found: 'the same number with other contents' });
    }
    this.#offsets[index] = fileOffset;
    this.#lengths[index] = record.encodedBytes;
    this.#checksums[index] = record.headerChecksum;
    if (record.type === 'sync') {
      this.#sync = record.sync;
      return;
    }
    this.#tally(record, fileOffset);
    this.#options.take?.(found);
  }

  end(tail: { readonly offset: number }): DataSetIndex {
    const { set } = this.#options;
    const missing = this.#offsets.indexOf(0);
    if (missing !== -1)
      throw damaged(set, tail.offset, { expected: `number ${set.firstSequence + missing}`, found: 'no more records of this data set' });
    const sync = this.#sync;
    assert(sync !== null, 'the last number of a data set is its sync command');
    const chain = set.chainBefore === null ? set.chain : hashChain(set.chainBefore, this.#checksums.subarray(0, -1), sync.incarnation);
    if (chain !== set.chain || sync.chain !== set.chain)
      throw damaged(set, this.#offsets.at(-1) ?? 0, { expected: `chain ${chain}`, found: `chain ${sync.chain}` });
    return { set, offsets: this.#offsets, lengths: this.#lengths, checksums: this.#checksums, tallies: this.#tallies };
  }

  #checkNumbers(record: DecodedRecord, fileOffset: number): void {
    const { set } = this.#options;
    const { dataSet, firstSequence, sequence, stream, generation, type } = record;
    if (dataSet !== set.dataSet || stream !== set.stream || generation !== set.generation || firstSequence !== set.firstSequence)
      throw damaged(set, fileOffset, {
        expected: `generation ${set.generation}, stream ${set.stream}, first number ${set.firstSequence}`,
        found: `data set ${dataSet}, generation ${generation}, stream ${stream}, first number ${firstSequence}`,
      });
    if (sequence > set.finalSequence || (type === 'sync') !== (sequence === set.finalSequence))
      throw damaged(set, fileOffset, {
        expected: `a sync command with number ${set.finalSequence} at the end`,
        found: `${type} ${sequence}`,
      });
  }

  #tally({ vlun, lba, lengthBytes, sequence }: DecodedRecord, fileOffset: number): void {
    const { set, volumes } = this.#options;
    const volume = volumes.get(vlun);
    if (volume === undefined || lba * BLOCK_BYTES + lengthBytes > volume.sizeBytes)
      throw damaged(set, fileOffset, {
        expected:
          volume === undefined ? 'a VLUN of the volume table' : `a command inside the ${volume.sizeBytes} bytes of volume ${volume.name}`,
        found: `number ${sequence} with VLUN ${vlun}, LBA ${lba}, ${lengthBytes} bytes`,
      });
    const tally = this.#tallies.get(vlun) ?? { commands: 0, changedBytes: 0 };
    tally.commands += 1;
    tally.changedBytes += lengthBytes;
    this.#tallies.set(vlun, tally);
  }
}

/** One record that was read again, in the order of the numbers. */
export interface OrderedRecord {
  readonly record: DecodedRecord;
  /** Null: zeroes. Valid until the next record. */
  readonly payload: Uint8Array | null;
}

const RECORD_BYTES_MAX = RECORD_HEADER_BYTES + LIMITS.recordDataBytesMax;

/** Read the records of a verified data set again, in sequence order or back, each with its checksums (I9). @throws CorruptionError ERR_REPLAY_DAMAGED */
export class OrderedReader {
  readonly #buffer = new Uint8Array(RECORD_BYTES_MAX);
  readonly #reader = new RecordReader(this.#buffer);

  /** Hand out every record that changes a volume; the sync is left out. */
  readEach(disk: Disk, index: DataSetIndex, take: (found: OrderedRecord) => void): void {
    const file = disk.open(index.set.path, { readOnly: true });
    try {
      for (let at = 0; at < index.offsets.length - 1; at += 1) take(this.#read(file, index, at));
    } finally {
      file.closeSync();
    }
  }

  /** The record with one number, counted from the first; valid until the next. */
  readOne(disk: Disk, index: DataSetIndex, at: number): OrderedRecord {
    const file = disk.open(index.set.path, { readOnly: true });
    try {
      return this.#read(file, index, at);
    } finally {
      file.closeSync();
    }
  }

  #read(file: DiskFile, { set, offsets, lengths, checksums }: DataSetIndex, at: number): OrderedRecord {
    const offset = offsets[at] ?? 0;
    const encodedBytes = lengths[at] ?? 0;
    const sequence: SequenceNumber = set.firstSequence + at;
    const bytesRead = file.readSync(this.#buffer.subarray(0, encodedBytes), offset);
    const record = this.#reader.readAt(0, bytesRead);
    if (record.kind !== 'record' || record.sequence !== sequence || record.headerChecksum !== checksums[at])
      throw damaged(set, offset, { expected: `record ${sequence} as it was verified a moment ago`, found: shownInstead(record) });
    const { type, payloadOffset, payloadBytes } = record;
    return { record, payload: type === 'write' ? this.#buffer.subarray(payloadOffset, payloadOffset + payloadBytes) : null };
  }
}

function shownInstead(found: DecodeResult): string {
  if (found.kind === 'bad') return `${found.reason} ${found.found}, expected ${found.expected}`;
  return found.kind === 'record' ? `record ${found.sequence} with other contents` : 'no record';
}

/** Store one record. @throws the disk's error */
export function storeRecord({ record, payload }: OrderedRecord, volumes: ReadonlyMap<Vlun, Volume>): void {
  const volume = volumes.get(record.vlun);
  assert(volume !== undefined, `VLUN ${record.vlun} was checked when the data set was verified`);
  const offset = record.lba * BLOCK_BYTES;
  if (payload === null) volume.zeroSync(offset, record.lengthBytes);
  else volume.storeSync(payload, offset);
}
