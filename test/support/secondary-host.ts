/**
 * A secondary without links on a disk that forgets: the production recovery, replica, destager, journals and machine, fed by a
 * model of the primary, which judges at every acknowledgement, destage and watermark what the disk would leave after a power cut.
 */
import * as assert from 'uvu/assert';
import type { MemoryBuffer } from '../../journals/contract.ts';
import { decodeHeader, decodeMark, HEADER_OFFSET, MARK_OFFSET, RECORDS_OFFSET, BLOCK_BYTES } from '../../journals/format.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { messageOf } from '../../src/model/errors.ts';
import type { HistoryPoint, SequenceRange } from '../../src/model/ids.ts';
import { firstGenerations } from '../../src/protocol/generations.ts';
import type { DestageOrder } from '../../src/secondary/destage-order.ts';
import { inlineCarrier, type OpenCarrier } from '../../src/secondary/destager.ts';
import { initSecondary } from '../../src/secondary/init.ts';
import { recover, type Recovered } from '../../src/secondary/recover.ts';
import { Replica } from '../../src/secondary/replica.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { Random } from '../../src/simulation/random.ts';
import type { TestDisk } from './test-disk.ts';
import { ModelPrimary, type ModelDataSet } from './secondary-host-primary.ts';

const KiB = 1024;
export const STATE_DIRECTORY = '/state';
export const JOURNALS_DIRECTORY = '/journals';
export const GROUP_ID = '0123456789abcdef0123456789abcdef';
export const STREAM = { generation: 1, stream: '00000000000000aa' };
export const VOLUMES: readonly VolumeConfig[] = [
  { vlun: 3, name: 'data', sizeBytes: 32 * KiB, path: '/volumes/data', store: 'pwrite' },
  { vlun: 0, name: 'log', sizeBytes: 8 * KiB, path: '/volumes/log', store: 'pwrite' },
  { vlun: 7, name: 'wide', sizeBytes: 80 * KiB, path: '/volumes/wide', store: 'pwrite' },
];

export function smallGeometry(slots: number): ReturnType<typeof geometryOf> {
  return geometryOf({ slots, slotBytes: 64 * KiB });
}

/** Init a secondary and bind it to a group, as its first contact does. */
export async function initialiseSecondary(disk: TestDisk, slots: number): Promise<void> {
  disk.makeDirectory('/volumes');
  const journals = { directory: JOURNALS_DIRECTORY, geometry: smallGeometry(slots) };
  const state = await initSecondary({
    disk,
    group: 'g',
    stateDirectory: STATE_DIRECTORY,
    volumes: VOLUMES,
    journals,
    zeroExisting: false,
    onProgress: () => {},
  });
  const generations = firstGenerations('00000000000000bb');
  writeHostState(disk, STATE_DIRECTORY, {
    ...state,
    groupId: GROUP_ID,
    generations,
    stream: STREAM.stream,
    lastPrimarySession: '00000000000000cc',
  });
}

/** A primary that has taken so many data sets, none of them very small or large. */
export function modelOf(options: { slots: number; recordsMin: number; dataSets: number }): ModelPrimary {
  const { slots, recordsMin, dataSets } = options;
  for (let seed = 1; ; seed += 1) {
    const { capacityBytes } = smallGeometry(slots);
    const model = new ModelPrimary({ random: new Random(seed), stream: STREAM, volumes: VOLUMES, capacityBytes });
    model.writeThrough(dataSets - 1);
    if (model.dataSets.every((set) => set.records.length >= recordsMin && set.records.length < 40)) return model;
  }
}

/** The volumes as a reader finds them, or as a power cut leaves them. */
export function volumeImages(disk: TestDisk, what: 'cached' | 'durable'): Uint8Array[] {
  return VOLUMES.map(({ path }) => (what === 'cached' ? disk.readFile(path) : disk.durableBytes(path)) ?? new Uint8Array(0));
}

/** Compare all volumes with the model's at the end of one data set. */
export function sameVolumes(disk: TestDisk, model: ModelPrimary, dataSet: number, what: 'cached' | 'durable'): void {
  const images = model.imagesAt(dataSet);
  for (const [index, found] of volumeImages(disk, what).entries()) {
    if (Buffer.compare(found, images[index] as Uint8Array) === 0) continue;
    const other = model.dataSets.findLast((set) => Buffer.compare(found, set.images[index] as Uint8Array) === 0);
    assert.unreachable(
      `volume ${VOLUMES[index]?.name} (${what}) equals the primary's at data set ${dataSet}; found ${other === undefined ? 'a mixture' : `data set ${other.dataSet}`}`,
    );
  }
}

/** What outlives every crash: what the primary was told. */
export class Witness {
  readonly model: ModelPrimary;
  /** The newest watermark that was durable, and the highest flag; -1: none. */
  watermark = -1;
  flagged = -1;

  constructor(model: ModelPrimary) {
    this.model = model;
  }

