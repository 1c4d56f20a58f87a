/**
 * A secondary that is to die: production code over a disk, volumes, a link and a log that count for the watch.
 *
 * Only the destage differs from a real host's: it runs in this thread, because a worker has a disk of its own, and it can stand still.
 */
import type { MemoryBuffer } from '../../../journals/contract.ts';
import type { Disk } from '../../disk/disk.ts';
import { inlineCarrier, type DestageOrder, type OpenCarrier } from '../../secondary/destager.ts';
import type { SecondaryOptions } from '../../secondary/secondary.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import { openVolumes } from '../../volume/open-volumes.ts';
import { CrashDisk } from './crash-disk.ts';
import { promotionStepIn } from './crash-points.ts';
import { watchVolumes } from './crash-volume.ts';
import type { CrashWatch } from './crash-watch.ts';
import { withholdingConnect } from './withheld-link.ts';

/** The destage is ordered in this step of a promotion. */
const DESTAGE_STEP = 3;

/** Opens the destage that stands still for as long as the crash point says. */
class HeldDestage {
  readonly #watch: CrashWatch;
  #release: () => void = () => {};
  #released = false;

  constructor(watch: CrashWatch) {
    this.#watch = watch;
  }

  /** The promotion is recorded: what was held until then may go on. */
  release(): void {
    this.#released = true;
    this.#release();
  }

  carrier(disk: Disk, volumes: readonly VolumeConfig[], buffers: readonly MemoryBuffer[]): OpenCarrier {
    const watch = this.#watch;
    const open = inlineCarrier(() => watchVolumes(openVolumes(disk, volumes, { lock: false }), watch), buffers);
    return (report) => {
      const carrier = open((done) => {
        if (done.error === null) watch.destaged += 1;
        report(done);
      });
      const start = (order: DestageOrder): void => {
        if (this.#standsStill()) {
          this.#release = () => start(order);
          return;
        }
        carrier.start(order);
      };
      return { start, close: () => carrier.close() };
    };
  }

  #standsStill(): boolean {
    const { hold } = this.#watch.point;
    if (hold === undefined) return false;
    return hold === 'until-promoting' ? !this.#released : this.#watch.destaged >= hold.afterDestaged;
  }
}

/** Options of the secondary that dies at the watch's point. */
export function crashOptions(options: SecondaryOptions, watch: CrashWatch): SecondaryOptions {
  const { point } = watch;
  const disk = new CrashDisk(options.disk, watch);
  const destage = new HeldDestage(watch);
  return {
    ...options,
    disk,
    openCarrier: (buffers) => destage.carrier(disk, options.volumes, buffers),
    ...(point.withhold === undefined ? {} : { connectSocket: withholdingConnect(watch) }),
    log: (level, message, details) => {
      options.log(level, message, details);
      const step = promotionStepIn(message);
      if (step === 1 || step === 6) watch.end(watch.begin([`promotion-step-${step}`]));
      if (step === DESTAGE_STEP) destage.release();
    },
  };
}
