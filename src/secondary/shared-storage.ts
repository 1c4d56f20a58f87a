/**
 * The storage of journals and volumes as a secondary sees it (DESIGN section 8): with a lease, if a peer may take it over; without the
 * locks of a former host, if this host has taken it over.
 */
import type { Disk } from '../disk/disk.ts';
import { EpochLease } from './epoch-lease.ts';
import { LeasedDisk } from './leased-disk.ts';
import type { Secondary } from './secondary.ts';

export class SharedStorage {
  /** Of the journals. */
  readonly disk: Disk;
  /** Null: nobody takes this host's place. */
  readonly lease: EpochLease | null;

  private constructor(disk: Disk, lease: EpochLease | null) {
    this.disk = lease === null ? disk : new LeasedDisk(disk, lease);
    this.lease = lease;
  }

  /** @throws RefusedError ERR_HOST_SUPERSEDED, ERR_WATERMARK_MISSING; FarshoreError ERR_EPOCH_UNREAD */
  static async open(secondary: Secondary): Promise<SharedStorage> {
    const { options, state } = secondary;
    const { disk, log } = options;
    if ((options.peerListen ?? []).length === 0) return new SharedStorage(disk, null);
    const lease = new EpochLease({
      disk,
      directory: options.journals.directory,
      hostEpoch: state.hostEpoch,
      ...(options.nowNs === undefined ? {} : { nowNs: options.nowNs }),
      events: {
        expired: (why) =>
          log(
            'warn',
            `nothing is written to the shared storage until the host epoch there was read again${why === null ? '' : `: ${why}`}`,
          ),
        renewed: () => log('info', 'the host epoch was read again: writing goes on'),
        superseded: (error) => secondary.fail('ERR_HOST_SUPERSEDED', error.message),
      },
    });
    try {
      await lease.start();
    } catch (error) {
      lease.end();
      throw error;
    }
    return new SharedStorage(disk, lease);
  }

  /** Write nothing more. */
  end(): void {
    this.lease?.end();
  }
}

/** Whether the locks of a former host are waited for. */
export function locksAfterFence({ options }: Pick<Secondary, 'options'>): { bypassed(path: string): void } | undefined {
  if (options.afterFence !== true) return undefined;
  return {
    bypassed: (path) =>
      options.log(
        'warn',
        `${path} is still locked by another process; this host took the place of one that was fenced, and goes on without the lock`,
      ),
  };
}
