/** `promote`: through the running host if there is one, otherwise in this process on the stopped host's files. */
import { UsageError } from '../model/errors.ts';
import { previewPromotion } from '../secondary/promotion-preview.ts';
import { promote, type PromotionReport } from '../secondary/promotion.ts';
import { Secondary } from '../secondary/secondary.ts';
import { readHostState } from '../state/host-state.ts';
import { controlSocketPath } from '../state/state-folder.ts';
import { openLog } from '../status/log.ts';
import { loadConfig } from './config/load-config.ts';
import { giveCommand, isRunning } from './control-client.ts';
import { secondaryOptions } from './host-options.ts';

/** @throws UsageError ERR_ROLE when the config is not a secondary's; what `promote` throws */
export async function promoteHost(
  file: string,
  asked: { force: boolean; dryRun: boolean },
): Promise<{ report: PromotionReport; running: boolean }> {
  const config = await loadConfig(file);
  if (config.role !== 'secondary')
    throw new UsageError('ERR_ROLE', `${file} is the config of a ${config.role}; promote is given to a secondary`);
  const socket = controlSocketPath(config.stateDirectory);
  if (await isRunning(socket))
    return { report: (await giveCommand({ kind: 'socket', path: socket }, 'promote', asked)) as PromotionReport, running: true };
  const log = await openLog({ level: 'warn', format: 'text' });
  try {
    const options = secondaryOptions(config, log, { dial: false, standalone: false });
    if (asked.dryRun) return { report: await previewPromotion(options), running: false };
    // The start alone finishes a promotion that was interrupted; what it keeps is read before.
    const interrupted = readHostState(options.disk, options.stateDirectory).condition === 'promoting';
    const found = interrupted ? await previewPromotion(options) : null;
    const secondary = await Secondary.start(options);
    try {
      const report = found === null ? await promote(secondary, asked) : { ...found, promoted: true, dryRun: false };
      return { report, running: false };
    } finally {
      await secondary.stop();
    }
  } finally {
    await log.end();
  }
}
