/**
 * What a promotion of a host that does not run would keep and discard, read from its files without changing any: for `--dry-run`, and
 * for the report of a promotion that a crash interrupted. It does not open the volumes, so it cannot say that they can be served.
 */
import type { Disk } from '../disk/disk.ts';
import { RefusedError } from '../model/errors.ts';
import type { Geometry } from '../model/ids.ts';
import { planPromotion, promotionOfRecovery } from '../protocol/promotion-plan.ts';
import { readHostState } from '../state/host-state.ts';
import { newGenerationId } from '../state/identity.ts';
import { lockStateFolder } from '../state/state-folder.ts';
import { checkVolumeTable } from '../state/volume-table.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { LastHeadFile } from './last-head.ts';
import { alreadyPromoted, promotionReport, type PromotionReport } from './promotion.ts';
import { previewRecovery } from './recover.ts';

export interface PreviewOptions {
  readonly disk: Disk;
  readonly stateDirectory: string;
  readonly volumes: readonly VolumeConfig[];
  readonly journals: { readonly directory: string; readonly geometry: Geometry };
}

/** @throws RefusedError ERR_ALREADY_PROMOTED, ERR_PROMOTION_BLANK, and what a start of the host would refuse with */
export async function previewPromotion(options: PreviewOptions): Promise<PromotionReport> {
  const { disk, stateDirectory } = options;
  const folder = lockStateFolder(disk, stateDirectory);
  try {
    const state = readHostState(disk, stateDirectory);
    if (state.condition === 'promoted') throw alreadyPromoted(state);
    if (state.role !== 'secondary')
      throw new RefusedError('ERR_ROLE', `the state in ${stateDirectory} is a ${state.role}'s, and promote is given to a secondary`);
    checkVolumeTable(state.volumes, options.volumes);
    // An interrupted promotion has written its generation already; it is told again, not a further one.
    const begun = state.condition === 'promoting' ? state.generations.at(-1) : undefined;
    const { watermark, plan: recovery, cuts } = await previewRecovery({ disk, ...options.journals, state, mode: 'promote' });
    const point = watermark?.point ?? null;
    const found =
      recovery === null ? { origin: { dataSet: 0, firstSequence: 0, chain: '' }, complete: [], held: [] } : promotionOfRecovery(recovery);
    const keep = found.complete.at(-1) ?? point;
    const cut = cuts.find(({ dataSet }) => dataSet === keep?.dataSet) ?? null;
    const plan = planPromotion({
      ...found,
      generations: begun === undefined ? state.generations : state.generations.slice(0, -1),
      generationId: begun?.id ?? newGenerationId(),
      watermark: point,
      knownHead: new LastHeadFile(disk, stateDirectory).read(),
      keptBytes: cut?.headBytes ?? null,
      keptTimeMs: cut?.timeMs ?? null,
      nowMs: Date.now(),
    });
    return promotionReport(plan, { dryRun: true, primaryAnswered: null, needed: state.peerMayHoldMore ?? null, cut });
  } finally {
    folder.release();
  }
}
