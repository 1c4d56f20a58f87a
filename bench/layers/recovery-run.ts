/**
 * One recovery, in a process of its own: a ring is filled with complete data sets that no watermark covers, as a crash leaves them; then
 * it is scanned, or recovered by the code that a start of a secondary runs: open, scan, plan, make durable, flag, destage, watermark.
 */
import { join } from 'node:path';
import { openRing } from '../../journals/ring.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { CHAIN_START, type Geometry } from '../../src/model/ids.ts';
import { workerCarrier } from '../../src/secondary/destager.ts';
import { initSecondary } from '../../src/secondary/init.ts';
import { recover } from '../../src/secondary/recover.ts';
import { Replica } from '../../src/secondary/replica.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { answer, startUsage, taskOfProcess, type Usage } from './alone.ts';
import { beginRing, DataSetMaker, fillRing, IDENTITY, RingEvents } from './journal-fill.ts';

export interface RecoveryTask {
  readonly step: 'fill' | 'scan' | 'recover';
  readonly folder: string;
  readonly slots: number;
  readonly slotBytes: number;
  readonly recordBytes: number;
  readonly volumeBytes: number;
}

export interface RecoveryAnswer extends Usage {
  /** Encoded bytes of what the journals hold; 0: not asked for. */
  readonly encodedBytes: number;
  readonly records: number;
  /** Of a recovery: until everything that was read is durable, and the stores begin. */
  readonly durableSeconds?: number;
}

const PIECE_BYTES = 64 * 1024;
const disk = new NodeDisk();
const task = taskOfProcess() as RecoveryTask;
const stateDirectory = join(task.folder, 'state');
const directory = join(task.folder, 'journals');
const geometry: Geometry = geometryOf(task);
const volume: VolumeConfig = { vlun: 0, name: 'v', sizeBytes: task.volumeBytes, path: join(task.folder, 'volume'), store: 'auto' };

switch (task.step) {
  case 'fill':
    answer(await fill());
    break;
  case 'scan':
    answer(await scan());
    break;
  case 'recover':
    answer(await recoverAll());
    break;
}

async function fill(): Promise<RecoveryAnswer> {
  const usage = startUsage();
  const state = await initSecondary({
    disk,
    group: 'bench',
    stateDirectory,
    volumes: [volume],
    journals: { directory, geometry },
    zeroExisting: false,
    onProgress: () => {},
  });
  const { generation, stream, groupId } = IDENTITY;
  const born = { number: generation, id: 'e'.repeat(16), afterDataSet: null, afterSequence: null, chain: CHAIN_START };
  writeHostState(disk, stateDirectory, { ...state, groupId, stream, generations: [{ ...born, firstDataSet: 0, firstSequence: 0 }] });
  for (const opened of openVolumes(disk, [volume])) {
    const piece = new Uint8Array(PIECE_BYTES).fill(7);
    for (let offset = 0; offset < volume.sizeBytes; offset += PIECE_BYTES) opened.storeSync(piece, offset);
    opened.flushSync();
    opened.close();
  }
  const events = new RingEvents();
  const ring = openRing({ disk, directory, geometry, alignedStart, events });
  await beginRing(ring);
  const encodedBytes = await fillRing(ring, events, new DataSetMaker({ ...task, geometry }));
  await awaitDone((done) => ring.close(done));
  return { ...usage(), encodedBytes, records: 0 };
}

async function scan(): Promise<RecoveryAnswer> {
  const usage = startUsage();
  const ring = openRing({ disk, directory, geometry, alignedStart, events: new RingEvents() });
  const records = await new Promise<number>((resolve, reject) => {
    ring.scan((error, journals) => {
      if (error === null) resolve(journals.reduce((sum, journal) => sum + journal.records.length, 0));
      else reject(error);
    });
  });
  const used = usage();
  await awaitDone((done) => ring.close(done));
  return { ...used, encodedBytes: 0, records };
}

async function recoverAll(): Promise<RecoveryAnswer> {
  const usage = startUsage();
  let replica: Replica | null = null;
  const state = readHostState(disk, stateDirectory);
  const volumes = openVolumes(disk, [volume]);
  const { ring, machine, plan, watermark } = await recover({
    disk,
    directory,
    geometry,
    state,
    mode: 'start',
    events: Replica.journalEvents(() => replica),
  });
  if (machine === null || plan === null) throw new Error('the journals hold nothing');
  const durableSeconds = usage().seconds;
  const records = plan.restored.reduce((sum, set) => sum + set.records.length, 0);
  await new Promise<void>((resolve, reject) => {
    replica = new Replica({
      machine,
      ring,
      openCarrier: workerCarrier([volume], ring.buffers),
      watermarkPoint: watermark?.point ?? null,
      restored: plan.restored,
      events: {
        failed: (_code, message) => reject(new Error(message)),
        mended: (message) => reject(new Error(message)),
        moved: () => {
          if (replica?.watermarkPoint?.dataSet === task.slots - 1) resolve();
        },
      },
    });
    replica.resume();
  });
  const used = usage();
  await (replica as Replica | null)?.close();
  await awaitDone((done) => ring.close(done));
  for (const opened of volumes) opened.close();
  return { ...used, encodedBytes: 0, records, durableSeconds };
}
