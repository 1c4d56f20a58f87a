import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { optionalConfigFlag } from '../../src/cli/flags.ts';
import { journalsFlag, regionArgument } from '../../src/cli/region-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';

export default class NvramLs extends BaseCommand {
  static override summary = "Show what a peer's NVRAM region holds, and what of it no journal has.";
  static override description =
    'The region, then one row for each data set of which it holds records: generation, stream, how many numbers and bytes, whether its sync command is among them. With the journals (--journals, or takeover.journals of ' +
    'the config) also how many of them only the region has: those that a restarted secondary would fetch, and that a takeover adds. Reads the files alone, locks and changes nothing: it works beside a running peer ' +
    '(whose region moves meanwhile) and after it died.';
  static override examples = [
    '<%= config.bin %> nvram ls -c peer.yaml',
    '<%= config.bin %> nvram ls /dev/shm/farshore.nvram --journals /mnt/shared/journals',
    '<%= config.bin %> nvram ls -c peer.yaml --all --json',
  ];
  static override args = { path: regionArgument };
  static override flags = {
    config: optionalConfigFlag,
    journals: journalsFlag,
    all: Flags.boolean({ summary: 'Numbers, times and cut reason of every data set.' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(NvramLs);
    const { regionTargetOf } = await import('../../src/cli/region-target.ts');
    const { inspectRegion } = await import('../../src/inspection/nvram/inspect-region.ts');
    const { regionJson, regionText } = await import('../../src/inspection/nvram/region-text.ts');
    const disk = new NodeDisk();
    const target = await regionTargetOf(disk, { path: args.path, config: flags.config, journals: flags.journals });
    const report = await inspectRegion({ disk, ...target });
    for (const line of regionText(report, { all: flags.all })) this.log(line);
    return regionJson(report);
  }
}
