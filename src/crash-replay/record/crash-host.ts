/**
 * The program of the host that is to die: `node crash-host.js CONFIG CRASH-POINT`. It is the secondary of its config, started as
 * `farshore start` starts one, recovered and no more, or promoted as `farshore promote` does it, over a disk that kills this process.
 */
import { loadConfig } from '../../cli/config/load-config.ts';
import { secondaryOptions } from '../../cli/host-options.ts';
import { UsageError } from '../../model/errors.ts';
import { promote } from '../../secondary/promotion.ts';
import { Secondary } from '../../secondary/secondary.ts';
import { openLog, type Log } from '../../status/log.ts';
import { crashOptions } from './crash-options.ts';
import { crashPointOf } from './crash-points.ts';
import { CrashWatch, killThisProcess } from './crash-watch.ts';

/** A recovery or a promotion that has ended did not meet its crash point. */
const NOT_MET = 1;
const SETTLE_MS = 30_000;

async function run(config: string, pointName: string): Promise<void> {
  const point = crashPointOf(pointName);
  if (point === undefined) throw new UsageError('ERR_USAGE', `there is no crash point "${pointName}"`);
  const loaded = await loadConfig(config);
  if (loaded.role !== 'secondary') throw new UsageError('ERR_ROLE', `${config} is the config of a ${loaded.role}`);
  const log = await openLog({ ...loaded.log, fields: { role: loaded.role, group: loaded.group } });
  const dial = point.stage !== 'recovering';
  const options = secondaryOptions(loaded, log, { dial, standalone: false });
  const secondary = await Secondary.start(crashOptions(options, new CrashWatch(point, killThisProcess)));
  if (point.stage === 'replicating') {
    const end = await secondary.ended;
    log.write('error', end.message, { code: end.code });
  } else if (point.stage === 'recovering') {
    await secondary.until(() => secondary.replica?.isSettled === true, SETTLE_MS);
  } else {
    await promote(secondary, { force: false, dryRun: false });
  }
  await endUnmet(secondary, log, point.name);
}

async function endUnmet(secondary: Secondary, log: Log, name: string): Promise<void> {
  log.write('error', `the crash point ${name} was not met`);
  await secondary.stop();
  await log.end();
  process.exitCode = NOT_MET;
}

const [, , config = '', pointName = ''] = process.argv;
await run(config, pointName);