  recovered({ watermark, machine, ring }: Recovered): void {
    const { model } = this;
    const found = watermark?.point?.dataSet ?? -1;
    assert.ok(found >= this.watermark, `watermark ${found} was ${this.watermark} before: it never goes back`);
    if (watermark?.point != null) assert.equal(watermark.point, model.dataSets[found]?.point, 'the watermark is a point of the history');
    this.watermark = found;
    const held = new Map((machine?.held() ?? []).map((set) => [set.dataSet, set]));
    for (const set of model.dataSets.slice(found + 1)) {
      const bits = held.get(set.dataSet)?.durable ?? new Uint8Array(0);
      for (const { sequence, bytes } of set.records) {
        const index = sequence - set.firstSequence;
        const has = ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
        assert.ok(has || !model.acknowledged.has(sequence), `number ${sequence} of data set ${set.dataSet} was acknowledged and is lost`);
        if (!has) continue;
        const { image, offset } = recordPlace(ring.buffers[set.dataSet % ring.geometry.slots], index);
        assert.ok(
          Buffer.compare(image.subarray(offset, offset + bytes.length), bytes) === 0,
          `number ${sequence} is held with other bytes`,
        );
        // The handshake tells the primary what is held: from here on it is never sent again.
        model.acknowledged.add(sequence);
      }
    }
    for (const dataSet of held.keys())
      assert.ok(dataSet > found && dataSet < model.dataSets.length, `data set ${dataSet} is held, but was never sent`);
  }
}

function recordPlace(buffer: MemoryBuffer | undefined, index: number): { image: Uint8Array; offset: number } {
  if (buffer === undefined) throw new Error('the slot has a memory buffer');
  return { image: Buffer.from(buffer.shared, buffer.start, buffer.slotBytes), offset: new Uint32Array(buffer.offsets)[index] as number };
}

/** One life of the secondary's process. */
export class SecondaryHost {
  readonly disk: TestDisk;
  readonly witness: Witness;
  readonly replica: Replica;
  /** What went wrong outside of a call of the test. */
  failure: Error | null = null;
  readonly mended: string[] = [];
  #destaged: number;

  /** Recover and go on; resolves never when the disk dies meanwhile. */
  static async start(disk: TestDisk, witness: Witness, slots: number): Promise<SecondaryHost> {
    let host: SecondaryHost | null = null;
    const inner = Replica.journalEvents(() => host?.replica ?? null);
    const events: typeof inner = {
      ...inner,
      completeFlagDurable: (dataSet) => {
        witness.flagged = Math.max(witness.flagged, dataSet);
        inner.completeFlagDurable(dataSet);
      },
      watermarkDurable: (point) => {
        host?.guard(() => host?.judgeWatermark(point));
        inner.watermarkDurable(point);
      },
    };
    const state = readHostState(disk, STATE_DIRECTORY);
    const recovered = await recover({ disk, directory: JOURNALS_DIRECTORY, geometry: smallGeometry(slots), state, mode: 'start', events });
    witness.recovered(recovered);
    host = new SecondaryHost(disk, witness, recovered);
    const complete = host.replica.machine.complete();
    host.replica.resume();
    const reached = Math.max(complete.at(-1)?.dataSet ?? -1, host.replica.machine.complete().at(-1)?.dataSet ?? -1, witness.watermark);
    assert.ok(reached >= witness.flagged, `data set ${witness.flagged} was flagged, complete is only what is through ${reached}`);
    return host;
  }

  private constructor(disk: TestDisk, witness: Witness, recovered: Recovered) {
    this.disk = disk;
    this.witness = witness;
    this.#destaged = witness.watermark;
    const { machine, ring, plan, watermark } = recovered;
    if (machine === null) throw new Error('a bound host has a machine');
    this.replica = new Replica({
      machine,
      ring,
      openCarrier: this.#watched(inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), ring.buffers)),
      watermarkPoint: watermark?.point ?? null,
      restored: plan?.restored ?? [],
      events: {
        failed: (code, message) => this.#note(new Error(`${code}: ${message}`)),
        mended: (message) => void this.mended.push(message),
        moved: () => {},
      },
    });
    this.replica.outlet = {
      acknowledge: (ranges) => this.guard(() => this.#judgeAcknowledge(ranges)),
      reject: ({ dataSet }) =>
        this.guard(() => assert.ok(dataSet > machine.windowHigh, `data set ${dataSet} was rejected below ${machine.windowHigh}`)),
      closeLink: (_link, violation) => this.#note(new Error(`link closed: ${violation}`)),
    };
  }

  /** Records arrive on a link. */
  receive(link: number, records: Parameters<ModelPrimary['overTheWire']>[0]): void {
    this.guard(() => this.replica.step({ event: 'recordsReceived', link, records: this.witness.model.overTheWire(records) }));
  }

  /** Wait until everything complete is destaged and nothing is under way; false: the disk died. */
  async settle(): Promise<boolean> {
    for (let turns = 0; !this.disk.dead; turns += 1) {
      this.check();
      if (this.replica.isSettled) return true;
      if (turns > 20_000) throw new Error('the secondary never comes to rest');
      await new Promise((resolve) => setImmediate(resolve));
    }
    return false;
  }

  async close(): Promise<void> {
    await this.replica.close();
    await awaitDone((done) => this.replica.ring.close(done));
  }

  /** @throws what a callback has found */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  /** Judge, unless the process is dead; a failure inside a callback is kept for the test. */
  guard(judge: () => void): void {
    if (this.disk.dead) return;
    try {
      judge();
    } catch (error) {
      this.#note(error);
    }
  }

  #note(error: unknown): void {
    if (!this.disk.dead) this.failure ??= error instanceof Error ? error : new Error(messageOf(error));
  }

