import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configFlag, logLevelFlag } from '../src/cli/flags.ts';
import { UsageError } from '../src/model/errors.ts';
import type { Disk } from '../src/disk/disk.ts';
import type { Log } from '../src/status/log.ts';

export default class Start extends BaseCommand {
  static override summary = 'Run this host in the foreground, as its config and durable state say.';
  static override description =
    'A primary serves its volumes over NBD and replicates them; a secondary keeps the copy; a peer holds what a secondary in mode write-back acknowledged; a promoted secondary serves, and a peer that took over is the secondary. SIGTERM and SIGINT stop cleanly. ' +
    'A primary whose last stop was not clean refuses (exit code 5): its volumes may hold writes that were never sent. Then either promote the secondary, or use --standalone. ' +
    'A secondary that acknowledged on the word of its peer waits for that peer after a restart, and fetches back what its journals lack.';
  static override examples = [
    '<%= config.bin %> start -c primary.yaml',
    '<%= config.bin %> start -c primary.yaml --standalone',
    '<%= config.bin %> start -c secondary.yaml --without-peer',
  ];
  static override flags = {
    config: configFlag,
    standalone: Flags.boolean({
      summary: 'Serve without replication.',
      description:
        'Records durably from which data set on the copy is no longer followed; the secondary keeps its consistent copy and is refused until a resync.',
    }),
    'without-peer': Flags.boolean({
      summary: 'Wait no longer for the peer that may hold acknowledged records.',
      description:
        'For a peer that is gone for good. What only it held is given up: the copy may then lack data sets that were acknowledged, and the log says so.',
    }),
    'empty-region': Flags.boolean({
      summary: 'Begin an empty region in place of a durable one that is not there.',
      description: 'For a peer whose region is gone for good. What it held is given up; its secondary is told so.',
    }),
    trace: Flags.string({
      summary: 'Append one line of JSON to this file for each thing that became durable in the journals of a secondary.',
      description: 'Written before anything relies on it, for tests of what a power cut may take; docs/durable-trace.md.',
      helpValue: 'FILE',
    }),
    'log-level': logLevelFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Start);
    const { loadConfig } = await import('../src/cli/config/load-config.ts');
    const { openLog } = await import('../src/status/log.ts');
    const { runHost } = await import('../src/cli/run-host.ts');
    const config = await loadConfig(flags.config, { standalone: flags.standalone, logLevel: flags['log-level'] });
    const log = await openLog({ ...config.log, fields: { role: config.role, group: config.group } });
    if (flags.trace !== undefined && config.role === 'primary')
      throw new UsageError('ERR_USAGE', '--trace tells of journals, and a primary has none: give it to its secondary');
    const how = { log, standalone: flags.standalone, withoutPeer: flags['without-peer'], emptyRegion: flags['empty-region'] };
    await runHost(config, flags.trace === undefined ? how : { ...how, disk: await tracedDisk(flags.trace, log) });
    await log.end();
  }
}

/** The machine's disk, with what becomes durable noted in a file. */
async function tracedDisk(path: string, log: Log): Promise<Disk> {
  const { NodeDisk } = await import('../src/disk/node-disk.ts');
  const { traceDurable } = await import('../src/secondary/durable-trace.ts');
  const ended = (error: unknown): void => log.write('error', `the trace ended: ${String(error)}`, { path });
  return traceDurable(new NodeDisk(), { path, ended }).disk;
}
