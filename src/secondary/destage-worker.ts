/** The destage thread: stores data sets from the shared memory buffers with its own descriptors, because a store may wait for a disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { NodeDisk } from '../disk/node-disk.ts';
import type { Vlun } from '../model/ids.ts';
import type { MemoryBuffer } from '../../journals/contract.ts';
import type { Volume, VolumeConfig } from '../volume/contract.ts';
import { openVolumes } from '../volume/open-volumes.ts';
import { carryOutDestage, type DestageOrder, type DestageReport } from './destager.ts';
import { openDestageSource } from './store-data-set.ts';

const { volumes: configs, buffers } = workerData as { volumes: readonly VolumeConfig[]; buffers: readonly MemoryBuffer[] };
const sources = buffers.map(openDestageSource);
const disk = new NodeDisk();
let open: ReadonlyMap<Vlun, Volume> | null = null;

async function volumesFor(order: DestageOrder): Promise<ReadonlyMap<Vlun, Volume>> {
  if (open !== null && order.reopen) {
    for (const volume of open.values()) volume.close();
    open = null;
  }
  open ??= new Map((await openVolumes(disk, configs, { lock: false })).map((volume) => [volume.entry.vlun, volume]));
  return open;
}

parentPort?.on('message', (order: DestageOrder) => {
  void volumesFor(order).then(
    (volumes) => parentPort?.postMessage(carryOutDestage(order, sources, volumes)),
    (error: unknown) => parentPort?.postMessage({ destaged: null, error: error instanceof Error ? error.message : String(error) } satisfies DestageReport),
  );
});
