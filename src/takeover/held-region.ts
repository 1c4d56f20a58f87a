/** The region of a peer that takes its secondary's place: what it holds, or why what it held may be gone. */
import { RefusedError } from '../model/errors.ts';
import { releaseFormerStream } from '../peer/former-stream.ts';
import type { HeldSegment, NvramRegion, RegionEnd, RegionOptions } from '../peer/nvram/contract.ts';
import type { RegionStore } from '../peer/open-peer-region.ts';
import { regionFiles } from '../peer/region-files.ts';
import type { HostState } from '../state/host-state.ts';
import { regionGone, takeoverUnbound } from './takeover-errors.ts';

export interface HeldRegionOptions {
  readonly region: RegionOptions;
  readonly regions?: RegionStore;
  readonly state: HostState;
  /** Go on with what the journals have, although the region is gone. */
  readonly force: boolean;
}

/** The region, or nothing in its place. */
export interface HeldRegion {
  readonly path: string;
  readonly region: NvramRegion | null;
  /** What may be missing, as one sentence; null: nothing is known to be. */
  readonly warning: string | null;
  segments(): Generator<HeldSegment, RegionEnd>;
  close(): void;
}

/** Open the region that the state names. @throws RefusedError ERR_TAKEOVER_REGION, ERR_NVRAM_FOREIGN, ERR_TAKEOVER_UNBOUND; what opening it throws */
export async function openHeldRegion({ region: options, regions = regionFiles, state, force }: HeldRegionOptions): Promise<HeldRegion> {
  const known = state.region;
  if (known === undefined) throw takeoverUnbound();
  const { path } = options;
  const opened = await regions.open(options);
  if (opened.kind !== 'open') {
    const why =
      opened.kind === 'missing'
        ? 'does not exist'
        : `cannot be read: at byte ${opened.offset} expected ${opened.expected}, found ${opened.found}`;
    return withoutRegion(path, why, force);
  }
  const { region } = opened;
  if (region.regionId !== known.id || (region.groupId !== null && region.groupId !== state.groupId)) {
    region.close();
    if (known.lost.includes(region.regionId)) return withoutRegion(path, `holds region ${region.regionId}, which was lost before`, force);
    throw foreign(path, state, region);
  }
  const { warning, refusal } = judgeOpenRegion(region, known.lost.length, force);
  if (refusal !== null) {
    region.close();
    throw refusal;
  }
  // A kill may undo a release: what is of a stream that is over was given up before this host took up the present one.
  releaseFormerStream(region, state);
  return { path, region, warning, segments: () => region.segments(), close: () => region.close() };
}

/** What may be missing in a region that is open, and whether a takeover goes on with it. */
export function judgeOpenRegion(
  region: NvramRegion,
  lostRegions: number,
  force: boolean,
): { readonly warning: string | null; readonly refusal: RefusedError | null } {
  const { path } = region;
  const unused = unusedSince(region, lostRegions);
  if (unused === null) return { warning: unreadableEnd(region), refusal: null };
  return { warning: `${path} ${unused}`, refusal: force ? null : regionGone(path, unused) };
}

/** A region that no secondary has met since it was made empty: what the one before it held was needed until it would have. */
function unusedSince({ groupId }: NvramRegion, lostRegions: number): string | null {
  if (groupId !== null || lostRegions === 0) return null;
  return `was made empty and has met no secondary since; ${lostRegions} regions before it were lost with what they held`;
}

function unreadableEnd({ foundEnd, path }: NvramRegion): string | null {
  if (foundEnd.verdict === 'clean-end') return null;
  return (
    `${path} cannot be read from byte ${foundEnd.offset} on (expected ${foundEnd.expected}, found ${foundEnd.found}): a message that was cut off and never ` +
    'acknowledged looks like this, damage too; the primary is asked whether anything is missing'
  );
}

function withoutRegion(path: string, why: string, force: boolean): HeldRegion {
  if (!force) throw regionGone(path, why);
  return { path, region: null, warning: `${path} ${why}: taken over without it (--force)`, segments: nothing, close: () => {} };
}

// oxlint-disable-next-line require-yield -- there is nothing to hand out
function* nothing(): Generator<HeldSegment, RegionEnd> {
  return { verdict: 'clean-end', offset: 0 };
}

function foreign(path: string, state: HostState, region: NvramRegion): RefusedError {
  const expected = `region ${state.region?.id ?? 'none'} of group ${state.groupId ?? 'none'}`;
  const found = `region ${region.regionId} of group ${region.groupId ?? 'none'}`;
  return new RefusedError('ERR_NVRAM_FOREIGN', `${path} is not this peer's: expected ${expected}, found ${found}`, {
    hint: 'correct nvram.path; a region of another peer is never used',
    details: { path, expected, found },
  });
}
