/**
 * The storage of journals and volumes as a secondary sees it (DESIGN section 8): with a lease, if a peer may take it over; without the
 * locks of a former host, if this host has taken it over.
 */
import { watermarkPath } from '../../journals/files.ts';
import { announceHostEpoch } from '../../journals/watermark-epoch.ts';
import { alignedStart } from '../disk/alignment.ts';
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

  /** @throws RefusedError ERR_HOST_SUPERSEDED, ERR_WATERMARK_MISSING; FarshoreError ERR_EPOCH_UNREAD, ERR_EPOCH_UNANNOUNCED */
  static async open(secondary: Secondary): Promise<SharedStorage> {
    const { options, state } = secondary;
    const { disk, log } = options;
    if ((options.peerListen ?? []).length === 0) return new SharedStorage(disk, null);
    const { directory } = options.journals;
    // Without a ring there is nothing to announce anything for; the lease says what is missing.
    if (disk.exists(watermarkPath(directory))) await announceHostEpoch({ disk, directory, alignedStart, hostEpoch: state.hostEpoch });
    const lease = new EpochLease({
      disk,
      directory,
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
