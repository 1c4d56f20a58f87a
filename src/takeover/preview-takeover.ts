/** What a takeover would do, said without changing anything: for `--dry-run`, also beside a running peer. */
import { messageOf, RefusedError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { Disk } from '../disk/disk.ts';
import type { HeldSegment, NvramRegion } from '../peer/nvram/contract.ts';
import { decodeRecords } from '../record/wire.ts';
import { previewRecovery } from '../secondary/recover.ts';
import type { HostState } from '../state/host-state.ts';
import { takeoverPaths, type TakeoverPaths } from './taken-over-options.ts';
import { checkTakeable, lookAtStorage, type TakeoverReport } from './take-over.ts';

export interface TakeoverPreviewOptions {
  readonly disk: Disk;
  readonly takeover: TakeoverPaths | null;
  readonly state: HostState;
  /** Null: it is gone. */
  readonly region: Pick<NvramRegion, 'tail' | 'head' | 'heldBytes' | 'path'> | null;
  readonly segments: () => Iterable<HeldSegment>;
  readonly warning: string | null;
  readonly fenced: boolean;
}

/** @throws what `takeOver` would refuse with before its fence */
export async function previewTakeover(options: TakeoverPreviewOptions): Promise<TakeoverReport> {
  const { disk, state, region, fenced, warning } = options;
  const paths = takeoverPaths(options);
  checkTakeable(state, paths);
  const resumed = state.condition === 'taking-over';
  const heldRecords = region === null ? 0 : region.head - region.tail;
  const lines = [resumed ? 'would finish the takeover that was interrupted, without a further fence' : sayFence(paths, fenced)];
  let hostEpoch = resumed ? state.hostEpoch : state.hostEpoch + 1;
  let found: { added: number; completeDataSet: string | null } | null = null;
  lines.push(`the region holds ${heldRecords} records, ${formatBytes(region?.heldBytes ?? 0)}`);
  try {
    // Perhaps only the fence makes the storage reachable; and beside a secondary that still writes, the journals are a moving target.
    const storage = lookAtStorage(disk, paths, state);
    if (!resumed) hostEpoch = Math.max(state.hostEpoch, storage.hostEpoch) + 1;
    found = await compareJournals(options, paths);
    lines.push(`${found.added} of them are in no journal, and would be added`);
    lines.push(
      found.completeDataSet === null
        ? 'no data set is complete in the journals'
        : `the journals are complete through data set ${found.completeDataSet}`,
    );
  } catch (error) {
    if (error instanceof RefusedError && error.code === 'ERR_TAKEOVER_PROMOTED') throw error;
    lines.push(`what the journals lack cannot be said now: ${messageOf(error)}`);
  }
  lines.push(`the host epoch on the shared storage would be ${hostEpoch}`);
  if (warning !== null) lines.push(warning);
  return {
    tookOver: false,
    dryRun: true,
    resumed,
    fence: resumed ? 'before' : 'none yet',
    hostEpoch,
    heldRecords,
    addedRecords: found?.added ?? null,
    completeDataSet: found?.completeDataSet ?? null,
    lines,
  };
}

function sayFence({ fence }: TakeoverPaths, fenced: boolean): string {
  if (fenced) return 'no fence command would be run: --fenced says that the secondary is shut out';
  if (fence === null) return 'would refuse: no fence command is configured, and --fenced is not given';
  return `would run the fence command ${JSON.stringify(fence)}`;
}

async function compareJournals(
  { disk, state, segments }: TakeoverPreviewOptions,
  { journals }: TakeoverPaths,
): Promise<{ added: number; completeDataSet: string | null }> {
  const { geometry, stream, generations } = state;
  if (geometry === undefined || stream === null) return { added: 0, completeDataSet: null };
  const { plan, watermark } = await previewRecovery({
    disk,
    directory: journals.directory,
    geometry,
    // What a takeover would write down first; the watermark may carry a host epoch already.
    state: { ...state, role: 'secondary', hostEpoch: Number.MAX_SAFE_INTEGER },
    mode: 'start',
    afterFence: { bypassed: () => {} },
  });
  const destaged = watermark?.point?.dataSet ?? -1;
  const journaled = new Set((plan?.restored ?? []).flatMap(({ records }) => records.map(({ sequence }) => sequence)));
  const expected = { generation: generations.at(-1)?.number ?? 0, stream };
  let added = 0;
  for (const { encoded } of segments()) {
    const { records } = decodeRecords(encoded, expected);
    added += records.filter(({ dataSet, sequence }) => dataSet > destaged && !journaled.has(sequence)).length;
  }
  const complete = plan?.through ?? null;
  return { added, completeDataSet: complete === null ? null : String(complete.dataSet) };
}
