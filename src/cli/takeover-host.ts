/** `takeover`: through the running peer if there is one, otherwise in this process on the stopped peer's files. */
import { NodeDisk } from '../disk/node-disk.ts';
import { UsageError } from '../model/errors.ts';
import { readHostState } from '../state/host-state.ts';
import { controlSocketPath, lockStateFolder } from '../state/state-folder.ts';
import { openLog } from '../status/log.ts';
import { openHeldRegion } from '../takeover/held-region.ts';
import { previewTakeover } from '../takeover/preview-takeover.ts';
import { takeOver, type TakeoverOptions, type TakeoverReport } from '../takeover/take-over.ts';
import { takenOverAlready } from '../takeover/takeover-errors.ts';
import { takeoverPaths } from '../takeover/taken-over-options.ts';
import { loadConfig } from './config/load-config.ts';
import { giveCommand, isRunning } from './control-client.ts';
import { takeoverOptions, type TakeoverAsked } from './host-options.ts';

/** @throws UsageError ERR_ROLE when the config is not a peer's; what `takeOver` throws */
export async function takeOverHost(
  file: string,
  asked: TakeoverAsked & { readonly dryRun: boolean },
): Promise<{ report: TakeoverReport; running: boolean }> {
  const config = await loadConfig(file);
  if (config.role !== 'peer') throw new UsageError('ERR_ROLE', `${file} is the config of a ${config.role}; takeover is given to a peer`);
  const state = readHostState(new NodeDisk(), config.stateDirectory);
  if (state.role === 'secondary' && state.condition !== 'taking-over') throw takenOverAlready(state);
  const socket = controlSocketPath(config.stateDirectory);
  if (await isRunning(socket))
    return { report: (await giveCommand({ kind: 'socket', path: socket }, 'takeover', { ...asked })) as TakeoverReport, running: true };
  const log = await openLog({ level: 'info', format: 'text' });
  try {
    const options = takeoverOptions(config, log, asked);
    return { report: asked.dryRun ? await previewStopped(options) : await takeOver(options), running: false };
  } finally {
    await log.end();
  }
}

async function previewStopped(options: TakeoverOptions): Promise<TakeoverReport> {
  const { disk, stateDirectory, nvram } = options;
  takeoverPaths(options);
  const folder = lockStateFolder(disk, stateDirectory);
  try {
    const state = readHostState(disk, stateDirectory);
    const held = await openHeldRegion({ region: { disk, ...nvram }, state, force: options.force });
    try {
      return await previewTakeover({ ...options, state, region: held.region, segments: () => held.segments(), warning: held.warning });
    } finally {
      held.close();
    }
  } finally {
    folder.release();
  }
}
