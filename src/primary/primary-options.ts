/** What a primary is started with. */
import type { Disk } from '../disk/disk.ts';
import type { OpenLinkListener } from '../link/link-server.ts';
import type { ListenAddress } from '../model/addresses.ts';
import type { OpenNbdService } from '../nbd/server.ts';
import type { CutPolicy } from '../protocol/primary-contract.ts';
import type { VolumeConfig } from '../volume/contract.ts';

export interface PrimaryOptions {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly volumes: readonly VolumeConfig[];
  readonly nbdListen: readonly ListenAddress[];
  readonly replicationListen: readonly ListenAddress[];
  readonly flushReply: 'local' | 'remote';
  readonly cutPolicy: CutPolicy;
  readonly backlogLimitBytes: number;
  readonly objectiveMs: number;
  /** Serve without replication, and record durably from where the copy is no longer followed. */
  readonly standalone: boolean;
  /** Sockets of its own, for a simulation. */
  /** Absent: `LIMITS.linkGatherMs`; a test that looks at every message has none. */
  readonly linkGatherMs?: number;
  readonly openLinks?: OpenLinkListener;
  readonly openNbd?: OpenNbdService;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, details?: Record<string, unknown>) => void;
}
