/** `promote`: through the running host if there is one, otherwise in this process on the stopped host's files. */
import { UsageError } from '../model/errors.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { previewPromotion } from '../secondary/promotion-preview.ts';
import { promote, type PromotionReport } from '../secondary/promotion.ts';
import { Secondary } from '../secondary/secondary.ts';
import { readHostState } from '../state/host-state.ts';
import { controlSocketPath } from '../state/state-folder.ts';
import { openLog } from '../status/log.ts';
import { loadConfig } from './config/load-config.ts';
import { giveCommand, isRunning } from './control-client.ts';
import type { PeerConfig } from './config/host-config.ts';
import { secondaryOfPeer, secondaryOptions } from './host-options.ts';

/** @throws UsageError ERR_ROLE when there is no secondary to promote; what `promote` throws */
export async function promoteHost(
  file: string,
  asked: { force: boolean; dryRun: boolean },
): Promise<{ report: PromotionReport; running: boolean }> {
  const config = await loadConfig(file);
  if (config.role === 'primary') throw new UsageError('ERR_ROLE', `${file} is the config of a primary; promote is given to a secondary`);
  if (config.role === 'peer') checkTookOver(config);
  const socket = controlSocketPath(config.stateDirectory);
  if (await isRunning(socket))
    return { report: (await giveCommand({ kind: 'socket', path: socket }, 'promote', asked)) as PromotionReport, running: true };
  const log = await openLog({ level: 'warn', format: 'text' });
  try {
    const how = { dial: false, standalone: false };
    const options = config.role === 'peer' ? secondaryOfPeer(config, log, how) : secondaryOptions(config, log, how);
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

/** Only a host that has taken its secondary's place has something to promote. */
function checkTookOver({ file, stateDirectory }: PeerConfig): void {
  if (readHostState(new NodeDisk(), stateDirectory).role !== 'peer') return;
  throw new UsageError('ERR_ROLE', `${file} is the config of a peer, which keeps records for its secondary and has no volumes`, {
    hint: 'promote its secondary; if that is gone for good, take its place first: farshore takeover -c FILE',
  });
}
