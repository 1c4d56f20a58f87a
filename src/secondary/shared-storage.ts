/**
 * The storage of journals and volumes as a secondary sees it (DESIGN section 8): with a lease, if a peer may take it over; without the
 * locks of a former host, if this host has taken it over.
 */
import { watermarkMissing } from '../../journals/errors.ts';
import { watermarkPath } from '../../journals/files.ts';
import { announceHostEpoch, notePromotion } from '../../journals/watermark-epoch.ts';
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

  /**
   * Note on the storage that this host was promoted, before it serves: a peer that would take it over must find it there. A host whose
   * storage was taken over meanwhile does not serve.
   * @throws RefusedError ERR_HOST_SUPERSEDED, ERR_WATERMARK_MISSING; FarshoreError ERR_EPOCH_UNANNOUNCED, ERR_EPOCH_UNREAD
   */
  static async notePromotion({ options, state }: Pick<Secondary, 'options' | 'state'>): Promise<void> {
    const { disk, journals } = options;
    const { directory } = journals;
    const generation = state.generations.at(-1)?.number ?? 0;
    if (state.groupId === null || state.stream === null) return;
    // Without the journals' folder nobody can say whether another host took this one's place.
    if (!disk.exists(watermarkPath(directory))) {
      if (options.standalone !== true) throw watermarkMissing(watermarkPath(directory));
      options.log('warn', `${directory} is not there: whether a peer took this host's place cannot be said (--standalone)`);
      return;
    }
    const note = { identity: { groupId: state.groupId, generation, stream: state.stream }, point: state.divergedFrom };
    await notePromotion({ disk, directory, alignedStart, hostEpoch: state.hostEpoch, note });
  }

  /** Write nothing more. */
  end(): void {
    this.lease?.end();
  }
}

/** What becomes of locks that a former host may still have; undefined: they count. */
export type FormerLocks = { bypassed(path: string): void; count: number } | undefined;

/** Locks of the host that was fenced prove nothing, and may stay for as long as the storage takes to notice; once they were got they count. */
export function formerLocksOf({ options, state }: Pick<Secondary, 'options' | 'state'>): FormerLocks {
  if (options.afterFence !== true || state.hasLocks === true) return undefined;
  const locks = {
    count: 0,
    bypassed(path: string): void {
      locks.count += 1;
      options.log(
        'warn',
        `${path} is still locked by another process; this host took the place of one that was fenced, and goes on without the lock`,
      );
    },
  };
  return locks;
}
