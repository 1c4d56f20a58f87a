/** A small history of data sets, and the folder of a secondary that died somewhere in it: for tests of a replay by hand. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { BLOCK_BYTES, encodeHeader, encodeMark, encodeWatermark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { CHAIN_START, type HistoryPoint } from '../../src/model/ids.ts';
import { firstGenerations } from '../../src/protocol/generations.ts';
import { carryOutReplay, checkPurity, prepareReplay, type PreparedReplay, type ReplayOptions } from '../../src/inspection/replay/replay.ts';
import { encodedWriteBytes, hashChain, RecordWriter, SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import { writeHostState, type HostState } from '../../src/state/host-state.ts';

export const BLOCK = 512;
export const SLOTS = 6;
const SLOT_BYTES = 64 * 1024;
const GROUP_ID = '0123456789abcdef0123456789abcdef';
const STREAM = { generation: 1, stream: '00000000000000aa' };
const INCARNATION = '00000000000000c7';
export const VOLUMES = [
  { vlun: 3, name: 'data', sizeBytes: 32 * BLOCK },
  { vlun: 0, name: 'log', sizeBytes: 16 * BLOCK },
];

/** A command; `fill` is the byte of a write. */
export interface Command {
  readonly type?: 'write' | 'zero' | 'trim';
  readonly vlun?: number;
  readonly lba: number;
  readonly blocks?: number;
  readonly fill?: number;
}

export interface MadeSet {
  readonly dataSet: number;
  readonly firstSequence: number;
  readonly point: HistoryPoint;
  /** In the order of their numbers, the sync last. */
  readonly records: readonly Uint8Array[];
  /** The volumes after it, in the order of VOLUMES. */
  readonly images: readonly Buffer[];
}

/** Carry out data sets of commands on volumes that begin with `before`. */
export function makeHistory(sets: readonly (readonly Command[])[], before: number = 0xee): MadeSet[] {
  const images = VOLUMES.map(({ sizeBytes }) => Buffer.alloc(sizeBytes, before));
  let chain = CHAIN_START;
  let sequence = 0;
  return sets.map((commands, dataSet) => {
    const firstSequence = sequence;
    const checksums: number[] = [];
    const records = commands.map((command) => {
      const { record, checksum } = encode(command, { dataSet, firstSequence, sequence: sequence++ });
      apply(command, images);
      checksums.push(checksum);
      return record;
    });
    chain = hashChain(chain, Uint32Array.from(checksums), INCARNATION);
    const finalSequence = sequence++;
    const sync = new Uint8Array(SYNC_RECORD_BYTES);
    const content = {
      dataSet,
      firstSequence,
      finalSequence,
      reason: 'flush',
      chain,
      incarnation: INCARNATION,
      headBytes: 0,
      timeUs: 1,
    } as const;
    new RecordWriter(sync).encodeSync(0, content, STREAM);
    records.push(sync);
    return { dataSet, firstSequence, point: { dataSet, finalSequence, chain }, records, images: images.map((image) => Buffer.from(image)) };
  });
}

function encode(
  { type = 'write', vlun = 3, lba, blocks = 1, fill = 1 }: Command,
  numbers: { dataSet: number; firstSequence: number; sequence: number },
): { record: Uint8Array; checksum: number } {
  const lengthBytes = blocks * BLOCK;
  const payload = type === 'write' ? new Uint8Array(lengthBytes).fill(fill) : null;
  const record = new Uint8Array(encodedWriteBytes(payload?.length ?? 0));
  const writer = new RecordWriter(record);
  writer.encodeWrite(0, { type, vlun, lba, lengthBytes, timeUs: 1, payload }, numbers, STREAM);
  return { record, checksum: writer.headerChecksumAt(0) };
}

/** Carry a command out on images of VOLUMES. */
export function apply({ type = 'write', vlun = 3, lba, blocks = 1, fill = 1 }: Command, images: readonly Buffer[]): void {
  images[VOLUMES.findIndex((volume) => volume.vlun === vlun)]?.fill(type === 'write' ? fill : 0, lba * BLOCK, (lba + blocks) * BLOCK);
}

export interface JournalOptions {
  /** Indices of its records as they stand in the file; default: all, in order. */
  readonly order?: readonly number[];
  readonly flagged?: boolean;
}

/** The folder of a dead secondary. */
export class DeadSecondary {
  readonly folder: string;
  readonly history: readonly MadeSet[];
  readonly stateDirectory: string;
  readonly directory: string;
  readonly disk: Disk = new NodeDisk();

