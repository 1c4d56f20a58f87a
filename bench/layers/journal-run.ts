/** Journal commits in a process of its own: batches of 4 KiB records into a ring of journals, each batch awaited, as the secondary commits them. */
import { openRing } from '../../journals/ring.ts';
import { createRing } from '../../journals/create.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { answer, startUsage, taskOfProcess, type Usage } from './alone.ts';
import { beginRing, DataSetMaker, RingEvents } from './journal-fill.ts';

export interface JournalTask {
  readonly directory: string;
  readonly slots: number;
  readonly slotBytes: number;
  /** Records of 4 KiB in one commit. */
  readonly batchRecords: number;
  readonly seconds: number;
}

export interface JournalAnswer extends Usage {
  readonly commits: number;
  readonly records: number;
  readonly bytes: number;
}

const RECORD_BYTES = 4096;
const VOLUME_BYTES = 1024 * 1024 * 1024;

const task = taskOfProcess() as JournalTask;
const { directory, slots, batchRecords } = task;
const disk = new NodeDisk();
const geometry = geometryOf(task);
await awaitDone((done) => createRing({ disk, directory, geometry, alignedStart }, done));
const events = new RingEvents();
const ring = openRing({ disk, directory, geometry, alignedStart, events });
await beginRing(ring);
const maker = new DataSetMaker({ recordBytes: RECORD_BYTES, volumeBytes: VOLUME_BYTES, geometry });
// Every slot's memory is touched once before it counts.
await run(() => maker.next().dataSet < slots);
const deadline = performance.now() + task.seconds * 1000;
answer(await run(() => performance.now() < deadline));
await awaitDone((done) => ring.close(done));

/** Fill one data set after another while it may go on; making the records is not counted. */
async function run(mayGoOn: () => boolean): Promise<JournalAnswer> {
  const total = { seconds: 0, cpuSeconds: 0, commits: 0, records: 0, bytes: 0 };
  while (mayGoOn()) {
    const made = maker.next();
    const slot = made.dataSet % slots;
    ring.openDataSet({ ...made, slot });
    const usage = startUsage();
    for (let index = 0; index < made.records.length;) {
      const end = Math.min(index + batchRecords, made.records.length);
      for (; index < end; index += 1) ring.append({ slot, index, bytes: made.records[index] ?? new Uint8Array(0) });
      const durable = events.untilDurable(made.dataSet, end);
      ring.commit();
      await durable;
      total.commits += 1;
    }
    const used = usage();
    total.seconds += used.seconds;
    total.cpuSeconds += used.cpuSeconds;
    total.records += made.records.length;
    total.bytes += made.encodedBytes;
    const flagged = events.untilFlagged();
    ring.setCompleteFlag({ slot, point: made });
    await flagged;
    ring.retire(slot);
  }
  return total;
}
