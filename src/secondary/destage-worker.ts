/** The destage thread: stores data sets from the shared memory buffers with its own descriptors, because a store may wait for a disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { pageSizeBytes } from '../disk/libc.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { BrokenInvariant } from '../model/assert.ts';
import { messageOf } from '../model/errors.ts';
import type { Vlun } from '../model/ids.ts';
import type { MemoryBuffer } from '../../journals/contract.ts';
import type { Volume, VolumeConfig } from '../volume/contract.ts';
import { openVolumes } from '../volume/open-volumes.ts';
import { carryOutDestage, WORKER_READY, type DestageOrder, type DestageReport } from './destage-order.ts';
import { openDestageSource } from './store-data-set.ts';
import { mayStoreBy } from './write-lease.ts';

const {
  volumes: configs,
  buffers,
  lease,
} = workerData as { volumes: readonly VolumeConfig[]; buffers: readonly MemoryBuffer[]; lease: SharedArrayBuffer | null };
const mayStore = mayStoreBy(lease);
const sources = buffers.map(openDestageSource);
const disk = new NodeDisk();
let open: ReadonlyMap<Vlun, Volume> | null = null;

function volumesFor(order: DestageOrder): ReadonlyMap<Vlun, Volume> {
  if (open !== null && order.reopen) {
    for (const volume of open.values()) volume.close();
    open = null;
  }
  open ??= new Map(openVolumes(disk, configs, { lock: false }).map((volume) => [volume.entry.vlun, volume]));
  return open;
}

parentPort?.on('message', (order: DestageOrder) => {
  let report: DestageReport;
  try {
    // Opening a volume allocates what is sparse in it.
    report = mayStore() ? carryOutDestage(order, sources, volumesFor(order), mayStore) : { destaged: null, error: null };
  } catch (error) {
    if (error instanceof BrokenInvariant) throw error;
    report = { destaged: null, error: messageOf(error) };
  }
  parentPort?.postMessage(report);
});

// A thread that is ended while koffi loads in it takes the whole process along: so it is loaded now, and whoever closes waits for this word.
pageSizeBytes();
parentPort?.postMessage(WORKER_READY);