  /** @param watermark newest data set that is in the volumes; null: none */
  constructor(folder: string, history: readonly MadeSet[], watermark: number | null) {
    this.folder = folder;
    this.history = history;
    this.stateDirectory = join(folder, 'secondary');
    this.directory = join(this.stateDirectory, 'journals');
    mkdirSync(this.directory, { recursive: true });
    this.writeState({});
    const point = watermark === null ? null : (history[watermark] as MadeSet).point;
    const block = new Uint8Array(2 * BLOCK_BYTES);
    for (const counter of [1, 2])
      encodeWatermark(block.subarray((counter - 1) * BLOCK_BYTES, counter * BLOCK_BYTES), {
        ...STREAM,
        groupId: GROUP_ID,
        point,
        hostEpoch: 0,
        counter,
      });
    writeFileSync(watermarkPath(this.directory), block);
    for (let slot = 0; slot < SLOTS; slot += 1) this.#writeImage(slot, this.#image(slot, null, null));
    this.writeCopies('data', watermark);
  }

  writeState(change: Partial<HostState>): void {
    writeHostState(this.disk, this.stateDirectory, {
      formatVersion: 1,
      role: 'secondary',
      condition: 'active',
      reason: null,
      groupName: 'g',
      groupId: GROUP_ID,
      generations: firstGenerations('00000000000000bb'),
      stream: STREAM.stream,
      volumes: VOLUMES,
      hostEpoch: 0,
      lastPrimarySession: null,
      divergedFrom: null,
      ...change,
    });
  }

  writeJournal(dataSet: number, { order, flagged = false }: JournalOptions = {}): void {
    const { firstSequence, point, records } = this.history[dataSet] as MadeSet;
    const slot = dataSet % SLOTS;
    const image = this.#image(slot, dataSet, firstSequence);
    if (flagged) encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: STREAM.stream, point });
    let offset = RECORDS_OFFSET;
    for (const index of order ?? records.keys()) {
      const record = records[index] as Uint8Array;
      image.set(record, offset);
      offset += record.length;
    }
    this.#writeImage(slot, image);
  }

  /** Write the volumes as they are after a data set; null: as before the first. Returns how `--volumes` names them. */
  writeCopies(name: string, dataSet: number | null): string[] {
    return VOLUMES.map((volume, index) => {
      const path = this.copyPath(name, volume.name);
      const image = dataSet === null ? Buffer.alloc(volume.sizeBytes, 0xee) : (this.history[dataSet] as MadeSet).images[index];
      writeFileSync(path, image as Buffer);
      return `${volume.name}=${path}`;
    });
  }

  copyPath(name: string, volume: string): string {
    return join(this.folder, `${name}-${volume}.img`);
  }

  /** Which data set the copies are equal to, or `mixed`. */
  stateOf(name: string): number | 'mixed' {
    const found = VOLUMES.map((volume) => readFileSync(this.copyPath(name, volume.name)));
    const set = this.history.findLast(({ images }) => images.every((image, index) => image.equals(found[index] as Buffer)));
    return set?.dataSet ?? 'mixed';
  }

  options(volumes: readonly string[], changes: Partial<ReplayOptions> = {}): ReplayOptions {
    return { disk: this.disk, path: this.directory, volumes, volumesAtWatermark: false, sourcePaths: [], ...changes };
  }

  /** Replay as the command does with `--verify`. */
  async replay(volumes: readonly string[], changes: Partial<ReplayOptions> = {}): Promise<PreparedReplay> {
    const options = this.options(volumes, changes);
    const prepared = await prepareReplay(options);
    await carryOutReplay(options.disk, prepared, { readBack: true });
    return prepared;
  }

  async dryRun(volumes: readonly string[], changes: Partial<ReplayOptions> = {}): Promise<PreparedReplay> {
    const prepared = await prepareReplay(this.options(volumes, changes));
    await checkPurity(this.disk, prepared);
    return prepared;
  }

  #image(slot: number, dataSet: number | null, firstSequence: number | null): Uint8Array {
    const image = new Uint8Array(SLOT_BYTES);
    encodeHeader(image, { ...STREAM, groupId: GROUP_ID, slot, slots: SLOTS, slotBytes: SLOT_BYTES, dataSet, firstSequence });
    return image;
  }

  #writeImage(slot: number, image: Uint8Array): void {
    writeFileSync(journalPath(this.directory, slot), image);
  }
}
