/** The source volumes of a host that is to die: one record is one store, and at the one that the crash point names the process kills itself. */
import type { Done } from '../../disk/disk.ts';
import { BLOCK_BYTES, type VolumeEntry } from '../../model/ids.ts';
import type { Volume } from '../../volume/contract.ts';
import type { CrashOperation } from './crash-points.ts';
import type { CrashWatch, Fate } from './crash-watch.ts';

/** What all volumes of a host have done since their last flush. */
interface Destage {
  stores: number;
  stored: Set<Volume>;
}

/** Watch the volumes that a destage stores into. */
export function watchVolumes(volumes: readonly Volume[], watch: CrashWatch): Volume[] {
  const destage: Destage = { stores: 0, stored: new Set() };
  return volumes.map((volume, index) => {
    const flushes: CrashOperation[] = [];
    if (index === 0) flushes.push('first-volume-flush');
    if (index === volumes.length - 1) flushes.push('last-volume-flush');
    return new CrashVolume({ volume, watch, destage, flushes });
  });
}

class CrashVolume implements Volume {
  readonly #volume: Volume;
  readonly #watch: CrashWatch;
  readonly #destage: Destage;
  readonly #flushes: readonly CrashOperation[];

  constructor(options: { volume: Volume; watch: CrashWatch; destage: Destage; flushes: readonly CrashOperation[] }) {
    this.#volume = options.volume;
    this.#watch = options.watch;
    this.#destage = options.destage;
    this.#flushes = options.flushes;
  }

  storeSync(bytes: Uint8Array, offset: number): void {
    const fate = this.#beginStore();
    if (fate === 'torn') {
      const half = bytes.subarray(0, halfOf(bytes.length));
      if (half.length > 0) this.#volume.storeSync(half, offset);
      this.#watch.die();
    }
    this.#volume.storeSync(bytes, offset);
    this.#watch.end(fate);
  }

  zeroSync(offset: number, lengthBytes: number): void {
    const fate = this.#beginStore();
    if (fate === 'torn') {
      if (halfOf(lengthBytes) > 0) this.#volume.zeroSync(offset, halfOf(lengthBytes));
      this.#watch.die();
    }
    this.#volume.zeroSync(offset, lengthBytes);
    this.#watch.end(fate);
  }

  flushSync(): void {
    const fate = this.#watch.begin(this.#flushes);
    this.#volume.flushSync();
    this.#watch.end(fate);
    this.#destage.stores = 0;
    this.#destage.stored.clear();
  }

  get entry(): VolumeEntry {
    return this.#volume.entry;
  }

  get path(): string {
    return this.#volume.path;
  }

  get fastZero(): boolean {
    return this.#volume.fastZero;
  }

  readNow(target: Uint8Array, offset: number): boolean {
    return this.#volume.readNow(target, offset);
  }

  read(target: Uint8Array, offset: number, done: Done): void {
    this.#volume.read(target, offset, done);
  }

  storeNow(bytes: Uint8Array, offset: number): boolean {
    return this.#volume.storeNow(bytes, offset);
  }

  store(bytes: Uint8Array, offset: number, done: Done): void {
    this.#volume.store(bytes, offset, done);
  }

  zero(offset: number, lengthBytes: number, done: Done): void {
    this.#volume.zero(offset, lengthBytes, done);
  }

  flush(done: Done): void {
    this.#volume.flush(done);
  }

  close(): void {
    this.#volume.close();
  }

  #beginStore(): Fate {
    const { stored } = this.#destage;
    this.#destage.stores += 1;
    const operations: CrashOperation[] = ['store'];
    if (this.#destage.stores === 2) operations.push('second-store');
    if (stored.size === 1 && !stored.has(this.#volume)) operations.push('store-on-other-volume');
    stored.add(this.#volume);
    return this.#watch.begin(operations);
  }
}

/** Whole blocks: none of one. */
function halfOf(lengthBytes: number): number {
  const blocks = lengthBytes / BLOCK_BYTES;
  return Math.floor(blocks / 2) * BLOCK_BYTES;
}
