/**
 * The program of a host whose disk is to be harassed: `node harassed-host.js OPTIONS CONFIG [--trace FILE]` runs the host of the config as
 * `farshore start` does, over the disk of power-disk.ts. OPTIONS is JSON.
 */
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/cli/config/load-config.ts';
import { runHost } from '../../src/cli/run-host.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { traceDurable } from '../../src/secondary/durable-trace.ts';
import { openLog } from '../../src/status/log.ts';
import { powerDisk, type PowerOptions } from './power-disk.ts';

/** For `Host.start([], { program: harassed({ commitDelayMs: 5 }) })`. */
export function harassed(options: PowerOptions): readonly string[] {
  return [fileURLToPath(import.meta.url), JSON.stringify(options)];
}

async function run([options = '{}', config = '', flag, trace = '']: readonly string[]): Promise<void> {
  const loaded = await loadConfig(config);
  const log = await openLog({ ...loaded.log, fields: { role: loaded.role, group: loaded.group } });
  const power = powerDisk(new NodeDisk(), JSON.parse(options) as PowerOptions);
  const ended = (error: unknown): void => log.write('error', `the trace ended: ${String(error)}`);
  const disk = flag === '--trace' ? traceDurable(power, { path: trace, ended }).disk : power;
  await runHost(loaded, { log, standalone: false, withoutPeer: false, emptyRegion: false, disk });
  await log.end();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv.slice(2));
