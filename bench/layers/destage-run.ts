/** Destage in a process of its own: complete data sets are stored into a volume and flushed, by the code of the destage worker. */
import { createSlotMemory } from '../../journals/memory-buffer.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { carryOutDestage } from '../../src/secondary/destage-order.ts';
import { openDestageSource } from '../../src/secondary/store-data-set.ts';
import { createVolume } from '../../src/volume/create-volume.ts';
import type { StoreMethod, VolumeConfig } from '../../src/volume/contract.ts';
import { openVolume } from '../../src/volume/source-volume.ts';
import { readCounters } from '../support/process-counters.ts';
import { answer, startUsage, taskOfProcess, type Usage } from './alone.ts';
import { DataSetMaker } from './journal-fill.ts';

export interface DestageTask {
  readonly step: 'prepare' | 'destage';
  readonly path: string;
  readonly volumeBytes: number;
  readonly store: StoreMethod;
  readonly recordBytes: number;
  /** Data sets, and writes in each. */
  readonly dataSets: number;
  readonly writes: number;
}

export interface DestageAnswer extends Usage {
  readonly records: number;
  /** Bytes that became dirty in the page cache, by /proc/PID/io. */
  readonly dirtiedBytes: number;
}

const PIECE_BYTES = 64 * 1024;
const SLOT_BYTES = 32 * 1024 * 1024;

const task = taskOfProcess() as DestageTask;
const config: VolumeConfig = { vlun: 0, name: 'v', sizeBytes: task.volumeBytes, path: task.path, store: task.store };
const disk = new NodeDisk();
if (task.step === 'prepare') {
  await createVolume({ disk, config });
  const volume = openVolume({ disk, config });
  const piece = new Uint8Array(PIECE_BYTES).fill(7);
  for (let offset = 0; offset < config.sizeBytes; offset += PIECE_BYTES) volume.storeSync(piece, offset);
  volume.flushSync();
  volume.close();
  answer(null);
} else answer(destage());

function destage(): DestageAnswer {
  const { recordBytes, volumeBytes, writes } = task;
  const volume = openVolume({ disk, config });
  const geometry = geometryOf({ slots: 2, slotBytes: SLOT_BYTES });
  const { buffer, image, offsets } = createSlotMemory({ slot: 0, geometry, alignedStart });
  const source = openDestageSource(buffer);
  const maker = new DataSetMaker({ recordBytes, volumeBytes, geometry, writes });
  const total = { seconds: 0, cpuSeconds: 0, records: 0, dirtiedBytes: 0 };
  for (let round = 0; round < task.dataSets; round += 1) {
    const made = maker.next();
    image.set(maker.buffer.subarray(0, made.encodedBytes));
    let offset = 0;
    made.records.forEach((bytes, index) => {
      offsets[index] = offset;
      offset += bytes.length;
    });
    const dirtied = readCounters(process.pid).writtenBytes;
    const usage = startUsage();
    const report = carryOutDestage({ set: { dataSet: made.dataSet, slot: 0, writes }, reopen: false }, [source], new Map([[0, volume]]));
    const used = usage();
    if (report.destaged === null) throw new Error(report.error ?? 'not destaged');
    total.seconds += used.seconds;
    total.cpuSeconds += used.cpuSeconds;
    total.records += writes;
    total.dirtiedBytes += readCounters(process.pid).writtenBytes - dirtied;
  }
  volume.close();
  return total;
}
