/** How a host runs that took the place of its secondary: the state of the peer, and this host's own paths to the shared storage. */
import type { Disk } from '../disk/disk.ts';
import type { ListenAddress } from '../model/addresses.ts';
import type { Geometry } from '../model/ids.ts';
import type { SecondaryOptions } from '../secondary/secondary.ts';
import { readHostState } from '../state/host-state.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { takeoverConfigMissing, takeoverUnbound } from './takeover-errors.ts';

/** The config's section `takeover`. */
export interface TakeoverPaths {
  readonly volumes: readonly VolumeConfig[];
  readonly journals: { readonly directory: string };
  readonly replication: { readonly connect: readonly string[]; readonly links: number };
  readonly nbd: { readonly listen: readonly ListenAddress[] };
  readonly fence: readonly string[] | null;
}

/** What of a peer's config its life as a secondary needs. */
export interface TakenOverHost {
  readonly disk: Disk;
  readonly group: string;
  readonly stateDirectory: string;
  readonly takeover: TakeoverPaths | null;
  readonly objectiveMs: number;
  readonly log: SecondaryOptions['log'];
}

/** The paths, or the refusal. @throws UsageError ERR_TAKEOVER_CONFIG */
export function takeoverPaths({ takeover }: Pick<TakenOverHost, 'takeover'>): TakeoverPaths {
  if (takeover === null) throw takeoverConfigMissing();
  return takeover;
}

/** Options of the secondary that this host has become. @throws UsageError ERR_TAKEOVER_CONFIG; RefusedError ERR_TAKEOVER_UNBOUND, ERR_NOT_INITIALISED */
export function takenOverOptions(host: TakenOverHost, how: { readonly dial: boolean; readonly standalone?: boolean }): SecondaryOptions {
  const paths = takeoverPaths(host);
  const { disk, group, stateDirectory, objectiveMs, log } = host;
  return {
    disk,
    group,
    stateDirectory,
    objectiveMs,
    log,
    volumes: paths.volumes,
    connect: paths.replication.connect,
    links: paths.replication.links,
    nbdListen: paths.nbd.listen,
    journals: { directory: paths.journals.directory, geometry: knownGeometry(host) },
    // Locks of the host that was fenced prove nothing, and may stay for as long as the storage takes to notice.
    afterFence: true,
    dial: how.dial,
    standalone: how.standalone ?? false,
  };
}

function knownGeometry({ disk, stateDirectory }: TakenOverHost): Geometry {
  const { geometry } = readHostState(disk, stateDirectory);
  if (geometry === undefined) throw takeoverUnbound();
  return geometry;
}
