/** What a secondary needs to run. */
import type { Disk } from '../disk/disk.ts';
import type { MemoryBuffer } from '../../journals/contract.ts';
import type { ListenAddress } from '../model/addresses.ts';
import type { Geometry } from '../model/ids.ts';
import type { OpenNbdService } from '../nbd/server.ts';
import type { Connect } from '../link/link-dialer.ts';
import type { OpenLinkListener } from '../link/link-server.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import type { OpenCarrier } from './destager.ts';
import type { WriteLease } from './write-lease.ts';
import type { AdoptedRegion } from './mirror/adopt-region.ts';

export interface SecondaryOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly volumes: readonly VolumeConfig[];
  readonly connect: readonly string[];
  readonly links: number;
  readonly journals: { readonly directory: string; readonly geometry: Geometry };
  readonly nbdListen: readonly ListenAddress[];
  readonly objectiveMs: number;
  /** Where the peer dials, in write-back mode; empty or absent: write-through. */
  readonly peerListen?: readonly ListenAddress[];
  /** Give up what only the peer may hold, and do not wait for it. */
  readonly withoutPeer?: boolean;
  /** A takeover: records of this host's own region, to be taken into the journals before anything else. */
  readonly adopt?: AdoptedRegion;
  /** This host took the place of one that was fenced: locks that are left of it are passed by. */
  readonly afterFence?: boolean;
  /** Clock of the lease, nanoseconds; one of its own for a simulation. */
  readonly nowNs?: () => bigint;
  /** Serve a promoted host although it failed before. */
  readonly standalone?: boolean;
  /** False: recover only, for a promotion of a host that does not run. */
  readonly dial: boolean;
  /** Least time between the begins of two journal commits of little; absent: `LIMITS.commitGapMs`. A search of all crash points has none. */
  readonly commitGapMs?: number;
  /** How complete data sets are stored; the destage worker unless a test has a disk of its own. */
  readonly openCarrier?: (buffers: readonly MemoryBuffer[], lease: Pick<WriteLease, 'cell'> | null) => OpenCarrier;
  /** Sockets of its own, for a simulation. */
  readonly connectSocket?: Connect;
  readonly openPeerLinks?: OpenLinkListener;
  readonly openNbd?: OpenNbdService;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, details?: Record<string, unknown>) => void;
}
