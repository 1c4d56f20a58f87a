import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { optionalConfigFlag } from '../../src/cli/flags.ts';
import { ringArgument, stateFlag } from '../../src/cli/journal-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';

export default class JournalReplay extends BaseCommand {
  static override summary = 'Recover by hand: store complete data sets from the journals into copies of the volumes.';
  static override description =
    'Copy the volumes of a secondary while it is stopped, then bring the copies to any complete data set above its watermark; without --through, to the last one. Prints the plan first: which data sets are stored in ascending ' +
    'order, records and bytes for each volume, what is not stored and why, and where the copies are then. The journals are only read, and every record is verified before the first byte is stored. ' +
    'A replay that was interrupted is run again.\n\n' +
    'Refuses (exit code 5) while a host uses the journals, to go back, over a hole, and onto a volume that a running host has locked. A source volume of a stopped host can be told from its copy only with -c FILE, the config that ' +
    'names it: without -c, be sure to name copies.\n\n' +
    'Copies that an earlier replay brought further are not brought back: it compares them with what the data sets above --through write, and refuses if they hold it (also if, by chance, the same data stood there before). ' +
    '--volumes-at-watermark says that the copies were taken just at the watermark, and skips that.';
  static override examples = [
    '<%= config.bin %> journal replay ./secondary --volumes db1=./copy.img --dry-run',
    '<%= config.bin %> journal replay ./secondary/journals --volumes db1=./copy.img --through 457',
    '<%= config.bin %> journal replay ./secondary -c secondary.yaml --volumes db1=/dev/vg0/db1-copy log=/dev/vg0/log-copy',
  ];
  static override args = { dir: ringArgument };
  static override flags = {
    volumes: Flags.string({
      summary: 'Copy of a volume, by name or VLUN; one for each volume of the group.',
      helpValue: 'NAME=PATH',
      multiple: true,
      required: true,
    }),
    through: Flags.integer({
      summary: 'Last data set to store. Default: the last one that is complete with all before it.',
      helpValue: 'N',
      min: 0,
    }),
    'dry-run': Flags.boolean({ summary: 'Check everything, print the plan, and change nothing.' }),
    verify: Flags.boolean({ summary: 'Read the copies back when all is stored and flushed, and compare.' }),
    'volumes-at-watermark': Flags.boolean({
      summary: 'The copies are pure images of the watermark: do not compare them with later data sets.',
    }),
    config: optionalConfigFlag,
    state: stateFlag,
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalReplay);
    const { carryOutReplay, checkPurity, prepareReplay } = await import('../../src/inspection/replay/replay.ts');
    const { replayEndText, replayJson, replayPlanText } = await import('../../src/inspection/replay/replay-text.ts');
    const { loadConfig } = await import('../../src/cli/config/load-config.ts');
    const { volumesOf } = await import('../../src/cli/config/host-config.ts');
    const sources = flags.config === undefined ? [] : volumesOf(await loadConfig(flags.config, { standalone: true }));
    const disk = new NodeDisk();
    const dryRun = flags['dry-run'];
    const prepared = await prepareReplay({
      disk,
      path: args.dir,
      stateDirectory: flags.state,
      volumes: flags.volumes,
      through: flags.through,
      volumesAtWatermark: flags['volumes-at-watermark'],
      sourcePaths: sources.map(({ path }) => path),
    });
    for (const line of replayPlanText(prepared)) this.log(line);
    if (dryRun) await checkPurity(disk, prepared);
    else if (prepared.sets.length > 0) await carryOutReplay(disk, prepared, { readBack: flags.verify });
    for (const line of replayEndText(prepared, { dryRun, readBack: flags.verify })) this.log(line);
    return replayJson(prepared, dryRun);
  }
}