  #durableJournal(set: ModelDataSet): Uint8Array {
    const bytes = this.disk.durableBytes(journalPath(JOURNALS_DIRECTORY, set.dataSet % this.replica.ring.geometry.slots));
    return bytes ?? new Uint8Array(0);
  }

  /** I2: durable with every earlier byte and the header, or in the source volumes under a durable watermark. */
  #judgeAcknowledge(ranges: readonly SequenceRange[]): void {
    const { model } = this.witness;
    const numbers = new Set<number>();
    for (const { from, to } of ranges) for (let sequence = from; sequence <= to; sequence += 1) numbers.add(sequence);
    if (numbers.size === 0) return;
    const durableWatermark =
      judgeWatermark(this.disk.durableBytes(watermarkPath(JOURNALS_DIRECTORY)) ?? new Uint8Array(0), 'watermark').newest.point?.dataSet ??
      -1;
    for (const set of model.dataSets) {
      const told = set.records.filter((record) => numbers.delete(record.sequence));
      for (const record of told) model.acknowledged.add(record.sequence);
      if (set.dataSet > durableWatermark && told.length > 0) this.#judgeDurable(set, told);
    }
    assert.is(numbers.size, 0, 'only numbers that were given are acknowledged');
  }

  #judgeDurable(set: ModelDataSet, records: ModelDataSet['records']): void {
    const { ring } = this.replica;
    const durable = this.#durableJournal(set);
    const header = decodeHeader(durable.subarray(HEADER_OFFSET, HEADER_OFFSET + BLOCK_BYTES));
    assert.ok(
      header.verdict === 'readable' && header.dataSet === set.dataSet,
      `the header of data set ${set.dataSet} is durable before its first ack`,
    );
    let end = RECORDS_OFFSET;
    for (const { sequence, bytes } of records) {
      const { image, offset } = recordPlace(ring.buffers[set.dataSet % ring.geometry.slots], sequence - set.firstSequence);
      assert.ok(
        Buffer.compare(durable.subarray(offset, offset + bytes.length), bytes) === 0,
        `number ${sequence} is acknowledged before it is durable`,
      );
      end = Math.max(end, offset);
      assert.ok(
        Buffer.compare(durable.subarray(RECORDS_OFFSET, end), image.subarray(RECORDS_OFFSET, end)) === 0,
        `number ${sequence} is acknowledged before an earlier byte of its journal is durable`,
      );
    }
  }

  judgeWatermark(point: HistoryPoint): void {
    const { witness } = this;
    assert.ok(point.dataSet > witness.watermark, `watermark ${point.dataSet} after ${witness.watermark}`);
    assert.equal(point, witness.model.dataSets[point.dataSet]?.point, 'the watermark is a point of the history');
    assert.ok(
      point.dataSet <= this.#destaged,
      `watermark ${point.dataSet} although only ${this.#destaged} is durable in the source volumes`,
    );
    witness.watermark = point.dataSet;
  }

  /** I3 and I4 at each order; I1 at each report. */
  #watched(open: OpenCarrier): OpenCarrier {
    return (report) => {
      const carrier = open((told) => {
        if (this.disk.dead) return;
        if (told.destaged !== null) {
          this.guard(() => sameVolumes(this.disk, this.witness.model, told.destaged, 'durable'));
          this.#destaged = told.destaged;
        }
        report(told);
      });
      return {
        start: (order) => {
          this.guard(() => this.#judgeOrder(order));
          carrier.start(order);
        },
        close: () => carrier.close(),
      };
    };
  }

  #judgeOrder(order: DestageOrder): void {
    const { dataSet, writes } = order.set;
    assert.is(
      dataSet,
      this.witness.watermark + 1,
      'data sets are destaged in ascending order, each when the watermark covers all before it',
    );
    const set = this.witness.model.dataSets[dataSet] as ModelDataSet;
    assert.is(writes, set.records.length - 1, 'every write of it is stored');
    this.#judgeDurable(set, set.records);
    const mark = decodeMark(this.#durableJournal(set).subarray(MARK_OFFSET, MARK_OFFSET + BLOCK_BYTES));
    assert.ok(
      mark.verdict === 'set' && mark.point.dataSet === dataSet,
      `data set ${dataSet} is destaged before its complete flag is durable`,
    );
  }
}
