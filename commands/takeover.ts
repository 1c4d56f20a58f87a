import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configFlag } from '../src/cli/flags.ts';
import type { TakeoverReport } from '../src/takeover/take-over.ts';

export default class Takeover extends BaseCommand {
  static override summary = 'Let this peer take the place of its secondary, which is gone for good.';
  static override description =
    'Shuts the secondary out of the shared storage first: by the command in takeover.fence, or by your word (--fenced). Then this host opens journals and volumes by its own paths, adds the records that ' +
    'only it holds, becomes the secondary and dials the primary, which from then on listens to nobody with a lower host epoch. Works on a running peer, which goes on as the secondary, and on a stopped ' +
    'one. While the secondary is connected it refuses (exit code 5). A takeover that was interrupted is finished by the next start. See docs/takeover.md.';
  static override examples = [
    '<%= config.bin %> takeover -c peer.yaml --dry-run',
    '<%= config.bin %> takeover -c peer.yaml',
    '<%= config.bin %> takeover -c peer.yaml --fenced --json',
  ];
  static override flags = {
    config: configFlag,
    fenced: Flags.boolean({ summary: 'I have shut the secondary out of the shared storage myself; no fence command is run.' }),
    force: Flags.boolean({ summary: 'Take over although the region is gone, and with it perhaps acknowledged records.' }),
    'dry-run': Flags.boolean({ summary: 'Say what would be done, and what the region adds to the journals; change nothing.' }),
  };

  async run(): Promise<TakeoverReport> {
    const { flags } = await this.parse(Takeover);
    const { takeOverHost } = await import('../src/cli/takeover-host.ts');
    const asked = { fenced: flags.fenced, force: flags.force, dryRun: flags['dry-run'] };
    const { report, running } = await takeOverHost(flags.config, asked);
    for (const line of report.lines) this.log(line);
    if (report.dryRun) this.log('nothing was changed (--dry-run)');
    else if (running) this.log('this host goes on as the secondary');
    else this.log(`start it with: ${this.config.bin} start -c ${flags.config}`);
    return report;
  }
}
