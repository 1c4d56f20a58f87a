/** What a start of the production secondary needs besides its network. */
import type { MemoryBuffer } from '../../journals/contract.ts';
import { inlineCarrier, type OpenCarrier } from '../secondary/destager.ts';
import type { Secondary } from '../secondary/secondary.ts';
import { mayStoreBy, type WriteLease } from '../secondary/write-lease.ts';
import { openVolumes } from '../volume/open-volumes.ts';
import type { SimulatedDisk } from './disk.ts';
import { GROUP, STATE_DIRECTORY, VOLUMES } from './setting.ts';

/** The destage in this thread, because the disk exists nowhere else. */
export function openCarrierOf(
  disk: SimulatedDisk,
  buffers: readonly MemoryBuffer[],
  lease: Pick<WriteLease, 'cell'> | null = null,
): OpenCarrier {
  return inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), buffers, mayStoreBy(lease?.cell ?? null));
}

/** A destage that takes its time: several data sets become complete meanwhile. */
export function slowly(open: OpenCarrier, delayUs: () => number): OpenCarrier {
  return (report) => {
    const carrier = open(report);
    let closed = false;
    return {
      start: (order) => {
        setTimeout(() => {
          if (!closed) carrier.start(order);
        }, delayUs() / 1000);
      },
      close: () => {
        closed = true;
        return carrier.close();
      },
    };
  };
}

/** What a start of the production secondary needs of a disk; also of a copy of it whose future is asked for. */
export function secondaryOptions(
  disk: SimulatedDisk,
): Pick<
  Parameters<typeof Secondary.start>[0],
  'disk' | 'group' | 'stateDirectory' | 'volumes' | 'nbdListen' | 'objectiveMs' | 'openCarrier' | 'nowNs'
> {
  return {
    disk,
    group: GROUP,
    stateDirectory: STATE_DIRECTORY,
    volumes: VOLUMES,
    nbdListen: [],
    objectiveMs: 1000,
    nowNs: () => BigInt(Math.round(performance.now() * 1e6)),
    openCarrier: (buffers) => openCarrierOf(disk, buffers),
  };
}
