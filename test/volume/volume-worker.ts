/** What the destage worker does to a volume that the main thread has open and locked. */
import { workerData } from 'node:worker_threads';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import { openVolume } from '../../src/volume/source-volume.ts';

const config: VolumeConfig = workerData;
const volume = openVolume({ disk: new NodeDisk(), config, lock: false });
volume.storeSync(new Uint8Array(4096).fill(4), 4096);
volume.storeSync(new Uint8Array(new SharedArrayBuffer(100_000)).fill(5), 100_000);
volume.zeroSync(120_000, 512);
volume.flushSync();
volume.close();
