/**
 * Opens the peer's region at a start, or begins an empty one with a new ID (DESIGN section 8).
 *
 * An empty start in crash-safe order: 1 **record** the new ID, and the old one as lost, durably; 2 **create** the new region, with what
 * is left of the old one set aside. A crash in between leaves an ID that no file has: the next start counts it as lost too, which harms
 * nobody. Never the other way round: a region whose ID the state does not know could pass for one that was never lost.
 */
import { RefusedError } from '../model/errors.ts';
import { LIMITS } from '../model/limits.ts';
import type { RegionId } from '../model/peer.ts';
import type { HostState } from '../state/host-state.ts';
import { newRegionId } from '../state/identity.ts';
import type { PeerLog } from './link-log.ts';
import type { CreateRegionOptions, NvramRegion, OpenedRegion, RegionOptions } from './nvram/contract.ts';

/** Makes and opens regions; a test has one that is no file. */
export interface RegionStore {
  create(options: CreateRegionOptions): void | Promise<void>;
  open(options: RegionOptions): OpenedRegion | Promise<OpenedRegion>;
}

export interface OpenPeerRegionOptions {
  readonly region: RegionOptions;
  readonly store: RegionStore;
  readonly state: HostState;
  readonly writeState: (change: Pick<HostState, 'region'>) => void;
  /** Begin anew in place of a durable region that is not there; one in memory always does. */
  readonly emptyRegion?: boolean;
  readonly log: PeerLog;
}

/** @throws RefusedError ERR_NVRAM_FOREIGN, ERR_STATE_CONTENT; what the store throws */
export async function openPeerRegion(options: OpenPeerRegionOptions): Promise<NvramRegion> {
  const { region: regionOptions, store, state } = options;
  const { path } = regionOptions;
  const known = state.region;
  if (known === undefined)
    throw new RefusedError('ERR_STATE_CONTENT', 'the state of this peer names no region', {
      hint: 'restore the state folder, or initialise the peer again',
    });
  const opened = await store.open(regionOptions);
  if (opened.kind === 'open' && opened.region.regionId === known.id) return checkedGroup(opened.region, state);
  if (opened.kind === 'open') {
    const foundId = opened.region.regionId;
    opened.region.close();
    // One that was given up as lost and is back all the same: its secondary has been told so, and has gone on without it.
    if (!known.lost.includes(foundId)) throw foreign(path, `region ${known.id}`, `region ${foundId}`);
  }
  // A mistake in the config must not cost whoever owns that file its data.
  if (opened.kind === 'unreadable' && !opened.isRegion)
    throw foreign(
      path,
      `region ${known.id}`,
      `a file that is no region (at byte ${opened.offset} expected ${opened.expected}, found ${opened.found})`,
    );
  // A disk that is not mounted yet must not cost what it holds; a region in memory cannot be expected to be there.
  if (opened.kind === 'missing' && regionOptions.hold === 'durable' && options.emptyRegion !== true) throw missing(path, known.id);
  const id = newRegionId();
  options.writeState({ region: { id, lost: [...known.lost, known.id].slice(-LIMITS.lostRegionsMax) } });
  options.log('warn', `${path} ${whyLost(opened)}: region ${known.id} is lost with all that it held, an empty one begins as ${id}`, {
    code: 'ERR_NVRAM_LOST',
    lostRegion: known.id,
    region: id,
  });
  await store.create({ ...regionOptions, regionId: id, replace: opened.kind !== 'missing' });
  const created = await store.open(regionOptions);
  if (created.kind !== 'open')
    throw new RefusedError('ERR_NVRAM_FAILED', `${path} was just made, and is ${created.kind}`, {
      hint: 'check the file system of the region',
    });
  return created.region;
}

function missing(path: string, id: RegionId): RefusedError {
  return new RefusedError(
    'ERR_NVRAM_MISSING',
    `${path} does not exist: region ${id} is durable, and may hold acknowledged records that no journal has`,
    {
      hint: 'bring the file back (is its disk mounted?), or give up what it held and begin an empty region: farshore start -c FILE --empty-region',
      details: { path, region: id },
    },
  );
}

function whyLost(opened: OpenedRegion): string {
  if (opened.kind === 'missing') return 'does not exist';
  if (opened.kind === 'open') return `holds region ${opened.region.regionId}, which was lost before`;
  return `cannot be read: at byte ${opened.offset} expected ${opened.expected}, found ${opened.found}`;
}

function checkedGroup(region: NvramRegion, state: HostState): NvramRegion {
  const { groupId, path } = region;
  if (groupId === null || groupId === state.groupId) return region;
  region.close();
  throw foreign(path, `group ${state.groupId ?? 'none'}`, `group ${groupId}`);
}

function foreign(path: string, expected: string, found: string): RefusedError {
  return new RefusedError('ERR_NVRAM_FOREIGN', `${path} is not this peer's: expected ${expected}, found ${found}`, {
    hint: 'correct nvram.path, or restore the state folder that belongs to this region; a region of another peer is never overwritten',
    details: { path, expected, found },
  });
}
